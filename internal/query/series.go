package query

import (
	"cmp"
	"math"
	"slices"
)

// maxCells bounds what series may be worked with before topk and its like have
// chosen: values of all series at all steps.
const maxCells = MaxSeries * MaxSteps

// maxChosen bounds the same in series.
const maxChosen = 100_000

// SeriesLimit is how many series there may be before those stages that leave out
// some: an answer of one step may choose from many.
func (m *Metrics) SeriesLimit(steps Steps) int {
	if len(m.Then) == 0 {
		return MaxSeries
	}
	return min(max(MaxSeries, maxCells/steps.N), maxChosen)
}

// Complete brings the series of a function into the form of the answer: ordered by
// labels, with what follows the function done, and with exemplars of those values
// that are still there. It keeps what it is given.
func (m *Metrics) Complete(series []Series, steps Steps) ([]Series, error) {
	SortSeries(series)
	for _, s := range m.Then {
		s.apply(series, steps.N)
	}
	if len(m.Then) > 0 {
		series = withValues(series)
	}
	if len(series) > MaxSeries {
		return nil, TooManySeries(MaxSeries)
	}
	for i := range series {
		m.Settle(&series[i], steps)
	}
	return series, nil
}

// withValues leaves out the series that have no value at any step.
func withValues(series []Series) []Series {
	return slices.DeleteFunc(series, func(s Series) bool {
		return !slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
	})
}

// Settle is for a series that has just got its exemplars: it leaves out those of
// values that are not in the answer, gives those of counts the value that they are
// an example of, and brings the others into the unit of the answer.
func (m *Metrics) Settle(s *Series, steps Steps) {
	s.Exemplars = slices.DeleteFunc(s.Exemplars, func(e Exemplar) bool { return math.IsNaN(s.Values[steps.Of(e.Start)]) })
	for i := range s.Exemplars {
		e := &s.Exemplars[i]
		if m.Func == Count {
			e.Value = s.Values[steps.Of(e.Start)]
		} else {
			e.Value = m.Scale(e.Value)
		}
	}
	slices.SortFunc(s.Exemplars, Exemplar.order)
}

// apply makes values that do not stay NaN.
func (s SeriesStage) apply(series []Series, steps int) {
	for step := range steps {
		if s.Kind == SeriesThreshold {
			for i := range series {
				if v := &series[i].Values[step]; math.IsNaN(*v) || !holds(s.Op, cmp.Compare(*v, s.Value)) {
					*v = math.NaN()
				}
			}
			continue
		}
		s.choose(series, step)
	}
}

// choose keeps the N largest or smallest values of one step; of equal ones those of
// the series that come first.
func (s SeriesStage) choose(series []Series, step int) {
	var there []int
	for i := range series {
		if !math.IsNaN(series[i].Values[step]) {
			there = append(there, i)
		}
	}
	if len(there) <= s.N {
		return
	}
	slices.SortStableFunc(there, func(a, b int) int {
		c := cmp.Compare(series[a].Values[step], series[b].Values[step])
		if s.Kind == SeriesTop {
			return -c
		}
		return c
	})
	for _, i := range there[s.N:] {
		series[i].Values[step] = math.NaN()
	}
}
