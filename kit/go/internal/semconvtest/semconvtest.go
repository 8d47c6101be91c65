// Package semconvtest runs kit/contract/semconv.json: scenarios of instrumented libraries and the one span that each makes. The suites of this
// module and of those beside it each run the scenarios of their library.
package semconvtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/kit/go/clewtest"
)

// Case is one scenario. Span is nil when there must be none.
type Case struct {
	Name     string
	Scenario json.RawMessage
	Span     *Span
}

// Span is what a scenario makes. A Message of nil is any text, Links of nil are not looked at.
type Span struct {
	Kind, Name, Status string
	Message            *string
	Attributes         map[string]any
	Links              *int
}

// Run runs the scenarios whose type is one of types, with act, which does what T says.
func Run[T any](t *testing.T, file string, types []string, act func(t *testing.T, rec *clewtest.Recorder, scenario T)) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Cases []Case }
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, c := range vectors.Cases {
		var head struct{ Type string }
		if err := json.Unmarshal(c.Scenario, &head); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(types, head.Type) {
			continue
		}
		ran[head.Type]++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			var scenario T
			if err := json.Unmarshal(c.Scenario, &scenario); err != nil {
				t.Fatal(err)
			}
			rec := clewtest.Start(t)
			act(t, rec, scenario)
			if err := rec.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.check(t, rec.Spans())
		})
	}
	for _, name := range types {
		if ran[name] == 0 {
			t.Errorf("there is no scenario of type %s", name)
		}
	}
}

var statuses = [...]string{"UNSET", "OK", "ERROR"}

// check compares the span of the scenario, the only one whose kind is not INTERNAL.
func (c *Case) check(t *testing.T, all []clewtest.Span) {
	t.Helper()
	spans := slices.DeleteFunc(all, func(s clewtest.Span) bool { return s.Kind == "INTERNAL" })
	if c.Span == nil {
		if len(spans) != 0 {
			t.Errorf("got %d spans, want none", len(spans))
		}
		return
	}
	if len(spans) != 1 {
		t.Fatalf("got %d spans, want 1", len(spans))
	}
	got, want := spans[0], c.Span
	if got.Kind != want.Kind || got.Name != want.Name || statuses[got.Status] != want.Status {
		t.Errorf("got %s %q %s, want %s %q %s", got.Kind, got.Name, statuses[got.Status], want.Kind, want.Name, want.Status)
	}
	if want.Message != nil && got.Message != *want.Message {
		t.Errorf("got the message %q, want %q", got.Message, *want.Message)
	}
	if want.Links != nil && len(got.Links) != *want.Links {
		t.Errorf("got %d links, want %d", len(got.Links), *want.Links)
	}
	if want.Kind == "CLIENT" && want.Attributes["http.request.method"] != nil {
		delete(got.Attributes, "network.protocol.version")
	}
	if want.Status == "ERROR" && want.Attributes["error.type"] == nil && got.Attributes["error.type"] != nil {
		// The language's own name of the error.
		delete(got.Attributes, "error.type")
	}
	if g, w := list(got.Attributes), list(want.Attributes); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}

func list(attributes map[string]any) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		v := attributes[key]
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			v = int64(f)
		}
		fmt.Fprintf(&out, "%s=%v\n", key, v)
	}
	return out.String()
}
