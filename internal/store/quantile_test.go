package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// The order of bits is the order of numbers.
func TestOrderOf(t *testing.T) {
	numbers := []float64{math.Inf(-1), -math.MaxFloat64, -2, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 1 + 1e-16, 2, 1 << 62, math.Inf(1)}
	for i, v := range numbers {
		if got := numberOfOrder(orderOf(v)); got != v {
			t.Errorf("%v becomes %v", v, got)
		}
		if i > 0 && (orderOf(numbers[i-1]) < orderOf(v)) != (numbers[i-1] < v) {
			t.Errorf("%v and %v have another order", numbers[i-1], v)
		}
	}
	if orderOf(math.Copysign(0, -1)) != orderOf(0) {
		t.Error("−0 is not 0")
	}
}

// distributions are ways in which numbers come: n of them, by their place.
var distributions = map[string]func(rng *rand.Rand, i, n int) float64{
	"durations":  func(rng *rand.Rand, _, _ int) float64 { return math.Floor(math.Exp(rng.NormFloat64() + 15)) },
	"one value":  func(*rand.Rand, int, int) float64 { return 1e6 },
	"ties":       func(rng *rand.Rand, _, _ int) float64 { return float64(rng.IntN(3)) },
	"one bucket": func(rng *rand.Rand, _, _ int) float64 { return 1e9 + float64(rng.IntN(1e6)) },
	"signs":      func(rng *rand.Rand, _, _ int) float64 { return rng.NormFloat64() },
	"zeros":      func(rng *rand.Rand, _, _ int) float64 { return math.Copysign(0, rng.Float64()-0.5) },
	"ascending":  func(_ *rand.Rand, i, _ int) float64 { return float64(i * 1000) },
	"descending": func(_ *rand.Rand, i, n int) float64 { return float64((n - i) * 1000) },
	"far apart":  func(rng *rand.Rand, _, _ int) float64 { return math.Ldexp(1, rng.IntN(2000)-1000) },
	"neighbours": func(rng *rand.Rand, _, _ int) float64 {
		return math.Float64frombits(math.Float64bits(1e15) + rng.Uint64N(4000))
	},
	"with the end": func(rng *rand.Rand, _, _ int) float64 { return []float64{math.Inf(1), math.Inf(-1), 5}[rng.IntN(3)] },
}

// spreadOf spreads numbers over two workers and joins them.
func spreadOf(t *testing.T, quantiles, numbers []float64, r int64) *spreads {
	t.Helper()
	var s [2]*spreads
	for i := range s {
		s[i] = &spreads{quantiles: quantiles, room: &room{max: r}}
	}
	for i, v := range numbers {
		if err := s[i%3/2].see(int32(i%2), 70*(i%2), v); err != nil { // one worker sees twice as many as the other
			t.Fatal(err)
		}
	}
	if err := s[0].join(s[1]); err != nil {
		t.Fatal(err)
	}
	return s[0]
}

// Quantiles of all distributions are those of sorted numbers, whether they are found
// in one look or many are needed because little may be kept.
func TestQuantilesAreExact(t *testing.T) {
	quantiles := []float64{0, 0.01, 0.5, 0.9, 0.99, 1}
	for name, of := range distributions {
		for _, n := range []int{1, 2, fewNumbers, fewNumbers + 1, 2*fewNumbers + 1, 3*fewNumbers + 2, 5000, 7000} { // of the last, ascending, one worker keeps what the other has let go of
			rng := rand.New(rand.NewPCG(uint64(n), 3))
			numbers := make([]float64, n)
			var by [2][]float64
			for i := range numbers {
				numbers[i] = of(rng, i, n)
				by[i%2] = append(by[i%2], numbers[i])
			}
			slices.Sort(by[0])
			slices.Sort(by[1])
			for _, chosen := range [][]float64{quantiles, {0.99}, {0.5}} {
				for _, little := range []int{0, 40, 3000} {
					got, looks := quantilesOf(t, chosen, numbers, little)
					for g := range by {
						for i, q := range chosen {
							if len(by[g]) == 0 {
								continue
							}
							if want := by[g][query.QuantileIndex(q, len(by[g]))]; got[[2]int{g, i}] != want {
								t.Fatalf("%s: quantile %v of %d numbers is %v in %d looks, want %v", name, q, len(by[g]), got[[2]int{g, i}], looks, want)
							}
						}
					}
				}
			}
		}
	}
}

// quantilesOf looks as often as needed. With little, nothing is kept on the way and
// further looks share that many bytes a target.
func quantilesOf(t *testing.T, quantiles, numbers []float64, little int) (map[[2]int]float64, int) {
	t.Helper()
	out := map[[2]int]float64{}
	found := func(x target, v float64) error {
		if int(x.step) != 70*int(x.group) {
			return fmt.Errorf("group %d is found in step %d", x.group, x.step)
		}
		out[[2]int{int(x.group), x.quantile}] = v
		return nil
	}
	s := spreadOf(t, quantiles, numbers, 64<<20)
	if little > 0 {
		if err := s.each(func(_ int32, _ int, x *spread) error {
			if x.pages != nil {
				s.keepNone(x)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	targets, err := s.targets(found)
	looks := 1
	for ; err == nil && len(targets) > 0; looks++ {
		if looks > 60 {
			t.Fatalf("%d targets are left after %d looks", len(targets), looks)
		}
		each := cmp.Or(little, 64<<10)
		targets, err = lookOnce(targets, numbers, int64(each*len(targets)), found)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, looks
}

func lookOnce(targets []target, numbers []float64, more int64, found func(target, float64) error) ([]target, error) {
	const steps = 71
	n, err := narrow(targets, steps, 2, &room{max: 2*4*steps + int64(targetBytes*len(targets)) + more})
	if err != nil {
		return nil, err
	}
	var all []*seen
	for range 2 {
		all = append(all, &seen{n: n, parts: make([]*partCounts, len(targets))})
	}
	for i, v := range numbers {
		if err := all[i%3/2].see(int32(i%2), 70*(i%2), v); err != nil {
			return nil, err
		}
	}
	return n.resolve(all, found)
}

// What does not fit is refused, and not before.
func TestQuantileRoom(t *testing.T) {
	spread := func(max int64, groups int) error {
		s := &spreads{quantiles: []float64{0.5}, room: &room{max: max}}
		for g := range groups {
			for v := range fewNumbers + 1 {
				if err := s.see(int32(g), 0, float64(v)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	measure := &spreads{quantiles: []float64{0.5}, room: &room{max: 1 << 40}}
	for v := range fewNumbers + 1 {
		if err := measure.see(0, 0, float64(v)); err != nil {
			t.Fatal(err)
		}
	}
	each := measure.room.used
	if err := spread(100*each+8*fewNumbers, 100); err != nil {
		t.Errorf("room for 100 groups: %v", err)
	}
	if err := spread(25*each, 100); telemetry.KindOf(err) != telemetry.KindExhausted || !strings.Contains(err.Error(), "give a longer step") {
		t.Errorf("room for a quarter of 100 groups: got %v", err)
	}
	if _, err := narrow(make([]target, 1000), 1, 1, &room{max: 1000*targetBytes + 4 + 1000*hitBytes}); err != nil {
		t.Errorf("room for 1000 targets: %v", err)
	}
	if _, err := narrow(make([]target, 1000), 1, 1, &room{max: 1000 * targetBytes}); telemetry.KindOf(err) != telemetry.KindExhausted {
		t.Errorf("room for fewer than 1000 targets: got %v", err)
	}
}

// Many numbers in a step, in every arrangement, against the evaluator; and a store
// with little memory refuses what it cannot keep.
func TestQuantilesAgainstModel(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(4, 44)), 3000)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	steps, err := query.NewSteps(base, base+3000e8, 1000e8)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range arrangements {
		b := arrange(t, d, dir, how, all)
		for text, scanned := range map[string]bool{
			"{ } | quantile_over_time(duration, 0, .5, .99)":                                                        true,
			`{ span.zone = "eu" } | quantile_over_time(duration, .9)`:                                               true,
			"{ status != error } | quantile_over_time(duration, .9) by (name)":                                      true,
			"{ kind = server || !(duration > 5ms) } | quantile_over_time(duration, .9) by (kind, status)":           true,
			`{ resource.service.name != "db" } | quantile_over_time(duration, .5) by (resource.service.name, name)`: true,
			"{ } | quantile_over_time(span.f, .1, .9) by (.zone)":                                                   true,
			"{ } | quantile_over_time(duration, .9) by (rootName)":                                                  false,
			"{ event:name = \"retry\" } | quantile_over_time(duration, .9)":                                         false,
		} {
			p, err := query.Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := scanQuantiles(b.src, p, p.Leaves[0]); got != scanned {
				t.Errorf("%s: scanned %v, want %v", text, got, scanned)
			}
			got, err := d.metrics(context.Background(), b.src, metricsSpec{plan: p, steps: steps, load: b.load})
			if err != nil {
				t.Fatal(err)
			}
			want, err := b.modelSeries(p, steps)
			if err != nil {
				t.Fatal(err)
			}
			if !sameSeries(got, want) {
				t.Errorf("%s, %s: got\n%s\nwant\n%s", how, text, seriesText(got), seriesText(want))
			}
		}
	}
}
