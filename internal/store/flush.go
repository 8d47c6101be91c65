package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// recentRows bounds the identity filters that are kept after a flush: 3 bytes a row.
const recentRows = 8 << 20

// Flush implements Store.
func (e *Embedded) Flush(ctx context.Context) error {
	if err := e.flush(ctx); err != nil {
		return err
	}
	return e.mergeAll(ctx)
}

// flush writes everything fresh into segments: files first, then one manifest
// record that names them and moves the cursor, then memory and log let go. A
// crash in between leaves either unreferenced files or the whole step.
func (e *Embedded) flush(ctx context.Context) error {
	e.flushMu.Lock()
	defer e.flushMu.Unlock()
	for {
		again, err := e.flushOnce(ctx)
		if err != nil || !again {
			return err
		}
	}
}

// flushOnce is flush of what an earlier failure left, when there is such, and
// then says that the rows received since are still to be written.
func (e *Embedded) flushOnce(ctx context.Context) (again bool, err error) {
	if err := e.manifest.journal.Err(); err != nil {
		return false, fmt.Errorf("flush: %w", err) // segments that cannot be committed would fill the disk
	}
	began := time.Now()
	e.mu.Lock()
	_, cursor := e.watermark()
	if e.flushFailed { // what is fresh since then stays behind the cursor of that flush
		cursor = min(cursor, e.failedCursor)
	}
	e.flushFailed = false
	e.mu.Unlock()
	rotated := map[*tenant]*generation{}
	for _, t := range e.listTenants() {
		t.mu.Lock()
		if t.flushingGen != nil { // an earlier flush failed: its rows are still to be written
			rotated[t] = t.flushingGen
			again = true
		} else if t.active.rows > 0 {
			t.flushingGen, t.flushing = t.active, t.active.snapshot()
			t.active = &generation{}
			rotated[t] = t.flushingGen
			e.fresh.Add(-t.flushingGen.bytes)
			e.behind.Add(t.flushingGen.bytes)
		}
		t.mu.Unlock()
	}
	e.mu.Lock()
	seq := e.maxSeq
	if len(rotated) > 0 {
		e.flushing++
	}
	e.mu.Unlock()
	if len(rotated) == 0 {
		return false, e.moveCursor(cursor, seq)
	}
	defer func() {
		e.mu.Lock()
		e.flushing--
		e.mu.Unlock()
	}()

	var handles []*handle
	c := change{Cursor: cursor, Seq: seq}
	rows := int64(0)
	unknown := false
	err = func() error {
		for _, t := range slices.SortedFunc(maps.Keys(rotated), func(a, b *tenant) int { return cmp.Compare(a.name, b.name) }) {
			written, err := e.writeGeneration(ctx, t)
			handles = append(handles, written...)
			if err != nil {
				return err
			}
			rows += int64(rotated[t].rows)
		}
		for _, h := range handles {
			c.Add = append(c.Add, h.added)
		}
		var err error
		unknown, err = e.commit(c)
		return err
	}()
	if err != nil {
		for _, h := range handles {
			if !unknown {
				e.discard(h)
			}
		}
		e.mu.Lock()
		e.flushFailed, e.failedCursor = true, cursor
		e.mu.Unlock()
		e.counters.add("flushes_failed", 1)
		return false, fmt.Errorf("flush: %w", err)
	}
	for t, g := range rotated {
		var mine []*handle
		for _, h := range handles {
			if h.Tenant == t.name {
				mine = append(mine, h)
			}
		}
		recent := keepRecent(*t.recent.Load(), g.recent()) // before the locks: it looks at every row
		t.mu.Lock()
		e.mu.Lock()
		e.publish(t, mine, nil)
		e.mu.Unlock()
		t.recent.Store(&recent)
		t.flushingGen, t.flushing = nil, nil
		t.mu.Unlock()
		e.behind.Add(-g.bytes)
	}
	e.truncateLog(cursor)
	e.o.Logger.Info("flushed", "rows", rows, "segments", len(handles), "took", time.Since(began))
	nudge(e.wakeMerge)
	return again, nil
}

// truncateLog lets go of what the manifest has consumed. What cannot be removed
// now is removed after the next flush, or by the next start.
func (e *Embedded) truncateLog(before wal.Position) {
	if err := e.log.Truncate(before); err != nil {
		e.o.Logger.Warn("log not truncated", "err", err)
	}
}

// moveCursor lets the log go up to a position below which nothing is fresh.
func (e *Embedded) moveCursor(cursor wal.Position, seq int64) error {
	e.mu.Lock()
	moved := cursor > e.manifest.cursor && cursor > e.log.Start()
	e.mu.Unlock()
	if !moved {
		return nil
	}
	if _, err := e.commit(change{Cursor: cursor, Seq: seq}); err != nil {
		return err
	}
	return e.log.Truncate(cursor)
}

func keepRecent(old []*recentIDs, r *recentIDs) []*recentIDs {
	all := append(append([]*recentIDs(nil), old...), r)
	rows := 0
	for i := len(all) - 1; i >= 0; i-- {
		if rows += all[i].rows; rows > recentRows && i < len(all)-1 {
			return all[i+1:]
		}
	}
	return all
}

// commit writes a manifest record. An error that leaves open whether the record
// is on disk makes the store read-only: the next start may find it there, so that
// nothing it names may be removed, and nothing further be written behind it.
func (e *Embedded) commit(c change) (unknown bool, err error) {
	return e.commitIf(c, nil)
}

// commitIf is commit when allowed, which is called with e.mu held, says so; it
// returns errStale otherwise.
func (e *Embedded) commitIf(c change, allowed func() bool) (unknown bool, err error) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if allowed != nil {
		e.mu.Lock()
		ok := allowed()
		e.mu.Unlock()
		if !ok {
			return false, errStale
		}
	}
	unknown, err = e.manifest.write(&c)
	e.mu.Lock()
	if err == nil {
		err = e.manifest.apply(&c)
	}
	if broken := e.manifest.journal.Err(); broken != nil {
		e.readOnly = broken.Error()
	}
	e.mu.Unlock()
	if err == nil {
		if err := e.manifest.compactIfDue(); err != nil {
			e.o.Logger.Warn("manifest not compacted", "err", err)
		}
	}
	return unknown, err
}

// errStale says that what a change was made from is not there any more.
var errStale = errors.New("sources changed meanwhile")

// writeGeneration writes what the tenant is flushing, a segment a partition.
func (e *Embedded) writeGeneration(ctx context.Context, t *tenant) ([]*handle, error) {
	var out []*handle
	parts, names := e.partition(t.flushing)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		h, err := e.writeSegment(t.name, name, func(dir string) (*segment.Meta, error) {
			meta, stats, err := segment.Write(e.o.FS, dir, parts[name], segment.Options{Cache: e.cache})
			e.noteWrite(stats)
			return meta, err
		})
		if err != nil {
			return out, err
		}
		out = append(out, h)
	}
	return out, nil
}

func (e *Embedded) noteWrite(s segment.Stats) {
	e.counters.add("duplicates_dropped", int64(s.Duplicates))
}

const tempSuffix = ".tmp"

// writeSegment makes the folder of a new segment: written and fsynced under a
// temporary name, renamed, and the folders above fsynced.
func (e *Embedded) writeSegment(tenant, partition string, write func(dir string) (*segment.Meta, error)) (*handle, error) {
	e.mu.Lock()
	id := max(e.idSeq, e.manifest.nextID)
	e.idSeq = id + 1
	e.mu.Unlock()
	a := added{ID: id, Tenant: tenant, Partition: partition}
	final := filepath.Join(e.o.Dir, a.folder())
	temp := final + tempSuffix
	parent := filepath.Dir(final)
	fs := e.o.FS
	if err := fs.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	meta, err := write(temp)
	if err == nil {
		err = writeMeta(fs, temp, meta, &a)
	}
	made := []string{temp}
	if err == nil {
		if err = fs.Rename(temp, final); err == nil {
			made = []string{final}
		}
	}
	for _, dir := range []string{parent, filepath.Dir(parent), filepath.Dir(filepath.Dir(parent))} {
		if err == nil {
			err = fs.SyncDir(dir)
		}
	}
	var h *handle
	if err == nil {
		h, err = e.openHandle(a)
	}
	if err != nil {
		for _, dir := range made { // never a folder that another step made
			if cleanup := removeFolder(fs, dir); cleanup != nil {
				e.o.Logger.Warn("half-written segment not removed", "folder", dir, "err", cleanup)
			}
		}
		return nil, fmt.Errorf("write segment %s: %w", a.folder(), err)
	}
	return h, nil
}

// partition splits batches by the UTC day of each span's start, where a start
// further than the clock limit from its receipt counts as that limit: a span
// dated 2099 does not make a partition of its own.
func (e *Embedded) partition(batches []*telemetry.Batch) (map[string][]*telemetry.Batch, []string) {
	out := map[string][]*telemetry.Batch{}
	var names []string
	put := func(name string, b *telemetry.Batch) {
		if out[name] == nil {
			names = append(names, name)
		}
		out[name] = append(out[name], b)
	}
	for _, b := range batches {
		days := make([]int64, b.Spans.N)
		mixed := false
		for i := range days {
			days[i] = e.day(b.Spans.Start[i], b.Spans.Seq[i])
			mixed = mixed || days[i] != days[0]
		}
		if !mixed {
			put(dayName(days[0]), b)
			continue
		}
		done := map[int64]bool{}
		for _, day := range days {
			if done[day] {
				continue
			}
			done[day] = true
			keep := make([]bool, len(days))
			for i := range days {
				keep[i] = days[i] == day
			}
			part := telemetry.NewBuilder()
			part.Reset(b.Tenant)
			part.AppendRows(b, keep)
			put(dayName(day), &part.Batch)
		}
	}
	return out, names
}

const dayNanos = int64(24 * time.Hour)

func (e *Embedded) day(start, received int64) int64 {
	skew := int64(e.o.ClockSkew)
	return min(max(start, received-skew), received+skew) / dayNanos
}

func dayName(day int64) string { return time.Unix(0, day*dayNanos).UTC().Format("20060102") }
