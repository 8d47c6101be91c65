package store

import (
	"context"
	"errors"
	"math"
	"path/filepath"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// LongTrace is the length over which not all span ids of a trace in a segment are read to find repeats.
const LongTrace = longTrace

// OpenStill is Open without DuckDB and the background loops: nothing happens but
// what the test calls.
func OpenStill(ctx context.Context, o Options) (*Embedded, error) { return recoverFolder(ctx, o) }

// Look does once what the background loops do again and again.
func (e *Embedded) Look(ctx context.Context) error {
	e.noteFree()
	err := errors.Join(e.flushIfDue(), e.expire(), e.mergeAll(ctx))
	e.forgetTenants()
	e.mu.Lock()
	n := 0
	for _, t := range e.tenants {
		n += len(t.segments)
	}
	e.mu.Unlock()
	last := uint64(0)
	for range n {
		last = e.scrubAfter(last)
	}
	return err
}

// Expire is what retention does in one look.
func (e *Embedded) Expire() error { return e.expire() }

// Compact replaces the manifest by a shorter one, as a commit does after many records.
func (e *Embedded) Compact() error {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	return e.manifest.compact()
}

// Rows gives everything that is stored of a tenant.
func (e *Embedded) Rows(tenant string) (rows []*telemetry.Batch, partial string, err error) {
	v := e.view(tenant, Range{})
	defer v.release()
	for _, h := range v.segments {
		b, err := h.seg.ReadRows(0, h.meta.Rows)
		if err != nil {
			v.partial = e.unreadable(h, err)
			continue
		}
		rows = append(rows, b)
	}
	return append(rows, v.fresh...), v.partial, nil
}

// Folders are those of the segments that the manifest names, below the data folder.
func (e *Embedded) Folders() map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]bool{}
	for _, a := range e.manifest.segments {
		out[a.folder()] = true
	}
	return out
}

// Tailed gives the offset of the tail of every Parquet file, by its path below the
// data folder.
func (e *Embedded) Tailed() map[string]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]int64{}
	for _, t := range e.tenants {
		for _, h := range t.segments {
			for _, f := range h.meta.Files {
				out[filepath.Join(h.folder(), f.Name)] = f.TailOffset
			}
		}
	}
	return out
}

// Tails is the number of readers that follow the tenant.
func (e *Embedded) Tails(tenant string) int {
	t := e.use(tenant)
	if t == nil {
		return 0
	}
	defer e.leave(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.tails)
}

// Came is when spans were last appended, for questions that stand back for them.
func (e *Embedded) Came() int64 { return e.turns.came.Load() }

// Arriving makes spans arrive for ever, as far as questions know.
func (e *Embedded) Arriving() { e.turns.came.Store(math.MaxInt64 / 2) }

// Late is a wait for which questions stand back.
const Late = late + 1

// Mark is the watermark of the store.
func (e *Embedded) Mark() (seq int64, end wal.Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.watermark()
}

// NiceOfQuery is the niceness of the thread on which DuckDB is asked, less that of the caller's.
func (e *Embedded) NiceOfQuery(ctx context.Context) (n int, err error) {
	usual := niceOfThread()
	err = e.duck.do(ctx, 0, func(context.Context, *duckConn) error {
		n = niceOfThread() - usual
		return nil
	})
	return n, err
}

// Niceness is that of threads that work for questions.
const Niceness = niceness

// Unflushed is what the store counts of bytes that no flush has taken and that one is writing.
func (e *Embedded) Unflushed() (fresh, behind int64) { return e.fresh.Load(), e.behind.Load() }

// Cursor is the position of the log before which nothing is needed.
func (e *Embedded) Cursor() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return int64(e.manifest.cursor)
}

// SmallSpans is the length up to which a part of a trace is read without asking for room.
const SmallSpans = smallSpans

// ShareTraces sets what long traces may take together, and gives what they take.
func (e *Embedded) ShareTraces(most int64) (used func() int64) {
	e.traceRoom.max = most
	return func() int64 {
		e.traceRoom.mu.Lock()
		defer e.traceRoom.mu.Unlock()
		return e.traceRoom.used
	}
}

// Abandon ends the background work and forgets everything that is not on disk,
// as a crash would, so that the folder can be opened again in the same process.
func (e *Embedded) Abandon() {
	e.mu.Lock()
	done := e.closed
	e.closed = true
	e.mu.Unlock()
	if done {
		return
	}
	e.stop()
	e.loops.Wait()
	e.duck.Close()
	e.manifest.journal.Close()
	e.log.Close()
}
