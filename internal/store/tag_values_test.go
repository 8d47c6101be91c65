package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Fields of whole traces are those of all spans, also when the range asked for leaves
// out the segment in which the root lies.
func TestTagValuesOfWholeTraces(t *testing.T) {
	ctx, now := context.Background(), time.Now().UnixNano()
	e := newEngine(t)
	t.Cleanup(e.Abandon)
	root, child := plain(storetest.Tenant, 1, 1, 1, now-int64(time.Hour)), plain(storetest.Tenant, 1, 2, 3, now)
	for i := range child.Spans.N {
		child.Spans.Parent[i] = root.Spans.SpanID[0]
	}
	list := func(field, filter string) string {
		t.Helper()
		f, err := query.ParseField(field)
		if err != nil {
			t.Fatal(err)
		}
		p, err := query.Compile(filter)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.TagValues(ctx, storetest.Tenant, f, store.TagOptions{Range: store.Range{Start: now - int64(time.Minute)}, Plan: p})
		if err != nil {
			return telemetry.KindOf(err).String() + ": " + err.Error()
		}
		return fmt.Sprint(got.Values)
	}
	for _, when := range []string{"fresh", "in two segments"} {
		for _, b := range []*telemetry.Batch{root, child} {
			e.Send(t, b)
			if when == "in two segments" {
				if err := e.Flush(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range [][3]string{
			{"rootName", "{ }", "[{op 3}]"}, {"rootServiceName", "{ traceDuration > 59m }", "[{svc 3}]"},
			{"name", `{ traceDuration > 59m && rootName = "op" }`, "[{op 3}]"}, {"name", "{ traceDuration < 59m }", "[]"},
			{"name", "{ rootName = nil }", "[]"},
		} {
			if got := list(c[0], c[1]); got != c[2] {
				t.Errorf("%s: %s where %s: got %s, want %s", when, c[0], c[1], got, c[2])
			}
		}
		e = newEngine(t)
		t.Cleanup(e.Abandon)
	}
	for filter, want := range map[string]string{
		"{ } >> { }": "without relations and stages, not { } >> { }", "{ } | count() > 1": "without relations and stages",
		`{ parent:name = "x" }`: "use a simpler filter", "{ span:childCount > 1 }": "use a simpler filter",
	} {
		if got := list("name", filter); !strings.HasPrefix(got, "invalid: ") || !strings.Contains(got, want) || strings.Contains(got, "tail") {
			t.Errorf("%s: %s", filter, got)
		}
	}
}
