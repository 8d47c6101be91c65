package store

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Pace of the background work.
const (
	lookEvery  = time.Second
	scrubEvery = time.Minute // one segment each time
)

// background runs flushes and expiry in one loop and merges in another, so that
// a long merge never holds up a flush: what is fresh would fill its memory. A
// third reads segments for damage, and others work for questions while spans arrive.
// All end with Close.
func (e *Embedded) background() {
	e.loops.Go(func() {
		e.repeat("flush", lookEvery, e.wakeFlush, func() error {
			e.noteFree()
			err := errors.Join(e.flushIfDue(), e.expire())
			e.forgetTenants()
			return err
		})
	})
	e.loops.Go(func() {
		e.repeat("merge", lookEvery, e.wakeMerge, func() error { return e.mergeAll(e.ctx) })
	})
	e.turns.staffed.Store(true)
	for range e.turns.threads() {
		e.loops.Go(e.turns.work)
	}
	var last uint64
	e.loops.Go(func() {
		e.repeat("scrub", scrubEvery, nil, func() error { last = e.scrubAfter(last); return nil })
	})
}

// repeat calls work on every wake and at least so often. An error is logged when
// it is another one than before, and the work tried again.
func (e *Embedded) repeat(name string, every time.Duration, wake <-chan struct{}, work func() error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
		err := work()
		switch {
		case err == nil:
			last = ""
		case e.ctx.Err() != nil:
			return
		case err.Error() != last:
			last = err.Error()
			e.o.Logger.Error("background work of the store", "work", name, "err", err)
		}
	}
}

// scrubAfter verifies the first segment with an id over last, or the very first
// when there is none, and gives its id.
func (e *Embedded) scrubAfter(last uint64) uint64 {
	var next, first *handle
	e.mu.Lock()
	for _, t := range e.tenants {
		for _, h := range t.segments {
			if h.broken.Load() != nil {
				continue
			}
			if first == nil || h.ID < first.ID {
				first = h
			}
			if h.ID > last && (next == nil || h.ID < next.ID) {
				next = h
			}
		}
	}
	h := cmp.Or(next, first)
	if h == nil {
		e.mu.Unlock()
		return 0
	}
	h.refs++
	e.mu.Unlock()
	v := &view{e: e, segments: []*handle{h}}
	defer v.release()
	if err := h.seg.VerifyAll(); err != nil {
		e.unreadable(h, err)
	}
	e.counters.add("segments_scrubbed", 1)
	return h.ID
}

// noteFree remembers the free space of the data folder's file system for Admit.
func (e *Embedded) noteFree() {
	free, err := freeSpace(e.o.Dir)
	if err != nil {
		return
	}
	e.free.Store(free)
	if free > e.o.DiskReserve {
		if err := e.layBallast(); err != nil {
			e.o.Logger.Debug("ballast not laid", "err", err)
		}
	}
}

func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Clean(dir), &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// nudge wakes a background loop without waiting for it.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// oldestFresh is when the oldest row was received that no flush has taken; the zero
// time when there is none.
func (e *Embedded) oldestFresh() (oldest time.Time) {
	for _, t := range e.listTenants() {
		t.mu.Lock()
		if born := t.active.born; t.active.rows > 0 && (oldest.IsZero() || born.Before(oldest)) {
			oldest = born
		}
		t.mu.Unlock()
	}
	return oldest
}

func (e *Embedded) flushIfDue() error {
	oldest := e.oldestFresh()
	e.mu.Lock()
	due := e.flushFailed || e.fresh.Load() >= e.o.FreshBytes ||
		(!oldest.IsZero() && e.o.Now().Sub(oldest) > e.o.FreshAge) ||
		int64(e.log.End()-max(e.manifest.cursor, e.log.Start())) > e.o.LogBytes/2
	e.mu.Unlock()
	if !due {
		return nil
	}
	return e.flush(e.ctx)
}

// freshBound is how many times FreshBytes fresh rows may take, those that are
// being flushed included, before senders are asked to wait.
const freshBound = 4

// Admit implements Store. What was acknowledged is never evicted unstored, so when
// memory or disk cannot take more the sender is asked to wait.
func (e *Embedded) Admit(tenant string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.admitTenantLocked(tenant); err != nil {
		return err
	}
	if e.readOnly != "" {
		return telemetry.RetryError(telemetry.KindUnavailable, 30*time.Second, "the store is read-only: %s", e.readOnly)
	}
	if free := e.free.Load(); free < e.o.DiskReserve {
		return telemetry.RetryError(telemetry.KindExhausted, 30*time.Second, "the disk of %s has %d MiB left, %d MiB are kept free: make room, or lower retention.disk in the charter", e.o.Dir, free>>20, e.o.DiskReserve>>20)
	}
	fresh := e.fresh.Load()
	if fresh >= e.o.FreshBytes {
		nudge(e.wakeFlush)
	}
	if all := fresh + e.behind.Load(); all >= freshBound*e.o.FreshBytes {
		return telemetry.RetryError(telemetry.KindExhausted, time.Second, "the store is %d MiB behind and writes it to disk now: send again in a second", all>>20)
	}
	return nil
}

// SetReadOnly makes Admit refuse with the reason; the log calls it when it can no
// longer promise durability.
func (e *Embedded) SetReadOnly(reason string) {
	e.mu.Lock()
	e.readOnly = reason
	e.mu.Unlock()
}

// logShare is the part of the disk budget that the log may hold: one of so many.
const logShare = 4

// ReadOnly says why nothing can be stored, or is empty.
func (e *Embedded) ReadOnly() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.readOnly
}

// expire drops segments by age of receipt and, oldest first, by the disk budgets
// of the tenant and of the whole folder.
func (e *Embedded) expire() error {
	now := e.o.Now().UnixNano()
	e.mu.Lock()
	drop := map[*tenant]map[uint64]bool{}
	mark := func(t *tenant, h *handle) {
		if drop[t] == nil {
			drop[t] = map[uint64]bool{}
		}
		drop[t][h.ID] = true
	}
	type owned struct {
		t *tenant
		h *handle
	}
	var all []owned
	// The log empties itself by flushes: what it holds over its share is not taken
	// from the segments.
	total := e.manifest.journal.Bytes() + min(e.log.Bytes(), e.o.DiskBudget/logShare)
	for _, name := range sortedKeys(e.tenants) {
		t := e.tenants[name]
		keep := e.o.Retention(name)
		bytes := int64(0)
		mine := slices.Clone(t.segments)
		slices.SortFunc(mine, byReceipt)
		for i := len(mine) - 1; i >= 0; i-- { // newest first: the oldest go over the budget
			m := mine[i].meta
			bytes += mine[i].size()
			if (keep.Age > 0 && m.MaxSeq < now-int64(keep.Age)) || (keep.DiskBytes > 0 && bytes > keep.DiskBytes) {
				mark(t, mine[i])
				continue
			}
			total += mine[i].size()
			all = append(all, owned{t, mine[i]})
		}
	}
	slices.SortFunc(all, func(a, b owned) int { return byReceipt(a.h, b.h) })
	for _, o := range all {
		if e.o.DiskBudget == 0 || total <= e.o.DiskBudget {
			break
		}
		total -= o.h.size()
		mark(o.t, o.h)
	}
	if len(drop) == 0 {
		e.mu.Unlock()
		return nil
	}
	c := change{}
	rows := int64(0)
	for t, ids := range drop {
		for _, h := range t.segments {
			if ids[h.ID] {
				rows += int64(h.meta.Rows)
			}
		}
		c.Remove = append(c.Remove, slices.Sorted(maps.Keys(ids))...)
	}
	slices.Sort(c.Remove)
	e.mu.Unlock()
	if err := e.commitRemoval(c); errors.Is(err, errStale) {
		return nil // a merge was faster; the next look sees what it made
	} else if err != nil {
		return err
	}
	e.mu.Lock()
	var gone []*handle
	for t, ids := range drop {
		gone = append(gone, e.publish(t, nil, ids)...)
		t.expired += int64(len(ids))
	}
	e.mu.Unlock()
	e.counters.add("spans_expired", rows)
	e.o.Logger.Info("expired", "segments", len(c.Remove), "rows", rows)
	for _, h := range gone {
		e.discard(h)
	}
	return nil
}

func byReceipt(a, b *handle) int {
	return cmp.Or(cmp.Compare(a.meta.MaxSeq, b.meta.MaxSeq), cmp.Compare(a.ID, b.ID))
}

// reserve reports whether a merge may write size bytes more: a merge needs its
// sources' size again until it commits.
func (e *Embedded) reserve(size int64) error {
	free, err := freeSpace(e.o.Dir)
	if err != nil {
		return err
	}
	if free < size+e.o.DiskReserve {
		return telemetry.Errorf(telemetry.KindExhausted, "%d MiB free, a merge needs %d MiB", free>>20, (size+e.o.DiskReserve)>>20)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
