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

// Labels that functions give their series beside those of by(…).
const (
	labelQuantile = "p"
	labelBucket   = "__bucket"
)

// Label is one dimension of a series.
type Label struct {
	Name  string
	Value Value // TypeNil: the spans have no such value
}

// Series is one line of a metrics answer. Values has one entry a step; NaN where
// there is none (counts and rates are 0 there instead).
type Series struct {
	Labels    []Label
	Values    []float64
	Exemplars []Exemplar // in order of start
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

// Of gives the step in which a span counts.
func (s Steps) Of(start int64) int { return int((start - s.Start) / s.Step) }

// group collects the numbers of one series before quantiles split it.
// Steps without numbers have no Tally: 1,000 series of 11,000 steps would not fit.
type group struct {
	by        []Value
	steps     map[int]*Tally
	exemplars exemplars
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
	m       *Metrics
	steps   Steps
	groups  []*group
	index   map[string]*group
	compare *comparing
}

// NewMetricsEval is for a plan that has a metrics stage.
func NewMetricsEval(p *Plan, steps Steps) *MetricsEval {
	e := &MetricsEval{m: p.Metrics, steps: steps, index: map[string]*group{}}
	if p.Metrics.Compare != nil {
		e.compare = newComparing(p.Metrics.Compare, steps)
	}
	return e
}

// Add counts matched rows, all of which start within the range.
func (e *MetricsEval) Add(r *Reader, rows []int) error {
	if e.compare != nil {
		return e.compare.add(r, rows)
	}
	for _, row := range rows {
		if err := e.addRow(r, row); err != nil {
			return err
		}
	}
	return nil
}

// addRow counts a span once in each of its groups, or, where numbers are of events
// or links, each number in the group of its event or link.
func (e *MetricsEval) addRow(r *Reader, row int) (err error) {
	if e.m.Arg == nil {
		r.eachGroup(e.m.By, row, func(by []Value) { err = firstError(err, e.count(r, row, by, Value{})) })
		return err
	}
	needed := reachOf(e.m.Arg)
	if !needed.anything() {
		v, ok := r.Number(e.m.Arg, row)
		if ok {
			r.eachGroup(e.m.By, row, func(by []Value) { err = firstError(err, e.count(r, row, by, v)) })
		}
		return err
	}
	r.each(needed.and(reachOfFields(e.m.By)), needed, row, func(at spot) bool {
		if v, ok := r.numberAt(e.m.Arg, at); ok {
			err = e.count(r, row, r.tuple(e.m.By, at), v)
		}
		return err != nil
	})
	return err
}

func firstError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (e *MetricsEval) count(r *Reader, row int, by []Value, v Value) error {
	g, err := e.group(by)
	if err != nil {
		return err
	}
	step := e.steps.Of(r.b.Spans.Start[row])
	t := g.step(step)
	if e.m.Arg == nil {
		t.Count++
	} else {
		t.Add(v, e.m.Func == Quantile || e.m.Func == Histogram)
	}
	if e.m.Exemplars > 0 {
		g.exemplars.add(e.m, e.steps, step, e.m.exemplarOf(&r.b.Spans, row, v))
	}
	return nil
}

func (e *MetricsEval) group(by []Value) (*group, error) {
	key := valuesKey(by)
	g, ok := e.index[key]
	if !ok {
		if len(e.groups) == e.m.SeriesLimit(e.steps) {
			return nil, TooManySeries(e.m.SeriesLimit(e.steps))
		}
		g = &group{by: by, steps: map[int]*Tally{}}
		e.index[key] = g
		e.groups = append(e.groups, g)
	}
	return g, nil
}

// valuesKey is equal for equal values.
func valuesKey(values []Value) string {
	var key strings.Builder
	for _, v := range values {
		key.WriteByte(byte(v.Type))
		key.WriteString(v.String())
		key.WriteByte(0)
	}
	return key.String()
}

// TooManySeries is the error of an answer over a limit of series.
func TooManySeries(limit int) error {
	return telemetry.Errorf(telemetry.KindInvalid, "the answer has over %d series: group by fewer or less varied fields, add a filter, or keep the first with | topk(10)", limit)
}

// Series gives the answer, ordered by labels.
func (e *MetricsEval) Series() ([]Series, error) {
	if e.compare != nil {
		return e.compare.series()
	}
	var out []Series
	for _, g := range e.groups {
		labels := e.m.labels(g.by)
		switch e.m.Func {
		case Quantile:
			for _, t := range g.steps {
				slices.SortFunc(t.all, compareNumbers)
			}
			for i, q := range e.m.Quantiles {
				line := e.line(g, append(slices.Clone(labels), QuantileLabel(q)), func(t *Tally) (Value, bool) {
					if len(t.all) == 0 {
						return Value{}, false
					}
					return t.all[QuantileIndex(q, len(t.all))], true
				})
				line.Exemplars = g.exemplars.quantile(e.m, e.steps, i)
				out = append(out, line)
			}
		case Histogram:
			out = append(out, e.histogram(g, labels)...)
		default:
			line := e.line(g, labels, func(t *Tally) (Value, bool) { return t.Result(e.m.Func) })
			line.Exemplars = g.exemplars.of(0)
			out = append(out, line)
		}
		if limit := e.m.SeriesLimit(e.steps); len(out) > limit {
			return nil, TooManySeries(limit)
		}
	}
	return e.m.Complete(out, e.steps)
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
	return Label{labelQuantile, Value{Type: TypeString, Str: strconv.FormatFloat(q, 'g', -1, 64)}}
}

// BucketLabel names the line of one histogram bucket by its upper bound.
func (m *Metrics) BucketLabel(exponent int) Label {
	return Label{labelBucket, Value{Type: TypeFloat, Float: m.Scale(math.Ldexp(1, exponent))}}
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
		out = append(out, Series{Labels: append(slices.Clone(labels), e.m.BucketLabel(x)), Values: values, Exemplars: g.exemplars.of(x)})
	}
	return out
}

// line fills one series; result gives the value of a step.
func (e *MetricsEval) line(g *group, labels []Label, result func(*Tally) (Value, bool)) Series {
	s := Series{Labels: labels, Values: make([]float64, e.steps.N)}
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
