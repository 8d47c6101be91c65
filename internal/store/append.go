package store

import (
	"slices"
	"sync"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Append implements Store. Rows that are stored already are left out, so that a
// batch that is sent twice, or replayed after a crash, is stored once.
func (e *Embedded) Append(b *telemetry.Batch, seq int64, _, end wal.Position) error {
	e.mu.Lock()
	t, err := e.tenantLocked(b.Tenant)
	if err == nil {
		t.users++
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if b.Spans.N > 0 {
		e.turns.arrive()
		err = e.appendRows(t, b, seq)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t.users--
	if err == nil {
		e.maxSeq = max(e.maxSeq, seq)
		e.lastEnd = max(e.lastEnd, end)
	}
	return err
}

// appending is what an append needs while it lasts. It is used again: what is new
// costs the system's faults, page by page.
type appending struct {
	hashes  []uint64 // identities of the rows
	fresh   []bool   // rows that may be fresh already
	inBatch idTable
}

var appendings = sync.Pool{New: func() any { return &appending{} }}

func (w *appending) reset(rows int) {
	w.hashes = slices.Grow(w.hashes[:0], rows)[:rows]
	w.fresh = slices.Grow(w.fresh[:0], rows)[:rows]
	clear(w.fresh)
	w.inBatch.reset(rows)
}

func (e *Embedded) appendRows(t *tenant, b *telemetry.Batch, seq int64) error {
	s := &b.Spans
	w := appendings.Get().(*appending)
	defer appendings.Put(w)
	w.reset(s.N)
	hashes, fresh, inBatch := w.hashes, w.fresh, &w.inBatch
	first, last := s.Start[0], s.Start[0]
	for i := range hashes {
		hashes[i] = identityHash(s.TraceID[i], s.SpanID[i], s.Kind[i])
		first, last = min(first, s.Start[i]), max(last, s.Start[i])
	}
	// Segments are looked into without the lock, because that may read files. A
	// flush that commits meanwhile moves rows to where neither look would see
	// them; another list of filters tells, and the look is repeated.
	var stored storedVerdicts
	for {
		recent := t.recent.Load()
		var err error
		if stored, err = e.findStored(t, b, hashes, *recent, first, last); err != nil {
			return err
		}
		t.mu.Lock()
		if t.recent.Load() == recent {
			break
		}
		t.mu.Unlock()
	}
	defer t.mu.Unlock()
	var keep []bool
	drop := func(i int) {
		if keep == nil {
			keep = make([]bool, s.N)
			for j := range keep {
				keep[j] = true
			}
		}
		keep[i] = false
	}
	kept := 0
	for _, g := range [2]*generation{t.active, t.flushingGen} {
		if g != nil {
			g.ids.near(hashes, fresh)
		}
	}
	for i, h := range hashes {
		same, other := stored.verdict(i)
		for _, g := range [2]*generation{t.active, t.flushingGen} {
			if fresh[i] && g != nil && !same {
				was, differs := g.find(h, b, uint32(i))
				same, other = same || was, other || differs
			}
		}
		known := 0
		if !same {
			inBatch.each(h, func(row uint32) bool {
				known++
				if s.TraceID[row] != s.TraceID[i] || s.SpanID[row] != s.SpanID[i] || s.Kind[row] != s.Kind[i] {
					return true
				}
				same = sameRecord(b, row, b, uint32(i))
				other = other || !same
				return !same
			})
		}
		switch {
		case same:
			drop(i)
			continue
		case other:
			s.Marks[i] |= telemetry.MarkIDCollision
			e.counters.add("id_collisions", 1)
		}
		if known < sameIDRows {
			inBatch.add(h, uint32(i))
		}
		kept++
	}
	if n := s.N - kept; n > 0 {
		e.counters.add("duplicates_dropped", int64(n))
	}
	if kept == 0 {
		return nil
	}
	before := t.active.bytes
	t.active.append(b, hashes, keep, seq, e.o.Now())
	e.fresh.Add(t.active.bytes - before)
	t.notify(kept)
	return nil
}

// storedVerdicts says of rows of a batch whether segments hold them; nil: none of them.
type storedVerdicts map[int]struct{ same, other bool }

func (v storedVerdicts) verdict(i int) (same, other bool) {
	x := v[i]
	return x.same, x.other
}

// findStored looks for the rows of b in segments. Only rows whose identity a
// filter of a recent flush may hold, or that could be in a segment older than
// those filters, are looked for at all. A segment that cannot be read for a
// passing reason is an unavailable error: the sender repeats, and one is kept.
func (e *Embedded) findStored(t *tenant, b *telemetry.Batch, hashes []uint64, recent []*recentIDs, first, last int64) (storedVerdicts, error) {
	v := e.pin(t, Range{Start: first, End: query.SaturatingAdd(last, 1)})
	defer v.release()
	if len(v.segments) == 0 {
		return nil, nil
	}
	oldest := int64(1<<63 - 1) // rows received before it are in no recent filter
	var near []*recentIDs
	for _, r := range recent {
		oldest = min(oldest, r.minSeq)
		if r.minStart <= last && r.maxStart >= first {
			near = append(near, r)
		}
	}
	out := storedVerdicts{}
	seen := map[storedTrace]*storedRows{}
	s := &b.Spans
	for i, h := range hashes {
		suspect := false
		for _, r := range near {
			if s.Start[i] >= r.minStart && s.Start[i] <= r.maxStart && r.has(h) {
				suspect = true
				break
			}
		}
		for _, seg := range v.segments {
			if s.Start[i] < seg.meta.MinStart || s.Start[i] > seg.meta.MaxStart || (!suspect && seg.meta.MinSeq >= oldest) || seg.broken.Load() != nil {
				continue
			}
			rows, err := e.storedTrace(seg, b, i, seen)
			if err != nil {
				return nil, err
			}
			if same, other := rows.find(b, i); same || other {
				x := out[i]
				x.same, x.other = x.same || same, x.other || other
				out[i] = x
			}
		}
	}
	return out, nil
}
