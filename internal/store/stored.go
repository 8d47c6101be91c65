package store

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

type storedTrace struct {
	segment uint64
	trace   telemetry.TraceID
}

// storedRows are rows of a trace as a segment has them, by span id: those whose span
// ids a batch has, and any others beside them.
type storedRows struct {
	b    *telemetry.Batch // nil: the segment has none
	rows map[telemetry.SpanID][]uint32
}

// longTrace is how many rows of a trace a segment may have for all of their span ids to
// be read. Of more, a batch that brings further spans of it would each time read what
// came before: a trace of a million spans took 15 times as much for its last spans
// as for its first.
const longTrace = 4096

// storedTrace reads what a segment has of the trace of row i, once for all rows of a
// batch that a filter does not clear.
func (e *Embedded) storedTrace(h *handle, b *telemetry.Batch, i int, seen map[storedTrace]*storedRows) (*storedRows, error) {
	key := storedTrace{h.ID, b.Spans.TraceID[i]}
	if r := seen[key]; r != nil {
		return r, nil
	}
	r := &storedRows{}
	ids := e.long.get(key)
	if ids != nil && !ids.has(b.Spans.SpanID[i]) {
		return r, nil
	}
	stored, all, err := e.storedPart(h, b, i, ids)
	if err != nil {
		if why := e.unreadable(h, err); h.broken.Load() == nil {
			return nil, telemetry.RetryError(telemetry.KindUnavailable, time.Second, "look for repeats: %s", why)
		}
	}
	if all || err != nil {
		seen[key] = r
	}
	if r.b = stored; stored == nil {
		return r, nil
	}
	r.rows = map[telemetry.SpanID][]uint32{}
	for row, span := range stored.Spans.SpanID {
		r.rows[span] = append(r.rows[span], uint32(row))
	}
	return r, nil
}

// storedPart reads the rows of the trace of row i that can repeat a row of b, which are
// those with a span id of b. Mostly there are none: the trace came in parts, and to
// read its attributes each time took nine tenths of a start with a log to replay. all
// is false when a filter cleared row i and nothing was read for the others.
func (e *Embedded) storedPart(h *handle, b *telemetry.Batch, i int, ids *longIDs) (stored *telemetry.Batch, all bool, err error) {
	id := b.Spans.TraceID[i]
	if may, err := h.seg.MayContain(id); err != nil || !may {
		return nil, true, err
	}
	shape, err := h.seg.Structure()
	if err != nil {
		return nil, true, err
	}
	defer shape.Close()
	rows, err := shape.Find(id)
	if err != nil || rows.Lo == rows.Hi {
		return nil, true, err
	}
	if rows.Hi-rows.Lo <= longTrace {
		stored, err = storedSpans(h.seg, shape, rows, spansOf(b, id))
		return stored, true, err
	}
	if ids == nil {
		if ids, err = newLongIDs(storedTrace{h.ID, id}, shape, rows); err != nil {
			return nil, true, err
		}
		e.long.put(ids)
		if !ids.has(b.Spans.SpanID[i]) {
			return nil, false, nil
		}
	}
	stored, err = storedSpans(h.seg, shape, rows, ids.among(b))
	return stored, true, err
}

// storedSpans reads the rows within rows that have one of the span ids.
func storedSpans(seg *segment.Segment, shape *segment.Structure, rows segment.Rows, asked map[telemetry.SpanID]bool) (*telemetry.Batch, error) {
	var found []int
	err := eachSpan(shape, rows, func(row int, id telemetry.SpanID) {
		if asked[id] {
			found = append(found, row)
		}
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	out := telemetry.NewBuilder()
	out.Reset(seg.Meta().Tenant)
	for len(found) > 0 {
		// Rows near to each other are read together, but not more than a page or so.
		n := 1
		for n < len(found) && found[n]-found[0] < longTrace {
			n++
		}
		first := found[0]
		part, err := seg.ReadRows(first, found[n-1]+1)
		if err != nil {
			return nil, err
		}
		picked := make([]uint32, n)
		for i, row := range found[:n] {
			picked[i] = uint32(row - first)
		}
		out.AppendPicked(part, picked)
		found = found[n:]
	}
	return &out.Batch, nil
}

// spansOf gives the span ids of a trace in b.
func spansOf(b *telemetry.Batch, id telemetry.TraceID) map[telemetry.SpanID]bool {
	out := map[telemetry.SpanID]bool{}
	for i, trace := range b.Spans.TraceID {
		if trace == id {
			out[b.Spans.SpanID[i]] = true
		}
	}
	return out
}

// eachSpan calls f with the span ids of rows, of which so many are in memory at once.
func eachSpan(shape *segment.Structure, rows segment.Rows, f func(row int, id telemetry.SpanID)) error {
	for lo := rows.Lo; lo < rows.Hi; lo += runRows {
		s, err := shape.Read([]segment.Rows{{Lo: lo, Hi: min(lo+runRows, rows.Hi)}}, segment.Fields{})
		if err != nil {
			return err
		}
		for i, id := range s.SpanID {
			f(lo+i, id)
		}
	}
	return nil
}

// find compares row i of b with the stored rows of its ids and kind.
func (r *storedRows) find(b *telemetry.Batch, i int) (same, other bool) {
	for n, row := range r.rows[b.Spans.SpanID[i]] {
		if n == sameIDRows {
			break
		}
		if r.b.Spans.Kind[row] != b.Spans.Kind[i] {
			continue
		}
		if sameRecord(r.b, row, b, uint32(i)) {
			return true, other
		}
		other = true
	}
	return false, other
}

// longTraces keeps which span ids the segments have of long traces: Bloom filters, of
// 3 bytes a row. Those not asked for longest go first. Any goroutine may use it.
type longTraces struct {
	mu   sync.Mutex
	kept []*longIDs // the latest asked for last
	rows int
}

type longIDs struct {
	of  storedTrace
	ids *recentIDs
}

// longRows bounds the rows of all filters that are kept, but for the latest.
const longRows = 4 << 20

// spanSeed makes the bits of these filters differ from those of generations: a false
// alarm of one must not be a false alarm of the other.
var spanSeed = maphash.MakeSeed()

func spanHash(id telemetry.SpanID) uint64 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], id.Uint64())
	return maphash.Bytes(spanSeed, b[:])
}

func newLongIDs(of storedTrace, shape *segment.Structure, rows segment.Rows) (*longIDs, error) {
	l := &longIDs{of, newRecentIDs(rows.Hi - rows.Lo)}
	l.ids.rows = rows.Hi - rows.Lo
	return l, eachSpan(shape, rows, func(_ int, id telemetry.SpanID) { l.ids.add(spanHash(id)) })
}

func (l *longIDs) has(id telemetry.SpanID) bool { return l.ids.has(spanHash(id)) }

// among gives the span ids of the trace in b that the segment may have.
func (l *longIDs) among(b *telemetry.Batch) map[telemetry.SpanID]bool {
	var out map[telemetry.SpanID]bool
	for i, trace := range b.Spans.TraceID {
		if span := b.Spans.SpanID[i]; trace == l.of.trace && l.has(span) {
			if out == nil {
				out = map[telemetry.SpanID]bool{}
			}
			out[span] = true
		}
	}
	return out
}

// get gives the filter of a trace in a segment, or nil.
func (l *longTraces) get(key storedTrace) *longIDs {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.kept, func(k *longIDs) bool { return k.of == key })
	if i < 0 {
		return nil
	}
	k := l.kept[i]
	l.kept = append(slices.Delete(l.kept, i, i+1), k)
	return k
}

// put keeps a filter. The rows of those that stay are bounded, but for this one, and
// so is their number: each has more rows than longTrace.
func (l *longTraces) put(k *longIDs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, k)
	l.rows += k.ids.rows
	for l.rows > longRows && len(l.kept) > 1 {
		l.rows -= l.kept[0].ids.rows
		l.kept = slices.Delete(l.kept, 0, 1)
	}
}
