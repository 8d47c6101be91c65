package query

import (
	"cmp"
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

// EvalTrace gives the spansets of one complete trace: none when it does not
// match. It is the exact meaning of a plan without its metrics stage.
func EvalTrace(p *Plan, r *Reader, within Range) []Spanset {
	var t Tree
	t.Fill(r.b.Spans.SpanID, r.b.Spans.Parent)
	rows := t.Rows(p.Spans, Facts{
		Holds:  func(leaf, row int) bool { return r.Eval(p.Leaves[leaf], row) },
		Within: func(row int) bool { return within.Contains(r.b.Spans.Start[row]) },
	})
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b int) int {
		if earlier(&r.b.Spans, a, b) {
			return -1
		}
		return 1
	})
	sets := []Spanset{{Rows: rows}}
	for _, s := range p.Stages {
		sets = s.apply(r, sets)
	}
	return sets
}

// apply runs one stage over the spansets of a trace.
func (s Stage) apply(r *Reader, sets []Spanset) []Spanset {
	var out []Spanset
	switch s.Kind {
	case StageCoalesce:
		var rows []int
		for _, set := range sets {
			rows = append(rows, set.Rows...)
		}
		if len(rows) == 0 {
			return nil
		}
		slices.SortFunc(rows, func(a, b int) int {
			if earlier(&r.b.Spans, a, b) {
				return -1
			}
			return 1
		})
		return []Spanset{{Rows: rows}}
	case StageFilter:
		for _, set := range sets {
			set.Rows = slices.DeleteFunc(slices.Clone(set.Rows), func(row int) bool { return !r.Eval(s.Filter, row) })
			if len(set.Rows) > 0 {
				out = append(out, set)
			}
		}
	case StageBy:
		for _, set := range sets {
			out = append(out, s.group(r, set)...)
		}
		slices.SortStableFunc(out, func(a, b Spanset) int { return CompareGroups(a.By, b.By) })
	case StageAggregate:
		for _, set := range sets {
			if v, ok := s.aggregate(r, set.Rows); ok && compareValues(s.Op, v, s.Value) {
				out = append(out, set)
			}
		}
	}
	return out
}

func (s Stage) group(r *Reader, set Spanset) []Spanset {
	var out []Spanset
	for _, row := range set.Rows {
		by := slices.Clone(set.By)
		for _, f := range s.By {
			v, _ := r.One(f, row)
			by = append(by, v)
		}
		i := slices.IndexFunc(out, func(o Spanset) bool { return CompareGroups(o.By, by) == 0 })
		if i < 0 {
			i = len(out)
			out = append(out, Spanset{By: by})
		}
		out[i].Rows = append(out[i].Rows, row)
	}
	return out
}

func (s Stage) aggregate(r *Reader, rows []int) (Value, bool) {
	var t Tally
	for _, row := range rows {
		if s.Arg == nil {
			t.Count++
		} else if v, ok := r.Number(s.Arg, row); ok {
			t.Add(v, false)
		}
	}
	return t.Result(s.Func)
}

// CompareGroups orders the values of by(…): nil first, then by type, then by
// value; all NaN are one group, and so are 0 and −0.
func CompareGroups(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if c := cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.Str, y.Str), cmp.Compare(x.Int, y.Int), cmp.Compare(x.Float, y.Float)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
