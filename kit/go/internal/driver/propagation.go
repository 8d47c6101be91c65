package main

import (
	"encoding/hex"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/propagate"
)

func traceparent(f *fields) any {
	p, ok := propagate.ParseTraceparent(f.text("header"))
	if !ok {
		return object{"valid": false}
	}
	return object{
		"trace": hex.EncodeToString(p.TraceID[:]), "span": hex.EncodeToString(p.SpanID[:]), "flags": int(p.Flags),
		"written": string(propagate.AppendTraceparent(nil, p.TraceID, p.SpanID, p.Flags)),
	}
}

func tracestate(f *fields) any {
	state := propagate.ParseTracestate(f.texts("lines")...)
	ot, ok := propagate.OT(state)
	if !ok {
		return object{"state": state, "ot": nil}
	}
	return object{"state": state, "ot": ot}
}

func replaceOT(f *fields) any {
	return object{"state": propagate.ReplaceOT(propagate.ParseTracestate(f.texts("lines")...), f.text("value"))}
}

// allow is the filter of the keys that may leave, all when the case names none.
func allow(f *fields) func(string) bool {
	d := policy.Document{}
	if f.has("keys") {
		d.BaggageKeys = policy.Some(f.texts("keys"))
	}
	return policy.Compile(&d, nil, nil).BaggageKey
}

// baggage reads the header and writes it again.
func baggage(f *fields) any {
	members, dropped := propagate.ParseBaggage(f.texts("lines")...)
	read := []any{}
	for _, m := range members {
		read = append(read, object{"key": m.Key, "value": m.Value, "properties": m.Properties})
	}
	written, left := propagate.AppendBaggage(nil, members, allow(f))
	return object{"members": read, "dropped": dropped, "written": string(written), "left": left}
}

func baggageWrite(f *fields) any {
	var members []propagate.Member
	f.each("members", func(f *fields) {
		members = append(members, propagate.Member{Key: f.text("key"), Value: f.text("value"), Properties: f.text("properties")})
	})
	written, left := propagate.AppendBaggage(nil, members, allow(f))
	return object{"written": string(written), "left": left}
}

func b3(f *fields) any { return b3Answer(propagate.ParseB3(f.text("header"))) }

func b3Multi(f *fields) any {
	return b3Answer(propagate.ParseB3Multi(f.text("trace"), f.text("span"), f.text("sampled"), f.text("flags")))
}

func b3Answer(p propagate.B3, ok bool) any {
	if !ok {
		return object{"valid": false}
	}
	return object{
		"trace": hex.EncodeToString(p.TraceID[:]), "span": hex.EncodeToString(p.SpanID[:]),
		"sampled": p.Sampled, "deferred": p.Deferred,
	}
}

func targets(f *fields) any {
	t := propagate.NewTargets(f.texts("patterns"))
	out := []any{}
	for _, target := range f.texts("targets") {
		out = append(out, t.Match(target))
	}
	return object{"match": out}
}
