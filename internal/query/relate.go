package query

import (
	"math/bits"
	"math/rand/v2"
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
	indexed      bool
	slots        []treeSlot // open addressing by id, at most half full
	twin         []int32    // by row: the next row with the same id, or none
	sibling      []int32    // by row: the next row with the same parent, or none
	round        uint32     // of marking
}

// treeSlot is what is known of one id.
type treeSlot struct {
	id         telemetry.SpanID // zero: free
	row, child int32            // first row that has it, first row whose parent it is; or none
	round      uint32           // of the marking that has been here last
	left       int32            // the row that it left out, because the question came from it; or none
}

const noTreeRow = -1

// treeSeed makes the places of ids in a table unknown to who chooses the ids.
var treeSeed = rand.Uint64() | 1

// Fill makes it the tree of other spans: their ids, and those of their parents,
// which are zero for none. Both are read until the next Fill.
func (t *Tree) Fill(ids, parents []telemetry.SpanID) {
	t.ids, t.parents, t.indexed = ids, parents, false
}

// index makes the table. Each row brings at most two ids.
func (t *Tree) index() {
	t.indexed, t.round = true, 0
	size := 1 << bits.Len(uint(4*len(t.ids)))
	t.slots = slices.Grow(t.slots[:0], size)[:size]
	clear(t.slots)
	t.twin = slices.Grow(t.twin[:0], len(t.ids))[:len(t.ids)]
	t.sibling = slices.Grow(t.sibling[:0], len(t.ids))[:len(t.ids)]
	for row, id := range t.ids {
		t.twin[row], t.sibling[row] = noTreeRow, noTreeRow
		if s := t.slot(id); s != nil {
			t.twin[row], s.row = s.row, int32(row)
		}
		if s := t.slot(t.parents[row]); s != nil {
			t.sibling[row], s.child = s.child, int32(row)
		}
	}
}

// slot finds the slot of an id, or takes one; nil for the zero id, which names nothing.
func (t *Tree) slot(id telemetry.SpanID) *treeSlot {
	if id.IsZero() {
		return nil
	}
	hi, lo := bits.Mul64(id.Uint64(), treeSeed)
	for i := (hi ^ lo) & uint64(len(t.slots)-1); ; i = (i + 1) & uint64(len(t.slots)-1) {
		s := &t.slots[i]
		if s.id == id {
			return s
		}
		if s.id.IsZero() {
			*s = treeSlot{id: id, row: noTreeRow, child: noTreeRow, left: noTreeRow}
			return s
		}
	}
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
	if op == "~" {
		return t.siblings(rows)
	}
	if !t.indexed {
		t.index()
	}
	t.round++
	marked := make([]bool, len(t.ids))
	todo := slices.Clone(rows)
	for len(todo) > 0 {
		row := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		t.step(op[0] == '<', int32(row), func(next int32) {
			if !marked[next] {
				marked[next] = true
				if len(op) == 2 {
					todo = append(todo, int(next))
				}
			}
		})
	}
	return marked
}

// step calls f with the parents or the children of a row, but for itself. In one
// round of marking it calls f once for each, however many rows share an id: a
// million spans of one id would else be a million million steps.
func (t *Tree) step(up bool, row int32, f func(int32)) {
	of, following := t.ids[row], t.sibling
	if up {
		of, following = t.parents[row], t.twin
	}
	s := t.slot(of)
	if s == nil {
		return
	}
	if s.round == t.round {
		if s.left != noTreeRow && s.left != row {
			f(s.left)
			s.left = noTreeRow
		}
		return
	}
	s.round, s.left = t.round, noTreeRow
	first := s.child
	if up {
		first = s.row
	}
	for next := first; next != noTreeRow; next = following[next] {
		if next == row {
			s.left = row
		} else {
			f(next)
		}
	}
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
