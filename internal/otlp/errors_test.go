package otlp_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// msg writes a length-delimited field.
func msg(num int, body ...[]byte) []byte {
	inner := bytes.Join(body, nil)
	out := binary.AppendUvarint(nil, uint64(num<<3|2))
	out = binary.AppendUvarint(out, uint64(len(inner)))
	return append(out, inner...)
}

// inSpan puts fields into the second span of a request.
func inSpan(fields ...[]byte) []byte { return msg(1, msg(2, msg(2), msg(2, fields...))) }

func TestErrorsNameTheField(t *testing.T) {
	const span = "resource_spans[0].scope_spans[0].spans[1]"
	for _, test := range []struct {
		name string
		body []byte
		want string
	}{
		{"truncated tag", []byte{0x80}, "the tag of a field is not a varint"},
		{"field number 0", []byte{0x00, 0x00}, "field number 0"},
		{"length over the end", []byte{0x0a, 0x05, 0x01}, "field 1 says 5 bytes and 1 are left"},
		{"length of 2^63", []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "are left"},
		{"length without an end", []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "not a varint of at most ten bytes"},
		{"group", []byte{0x0b, 0x0c}, "a group"},
		{"unknown group", []byte{0x7b, 0x7c}, "a group"},
		{"wire type 7", []byte{0x0f}, "wire type 7"},
		{"resource_spans as a number", []byte{0x08, 0x01}, "field 1 has wire type 0, not 2"},
		{"resource as a number", msg(1, []byte{0x08, 0x01}), "resource_spans[0]: field 1 has wire type 0, not 2"},
		{"two resources", msg(1, msg(1), msg(1)), "resource_spans[0].resource: the field is there twice"},
		{"two scopes", msg(1, msg(2, msg(1), msg(1))), "resource_spans[0].scope_spans[0].scope: the field is there twice"},
		{"a resource without spans", msg(1, msg(1, msg(1, []byte{0x10}))), "resource_spans[0].resource.attributes[0]: field 2 is not a varint"},
		{"a scope without spans", msg(1, msg(2, msg(1, []byte{0x08, 0x01}))), "resource_spans[0].scope_spans[0].scope: field 1 has wire type 0"},
		{"span id as a number", inSpan([]byte{0x10, 0x01}), span + ": field 2 has wire type 0, not 2"},
		{"start as a varint", inSpan([]byte{0x38, 0x01}), span + ": field 7 has wire type 0, not 1"},
		{"two states", inSpan(msg(15), msg(15)), span + ".status: the field is there twice"},
		{"status code as text", inSpan(msg(15, msg(3))), span + ".status: field 3 has wire type 2"},
		{"attribute cut", inSpan(msg(9), msg(9, []byte{0x0a, 0x05})), span + ".attributes[1]: field 1 says 5 bytes"},
		{"two values", inSpan(msg(9, msg(2), msg(2))), span + ".attributes[0].value: the field is there twice"},
		{"value of a wrong type", inSpan(msg(9, msg(2, []byte{0x0d, 0, 0, 0, 0}))), span + ".attributes[0].value: field 1 has wire type 5, not 2"},
		{"two arrays", inSpan(msg(9, msg(2, msg(5), msg(5)))), span + ".attributes[0].value.array_value: the field is there twice"},
		{"element of an array", inSpan(msg(9, msg(2, msg(5, msg(1), msg(1, msg(6, msg(1, msg(2, []byte{0x10})))))))),
			span + ".attributes[0].value.array_value.values[1].kvlist_value.values[0]: field 2 is not a varint"},
		{"array with a number", inSpan(msg(9, msg(2, msg(5, []byte{0x08, 0x01})))), span + ".attributes[0].value.array_value: field 1 has wire type 0"},
		{"event", inSpan(msg(11), msg(11, msg(3, []byte{0x0a, 0x01}))), span + ".events[1].attributes[0]: field 1 says 1 bytes"},
		{"link", inSpan(msg(13, []byte{0x30, 0x01})), span + ".links[0]: field 6 has wire type 0, not 5"},
		{"dropped attributes are read as well", inSpan(append(bytes.Repeat(msg(9, msg(1, []byte("k"))), 1), msg(9, msg(1, bytes.Repeat([]byte("k"), 600)), msg(2, []byte{0x0a}))...)),
			span + ".attributes[1].value: the message ends within a field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := telemetry.NewBuilder()
			b.Reset("t")
			_, err := new(otlp.Decoder).DecodeTraces(b, test.body, now, otlp.Limits{})
			if err == nil || telemetry.KindOf(err) != telemetry.KindInvalid {
				t.Fatalf("error %v, want one of kind invalid", err)
			}
			if got := strings.TrimPrefix(err.Error(), "decode traces: "); !strings.Contains(got, test.want) || strings.HasPrefix(test.want, "resource_spans") && !strings.HasPrefix(got, test.want) {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	id := append(msg(1, bytes.Repeat([]byte{1}, 16)), msg(2, bytes.Repeat([]byte{1}, 8))...)
	unknown := append(msg(257, []byte("x")), msg(260, []byte("x"))...)
	body := msg(1, unknown, msg(2, unknown, msg(2, id, unknown, msg(9, msg(1, []byte("k")), unknown, msg(2, []byte{0x18, 0x05}, unknown)))), msg(1, unknown))
	batch, report := decode(t, body)
	if report.Spans != 1 || ofBatch(batch)[0].Attrs.Values["k"] != "5:scalar" {
		t.Errorf("report %+v, span %+v", report, ofBatch(batch))
	}
}

func TestJSONErrorsNameTheField(t *testing.T) {
	in := func(span string) string { return `{"resourceSpans":[{"scopeSpans":[{"spans":[{},{` + span + `}]}]}]}` }
	const place = "resource_spans[0].scope_spans[0].spans[1]"
	for _, test := range []struct{ text, want string }{
		{``, "an object is wanted, not the end of the text"},
		{`[]`, `an object is wanted, not "[]"`},
		{`{} x`, "there is more after the end"},
		{"{}\x00", "there is more after the end"},
		{`{"resourceSpans":{}}`, "an array is wanted"},
		{`{"resourceSpans":[{},]}`, "a value is wanted after the comma"},
		{`{"resourceSpans":[{}`, "resource_spans[0]: a comma or ']' is wanted"},
		{`{"resourceSpans":[{"resource":{"attributes":7}}]}`, "resource_spans[0].resource: an array is wanted"},
		{`{"x":nul}`, "is not JSON"},
		{`{"x":[1,{"y":}]}`, "a number is wanted"},
		{`{"x":"a`, "a string has no end"},
		{`{"x":"\q"}`, "is not an escape of JSON"},
		{`{"x":"\u12"}`, "is not an escape of JSON"},
		{"{\"x\":\"a\nb\"}", "control character 0xa"},
		{`{"x" 1}`, "a colon is wanted"},
		{in(`"traceId":"xyz"`), place + `: id "xyz" is not hexadecimal`},
		{in(`"traceId":"abc"`), place + `: id "abc" is not hexadecimal`},
		{in(`"startTimeUnixNano":"-1"`), place + `: "-1" is not an integer from 0 to 2^64−1`},
		{in(`"startTimeUnixNano":"18446744073709551616"`), "is not an integer"},
		{in(`"startTimeUnixNano":1.5`), "is not an integer"},
		{in(`"flags":4294967296`), place + ": flags 4294967296 are over 32 bits"},
		{in(`"status":[]`), place + ".status: an object is wanted"},
		{in(`"attributes":[{"key":"a","value":{"intValue":"9223372036854775808"}}]`), place + `.attributes[0].value: "9223372036854775808" is not an integer of 64 bits`},
		{in(`"attributes":[{"key":"a","value":{"intValue":true}}]`), place + ".attributes[0].value: a number is wanted"},
		{in(`"attributes":[{"key":"a","value":{"boolValue":1}}]`), "true or false is wanted"},
		{in(`"attributes":[{"key":"a","value":{"doubleValue":"1x"}}]`), `"1x" is not a number`},
		{in(`"attributes":[{"key":"a","value":{"bytesValue":"*"}}]`), `"*" is not base64`},
		{in(`"attributes":[{"key":"a","value":{"arrayValue":{"values":[{},{"kvlistValue":{"values":[{"value":5}]}}]}}}]`),
			place + ".attributes[0].value.array_value.values[1].kvlist_value.values[0].value: an object is wanted"},
		{`{"resourceSpans":[{"resource":{},"resource":{}}]}`, "resource_spans[0].resource: the field is there twice"},
	} {
		b := telemetry.NewBuilder()
		b.Reset("t")
		_, err := new(otlp.Decoder).DecodeTracesJSON(b, []byte(test.text), now, otlp.Limits{})
		if err == nil || telemetry.KindOf(err) != telemetry.KindInvalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\nerror %v, want %q", test.text, err, test.want)
		}
	}
}

func TestJSONIsLiberal(t *testing.T) {
	text := ` { "resourceSpans" : [ null, { "resource":null, "scopeSpans":[{ "scope":null, "spans":[
		{"trace_id":"0102030405060708090A0b0c0d0e0f10","spanId":"0102030405060708","parentSpanId":"","kind":"SPAN_KIND_CLIENT",
		 "startTimeUnixNano":1.7e18,"endTimeUnixNano":"1700000000000000001","flags":"257","droppedEventsCount":null,
		 "status":{"code":"STATUS_CODE_ERROR"},"unknown":[{"a":[]},"\"]}",-1.5e+3,true,false,null,{}],
		 "attributes":[{"key":"i","value":{"intValue":-5}},{"key":"e","value":{"intValue":1e3}},{"key":"d","value":{"doubleValue":"-Infinity"}},
		  {"key":"b","value":{"bytesValue":"_-8"}},{"key":"n","value":null},{"key":"o","value":{"stringValue":"x","intValue":"7"}}]}
	]}]}]}` + "\n"
	batch, report := decodeJSON(t, []byte(text))
	if report.Spans != 1 {
		t.Fatalf("report %+v", report)
	}
	m := ofBatch(batch)[0]
	for key, want := range map[string]string{"i": "-5:scalar", "e": "1000:scalar", "d": `{"@double":"-Inf"}:scalar`, "b": "x:\xff\xef", "n": "v:null", "o": "7:scalar"} {
		if m.Attrs.Values[key] != want {
			t.Errorf("%s is %q, want %q", key, m.Attrs.Values[key], want)
		}
	}
	if m.Kind != 3 || m.Status != 2 || m.Flags != 257 || m.Start != 1_700_000_000_000_000_000 || m.End != m.Start+1 || m.Parent != "" {
		t.Errorf("span %+v", m)
	}
}

func TestParseValue(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-9223372036854775808`, `1.0`, `-0.0`, `1e+300`, `5e-324`, `"x\n\u0001☃\""`, `[]`, `{}`,
		`{"@double":"NaN"}`, `{"@double":"+Inf"}`, `{"@double":"-Inf"}`, `{"@bytes":"AP8="}`, `{"@@bytes":"x","@@@":1,"a":[{"a":1,"a":2}],"":null}`,
		strings.Repeat("[", otlp.MaxDepth) + strings.Repeat("]", otlp.MaxDepth),
	} {
		v, err := otlp.ParseValue([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(v.Append(nil)); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	for text, want := range map[string]string{
		``: "a number is wanted", `[1,]`: "after the comma", `1 2`: "more after the end", `{"@odd":1}`: "not a type", `{"a":1,"@bytes":"x"}`: "beside other keys",
		`{"@double":"1"}`: "not a double", `{"@bytes":"*"}`: "not base64", `{"@bytes":"","a":1}`: "end of the object",
		strings.Repeat("[", otlp.MaxDepth+1): "more than 32 levels",
	} {
		if _, err := otlp.ParseValue([]byte(text)); err == nil || telemetry.KindOf(err) != telemetry.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// TestEncodeTextThatIsNotCanonical asserts that a damaged value is still shown, as text.
func TestEncodeTextThatIsNotCanonical(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	row := b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{1}, Start: now}, nil)
	b.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeValue).AddText(row, []byte("[1,"))
	batch, _ := decode(t, otlp.AppendTraces(nil, &b.Batch))
	if got := ofBatch(batch)[0].Attrs.Values["k"]; got != "s:[1," {
		t.Errorf("stored %q", got)
	}
}

// TestSpanIDOnTheWire pins the form that compatible clients search for.
func TestSpanIDOnTheWire(t *testing.T) {
	body, err := proto.Marshal(wrap(sound()))
	if err != nil {
		t.Fatal(err)
	}
	batch, _ := decode(t, body)
	id := batch.Spans.SpanID[0]
	if !bytes.Contains(otlp.AppendTraces(nil, batch), append([]byte{0x12, 0x08}, id[:]...)) {
		t.Error("the span id is not field 2 with its eight bytes")
	}
}
