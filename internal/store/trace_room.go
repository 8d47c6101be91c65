package store

import (
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// What a trace takes in memory is known when it has been read. Until then a span is
// taken for spanBytes, and a part of a trace of at most smallSpans is not worth asking.
const (
	spanBytes  = 160
	smallSpans = 4096
	smallBytes = 2 << 20 // of a trace that is not counted
)

// traceRoom is what the long traces of all answers may take together. One of them
// may be as long as it likes while there is no other: limits.trace_spans bounds it.
type traceRoom struct {
	max int64

	mu   sync.Mutex
	used int64
}

// traceShare is what one answer has of the room.
type traceShare struct {
	room *traceRoom
	mine int64
}

// hold makes the share n bytes, or says that the others leave no room for that. A
// share never becomes less.
func (s *traceShare) hold(id telemetry.TraceID, n int64) error {
	if n <= max(s.mine, smallBytes) {
		return nil
	}
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if others := r.used - s.mine; others > 0 && others+n > r.max {
		return telemetry.RetryError(telemetry.KindExhausted, time.Second,
			"trace %s takes over %d MiB of memory, and other long traces that are being sent have %d of %d MiB: ask again when those have been sent, or give more --memory",
			id, n>>20, others>>20, r.max>>20)
	}
	r.used += n - s.mine
	s.mine = n
	return nil
}

func (s *traceShare) release() {
	if s == nil || s.mine == 0 {
		return
	}
	s.room.mu.Lock()
	s.room.used -= s.mine
	s.mine = 0
	s.room.mu.Unlock()
}

// gathering is a trace while its parts are read.
type gathering struct {
	id          telemetry.TraceID
	most, total int // spans
	parts       []*telemetry.Batch
	bytes       int64       // of parts
	share       *traceShare // nil: who asks has a bound of its own
	refused     error       // by the room
}

// read adds what a segment has of the trace. Of what is over the limit or has no room
// the spans are counted alone; of what cannot be read not even these.
func (t *gathering) read(seg *segment.Segment, w *segment.Want) error {
	left := t.most - t.total
	if t.share == nil {
		b, rows, err := seg.TraceWithin(t.id, w, left)
		if err == nil {
			t.add(b, rows)
		}
		return err
	}
	b, rows, err := seg.TraceWithin(t.id, w, min(left, smallSpans))
	if err == nil && b == nil && rows > 0 && rows <= left {
		if t.refused = t.share.hold(t.id, t.bytes+int64(rows)*spanBytes); t.refused != nil {
			return nil
		}
		b, rows, err = seg.TraceWithin(t.id, w, left)
	}
	if err == nil {
		t.add(b, rows)
	}
	return err
}

// add takes a part, which is nil when its rows are only counted. Of several parts one
// batch is made, which takes as much again.
func (t *gathering) add(b *telemetry.Batch, rows int) {
	t.total += rows
	if b == nil {
		return
	}
	t.parts = append(t.parts, b)
	t.bytes += b.Bytes()
	if t.share != nil && t.refused == nil {
		t.refused = t.share.hold(t.id, t.bytes*int64(min(len(t.parts), 2)))
	}
}
