package clew_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// spanCase is a case of kit/contract/span.json.
type spanCase struct {
	Name   string
	Redact json.RawMessage
	Span   any
	Many   int
	Set    [][2]any
	More   [][2]any
	spanWant
	Event *spanWant
	Link  *spanWant
}

type spanWant struct {
	Count      *int
	Attributes [][2]any
	Dropped    uint64
}

// TestSpanVectors makes the spans of kit/contract/span.json; the Rust suite makes the same ones.
func TestSpanVectors(t *testing.T) {
	text, err := os.ReadFile("../contract/span.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		About string
		Cases []spanCase
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil || len(file.Cases) < 13 {
		t.Fatalf("%d cases: %v", len(file.Cases), err)
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			policy := `{}`
			if c.Redact != nil {
				policy = fmt.Sprintf(`{"redact":%s}`, c.Redact)
			}
			k := start(t, "", clew.Policy([]byte(policy)))
			record := make(chan []byte, 1)
			k.OnEnd(func(v *clew.SpanView) { record <- append([]byte{}, v.Bytes()...) })
			name := "work"
			if c.Span != nil {
				name = spanText(c.Span)
			}
			attrs := spanAttrs(c.Set)
			for i := range c.Many {
				attrs = append(attrs, clew.Int(fmt.Sprint("key", i), i))
			}
			_, s := clew.Span(context.Background(), name, attrs...)
			s.Event("noted", attrs...)
			s.Link(clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}, attrs...)
			s.Set(spanAttrs(c.More)...)
			s.End()
			span := <-record
			if got := string(spanField(span, 5)[0]); got != name[:min(len(name), 256)] {
				t.Errorf("name %q", got)
			}
			judgeSpan(t, "span", span, 9, 10, c.spanWant)
			for what, of := range map[string]struct {
				want                       *spanWant
				field, attributes, dropped int
			}{"event": {c.Event, 11, 3, 4}, "link": {c.Link, 13, 4, 5}} {
				want := c.spanWant
				if of.want != nil {
					want = *of.want
				}
				judgeSpan(t, what, spanField(span, of.field)[0], of.attributes, of.dropped, want)
			}
		})
	}
}

// judgeSpan compares the attributes of a span, event or link.
func judgeSpan(t *testing.T, what string, b []byte, attributes, dropped int, want spanWant) {
	t.Helper()
	all := spanField(b, attributes)
	got := make([]string, len(all))
	for i := range all {
		got[i] = string(all[i])
	}
	if want.Count != nil {
		if len(got) != *want.Count {
			t.Errorf("%s: %d attributes, want %d", what, len(got), *want.Count)
			return
		}
		got = got[len(got)-len(want.Attributes):]
	}
	var wanted []string
	for _, a := range spanAttrs(want.Attributes) {
		wanted = append(wanted, string(spanField(spanPair(a), 1)[0]))
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", wanted) {
		t.Errorf("%s: attributes\n%.400q\nwant\n%.400q", what, got, wanted)
	}
	var n uint64
	for rest := b; ; {
		f, more, ok := wire.Next(rest)
		if !ok {
			break
		}
		if f.Number == dropped {
			n = f.Value
		}
		rest = more
	}
	if n != want.Dropped {
		t.Errorf("%s: %d dropped, want %d", what, n, want.Dropped)
	}
}

// spanField is every field with the number.
func spanField(b []byte, number int) (all [][]byte) {
	for {
		f, rest, ok := wire.Next(b)
		if !ok {
			return all
		}
		if f.Number == number {
			all = append(all, f.Data)
		}
		b = rest
	}
}

// spanPair is the attribute as field 1 of a message.
func spanPair(a clew.Attr) []byte {
	switch v := a.Value().(type) {
	case string:
		return wire.AppendStringAttr(nil, 1, a.Key(), v)
	case int64:
		return wire.AppendIntAttr(nil, 1, a.Key(), v)
	case bool:
		return wire.AppendBoolAttr(nil, 1, a.Key(), v)
	case float64:
		return wire.AppendFloatAttr(nil, 1, a.Key(), v)
	case []string:
		return wire.AppendStringsAttr(nil, 1, a.Key(), v)
	}
	panic(fmt.Sprintf("value %v", a.Value()))
}

func spanAttrs(pairs [][2]any) []clew.Attr {
	attrs := make([]clew.Attr, 0, len(pairs))
	for _, p := range pairs {
		key := spanText(p[0])
		switch v := p[1].(type) {
		case float64:
			attrs = append(attrs, clew.Int64(key, int64(v)))
		case bool:
			attrs = append(attrs, clew.Bool(key, v))
		case []any:
			texts := make([]string, len(v))
			for i := range v {
				texts[i] = v[i].(string)
			}
			attrs = append(attrs, clew.Strings(key, texts))
		case map[string]any:
			switch {
			case v["float"] != nil:
				attrs = append(attrs, clew.Float(key, v["float"].(float64)))
				continue
			case v["array"] != nil:
				of := v["array"].([]any)
				texts := make([]string, int(of[1].(float64)))
				for i := range texts {
					texts[i] = of[0].(string)
				}
				attrs = append(attrs, clew.Strings(key, texts))
				continue
			}
			attrs = append(attrs, clew.String(key, spanText(v)))
		default:
			attrs = append(attrs, clew.String(key, spanText(v)))
		}
	}
	return attrs
}

func spanText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	of := v.(map[string]any)["repeat"].([]any)
	return strings.Repeat(of[0].(string), int(of[1].(float64)))
}
