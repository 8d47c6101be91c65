package query

import (
	"cmp"
	"slices"
)

// apply runs one stage over the spansets of a trace.
func (e *evaluation) apply(s Stage, sets []Spanset) []Spanset {
	var out []Spanset
	keep := func(set Spanset, rows []int) {
		if len(rows) > 0 {
			e.sort(rows)
			out = append(out, Spanset{Rows: rows, By: set.By})
		}
	}
	switch s.Kind {
	case StageCoalesce:
		var rows []int
		for _, set := range sets {
			rows = append(rows, set.Rows...)
		}
		keep(Spanset{}, union(rows, nil))
	case StageFilter:
		for _, set := range sets {
			keep(set, slices.DeleteFunc(slices.Clone(set.Rows), func(row int) bool { return !e.r.Eval(s.Filter, row) }))
		}
	case StageRelate:
		for _, set := range sets {
			keep(set, e.tree.rows(s.Spans, e.facts, set.Rows, true))
		}
	case StageBy:
		for _, set := range sets {
			out = append(out, s.group(e.r, set)...)
		}
		slices.SortStableFunc(out, func(a, b Spanset) int { return CompareGroups(a.By, b.By) })
	case StageAggregate:
		for _, set := range sets {
			if s.holds(e.r, set.Rows) {
				out = append(out, set)
			}
		}
	}
	return out
}

// group splits a set. A span whose events or links have several values is in
// several sets.
func (s Stage) group(r *Reader, set Spanset) []Spanset {
	var out []Spanset
	for _, row := range set.Rows {
		r.eachGroup(s.By, row, func(tuple []Value) {
			by := append(slices.Clone(set.By), tuple...)
			i := slices.IndexFunc(out, func(o Spanset) bool { return CompareGroups(o.By, by) == 0 })
			if i < 0 {
				i = len(out)
				out = append(out, Spanset{By: by})
			}
			out[i].Rows = append(out[i].Rows, row)
		})
	}
	return out
}

// holds compares an aggregate with a constant or with another aggregate; without
// numbers no comparison holds.
func (s Stage) holds(r *Reader, rows []int) bool {
	left, ok := Call{s.Func, s.Arg}.over(r, rows)
	if !ok {
		return false
	}
	right := s.Value
	if s.Other != nil {
		if right, ok = s.Other.over(r, rows); !ok {
			return false
		}
	}
	return compareValues(s.Op, left, right)
}

func (c Call) over(r *Reader, rows []int) (Value, bool) {
	var t Tally
	for _, row := range rows {
		if c.Arg == nil {
			t.Count++
			continue
		}
		r.eachNumber(c.Arg, row, func(v Value) { t.Add(v, false) })
	}
	return t.Result(c.Func)
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
