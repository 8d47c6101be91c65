package store

import (
	"bytes"
	"container/heap"
	"context"
	"math/bits"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Relations between spans are answered without loading traces. A scan marks the
// rows for which the conditions of a plan hold, or DuckDB where a condition reads
// more than columns; what is then walked, in the order of trace ids and over all
// sources at once, are the traces in which the marks leave an answer possible. Of
// those alone the ids of spans and parents are read, and relations are found by the
// code that defines them, query.Tree.
//
//	conditions ─ scan, DuckDB ─► a bit a row and condition ─► traces that can match ─► ids, parents ─► query.Tree
//
// Reading traces whole took 2 ms for each that could match; this takes about 2 µs.

// maxMarkedLeaves is how many conditions fit beside a row's number in what DuckDB
// answers. The bits of all rows may take half of what a question has of DuckDB's
// memory, which they are not part of, and leastMarkBytes where that is less. Beyond
// either, traces are read one after the other.
const (
	maxMarkedLeaves = 7
	leastMarkBytes  = 32 << 20
)

func (d *duck) markBytes() int64 { return max(d.memory/2, leastMarkBytes) }

// structureReader reads the shape of traces of one place, as segment.Structure does.
type structureReader interface {
	At(row int) (telemetry.TraceID, segment.Rows, error)
	Find(id telemetry.TraceID) (segment.Rows, error)
	Read(ranges []segment.Rows, f segment.Fields) (*telemetry.Spans, error)
	Close()
}

// place is one source of rows, sorted by trace, and what is marked of them.
type place struct {
	rows   int
	later  bool       // it may have rows that came after the page was fixed
	always uint64     // conditions that hold for all rows, one bit each
	planes [][]uint64 // by condition: a bit for each row; nil where no row has one
	open   func() (structureReader, error)
}

func (p *place) mark(row int, conditions uint64) {
	for ; conditions != 0; conditions &= conditions - 1 {
		c := bits.TrailingZeros64(conditions)
		if p.planes[c] == nil {
			p.planes[c] = make([]uint64, (p.rows+63)/64)
		}
		p.planes[c][row/64] |= 1 << (row % 64)
	}
}

// of gives the conditions that hold for a row.
func (p *place) of(row int) uint64 {
	held := p.always
	for c, plane := range p.planes {
		if plane != nil {
			held |= plane[row/64] >> (row % 64) & 1 << c
		}
	}
	return held
}

// any gives the conditions that hold for some of the rows.
func (p *place) any(r segment.Rows) uint64 {
	held := p.always
	for c, plane := range p.planes {
		if plane != nil && nextBit(plane, r.Lo, r.Hi) < r.Hi {
			held |= 1 << c
		}
	}
	return held
}

// seek gives the first row from on that one of the conditions holds for, or the
// number of rows.
func (p *place) seek(from int, conditions uint64) int {
	if p.always&conditions != 0 {
		return from
	}
	next := p.rows
	for c, plane := range p.planes {
		if plane != nil && conditions>>c&1 != 0 {
			next = min(next, nextBit(plane, from, next))
		}
	}
	return next
}

// count gives the number of rows that a condition holds for.
func (p *place) count(condition int) int {
	if p.always>>condition&1 != 0 {
		return p.rows
	}
	n := 0
	for _, word := range p.planes[condition] {
		n += bits.OnesCount64(word)
	}
	return n
}

// nextBit gives the place of the first bit in [from, to), or to.
func nextBit(plane []uint64, from, to int) int {
	if from >= to {
		return to
	}
	word := plane[from/64] >> (from % 64) << (from % 64)
	for i := from / 64; ; word = plane[i] {
		if word != 0 {
			return min(i*64+bits.TrailingZeros64(word), to)
		}
		if i++; i*64 >= to {
			return to
		}
	}
}

// related reports whether marks, of most bytes, and the shape of traces answer the
// relations of a plan.
func related(src sources, p *query.Plan, most int64) bool {
	stored, fresh := src.rows()
	if !p.NeedsStructure || p.NeedsTrace || len(p.Leaves) > maxMarkedLeaves || !plainRelations(p.Spans) ||
		(stored+fresh)/8*int64(len(p.Leaves)+1) > most {
		return false
	}
	return allLowerable(p.Leaves) && !src.lists(p.Leaves...)
}

// plainRelations reports whether e has nothing but filters and relations.
func plainRelations(e *query.SpanExpr) bool {
	switch strings.TrimLeft(e.Op, "!&") {
	case "":
		return e.Op == "" || e.Op == "&&" && plainRelations(e.L) && plainRelations(e.R)
	case "||", ">", ">>", "<", "<<", "~":
		return plainRelations(e.L) && plainRelations(e.R)
	}
	return false
}

// possible is the condition over a trace without which no span can come out of e:
// held are the conditions that hold for some span of it.
func possible(e *query.SpanExpr, held uint64) bool {
	switch {
	case e.Op == "":
		return held>>e.Leaf&1 != 0
	case e.Op == "||":
		return possible(e.L, held) || possible(e.R, held)
	case e.Op[0] == '!':
		return possible(e.R, held)
	}
	return possible(e.L, held) && possible(e.R, held)
}

// rarest gives conditions of which one holds in every trace that e gives spans of,
// and for how many rows they do: the fewest that there are. count is by condition.
func rarest(e *query.SpanExpr, count []int) (conditions uint64, rows int) {
	if e.Op == "" {
		return 1 << e.Leaf, count[e.Leaf]
	}
	right, n := rarest(e.R, count)
	if e.Op[0] == '!' {
		return right, n
	}
	left, m := rarest(e.L, count)
	switch {
	case e.Op == "||":
		return left | right, m + n
	case m < n:
		return left, m
	}
	return right, n
}

// relating is a question about relations over fixed sources.
type relating struct {
	plan   *query.Plan
	maxSeq int64
	// As of sources.
	longest  int
	leaveOut func(why error)
	turns    *turns

	order  Order // what keys are by; empty: there are none
	fields segment.Fields
	places []*place
	walks  walkHeap
	all    []*walk // by place
	drive  uint64  // conditions of which one holds in every trace that can match
}

// walk goes over the traces of a place.
type walk struct {
	n      int // of the place
	at     *place
	reader structureReader
	id     telemetry.TraceID
	rows   segment.Rows
}

// walkHeap has the walk with the smallest trace id on top.
type walkHeap []*walk

func (h walkHeap) Len() int { return len(h) }
func (h walkHeap) Less(i, j int) bool {
	c := bytes.Compare(h[i].id[:], h[j].id[:])
	return c < 0 || c == 0 && h[i].n < h[j].n
}
func (h walkHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *walkHeap) Push(x any)   { *h = append(*h, x.(*walk)) }
func (h *walkHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// start opens the places and goes to the first trace of each.
func (q *relating) start() error {
	count := make([]int, len(q.plan.Leaves))
	for _, p := range q.places {
		for c := range count {
			count[c] += p.count(c)
		}
	}
	q.drive, _ = rarest(q.plan.Spans, count)
	for n, p := range q.places {
		r, err := p.open()
		if err != nil {
			return err
		}
		w := &walk{n: n, at: p, reader: r}
		q.all = append(q.all, w)
		if ok, err := q.step(w); err != nil {
			return err
		} else if ok {
			q.walks = append(q.walks, w)
		}
	}
	heap.Init(&q.walks)
	return nil
}

func (q *relating) close() {
	for _, w := range q.all {
		w.reader.Close()
	}
}

// step goes on to the next trace of a place that can match.
func (q *relating) step(w *walk) (ok bool, err error) {
	row := w.at.seek(w.rows.Hi, q.drive)
	if row >= w.at.rows {
		return false, nil
	}
	w.id, w.rows, err = w.reader.At(row)
	return err == nil, err
}

// part is the rows of a trace in one place.
type part struct {
	place int
	rows  segment.Rows
}

// suspects are traces that can match, with all of their rows.
type suspects struct {
	ids   []telemetry.TraceID
	ends  []int // of the parts of each
	parts []part
	rows  int
}

// Suspects are handed on when they have this many rows or traces. A trace is in
// memory whole, as everywhere.
const (
	suspectRows   = 64 << 10
	suspectTraces = 8 << 10
)

// next collects suspects until there are enough, or no more.
func (q *relating) next(ctx context.Context) (*suspects, error) {
	s := &suspects{}
	for len(q.walks) > 0 && s.rows < suspectRows && len(s.ids) < suspectTraces {
		if err := q.suspect(s); err != nil {
			return nil, err
		}
	}
	return s, ctx.Err()
}

// suspect looks at the trace with the smallest id that is left.
func (q *relating) suspect(s *suspects) error {
	id, from := q.walks[0].id, len(s.parts)
	for len(q.walks) > 0 && q.walks[0].id == id {
		w := q.walks[0]
		s.parts = append(s.parts, part{w.n, w.rows})
		ok, err := q.step(w)
		switch {
		case err != nil:
			return err
		case ok:
			heap.Fix(&q.walks, 0)
		default:
			heap.Pop(&q.walks)
		}
	}
	have := s.parts[from:]
	for _, w := range q.all { // the rest of the trace, to which no walk leads
		if len(have) > 0 && have[0].place == w.n {
			have = have[1:]
			continue
		}
		rows, err := w.reader.Find(id)
		if err != nil {
			return err
		}
		if rows.Lo < rows.Hi {
			s.parts = append(s.parts, part{w.n, rows})
		}
	}
	held, in := uint64(0), 0
	for _, p := range s.parts[from:] {
		held |= q.places[p.place].any(p.rows)
		in += p.rows.Hi - p.rows.Lo
	}
	switch {
	case !possible(q.plan.Spans, held) || held>>len(q.plan.Leaves)&1 == 0:
		s.parts = s.parts[:from]
	case q.longest > 0 && in > q.longest:
		q.leaveOut(tooLong(id, in, q.longest))
		s.parts = s.parts[:from]
	default:
		s.ids, s.ends, s.rows = append(s.ids, id), append(s.ends, len(s.parts)), s.rows+in
	}
	return nil
}
