package store

import (
	"context"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// relate calls f with the traces in which the relations of the plan hold, in the
// order of their ids, each with the key by which order ranks it. Stages are not looked at.
func (c *duckConn) relate(ctx context.Context, src sources, p *query.Plan, within query.Range, order Order, f func([]searchKey) error) error {
	q := &relating{plan: p, maxSeq: src.maxSeq, longest: src.longest, leaveOut: src.leaveOut, turns: src.turns, order: order, fields: segment.Fields{Start: order == OrderNewest, Duration: order == OrderSlowest}}
	var err error
	if q.places, err = c.mark(ctx, src, p, within); err != nil {
		return err
	}
	defer q.close()
	if err := q.start(); err != nil {
		return err
	}
	return q.run(ctx, func(r relation) error {
		if order != "" { // else what matches is evaluated again, and counted then
			c.seen += r.seen
		}
		return f(r.keys)
	})
}

// run evaluates suspects beside the walk that finds them, and hands over what
// they give in the order of the walk.
func (q *relating) run(ctx context.Context, f func(relation) error) error {
	width := max(2, q.turns.workers())
	idle := make(chan *relater, width)
	for range width {
		idle <- &relater{q: q}
	}
	var waiting []chan relation
	defer func() {
		for _, w := range waiting {
			<-w // nobody reads from the places once they are closed
		}
		for range width {
			(<-idle).close()
		}
	}()
	for {
		s, err := q.next(ctx)
		if err != nil {
			return err
		}
		if len(s.ids) > 0 {
			done := make(chan relation, 1)
			waiting = append(waiting, done)
			r := <-idle
			go func() {
				var keys []searchKey
				err := q.turns.do(ctx, func() (err error) {
					keys, err = r.evaluate(s)
					return err
				})
				idle <- r
				done <- relation{keys, len(s.ids), err}
			}()
		}
		for len(waiting) > 0 && (len(waiting) == width || len(q.walks) == 0) {
			got := <-waiting[0]
			waiting = waiting[1:]
			if got.err != nil {
				return got.err
			}
			if err := ctx.Err(); err != nil {
				return err // what came too late is not half of an answer
			}
			if err := f(got); err != nil {
				return err
			}
		}
		if len(q.walks) == 0 {
			return nil
		}
	}
}

// relation is what suspects give.
type relation struct {
	keys []searchKey
	seen int // suspects
	err  error
}

// relater evaluates suspects, one lot at a time.
type relater struct {
	q       *relating
	readers []structureReader // by place, opened on first use
	tree    query.Tree
	ids     []telemetry.SpanID
	parents []telemetry.SpanID
	held    []uint64
	keys    []int64
}

func (r *relater) close() {
	for _, reader := range r.readers {
		if reader != nil {
			reader.Close()
		}
	}
}

// evaluate gives the keys of the suspects that match.
func (r *relater) evaluate(s *suspects) ([]searchKey, error) {
	read, err := r.read(s)
	if err != nil {
		return nil, err
	}
	var out []searchKey
	next := make([]int, len(read)) // by place: row of what was read where the next part begins
	from := 0
	for i, id := range s.ids {
		r.ids, r.parents, r.held, r.keys = r.ids[:0], r.parents[:0], r.held[:0], r.keys[:0]
		for _, p := range s.parts[from:s.ends[i]] {
			r.add(p, read[p.place], next[p.place])
			next[p.place] += p.rows.Hi - p.rows.Lo
		}
		from = s.ends[i]
		if key, ok := r.match(); ok {
			out = append(out, searchKey{key, id})
		}
	}
	return out, nil
}

// read reads the rows of all suspects, place by place.
func (r *relater) read(s *suspects) ([]*telemetry.Spans, error) {
	ranges := make([][]segment.Rows, len(r.q.places))
	for _, p := range s.parts {
		ranges[p.place] = append(ranges[p.place], p.rows)
	}
	if r.readers == nil {
		r.readers = make([]structureReader, len(r.q.places))
	}
	out := make([]*telemetry.Spans, len(ranges))
	for n, in := range ranges {
		if len(in) == 0 {
			continue
		}
		var err error
		if r.readers[n] == nil {
			if r.readers[n], err = r.q.places[n].open(); err != nil {
				r.readers[n] = nil
				return nil, err
			}
		}
		f := r.q.fields
		f.Seq = r.q.places[n].later
		if out[n], err = r.readers[n].Read(in, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// add takes the visible rows of a part of a trace, which begin at row at of s.
func (r *relater) add(p part, s *telemetry.Spans, at int) {
	place := r.q.places[p.place]
	for row := p.rows.Lo; row < p.rows.Hi; row, at = row+1, at+1 {
		if place.later && s.Seq[at] > r.q.maxSeq {
			continue
		}
		r.ids, r.parents, r.held = append(r.ids, s.SpanID[at]), append(r.parents, s.Parent[at]), append(r.held, place.of(row))
		switch {
		case r.q.fields.Start:
			r.keys = append(r.keys, s.Start[at])
		case r.q.fields.Duration:
			r.keys = append(r.keys, s.Duration[at])
		}
	}
}

// match evaluates the trace that was added and gives its largest key.
func (r *relater) match() (key int64, ok bool) {
	within := len(r.q.plan.Leaves)
	r.tree.Fill(r.ids, r.parents)
	rows := r.tree.Rows(r.q.plan.Spans, query.Facts{
		Holds:  func(leaf, row int) bool { return r.held[row]>>leaf&1 != 0 },
		Within: func(row int) bool { return r.held[row]>>within&1 != 0 },
	})
	if r.q.order == OrderSpans {
		return int64(len(r.ids)), len(rows) > 0
	}
	for i, row := range rows {
		if len(r.keys) > 0 && (i == 0 || r.keys[row] > key) {
			key = r.keys[row]
		}
	}
	return key, len(rows) > 0
}
