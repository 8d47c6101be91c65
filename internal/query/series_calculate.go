package query

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Calculation makes series of those of other plans.
//
// Series of both sides of an operator meet when their labels are equal. Where one
// side has fewer labels, or none, each of its series meets all those of the other side
// that have the same values of these. What meets nothing is left out. A step has a
// value when both sides have one there, and when it is no division by zero.
type Calculation struct {
	Parts []*Plan // each gives series, in order of the text
	of    *calculated
}

type calcKind uint8

const (
	calcNumber calcKind = iota
	calcPart            // the series of a part
	calcBinary
	calcThen // stages behind l
)

type calculated struct {
	kind    calcKind
	number  float64
	part    int
	op      byte
	l, r    *calculated
	then    []SeriesStage
	labels  []string // names, in order; of numbers none
	seconds bool     // values are durations in seconds
}

// labelNames gives the names of the labels that all series of the function have.
func (m *Metrics) labelNames() []string {
	var out []string
	for _, f := range m.By {
		out = append(out, f.String())
	}
	switch m.Func {
	case Quantile:
		out = append(out, labelQuantile)
	case Histogram:
		out = append(out, labelBucket)
	}
	return out
}

func containsAll(names, of []string) bool {
	return !slices.ContainsFunc(of, func(n string) bool { return !slices.Contains(names, n) })
}

func labelList(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// Series calculates; part gives the series of one of Parts, and is asked once for each.
// Neither it nor the caller keeps what it gives.
func (c *Calculation) Series(steps Steps, part func(*Plan) ([]Series, error)) ([]Series, error) {
	x := &calculating{c, steps, part, 0}
	out, err := x.of(c.of)
	if err != nil {
		return nil, err
	}
	out = withValues(out)
	if len(out) > MaxSeries {
		return nil, TooManySeries(MaxSeries)
	}
	SortSeries(out)
	return out, nil
}

type calculating struct {
	c     *Calculation
	steps Steps
	part  func(*Plan) ([]Series, error)
	cells int // values that are held
}

// hold counts series that are there until they are let go of.
func (x *calculating) hold(series []Series) ([]Series, error) {
	if x.cells += len(series) * x.steps.N; x.cells > maxCells {
		return nil, telemetry.Errorf(telemetry.KindExhausted, "the calculation holds %d values at once, over %d: group by less varied fields, or ask for a longer step", x.cells, maxCells)
	}
	return series, nil
}

func (x *calculating) release(series []Series) { x.cells -= len(series) * x.steps.N }

// of gives the series of a part of the calculation, which is no number.
func (x *calculating) of(e *calculated) ([]Series, error) {
	switch e.kind {
	case calcPart:
		series, err := x.part(x.c.Parts[e.part])
		if err != nil {
			return nil, err
		}
		return x.hold(series)
	case calcThen:
		series, err := x.of(e.l)
		if err != nil {
			return nil, err
		}
		SortSeries(series)
		for _, s := range e.then {
			s.apply(series, x.steps.N)
		}
		return series, nil
	}
	if l, ok := e.l.constant(); ok {
		return x.each(e.r, func(v float64) float64 { return calculate(e.op, l, v) })
	}
	if r, ok := e.r.constant(); ok {
		return x.each(e.l, func(v float64) float64 { return calculate(e.op, v, r) })
	}
	return x.join(e)
}

// constant gives the number that a part of a calculation is, when it is one.
func (e *calculated) constant() (float64, bool) {
	switch e.kind {
	case calcNumber:
		return e.number, true
	case calcBinary:
		l, ok := e.l.constant()
		r, ok2 := e.r.constant()
		return calculate(e.op, l, r), ok && ok2
	}
	return 0, false
}

// calculate is arithmetic in which a division by zero gives no value.
func calculate(op byte, x, y float64) float64 {
	if op == '/' && y == 0 {
		return math.NaN()
	}
	return arithmetic(op, x, y)
}

func (x *calculating) each(of *calculated, f func(float64) float64) ([]Series, error) {
	series, err := x.of(of)
	if err != nil {
		return nil, err
	}
	for i := range series {
		for step, v := range series[i].Values {
			series[i].Values[step] = f(v)
		}
	}
	return series, nil
}

// join brings together the series of both sides.
func (x *calculating) join(e *calculated) ([]Series, error) {
	left, err := x.of(e.l)
	if err != nil {
		return nil, err
	}
	right, err := x.of(e.r)
	if err != nil {
		return nil, err
	}
	many, few, names, swapped := left, right, e.r.labels, false
	if !containsAll(e.l.labels, names) {
		many, few, names, swapped = right, left, e.l.labels, true
	}
	partners := map[string][]float64{}
	for _, s := range few {
		partners[s.key(names)] = s.Values
	}
	var out []Series
	for _, s := range many {
		partner, ok := partners[s.key(names)]
		if !ok {
			continue
		}
		for step, v := range s.Values {
			if swapped {
				s.Values[step] = calculate(e.op, partner[step], v)
			} else {
				s.Values[step] = calculate(e.op, v, partner[step])
			}
		}
		out = append(out, Series{Labels: s.Labels, Values: s.Values})
	}
	x.release(left)
	x.release(right)
	return x.hold(out)
}

// key is equal for series with equal values of the named labels.
func (s Series) key(names []string) string {
	values := make([]Value, len(names))
	for i, name := range names {
		at := slices.IndexFunc(s.Labels, func(l Label) bool { return l.Name == name })
		if values[i] = s.Labels[at].Value; values[i].Type == TypeFloat && math.IsNaN(values[i].Float) {
			values[i].Float = math.NaN() // all are one, whatever their bits
		}
	}
	return valuesKey(values)
}

// String gives the calculation with its parts numbered.
func (c *Calculation) String() string {
	var b strings.Builder
	c.of.write(&b, 0)
	return b.String()
}

func (e *calculated) write(b *strings.Builder, outer int) {
	switch e.kind {
	case calcNumber:
		b.WriteString(strconv.FormatFloat(e.number, 'g', -1, 64))
	case calcPart:
		b.WriteString("series " + strconv.Itoa(e.part))
	case calcThen:
		b.WriteByte('(')
		e.l.write(b, 0)
		for _, s := range e.then {
			b.WriteString(", " + s.String())
		}
		b.WriteByte(')')
	case calcBinary:
		rank := rankOf(string(e.op))
		if rank < outer {
			b.WriteByte('(')
		}
		e.l.write(b, rank)
		b.WriteString(" " + string(e.op) + " ")
		e.r.write(b, rank+1)
		if rank < outer {
			b.WriteByte(')')
		}
	}
}
