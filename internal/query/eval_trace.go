package query

import (
	"math"
	"slices"
)

// Range is the time in which a span has to start to be matched: [Start, End) in
// Unix nanoseconds. Relations and fields of whole traces look beyond it.
type Range struct{ Start, End int64 }

// Contains reports whether t is inside.
func (r Range) Contains(t int64) bool { return t >= r.Start && t < r.End }

// Spanset is a set of matched spans of one trace.
type Spanset struct {
	Rows []int   // rows of the Batch, by start, then span id
	By   []Value // what by(…) stages grouped by; TypeNil for a missing value
}

// everything is the range in which all spans start.
var everything = Range{math.MinInt64, math.MaxInt64}

// EvalTrace gives the spansets of one complete trace: none when it does not
// match. It is the exact meaning of a plan without its metrics stage.
func EvalTrace(p *Plan, r *Reader, within Range) []Spanset {
	e := &evaluation{r: r}
	s := &r.b.Spans
	e.tree.Fill(s.SpanID, s.Parent)
	e.facts = Facts{
		Holds:  func(leaf, row int) bool { return r.Eval(p.Leaves[leaf], row) },
		Within: func(row int) bool { return within.Contains(s.Start[row]) },
		Pipe:   e.piped,
	}
	return e.pipe(e.tree.Rows(p.Spans, e.facts), p.Stages)
}

// evaluation is a plan at work on one trace.
type evaluation struct {
	r     *Reader
	tree  Tree
	facts Facts
}

// pipe runs stages over one set of spans.
func (e *evaluation) pipe(rows []int, stages []Stage) []Spanset {
	if len(rows) == 0 {
		return nil
	}
	e.sort(rows)
	sets := []Spanset{{Rows: rows}}
	for _, s := range stages {
		sets = e.apply(s, sets)
	}
	return sets
}

// piped gives the spans that come out of a pipeline in parentheses, whatever set
// they are in; groups may share a span.
func (e *evaluation) piped(rows []int, stages []Stage) []int {
	var out []int
	for _, set := range e.pipe(rows, stages) {
		out = append(out, set.Rows...)
	}
	return union(out, nil)
}

// sort brings rows into the order of answers.
func (e *evaluation) sort(rows []int) {
	slices.SortFunc(rows, func(a, b int) int {
		if earlier(&e.r.b.Spans, a, b) {
			return -1
		}
		return 1
	})
}
