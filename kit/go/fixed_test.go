package clew_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// TestFixedSaysWhatSetSays: it is a shorter way to the same bytes, whatever limits and policy say.
func TestFixedSaysWhatSetSays(t *testing.T) {
	long := strings.Repeat("x", 4097)
	lists := map[string][]clew.Attr{
		"none":               nil,
		"nothing":            {{}},
		"all kinds":          {clew.String("s", "text"), clew.Int("i", -1), clew.Float("f", 0.5), clew.Bool("b", true), clew.Strings("ss", []string{"a", "b"}), clew.Ints("is", []int64{1})},
		"a key twice":        {clew.Int("a", 1), clew.Int("b", 2), clew.Int("a", 3)},
		"no key":             {clew.Int("", 1), clew.Int("b", 2)},
		"a long key":         {clew.Int(strings.Repeat("k", 257), 1), clew.Int("b", 2)},
		"a long text":        {clew.String("a", long), clew.Int("b", 2)},
		"a text of 4096":     {clew.String("a", long[1:])},
		"a text of 5":        {clew.String("a", "12345"), clew.Strings("list", []string{"12345", "1"})},
		"no UTF-8":           {clew.String("a\xff", "b\xff")},
		"a text of no UTF-8": {clew.String("b", "\xffb\xff")},
		"texts of no UTF-8":  {clew.Strings("c", []string{"\xffd\xff"})},
		"many elements":      {clew.Ints("a", make([]int64, 129)), clew.Strings("b", make([]string, 129)), clew.Bools("c", make([]bool, 128))},
		"what is redacted":   {clew.String("user.email", "a@b"), clew.String("card.number", "42"), clew.Int("fine", 1)},
		"one of many":        {clew.Int("before", 2), clew.Int("c", 3)},
		"keys of one bit":    {clew.String("db.namespace", "shop"), clew.String("db.query.text", "SELECT 1"), clew.Int("n", 1)},
		"one that is there":  {clew.Int("x", 1), clew.Int("before", 2), clew.Int("y", 3)},
		"one that comes":     {clew.Int("after", 7), clew.Int("x", 1)},
		"four":               {clew.Int("p", 1), clew.Int("q", 2), clew.Int("r", 3), clew.Int("x", 4)},
		"as many as can be":  {clew.Int("a", 1), clew.Int("b", 2), clew.Int("c", 3), clew.Int("d", 4)},
	}
	for name, c := range map[string]struct {
		env     string
		options []clew.Option
	}{
		"as usual":            {},
		"four attributes":     {env: "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=4"},
		"texts of four bytes": {env: "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=4"},
		"redaction": {options: []clew.Option{clew.Policy([]byte(
			`{"redact":[{"key":"user.email","action":"drop"},{"key":"card.*","action":"mask"},{"key":"s","action":"truncate","length":2}]}`))}},
	} {
		t.Run(name, func(t *testing.T) {
			said := map[string]string{}
			start(t, c.env, c.options...).OnEnd(func(v *clew.SpanView) { said[v.Name] = attributes(v) })
			for name, list := range lists {
				for _, before := range [][]clew.Attr{nil, {clew.Int("before", 1)}} {
					name := fmt.Sprint(name, " after ", len(before))
					fixed := clew.Fix(list...)
					_, s := clew.Span(context.Background(), "one by one, "+name, before...)
					s.Set(list...)
					s.Set(clew.Int("after", 1))
					s.End()
					_, s = clew.Span(context.Background(), "fixed, "+name, before...)
					s.SetFixed(fixed)
					s.Set(clew.Int("after", 1))
					s.End()
					if got, want := said["fixed, "+name], said["one by one, "+name]; got != want || !strings.Contains(got, "after") && !strings.Contains(got, "dropped") {
						t.Errorf("%s: got %s, want %s", name, got, want)
					}
					_, s = clew.Span(context.Background(), "from the start, one by one, "+name, append(list[:len(list):len(list)], before...)...)
					s.End()
					o := clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard, Kind: clew.Internal, Fixed: fixed}
					_, s = clew.StartWith(context.Background(), "from the start, "+name, o, before...)
					s.End()
					if got, want := said["from the start, "+name], said["from the start, one by one, "+name]; got != want {
						t.Errorf("%s, from the start: got %s, want %s", name, got, want)
					}
				}
			}
		})
	}
}

// attributes is what a span has in order, and how many were dropped.
func attributes(v *clew.SpanView) string {
	const dropped = 10 // of opentelemetry/proto/trace/v1/trace.proto
	var out strings.Builder
	for _, a := range v.Attrs() {
		fmt.Fprintf(&out, "%.20q=%.40q ", a.Key(), fmt.Sprintf("%T %v", a.Value(), a.Value()))
	}
	for f, rest, ok := wire.Next(v.Bytes()); ok; f, rest, ok = wire.Next(rest) {
		if f.Number == dropped {
			fmt.Fprint(&out, "and ", f.Value, " dropped")
		}
	}
	return out.String()
}

// TestFixedDecidesSampling as other attributes do.
func TestFixedDecidesSampling(t *testing.T) {
	start(t, "", clew.Policy([]byte(`{"sampling":{"th":"0","rules":[{"match":{"route":"/health*"},"th":"never"}]}}`)))
	for route, want := range map[string]bool{"/orders": true, "/healthz": false} {
		o := clew.SpanOptions{Component: clew.ComponentHTTP, Need: clew.Edges, Kind: clew.Server, Fixed: clew.Fix(clew.String("http.route", route))}
		_, s := clew.StartWith(context.Background(), "request", o)
		if s.Recording() != want {
			t.Errorf("%s is recorded: %v", route, s.Recording())
		}
		s.End()
	}
}
