package propagate

import "strings"

// B3 is the context of a B3 header.
type B3 struct {
	TraceID  [16]byte
	SpanID   [8]byte
	Sampled  bool
	Deferred bool // the sender left the decision to us
}

// ParseB3 reads the header b3: TRACE-SPAN, then the state 1, 0 or d (debug, which
// is sampled) and the parent's id when they are given. A trace id of 16 digits gets
// zeros in front. A header without ids says nothing here.
func ParseB3(s string) (B3, bool) {
	trace, rest, found := strings.Cut(s, "-")
	if !found {
		return B3{}, false
	}
	span, rest, found := strings.Cut(rest, "-")
	if !found {
		return b3(trace, span, "", false)
	}
	state, parent, found := strings.Cut(rest, "-")
	if state == "" {
		return B3{}, false
	}
	if found {
		var id [8]byte
		if len(parent) != 16 || !decodeHex(id[:], parent) {
			return B3{}, false
		}
	}
	if state == "d" {
		return b3(trace, span, "1", false)
	}
	return b3(trace, span, state, false)
}

// ParseB3Multi reads the headers X-B3-TraceId, X-B3-SpanId, X-B3-Sampled and
// X-B3-Flags; "" stands for one that is not there. Flags 1 is debug and wins.
func ParseB3Multi(trace, span, sampled, flags string) (B3, bool) {
	return b3(trace, span, sampled, flags == "1")
}

func b3(trace, span, sampled string, debug bool) (B3, bool) {
	var p B3
	switch {
	case debug:
		p.Sampled = true
	case sampled == "1" || sampled == "true":
		p.Sampled = true
	case sampled == "0" || sampled == "false":
	case sampled == "":
		p.Deferred = true
	default:
		return B3{}, false
	}
	var ok bool
	switch len(trace) {
	case 32:
		ok = decodeHex(p.TraceID[:], trace)
	case 16:
		ok = decodeHex(p.TraceID[8:], trace)
	}
	if !ok || len(span) != 16 || !decodeHex(p.SpanID[:], span) || p.TraceID == [16]byte{} || p.SpanID == [8]byte{} {
		return B3{}, false
	}
	return p, true
}
