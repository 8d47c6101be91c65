package query

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Limits of the answer to a metrics query.
const (
	MaxSeries = 1000
	MaxSteps  = 11_000
)

// Label is one dimension of a series.
type Label struct {
	Name  string
	Value Value // TypeNil: the spans have no such value
}

// Series is one line of a metrics answer. Values has one entry a step; NaN where
// there is none (counts and rates are 0 there instead).
type Series struct {
	Labels []Label
	Values []float64
}

// Steps is the time axis of a metrics query: N steps of Step nanoseconds from
// Start on. The last one may reach over the end of the range.
type Steps struct {
	Range
	Step int64
	N    int
}

// NewSteps checks and counts the steps of a range.
func NewSteps(start, end, step int64) (Steps, error) {
	if start < 0 || end <= start {
		return Steps{}, telemetry.Errorf(telemetry.KindInvalid, "the range from %d to %d is empty: give start before end, in Unix time", start, end)
	}
	if step <= 0 {
		return Steps{}, telemetry.Errorf(telemetry.KindInvalid, "the step %d ns is not positive: give for example 60s", step)
	}
	n := (end-start-1)/step + 1
	if n > MaxSteps {
		return Steps{}, telemetry.Errorf(telemetry.KindInvalid, "%d steps are over the limit of %d: give a longer step", n, MaxSteps)
	}
	return Steps{Range{start, end}, step, int(n)}, nil
}

// group collects the numbers of one series before quantiles split it.
// Steps without numbers have no Tally: 1,000 series of 11,000 steps would not fit.
type group struct {
	by    []Value
	steps map[int]*Tally
}

func (g *group) step(i int) *Tally {
	t := g.steps[i]
	if t == nil {
		t = &Tally{}
		g.steps[i] = t
	}
	return t
}

// MetricsEval is the exact meaning of a metrics stage: it is fed with matched
// spans and gives the series.
type MetricsEval struct {
	m      *Metrics
	steps  Steps
	groups []*group
	index  map[string]*group
}

// NewMetricsEval is for a plan that has a metrics stage.
func NewMetricsEval(p *Plan, steps Steps) *MetricsEval {
	return &MetricsEval{m: p.Metrics, steps: steps, index: map[string]*group{}}
}

// Add counts matched rows, all of which start within the range.
func (e *MetricsEval) Add(r *Reader, rows []int) error {
	for _, row := range rows {
		by := make([]Value, len(e.m.By))
		for i, f := range e.m.By {
			by[i], _ = r.One(f, row)
		}
		var v Value
		if e.m.Arg != nil {
			var ok bool
			if v, ok = r.Number(e.m.Arg, row); !ok {
				continue
			}
		}
		g, err := e.group(by)
		if err != nil {
			return err
		}
		t := g.step(int((r.b.Spans.Start[row] - e.steps.Start) / e.steps.Step))
		if e.m.Arg == nil {
			t.Count++
		} else {
			t.Add(v, e.m.Func == Quantile || e.m.Func == Histogram)
		}
	}
	return nil
}

func (e *MetricsEval) group(by []Value) (*group, error) {
	var key strings.Builder
	for _, v := range by {
		key.WriteByte(byte(v.Type))
		key.WriteString(v.String())
		key.WriteByte(0)
	}
	g, ok := e.index[key.String()]
	if !ok {
		if len(e.groups) == MaxSeries {
			return nil, TooManySeries()
		}
		g = &group{by, map[int]*Tally{}}
		e.index[key.String()] = g
		e.groups = append(e.groups, g)
	}
	return g, nil
}

// TooManySeries is the error of an answer over MaxSeries.
func TooManySeries() error {
	return telemetry.Errorf(telemetry.KindInvalid, "the answer has over %d series: group by fewer or less varied fields, or add a filter", MaxSeries)
}

// Series gives the answer, ordered by labels.
func (e *MetricsEval) Series() ([]Series, error) {
	var out []Series
	for _, g := range e.groups {
		labels := e.m.labels(g.by)
		switch e.m.Func {
		case Quantile:
			for _, t := range g.steps {
				slices.SortFunc(t.all, compareNumbers)
			}
			for _, q := range e.m.Quantiles {
				out = append(out, e.line(g, append(slices.Clone(labels), QuantileLabel(q)), func(t *Tally) (Value, bool) {
					if len(t.all) == 0 {
						return Value{}, false
					}
					return t.all[QuantileIndex(q, len(t.all))], true
				}))
			}
		case Histogram:
			out = append(out, e.histogram(g, labels)...)
		default:
			out = append(out, e.line(g, labels, func(t *Tally) (Value, bool) { return t.Result(e.m.Func) }))
		}
		if len(out) > MaxSeries {
			return nil, TooManySeries()
		}
	}
	SortSeries(out)
	return out, nil
}

func (m *Metrics) labels(by []Value) []Label {
	labels := make([]Label, len(by))
	for i, v := range by {
		labels[i] = Label{m.By[i].String(), v}
	}
	return labels
}

func compareNumbers(a, b Value) int {
	if a.Type != TypeFloat && b.Type != TypeFloat {
		return cmp.Compare(a.Int, b.Int)
	}
	return cmp.Compare(a.Number(), b.Number())
}

// QuantileLabel names the line of one quantile.
func QuantileLabel(q float64) Label {
	return Label{"p", Value{Type: TypeString, Str: strconv.FormatFloat(q, 'g', -1, 64)}}
}

// BucketLabel names the line of one histogram bucket by its upper bound.
func (m *Metrics) BucketLabel(exponent int) Label {
	return Label{"__bucket", Value{Type: TypeFloat, Float: m.Scale(math.Ldexp(1, exponent))}}
}

func (e *MetricsEval) histogram(g *group, labels []Label) []Series {
	lines := map[int][]float64{}
	for i, t := range g.steps {
		for _, v := range t.all {
			x := BucketExponent(v.Number())
			if lines[x] == nil {
				lines[x] = make([]float64, e.steps.N)
			}
			lines[x][i]++
		}
	}
	var out []Series
	for x, values := range lines {
		out = append(out, Series{append(slices.Clone(labels), e.m.BucketLabel(x)), values})
	}
	return out
}

// line fills one series; result gives the value of a step.
func (e *MetricsEval) line(g *group, labels []Label, result func(*Tally) (Value, bool)) Series {
	s := Series{labels, make([]float64, e.steps.N)}
	for i := range s.Values {
		if e.m.Func != Count {
			s.Values[i] = math.NaN()
		}
	}
	for i, t := range g.steps {
		if v, ok := result(t); ok {
			s.Values[i] = e.m.Finish(v, e.steps.Step)
		}
	}
	return s
}

// Finish brings a result into the unit of the answer: rates per second, durations
// in seconds.
func (m *Metrics) Finish(v Value, step int64) float64 {
	if m.Rate {
		return v.Number() / (float64(step) / 1e9)
	}
	return m.Scale(v.Number())
}

// Scale turns nanoseconds into seconds where the argument is a duration.
func (m *Metrics) Scale(x float64) float64 {
	if m.Seconds {
		return x / 1e9
	}
	return x
}

// SortSeries orders series by their labels.
func SortSeries(s []Series) {
	slices.SortFunc(s, func(a, b Series) int {
		var x, y []Value
		for _, l := range a.Labels {
			x = append(x, l.Value)
		}
		for _, l := range b.Labels {
			y = append(y, l.Value)
		}
		return CompareGroups(x, y)
	})
}
