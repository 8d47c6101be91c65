package query

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Tree finds relatives by id among the spans of one trace. Two records may share
// a span id, as client and server do in Zipkin: both are parents of what names
// the id. A Tree may be filled again for another trace; it is not safe for
// concurrent use.
type Tree struct {
	ids, parents []telemetry.SpanID
	byID         []int32 // rows in order of their id
	byParent     []int32 // rows that have a parent, in order of its id
	hasID        bool    // byID is made
	hasParent    bool    // byParent is made
}

// Fill makes it the tree of other spans: their ids, and those of their parents,
// which are zero for none. Both are read until the next Fill.
func (t *Tree) Fill(ids, parents []telemetry.SpanID) {
	t.ids, t.parents, t.hasID, t.hasParent = ids, parents, false, false
}

func sortRows(rows []int32, of []telemetry.SpanID) {
	slices.SortFunc(rows, func(a, b int32) int {
		return cmp.Or(cmp.Compare(of[a].Uint64(), of[b].Uint64()), cmp.Compare(a, b))
	})
}

// equal gives the rows whose id is id, of rows in order of it.
func equal(rows []int32, of []telemetry.SpanID, id telemetry.SpanID) []int32 {
	want := id.Uint64()
	lo, _ := slices.BinarySearchFunc(rows, want, func(row int32, want uint64) int { return cmp.Compare(of[row].Uint64(), want) })
	hi := lo
	for hi < len(rows) && of[rows[hi]] == id {
		hi++
	}
	return rows[lo:hi]
}

func (t *Tree) children(row int) []int32 {
	if !t.hasParent {
		t.hasParent, t.byParent = true, t.byParent[:0]
		for row, p := range t.parents {
			if !p.IsZero() {
				t.byParent = append(t.byParent, int32(row))
			}
		}
		sortRows(t.byParent, t.parents)
	}
	return equal(t.byParent, t.parents, t.ids[row])
}

func (t *Tree) parentsOf(row int) []int32 {
	if t.parents[row].IsZero() {
		return nil
	}
	if !t.hasID {
		t.hasID, t.byID = true, t.byID[:0]
		for row := range t.ids {
			t.byID = append(t.byID, int32(row))
		}
		sortRows(t.byID, t.ids)
	}
	return equal(t.byID, t.ids, t.parents[row])
}

// Facts are what relations ask of the spans of a trace beside their ids: whether
// condition leaf holds for a row, and whether the row starts within the range asked for.
type Facts struct {
	Holds  func(leaf, row int) bool
	Within func(row int) bool
	// Pipe gives the rows that stages make of a set of rows. It is not called for
	// expressions that are Plain.
	Pipe func(rows []int, stages []Stage) []int
}

// Plain reports whether the expression has no pipeline in parentheses, so that
// conditions and ids decide it.
func (e *SpanExpr) Plain() bool {
	return e.Op != OpPipe && (e.Op == "" || e.L.Plain() && e.R.Plain())
}

// Rows gives the rows that e selects of the trace, in ascending order of rows or
// of what its operators give, each once. Both sides of a structural relation are
// looked for in the whole trace; only what it gives has to start within.
func (t *Tree) Rows(e *SpanExpr, f Facts) []int { return t.rows(e, f, nil, false) }

// rows looks among rows of, or in the whole trace when that is nil.
func (t *Tree) rows(e *SpanExpr, f Facts, of []int, whole bool) []int {
	switch e.Op {
	case "":
		var out []int
		if of != nil {
			for _, row := range of {
				if f.Holds(e.Leaf, row) {
					out = append(out, row)
				}
			}
			return out
		}
		for row := range t.ids {
			if (whole || f.Within(row)) && f.Holds(e.Leaf, row) {
				out = append(out, row)
			}
		}
		return out
	case OpPipe:
		return f.Pipe(t.rows(e.L, f, of, whole), e.Stages)
	case "&&", "||":
		left, right := t.rows(e.L, f, of, whole), t.rows(e.R, f, of, whole)
		if e.Op == "&&" && (len(left) == 0 || len(right) == 0) {
			return nil
		}
		return union(left, right)
	}
	out := t.relation(e, t.rows(e.L, f, of, true), t.rows(e.R, f, of, true))
	if !whole && of == nil {
		out = slices.DeleteFunc(out, func(row int) bool { return !f.Within(row) })
	}
	return out
}

// relation gives the rows that a structural operator selects of its two sides.
func (t *Tree) relation(e *SpanExpr, left, right []int) []int {
	op := strings.TrimLeft(e.Op, "!&")
	negated := e.Op[0] == '!'
	if len(right) == 0 || (len(left) == 0 && !negated) {
		return nil
	}
	related := t.related(op, left)
	var out []int
	for _, row := range right {
		if related[row] != negated {
			out = append(out, row)
		}
	}
	if e.Op[0] != '&' {
		return out
	}
	back := t.related(inverse[op], right)
	var lefts []int
	for _, row := range left {
		if back[row] {
			lefts = append(lefts, row)
		}
	}
	return union(out, lefts)
}

var inverse = map[string]string{">": "<", "<": ">", ">>": "<<", "<<": ">>", "~": "~"}

func union(a, b []int) []int {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// related marks the rows that stand in the relation to one of rows: > marks their
// children, >> their descendants, < and << parents and ancestors, ~ siblings. A
// span is no relative of itself, unless a cycle of parents makes it one.
func (t *Tree) related(op string, rows []int) []bool {
	step := t.children
	switch op {
	case "<", "<<":
		step = t.parentsOf
	case "~":
		return t.siblings(rows)
	}
	marked := make([]bool, len(t.ids))
	todo := slices.Clone(rows)
	for len(todo) > 0 {
		row := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, n := range step(row) {
			next := int(n)
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

func (t *Tree) siblings(rows []int) []bool {
	marked := make([]bool, len(t.ids))
	in := make([]bool, len(t.ids))
	count := map[telemetry.SpanID]int{}
	for _, row := range rows {
		in[row] = true
		count[t.parents[row]]++
	}
	for row := range marked {
		if parent := t.parents[row]; !parent.IsZero() {
			others := count[parent]
			if in[row] {
				others--
			}
			marked[row] = others > 0
		}
	}
	return marked
}
