// Package propagate reads and writes what context looks like between services: the
// headers traceparent, tracestate and baggage of W3C, and B3, which is read only.
// It holds text and bytes, no context and no span.
//
// All of what it reads comes from strangers. Every function is bounded by the
// limits that stand with it, none fails in another way than by saying that there is
// nothing, and none allocates where the text is already as it should be. The Rust
// kit has the same code; kit/contract/propagation.json is run by both.
package propagate

// Traceparent is the content of the header of that name.
type Traceparent struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte // as read; of a higher version than 00 only the bits known here
}

// knownFlags are sampled and random; other flags are never passed on.
const knownFlags = 0x03

// traceparentLength is the length of version 00.
const traceparentLength = 55

// ParseTraceparent reads the header as level 2 says. Version ff, upper-case digits,
// ids of zero and a version 00 of another length are refused; a higher version may
// go on after a minus.
func ParseTraceparent(s string) (Traceparent, bool) {
	var p Traceparent
	if len(s) < traceparentLength || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return p, false
	}
	var version, flags [1]byte
	if !decodeHex(version[:], s[:2]) || version[0] == 0xff ||
		!decodeHex(p.TraceID[:], s[3:35]) || p.TraceID == [16]byte{} ||
		!decodeHex(p.SpanID[:], s[36:52]) || p.SpanID == [8]byte{} ||
		!decodeHex(flags[:], s[53:55]) {
		return Traceparent{}, false
	}
	if len(s) > traceparentLength && (version[0] == 0 || s[traceparentLength] != '-') {
		return Traceparent{}, false
	}
	p.Flags = flags[0] & knownFlags
	return p, true
}

// AppendTraceparent adds the header in version 00.
func AppendTraceparent(b []byte, trace [16]byte, span [8]byte, flags byte) []byte {
	b = append(b, "00-"...)
	b = appendHex(b, trace[:])
	b = append(b, '-')
	b = appendHex(b, span[:])
	return append(b, '-', '0', hexDigits[flags&knownFlags])
}

const hexDigits = "0123456789abcdef"

func appendHex(b, bytes []byte) []byte {
	for _, c := range bytes {
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// nibbles maps a lower-case hex digit to its value and everything else to 0xff.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range len(hexDigits) {
		t[hexDigits[i]] = byte(i)
	}
	return t
}()

// decodeHex fills to with the bytes of s, which has twice its length.
func decodeHex(to []byte, s string) bool {
	var bad byte
	for i := range to {
		hi, lo := nibbles[s[2*i]], nibbles[s[2*i+1]]
		bad |= hi | lo
		to[i] = hi<<4 | lo
	}
	return bad < 16
}
