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
	for _, field := range []string{"nestedSetLeft", "span:childCount", "event:timeSinceStart", "span:parentID"} {
		if got := list(field, "{ }"); !strings.HasPrefix(got, "invalid: values of "+field) || !strings.Contains(got, "calculated") || strings.Contains(got, "filter") {
			t.Errorf("%s: %s", field, got)
		}
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

// Names of attributes are those of the spans that a filter selects, in the range; what
// it says of the whole trace may lie outside.
func TestTagNamesOfFilter(t *testing.T) {
	ctx, now := context.Background(), time.Now().UnixNano()
	e := newEngine(t)
	defer e.Abandon()
	named := func(trace, id uint64, start int64, key string) *telemetry.Batch {
		b := plain(storetest.Tenant, trace, id, 1, start)
		b.Spans.Cols = append(b.Spans.Cols, &telemetry.Column{Scope: telemetry.ScopeSpan, Type: telemetry.TypeInt, Key: key, Rows: []uint32{0}, Nums: []uint64{1}})
		return b
	}
	root, child := named(1, 1, now-int64(time.Hour), "of.root"), named(1, 2, now, "of.child")
	child.Spans.Parent[0] = root.Spans.SpanID[0]
	list := func(filter string, o store.TagOptions) string {
		t.Helper()
		var err error
		if o.Plan, err = query.Compile(filter); err != nil {
			t.Fatal(err)
		}
		o.Start = now - int64(time.Minute)
		got, err := e.TagNames(ctx, storetest.Tenant, o)
		if err != nil {
			return telemetry.KindOf(err).String() + ": " + err.Error()
		}
		return fmt.Sprint(got.Scopes, got.Partial)
	}
	for _, b := range []*telemetry.Batch{root, child, named(2, 4, now, "of.other")} {
		e.Send(t, b)
	}
	both := list("{ .of.child = 1 || .of.other = 1 }", store.TagOptions{Scope: telemetry.ScopeSpan, Limit: 2})
	if !strings.Contains(both, "[of.child of.other]}]") {
		t.Errorf("two names of two: %s", both)
	}
	if cut := list("{ .of.child = 1 || .of.other = 1 }", store.TagOptions{Scope: telemetry.ScopeSpan, Limit: 1}); !strings.Contains(cut, "[of.child]}]") || !strings.Contains(cut, "more than 1 names") {
		t.Errorf("one name of two: %s", cut)
	}
	for _, when := range []string{"fresh", "in a segment"} {
		for filter, want := range map[string]string{
			"{ .of.child = 1 }": "of.child]}]", "{ traceDuration > 59m }": "of.child]}]", "{ traceDuration < 59m }": "of.other]}]", "{ .of.root = 1 }": "[]",
			`{ name = "nosuch" }`: "[]", "{ } >> { }": "invalid: names are listed of the spans of one filter", `{ parent:name = "x" }`: "use a simpler filter",
		} {
			got := list(filter, store.TagOptions{})
			if !strings.Contains(got, want) || strings.Count(got, "of.") != strings.Count(want, "of.") {
				t.Errorf("%s, %s: got %s, want %s", when, filter, got, want)
			}
		}
		if err := e.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
