package receive_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// payload is one hostile request body before compression.
type payload struct {
	name    string
	json    bool
	make    func() []byte
	verdict string
	message string // part of what the sender is told
}

// limit is the server's limit of a request; room is a size safely below it.
const (
	limit = 16 << 20
	room  = 15 << 20
)

// msg writes a length-delimited field of protobuf.
func msg(num int, body ...[]byte) []byte {
	n := 0
	for _, b := range body {
		n += len(b)
	}
	out := make([]byte, 0, n+12)
	out = binary.AppendUvarint(out, uint64(num<<3|2))
	out = binary.AppendUvarint(out, uint64(n))
	for _, b := range body {
		out = append(out, b...)
	}
	return out
}

func varint(num int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(num<<3)), v)
}

func fixed64(num int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(nil, uint64(num<<3|1)), v)
}

func ids(i int) []byte {
	id := make([]byte, 16)
	binary.BigEndian.PutUint64(id, uint64(i)+1)
	return append(msg(1, id), msg(2, id[:8])...)
}

// inSpans wraps spans as a request; inSpan wraps the fields of one sound span.
func inSpans(spans ...[]byte) []byte { return msg(1, msg(2, spans...)) }
func inSpan(fields ...[]byte) []byte {
	return inSpans(msg(2, append([][]byte{ids(0), fixed64(7, 1)}, fields...)...))
}

func attr(key string, value []byte) []byte { return msg(9, msg(1, []byte(key)), msg(2, value)) }

func repeat(n int, one []byte) []byte { return bytes.Repeat(one, n) }

func each(n int, one func(i int) []byte) []byte {
	var out []byte
	for i := range n {
		out = append(out, one(i)...)
	}
	return out
}

// nest wraps a value in levels arrays or key-value lists. It is written from the inside
// to the outside, backwards, so that a million levels take no longer than their bytes.
func nest(levels int, field int) []byte {
	var back []byte // the bytes in reverse
	n := 0
	head := func(num int) {
		b := binary.AppendUvarint(nil, uint64(num<<3|2))
		b = binary.AppendUvarint(b, uint64(n))
		for i := len(b) - 1; i >= 0; i-- {
			back = append(back, b[i])
		}
		n = len(back)
	}
	for range levels {
		if field == 6 {
			head(2) // KeyValue.value
		}
		head(1) // values
		head(field)
	}
	out := make([]byte, len(back))
	for i, b := range back {
		out[len(back)-1-i] = b
	}
	return out
}

func protobufCorpus() []payload {
	x := func(n int) []byte { return repeat(n, []byte("x")) }
	ok := func(name string, make func() []byte) payload { return payload{name: name, make: make, verdict: "ok"} }
	bad := func(name, message string, make func() []byte) payload {
		return payload{name: name, make: make, verdict: "invalid", message: message}
	}
	return []payload{
		ok("nothing", func() []byte { return nil }),
		// Decompression bombs and sizes on both sides of the limit.
		{name: "64 MiB of zeros", verdict: "too_large", message: "over", make: func() []byte { return make([]byte, 64<<20) }},
		{name: "one byte over the limit", verdict: "too_large", message: "over", make: func() []byte { return make([]byte, limit+1) }},
		bad("zeros to the limit", "field number 0", func() []byte { return make([]byte, limit) }),
		ok("an unknown field to the limit", func() []byte { b := msg(99, x(limit-6)); return b[:min(len(b), limit)] }),
		ok("compresses to nothing", func() []byte { return inSpan(attr("k", msg(1, x(room)))) }),
		// Millions of empty messages.
		ok("a million empty ResourceSpans", func() []byte { return repeat(1_000_000, []byte{0x0a, 0}) }),
		ok("ResourceSpans to the limit", func() []byte { return repeat(room/2, []byte{0x0a, 0}) }),
		ok("ScopeSpans to the limit", func() []byte { return msg(1, repeat(room/2, []byte{0x12, 0})) }),
		ok("resources without spans", func() []byte { return repeat(room/8, msg(1, msg(1, msg(1, []byte{0x0a, 0})))) }),
		bad("spans to the limit", "more than 131072 spans", func() []byte { return inSpans(repeat(room/2, []byte{0x12, 0})) }),
		{name: "131072 empty spans", verdict: "partial", message: "spans[0]: trace_id has 0 bytes", make: func() []byte { return inSpans(repeat(1<<17, []byte{0x12, 0})) }},
		ok("131072 small spans, each with its own resource", func() []byte {
			return each(1<<17, func(i int) []byte { return msg(1, msg(2, msg(2, ids(i)))) })
		}),
		ok("131072 spans with a text of their own", func() []byte {
			return inSpans(each(1<<17, func(i int) []byte { return msg(2, ids(i), attr("k", msg(1, fmt.Appendf(nil, "value %d of many", i)))) }))
		}),
		// Nesting.
		ok("32 arrays", func() []byte { return inSpan(attr("k", nest(32, 5))) }),
		ok("a thousand arrays", func() []byte { return inSpan(attr("k", nest(1000, 5))) }),
		ok("a million arrays", func() []byte { return inSpan(attr("k", nest(1_000_000, 5))) }),
		ok("a million key-value lists", func() []byte { return inSpan(attr("k", nest(1_000_000, 6))) }),
		ok("32 levels a thousand times", func() []byte {
			return inSpans(each(1000, func(i int) []byte { return msg(2, ids(i), attr("k", nest(32, 6))) }))
		}),
		ok("an array of millions", func() []byte { return inSpan(attr("k", msg(5, repeat(room/2, []byte{0x0a, 0})))) }),
		ok("a key-value list of millions", func() []byte { return inSpan(attr("k", msg(6, repeat(room/2, []byte{0x0a, 0})))) }),
		ok("key-value lists in every span", func() []byte {
			list := attr("k", msg(6, repeat(2000, []byte{0x0a, 0})))
			return inSpans(each(room/4100, func(i int) []byte { return msg(2, ids(i), list) }))
		}),
		ok("nested text that grows when it is escaped", func() []byte {
			one := attr("k", msg(5, msg(1, msg(1, repeat(16000, []byte{1})))))
			return inSpans(each(room/16100, func(i int) []byte { return msg(2, ids(i), one) }))
		}),
		// Counts and lengths of attributes, events and links.
		ok("a hundred thousand keys in a span", func() []byte {
			return inSpan(each(100_000, func(i int) []byte { return attr(fmt.Sprint("key", i), varint(3, 1)) }))
		}),
		ok("a million keys in many spans", func() []byte {
			return inSpans(each(8000, func(i int) []byte {
				return msg(2, ids(i), each(100, func(j int) []byte { return attr(fmt.Sprint(i*100+j), varint(3, 1)) }))
			}))
		}),
		ok("a key a million times", func() []byte { return inSpan(repeat(1_000_000, attr("k", varint(3, 1)))) }),
		ok("a key to the limit", func() []byte { return inSpan(attr(string(x(room)), varint(3, 1))) }),
		ok("bytes to the limit", func() []byte { return inSpan(attr("k", msg(7, x(room)))) }),
		ok("a name to the limit", func() []byte { return inSpan(msg(5, x(room))) }),
		ok("a trace state to the limit", func() []byte { return inSpan(msg(3, x(room))) }),
		ok("events to the limit", func() []byte { return inSpan(repeat(room/2, []byte{0x5a, 0})) }),
		ok("links to the limit", func() []byte { return inSpan(repeat(room/2, []byte{0x6a, 0})) }),
		ok("events in every span", func() []byte {
			return inSpans(each(7000, func(i int) []byte { return msg(2, ids(i), repeat(1000, []byte{0x5a, 0})) }))
		}),
		// Text.
		ok("invalid UTF-8 to the limit", func() []byte { return inSpan(msg(5, repeat(room, []byte{0xff}))) }),
		ok("invalid UTF-8 in every span", func() []byte {
			bent := repeat(4000, []byte{0xff, 'a'})
			return inSpans(each(room/8100, func(i int) []byte { return msg(2, ids(i), attr("k", msg(1, bent))) }))
		}),
		ok("markup in names, keys and values", func() []byte {
			s := []byte("</script><img src=x onerror=alert(1)>")
			return inSpan(msg(5, s), attr(string(s), msg(1, s)), msg(15, msg(2, s)))
		}),
		// Ids and times.
		{name: "ids of zero", verdict: "partial", message: "trace_id is all zeros", make: func() []byte {
			return inSpans(msg(2, msg(1, make([]byte, 16)), msg(2, make([]byte, 8))))
		}},
		{name: "ids to the limit", verdict: "partial", message: "trace_id has", make: func() []byte { return inSpans(msg(2, msg(1, x(room)), msg(2, x(8)))) }},
		ok("times at both ends", func() []byte { return inSpan(fixed64(7, 1<<64-1), fixed64(8, 0), msg(11, fixed64(1, 1<<64-1))) }),
		// Lengths that lie, wires that are wrong.
		bad("a length of 2 GiB", "2147483647 bytes", func() []byte { return binary.AppendUvarint([]byte{0x0a}, 1<<31-1) }),
		bad("a length of 2^63", "are left", func() []byte { return binary.AppendUvarint([]byte{0x0a}, 1<<63) }),
		bad("a varint of eleven bytes", "not a varint", func() []byte { return append([]byte{0x0a}, repeat(11, []byte{0x80})...) }),
		bad("varints without an end", "not a varint", func() []byte { return repeat(room, []byte{0x80}) }),
		bad("groups", "a group", func() []byte { return repeat(1_000_000, []byte{0x0b}) }),
		bad("a request cut short", "are left", func() []byte { b := inSpan(attr("k", msg(1, x(100)))); return b[:len(b)-1] }),
		bad("an attribute of the wrong type", "attributes[0].value", func() []byte { return inSpan(attr("k", fixed64(1, 0))) }),
		bad("a million resources in one", "is there twice", func() []byte { return msg(1, repeat(1_000_000, []byte{0x0a, 0})) }),
		bad("noise", "decode traces", func() []byte {
			g := rand.New(rand.NewPCG(1, 2))
			out := make([]byte, 1<<20)
			for i := range out {
				out[i] = byte(g.Uint32())
			}
			return out
		}),
	}
}

func jsonCorpus() []payload {
	at := func(span string) string {
		return `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101","spanId":"0101010101010101",` + span + `}]}]}]}`
	}
	value := func(v string) string { return at(`"attributes":[{"key":"k","value":` + v + `}]`) }
	p := func(name, verdict, message string, make func() string) payload {
		return payload{name: name, json: true, verdict: verdict, message: message, make: func() []byte { return []byte(make()) }}
	}
	re := strings.Repeat
	return []payload{
		p("no JSON at all", "invalid", "an object is wanted", func() string { return "" }),
		p("spaces to the limit", "invalid", "an object is wanted", func() string { return re(" ", room) }),
		p("one byte over the limit in JSON", "too_large", "over", func() string { return re(" ", limit+1) }),
		p("a million levels of value", "ok", "", func() string {
			return value(re(`{"arrayValue":{"values":[`, 500_000) + re(`]}}`, 500_000))
		}),
		p("a million brackets in an unknown field", "ok", "", func() string { return `{"x":` + re("[", 7_000_000) + re("]", 7_000_000) + `}` }),
		p("brackets without an end", "invalid", "wanted", func() string { return `{"x":` + re(`{"a":[`, 2_000_000) }),
		p("a million empty resourceSpans in JSON", "ok", "", func() string { return `{"resourceSpans":[{}` + re(`,{}`, 5_000_000) + `]}` }),
		p("nulls to the limit", "ok", "", func() string { return value(`{"arrayValue":{"values":[null` + re(`,null`, 3_000_000) + `]}}`) }),
		p("a number of a million digits", "invalid", "not an integer", func() string { return at(`"startTimeUnixNano":` + re("9", 1_000_000)) }),
		p("an exponent of a million digits", "invalid", "not a number", func() string { return value(`{"doubleValue":1e` + re("9", 1_000_000) + `}`) }),
		p("a string without an end", "invalid", "no end", func() string { return `{"x":"` + re("a", room) }),
		p("escapes to the limit", "ok", "", func() string { return at(`"name":"` + re(`\u0001`, room/6) + `"`) }),
		p("half surrogates to the limit", "ok", "", func() string { return at(`"name":"` + re(`\ud800`, room/6) + `"`) }),
		p("a field name to the limit", "ok", "", func() string { return `{"` + re("k", room) + `":1}` }),
		p("a field a million times", "ok", "", func() string { return at(`"name":"a"` + re(`,"name":"a"`, 1_000_000)) }),
		p("an id that is no id", "invalid", "not hexadecimal", func() string { return at(`"parentSpanId":"` + re("z", room) + `"`) }),
		p("base64 to the limit", "ok", "", func() string { return value(`{"bytesValue":"` + re("AAAA", room/4) + `"}`) }),
		p("a zero byte after the end", "invalid", "after the end", func() string { return "{}\x00" }),
		p("a byte order mark", "invalid", "an object is wanted", func() string { return "\ufeff{}" }),
		p("a comment", "invalid", "wanted", func() string { return "{/* x */}" }),
		p("protobuf as JSON", "invalid", "an object is wanted", func() string { return string(inSpan()) }),
	}
}
