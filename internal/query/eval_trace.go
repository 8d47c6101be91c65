package query

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
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
	t := newTree(r.b)
	rows := t.spans(p, p.Spans, r, within, false)
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

// tree finds relatives by id. Two records may share a span id, as client and
// server do in Zipkin: both are parents of what names the id.
type tree struct {
	s        *telemetry.Spans
	byID     map[telemetry.SpanID][]int
	byParent map[telemetry.SpanID][]int
}

func newTree(b *telemetry.Batch) *tree {
	t := &tree{s: &b.Spans, byID: map[telemetry.SpanID][]int{}, byParent: map[telemetry.SpanID][]int{}}
	for row := range t.s.N {
		t.byID[t.s.SpanID[row]] = append(t.byID[t.s.SpanID[row]], row)
		if p := t.s.Parent[row]; !p.IsZero() {
			t.byParent[p] = append(t.byParent[p], row)
		}
	}
	return t
}

// spans gives the rows of a spanset expression. Both sides of a structural
// relation are looked for in the whole trace; only what it gives has to start within.
func (t *tree) spans(p *Plan, e *SpanExpr, r *Reader, within Range, whole bool) []int {
	var out []int
	switch e.Op {
	case "":
		for row := range t.s.N {
			if (whole || within.Contains(t.s.Start[row])) && r.Eval(p.Leaves[e.Leaf], row) {
				out = append(out, row)
			}
		}
		return out
	case "&&", "||":
		left := t.spans(p, e.L, r, within, whole)
		right := t.spans(p, e.R, r, within, whole)
		if e.Op == "&&" && (len(left) == 0 || len(right) == 0) {
			return nil
		}
		return t.union(left, right)
	}
	left := t.spans(p, e.L, r, within, true)
	right := t.spans(p, e.R, r, within, true)
	op := strings.TrimLeft(e.Op, "!&")
	related := t.related(op, left)
	negated := e.Op[0] == '!'
	for _, row := range right {
		if related[row] != negated {
			out = append(out, row)
		}
	}
	if e.Op[0] == '&' {
		back := t.related(inverse[op], right)
		var lefts []int
		for _, row := range left {
			if back[row] {
				lefts = append(lefts, row)
			}
		}
		out = t.union(out, lefts)
	}
	if !whole {
		out = slices.DeleteFunc(out, func(row int) bool { return !within.Contains(t.s.Start[row]) })
	}
	return out
}

var inverse = map[string]string{">": "<", "<": ">", ">>": "<<", "<<": ">>", "~": "~"}

func (t *tree) union(a, b []int) []int {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// related marks the rows that stand in the relation to one of rows: > marks their
// children, >> their descendants, < and << parents and ancestors, ~ siblings. A
// span is no relative of itself, unless a cycle of parents makes it one.
func (t *tree) related(op string, rows []int) []bool {
	marked := make([]bool, t.s.N)
	step := func(row int) []int { return t.byParent[t.s.SpanID[row]] }
	switch op {
	case "<", "<<":
		step = func(row int) []int {
			if t.s.Parent[row].IsZero() {
				return nil
			}
			return t.byID[t.s.Parent[row]]
		}
	case "~":
		return t.siblings(rows)
	}
	todo := slices.Clone(rows)
	for len(todo) > 0 {
		row := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, next := range step(row) {
			if next == row || marked[next] {
				continue
			}
			marked[next] = true
			if len(op) == 2 {
				todo = append(todo, next)
			}
		}
	}
	return marked
}

func (t *tree) siblings(rows []int) []bool {
	marked := make([]bool, t.s.N)
	in := make([]bool, t.s.N)
	count := map[telemetry.SpanID]int{}
	for _, row := range rows {
		in[row] = true
		count[t.s.Parent[row]]++
	}
	for row := range marked {
		if parent := t.s.Parent[row]; !parent.IsZero() {
			others := count[parent]
			if in[row] {
				others--
			}
			marked[row] = others > 0
		}
	}
	return marked
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
