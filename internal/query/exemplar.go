package query

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Exemplar is a span that is an example of one value of a series: of a maximum,
// minimum or quantile the span that has it, and of all else the span with the
// largest number of the step, which is its duration where the function counts. Of
// equal ones it is the first by start, trace id, span id.
type Exemplar struct {
	TraceID telemetry.TraceID
	SpanID  telemetry.SpanID
	Start   int64
	Value   float64 // the span's number, in the unit of the series; for counts the value of the step
}

func (e Exemplar) order(o Exemplar) int {
	return cmp.Or(cmp.Compare(e.Start, o.Start), bytes.Compare(e.TraceID[:], o.TraceID[:]), bytes.Compare(e.SpanID[:], o.SpanID[:]))
}

// Better reports whether e stands for a value of m rather than o.
func (m *Metrics) Better(e, o Exemplar) bool {
	sign := -1
	if m.Func == Min {
		sign = 1
	}
	return cmp.Or(sign*cmp.Compare(e.Value, o.Value), e.order(o)) < 0
}

// Window is the number of the steps that share one exemplar: as many windows of
// equal width as a series may have exemplars.
func (m *Metrics) Window(step int, steps Steps) int {
	return step * m.Windows(steps) / steps.N
}

// Windows counts them.
func (m *Metrics) Windows(steps Steps) int { return min(m.Exemplars, steps.N) }

func (m *Metrics) exemplarOf(s *telemetry.Spans, row int, v Value) Exemplar {
	if m.Arg == nil {
		v = Value{Type: TypeDuration, Int: s.Duration[row]}
	}
	return Exemplar{s.TraceID[row], s.SpanID[row], s.Start[row], v.Number() + 0} // −0 is 0
}

// exemplars collects those of one group.
type exemplars struct {
	best map[[2]int]Exemplar // by histogram bucket, which is 0 for other functions, and window
	all  map[int][]Exemplar  // of quantiles: by step
}

func (x *exemplars) add(m *Metrics, steps Steps, step int, e Exemplar) {
	if m.Func == Quantile {
		if x.all == nil {
			x.all = map[int][]Exemplar{}
		}
		x.all[step] = append(x.all[step], e)
		return
	}
	bucket := 0
	if m.Func == Histogram {
		bucket = BucketExponent(e.Value)
	}
	x.put(m, [2]int{bucket, m.Window(step, steps)}, e)
}

func (x *exemplars) put(m *Metrics, key [2]int, e Exemplar) {
	if x.best == nil {
		x.best = map[[2]int]Exemplar{}
	}
	if old, ok := x.best[key]; !ok || m.Better(e, old) {
		x.best[key] = e
	}
}

func (x *exemplars) of(bucket int) []Exemplar {
	var out []Exemplar
	for k, e := range x.best {
		if k[0] == bucket {
			out = append(out, e)
		}
	}
	return out
}

// quantile gives the first spans that have quantile number i of their step, one of
// each window.
func (x *exemplars) quantile(m *Metrics, steps Steps, i int) []Exemplar {
	var found exemplars
	for step, all := range x.all {
		slices.SortFunc(all, func(a, b Exemplar) int { return cmp.Or(cmp.Compare(a.Value, b.Value), a.order(b)) })
		at := QuantileIndex(m.Quantiles[i], len(all))
		for at > 0 && all[at-1].Value == all[at].Value {
			at--
		}
		found.put(m, [2]int{0, m.Window(step, steps)}, all[at])
	}
	return found.of(0)
}
