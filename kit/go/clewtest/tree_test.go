package clewtest_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/clew-dev/clew/kit/go/clewtest"
)

type vectorSpan struct {
	Trace, ID, Parent, Kind, Name, Service string
	Start, End                             int64
	Status                                 struct{ Code, Message string }
	Attributes                             map[string]any
	Links                                  []struct{ Trace, Span string }
	Events                                 []struct {
		Time       int64
		Name       string
		Attributes map[string]any
	}
}

// TestTreeVectors draws every case of kit/contract/tree.json; the Rust suite draws the same.
func TestTreeVectors(t *testing.T) {
	raw, err := os.ReadFile("../../contract/tree.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name       string
			Spans      []vectorSpan
			Attributes []string
			Tree       string
		}
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cases) < 10 {
		t.Fatalf("got %d cases, want all of tree.json", len(vectors.Cases))
	}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var spans []clewtest.Span
			for _, s := range c.Spans {
				span := clewtest.Span{Trace: s.Trace, ID: s.ID, Parent: s.Parent, Kind: s.Kind, Name: s.Name, Service: s.Service,
					Start: s.Start, End: s.End, Attributes: values(s.Attributes), Message: s.Status.Message}
				switch s.Status.Code {
				case "OK":
					span.Status = clewtest.OK
				case "ERROR":
					span.Status = clewtest.Error
				}
				for _, l := range s.Links {
					span.Links = append(span.Links, clewtest.Link{Trace: l.Trace, ID: l.Span})
				}
				for _, e := range s.Events {
					span.Events = append(span.Events, clewtest.Event{Time: e.Time, Name: e.Name, Attributes: values(e.Attributes)})
				}
				spans = append(spans, span)
			}
			if got := clewtest.Tree(spans, c.Attributes...); got != c.Tree {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.Tree)
			}
			// The order in which spans were recorded must not matter.
			for i, j := 0, len(spans)-1; i < j; i, j = i+1, j-1 {
				spans[i], spans[j] = spans[j], spans[i]
			}
			if got := clewtest.Tree(spans, c.Attributes...); got != c.Tree {
				t.Errorf("reversed, got:\n%s\nwant:\n%s", got, c.Tree)
			}
		})
	}
}

// values turns what JSON has into what a decoded span has: integers are int64.
func values(in map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		out[k] = number(v)
	}
	return out
}

func number(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = number(v[i])
		}
	}
	return v
}
