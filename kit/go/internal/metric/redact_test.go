package metric_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/metric"
)

// read is a sink that keeps copies of the points by instrument and labels.
type read map[string]metric.Point

func (r read) Point(_ *metric.Scope, desc *metric.Desc, p *metric.Point) {
	one := *p
	one.Counts = append([]uint64(nil), p.Counts...)
	r[desc.Name+" "+text(p.Labels.List())] = one
}

func text(list []attribute.KeyValue) string {
	texts := make([]string, len(list))
	for i, kv := range list {
		texts[i] = string(kv.Key) + "=" + kv.Value.Emit()
	}
	return strings.Join(texts, " ")
}

// rules are policies with what each leaves of the user of a series.
var rules = []struct {
	redact string
	user   func(string) string
}{
	{`[]`, func(user string) string { return " user=" + user }},
	{`[{"key":"user","action":"drop"}]`, func(string) string { return "" }},
	{`[{"key":"user","action":"mask"}]`, func(string) string { return " user=***" }},
	{`[{"key":"user","action":"truncate","length":1}]`, func(user string) string { return " user=" + user[:1] }},
	{`[{"key":"other","action":"drop"}]`, func(user string) string { return " user=" + user }},
}

// TestSumsUnderChangingRules makes rules come and go at random between records, late
// series, callbacks that fail and times without level. Every point of a counter and a
// histogram is what was recorded since its start, and no point of an observed counter falls
// within one start.
func TestSumsUnderChangingRules(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { sumsUnderChangingRules(t, rand.New(rand.NewPCG(seed, 4))) })
	}
}

func sumsUnderChangingRules(t *testing.T, random *rand.Rand) {
	clock := int64(1000)
	e := metric.New(func() time.Time { return time.Unix(0, clock) }, nil)
	on := true
	e.SetGate(func(uint8, uint8) bool { return on })
	counter := must(t, e, metric.Desc{Name: "c", Need: 1})
	histogram := must(t, e, metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: []float64{2}, Need: 1})
	observed := must(t, e, metric.Desc{Name: "o", Observable: true, Need: 1})

	plans, users := []string{"a", "b"}, []string{"ada", "abe", "bob", "eve"}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	source := map[string]int64{}
	series := map[byte]bool{}     // instruments that have any
	bound := map[[2]string]bool{} // plans and users of the counter
	var seen [][2]string          // plans and users that a collection has observed
	for _, plan := range plans {
		for _, user := range users {
			e.OnCollect(func(context.Context) {
				if random.IntN(3) == 0 {
					panic("by the test")
				}
				source[plan+user] += random.Int64N(5)
				series['o'] = series['o'] || on
				seen = append(seen, [2]string{plan, user})
				observed.ObserveInt(attribute.NewSet(attribute.String("plan", plan), attribute.String("user", user)), source[plan+user])
			})
		}
	}
	type record struct {
		at         int64
		plan, user string
		value      int64
	}
	var records []record
	rule, before := 0, -1
	starts := map[byte]int64{'c': clock, 'h': clock, 'o': clock}
	last := map[string]metric.Point{}
	redact(t, e, []byte(rules[rule].redact))
	for range 300 {
		clock++
		switch random.IntN(8) {
		case 0:
			rule = random.IntN(len(rules))
			redact(t, e, []byte(rules[rule].redact))
		case 1:
			on = random.IntN(4) > 0
		case 2, 3:
			points := read{}
			seen = seen[:0]
			e.Collect(t.Context(), points, random.IntN(2) == 0)
			anew := before >= 0 && rules[rule].user("ada") != rules[before].user("ada")
			before = rule
			for in := range starts {
				if anew && series[in] {
					starts[in] = clock
				}
			}
			want := map[string]bool{}
			for who := range bound {
				want["c plan="+who[0]+rules[rule].user(who[1])] = on && !anew
				want["h plan="+who[0]+rules[rule].user(who[1])] = on && !anew
			}
			for _, who := range seen {
				want["o plan="+who[0]+rules[rule].user(who[1])] = on && !anew
			}
			for name, sent := range want {
				if _, got := points[name]; got != sent {
					t.Errorf("%s is sent: %t, want %t", name, got, sent)
				}
			}
			for name, p := range points {
				if p.Start != starts[name[0]] || !want[name] {
					t.Errorf("%s starts at %d and is sent at %d, want a start at %d", name, p.Start, clock, starts[name[0]])
				}
				was := last[name]
				last[name] = p
				if name[0] == 'o' {
					if was.Start == p.Start && int64(p.Bits) < int64(was.Bits) {
						t.Errorf("%s fell from %d to %d", name, was.Bits, p.Bits)
					}
					continue
				}
				var sum int64
				var counts [2]uint64
				for _, r := range records {
					if r.at > p.Start && name[2:] == "plan="+r.plan+rules[rule].user(r.user) {
						sum += r.value
						counts[r.value/3]++
					}
				}
				got := int64(p.Bits)
				if name[0] == 'h' {
					got = int64(math.Float64frombits(p.Bits))
					if p.Count != counts[0]+counts[1] || p.Counts[0] != counts[0] || p.Counts[1] != counts[1] {
						t.Errorf("%s has counted %d %v since %d, want %v", name, p.Count, p.Counts, p.Start, counts)
					}
				}
				if got != sum {
					t.Errorf("%s is %d since %d, want %d", name, got, p.Start, sum)
				}
			}
		default:
			r := record{clock, pick(plans), pick(users), random.Int64N(6)}
			set := attribute.NewSet(attribute.String("plan", r.plan), attribute.String("user", r.user))
			series['c'], series['h'], bound[[2]string{r.plan, r.user}] = true, true, true
			counter.Series(set).AddInt(r.value)
			histogram.Series(set).Record(t.Context(), float64(r.value))
			if on {
				records = append(records, r)
			}
		}
		if t.Failed() {
			return
		}
	}
	if len(last) < 20 {
		t.Errorf("only %d points were seen", len(last))
	}
}

// TestAnObservedSourceThatCountsAnew falls below what it was when a rule came: it is taken
// as it is from then on, as whole numbers and as others.
func TestAnObservedSourceThatCountsAnew(t *testing.T) {
	e, _, _ := newEngine()
	ints := must(t, e, metric.Desc{Name: "i", Observable: true})
	floats := must(t, e, metric.Desc{Name: "f", Observable: true, Float: true})
	value := int64(10)
	e.OnCollect(func(context.Context) {
		set := attribute.NewSet(attribute.String("user", "ada"))
		ints.ObserveInt(set, value)
		floats.ObserveFloat(set, float64(value)/2)
	})
	collect(t, e)
	redact(t, e, []byte(`[{"key":"user","action":"drop"}]`))
	if got := collect(t, e); len(got) != 0 {
		t.Errorf("got %v in the collection after the rule", got)
	}
	for _, c := range []struct {
		value       int64
		whole, half string
	}{{14, "4", "2"}, {9, "9", "4.5"}, {11, "11", "5.5"}} {
		value = c.value
		if got := collect(t, e); got["i - counter int"] != c.whole || got["f - counter double"] != c.half {
			t.Errorf("got %v of a source at %d, want %s and %s", got, c.value, c.whole, c.half)
		}
	}
}

// TestADifferenceThatIsNotFinite is left out and counted, and back when it is a number.
func TestADifferenceThatIsNotFinite(t *testing.T) {
	e, c, _ := newEngine()
	h := must(t, e, metric.Desc{Name: "h", Kind: metric.Histogram, Bounds: []float64{}}).Series(attribute.NewSet(attribute.String("user", "ada")))
	h.Record(t.Context(), 1e308)
	collect(t, e)
	redact(t, e, []byte(`[{"key":"user","action":"drop"}]`))
	collect(t, e)
	h.Record(t.Context(), -1e308)
	h.Record(t.Context(), -1e308)
	if got := collect(t, e); len(got) != 0 || c.MetricInvalid.Load() != 1 {
		t.Errorf("got %v, invalid %d", got, c.MetricInvalid.Load())
	}
	h.Record(t.Context(), 1e308)
	if got := collect(t, e); len(got) != 1 || c.MetricInvalid.Load() != 1 {
		t.Errorf("got %v, invalid %d", got, c.MetricInvalid.Load())
	}
}
