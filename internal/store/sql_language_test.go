package store

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/query/querytest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// TestLanguageCorpus asks every query of the language's corpus in every arrangement
// and order: the answers are those that the corpus has for the evaluator.
func TestLanguageCorpus(t *testing.T) {
	traces := querytest.Traces(t, "../query/testdata/eval/spans.txt")
	all := telemetry.NewBuilder()
	for _, b := range traces {
		all.AppendRows(b, nil)
	}
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	orders := []Order{OrderNewest, OrderSlowest, OrderSpans}
	for i, how := range arrangements {
		b := arrange(t, d, dir, how, &all.Batch)
		for _, c := range querytest.Cases(t, "../query/testdata/eval/queries.txt") {
			if diff := cmp.Diff(c.Want, languageAnswer(t, b, c.Query, orders[i])); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", how, c.Query, diff)
			}
		}
	}
}

func languageAnswer(t *testing.T, b *bench, text string, order Order) string {
	t.Helper()
	within, text := querytest.Within(t, text)
	p, err := query.Compile(text)
	if err != nil {
		return err.Error() + "\n"
	}
	ctx := context.Background()
	if p.Metrics != nil {
		series, err := b.duck.metrics(ctx, b.src, metricsSpec{plan: p, steps: querytest.Steps(t, p, within), load: b.load})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return querytest.Series(series)
	}
	hits, next, err := b.duck.search(ctx, b.src, searchSpec{plan: p, within: within, order: order, limit: 10, load: b.load})
	if err != nil || next != nil {
		t.Fatalf("%s: more behind %v, %v", text, next, err)
	}
	for i := 1; i < len(hits); i++ {
		if !hits[i-1].before(hits[i].searchKey) {
			t.Errorf("%s: not in order by %s", text, order)
		}
	}
	slices.SortFunc(hits, func(a, b found) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	var out strings.Builder
	for _, f := range hits {
		out.WriteString(querytest.Sets(f.Batch, f.Sets))
	}
	return out.String()
}

// TestSelectedFields shows fields beside a span: those of the query and those that
// it selects, numbers of nested sets too, and not what a span shows of itself.
func TestSelectedFields(t *testing.T) {
	trace := querytest.Traces(t, "../query/testdata/eval/spans.txt")[0]
	p, err := query.Compile(`{ event.n = 1 && status = ok } | select(name, nestedSetLeft, nestedSetRight, nestedSetParent, rootName, span.zone, event.n, span:childCount)`)
	if err != nil {
		t.Fatal(err)
	}
	f := found{Batch: trace, Sets: query.EvalTrace(p, query.NewReader(trace), querytest.Always)}
	got := describe(&f, p, SearchOptions{SpansPerTrace: 3}).Found
	want := []Attr{{"event.n", int64(1)}, {"nestedSetLeft", int64(6)}, {"nestedSetRight", int64(9)}, {"nestedSetParent", int64(1)},
		{"rootName", "GET /cart"}, {"span.zone", "us"}, {"span:childCount", int64(1)}}
	if len(got) != 1 || !slices.Equal(got[0].Attrs, want) {
		t.Errorf("got %+v, want %v", got, want)
	}
}

// TestExemplarsAskedFor asks for exemplars beside the query, at both ends of the limit;
// what the query says itself stays.
func TestExemplarsAskedFor(t *testing.T) {
	for text, given := range map[string]int{"{ } | rate()": -1, "{ } | rate() with (exemplars = 3)": 3, "{ } | rate() with (exemplars = 0)": 0,
		"{ } | rate() with (exemplars = false)": 0, "{ } | rate() with (most_recent = true)": -1} {
		p, err := query.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range map[int]int{0: 0, 1: 1, query.MaxExemplars: query.MaxExemplars} {
			if given >= 0 {
				want = given
			}
			with, err := withExemplars(p, n)
			if err != nil || with.Metrics.Exemplars != want {
				t.Errorf("%s, %d asked for: got %d and %v, want %d", text, n, with.Metrics.Exemplars, err, want)
			}
		}
		for _, n := range []int{-1, query.MaxExemplars + 1} {
			if _, err := withExemplars(p, n); telemetry.KindOf(err) != telemetry.KindInvalid || err == nil {
				t.Errorf("%d: got %v, want an invalid error", n, err)
			}
		}
		if p.Metrics.Exemplars != max(given, 0) {
			t.Errorf("%s: the plan was changed", text)
		}
	}
}
