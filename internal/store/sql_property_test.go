package store

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

var arrangements = []string{"fresh", "mixed", "segments"}

var (
	randomQueries = flag.Int("queries", 160, "how many random queries TestSQLAgainstModel asks")
	firstRound    = flag.Int("round", 0, "the round that TestSQLAgainstModel begins with, to repeat one that failed")
)

// TestSQLAgainstModel runs random queries over random traces, in memory, in
// segments and in both, and compares every answer with that of the evaluator.
func TestSQLAgainstModel(t *testing.T) {
	const round = 80 // queries over one set of traces
	for asked := 0; asked < *randomQueries; asked += round {
		i := *firstRound + asked/round
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		all := randomSpans(rng, 300+(i%4)*301)
		if i%2 == 1 {
			makeAwkward(rng, all)
		}
		dir := t.TempDir()
		d := openTestDuck(t, dir)
		var sets []*bench
		for _, how := range arrangements {
			sets = append(sets, arrange(t, d, dir, how, all))
		}
		for n := range min(round, *randomQueries-asked) {
			how := n % len(sets)
			var err error
			var text string
			if rng.IntN(2) == 0 {
				text = randomQuery(rng)
				err = compareSearch(sets[how], text, rng)
			} else {
				text = randomMetrics(rng)
				err = compareSeries(sets[how], text, rng)
			}
			if err != nil {
				t.Fatalf("round %d, %s:\n%s\n%v", i, arrangements[how], text, err)
			}
		}
		d.Close()
	}
}

// makeAwkward gives spans what no decent sender does: ids that two records share,
// spans that are their own parents, circles of parents, the ends of numbers and of time.
func makeAwkward(rng *rand.Rand, b *telemetry.Batch) {
	s := &b.Spans
	for i := range s.N {
		p := rng.IntN(i + 1)
		for try := 0; try < 40 && s.TraceID[p] != s.TraceID[i]; try++ {
			p = rng.IntN(i + 1)
		}
		switch rng.IntN(12) {
		case 0:
			s.SpanID[i] = s.SpanID[p]
		case 1:
			s.SpanID[i], s.Parent[i] = s.SpanID[p], s.Parent[p]
		case 2:
			s.Parent[p] = s.SpanID[i]
		case 3:
			s.Duration[i] = []int64{math.MaxInt64, math.MaxInt64 - 1, 1<<53 + 1, 1 << 53, 0, -5}[rng.IntN(6)]
		case 4:
			s.Start[i] = []int64{0, 1, math.MaxInt64 - 1, 4102444800e9, base, base + 3e8, base + 3e8 - 1, base + 40e8}[rng.IntN(8)]
		}
	}
	for _, c := range s.Cols {
		for i := range c.Nums {
			switch {
			case rng.IntN(2) == 0:
			case c.Type == telemetry.TypeInt:
				c.Nums[i] = []uint64{math.MaxUint64, 1 << 63, 1<<63 - 1, 1<<53 + 1, 1 << 53}[rng.IntN(5)]
			case c.Type == telemetry.TypeDouble:
				c.Nums[i] = math.Float64bits([]float64{math.Inf(1), math.Inf(-1), math.MaxFloat64, 1 << 53, 5e-324, -1e308, 1 << 63}[rng.IntN(7)])
			}
		}
	}
}

// Infinite numbers count like others: in sums, in quantiles and in the last bucket.
func TestSeriesOfInfiniteNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 7))
	all := randomSpans(rng, 300)
	makeAwkward(rng, all)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	for _, how := range arrangements {
		b := arrange(t, d, dir, how, all)
		for _, of := range []string{"span.f", "span.n", "event.n * span.f"} {
			for _, text := range []string{"histogram_over_time(%s)", "histogram_over_time(%s) by (kind) with (exemplars = 3)", "sum_over_time(%s)", "avg_over_time(%s) by (name)",
				"min_over_time(%s)", "max_over_time(%s) with (exemplars = 3)", "quantile_over_time(%s, 0, .5, .9, 1) with (exemplars = 3)"} {
				if err := compareSeries(b, "{ } | "+fmt.Sprintf(text, of), rng); err != nil {
					t.Errorf("%s, %s of %s: %v", how, text, of, err)
				}
			}
		}
	}
}

// randomNames are attributes that had other names, of which the spans have several at once.
var randomNames = [][]string{{"n", "zone"}, {"zone", "rare", "n"}, {"list", "n"}, {"rare", "f"}, {"zone", "service.name"}}

// compileRandom compiles for one in three queries what the charter renamed, too.
func compileRandom(text string, rng *rand.Rand) (*query.Plan, error) {
	if rng.IntN(3) > 0 {
		return query.Compile(text)
	}
	group := randomNames[rng.IntN(len(randomNames))]
	return query.CompileNamed(text, func(key string) []string {
		if slices.Contains(group, key) {
			return group
		}
		return nil
	})
}

func compareSearch(b *bench, text string, rng *rand.Rand) error {
	within := query.Range{Start: base, End: base + 1e12}
	if rng.IntN(2) == 0 {
		within = query.Range{Start: base + int64(rng.IntN(30))*1e8, End: base + int64(31+rng.IntN(30))*1e8}
	}
	order := []Order{OrderNewest, OrderSlowest, OrderSpans}[rng.IntN(3)]
	limit := 1 + rng.IntN(40)
	p, err := compileRandom(text, rng)
	if err != nil {
		return err
	}
	return checkSearch(context.Background(), b, p, within, order, limit)
}

func compareSeries(b *bench, text string, rng *rand.Rand) error {
	p, err := compileRandom(text, rng)
	if err != nil {
		return err
	}
	steps, err := query.NewSteps(base+int64(rng.IntN(20))*1e8, base+40e8, []int64{3e8, 1e8, 4e9}[rng.IntN(3)])
	if err != nil {
		return err
	}
	got, err := b.duck.metrics(context.Background(), b.src, metricsSpec{plan: p, steps: steps, load: b.load})
	want, refused := b.modelSeries(p, steps)
	if fmt.Sprint(err) != fmt.Sprint(refused) { // too many series
		return fmt.Errorf("got the error %v, want %v", err, refused)
	}
	if !sameSeries(got, want) {
		return fmt.Errorf("(-want +got):\n%s", cmp.Diff(seriesText(want), seriesText(got)))
	}
	return nil
}

// checkSearch pages through the whole answer and compares it with the model's.
func checkSearch(ctx context.Context, b *bench, p *query.Plan, within query.Range, order Order, limit int) error {
	want := b.model(p, within, order)
	var got []searchKey
	var after *searchKey
	for {
		page, next, err := b.duck.search(ctx, b.src, searchSpec{plan: p, within: within, order: order, limit: limit, after: after, load: b.load})
		if err != nil {
			return err
		}
		for _, f := range page {
			if k := keyOf(order, f.Batch, f.Sets); k != f.Key {
				return fmt.Errorf("trace %s is ranked by %d and has %d", f.ID, f.Key, k)
			}
			got = append(got, f.searchKey)
		}
		if len(page) > limit || (next != nil) != (len(got) < len(want)) {
			return fmt.Errorf("a page of %d of %d, limit %d, more %v", len(page), len(want), limit, next != nil)
		}
		if next == nil {
			break
		}
		after = next
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %s\nwant %s", keysText(got), keysText(want))
	}
	return nil
}

func keysText(keys []searchKey) string {
	var out strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&out, "%s %d, ", k.ID, k.Key)
	}
	return out.String()
}
