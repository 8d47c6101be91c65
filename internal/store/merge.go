package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/clew-dev/clew/internal/segment"
)

// Segments of a partition are merged in levels: a level holds segments of about
// the same number of rows, and mergeFanIn of one level become one of the next. A
// span is so rewritten once for every factor of mergeFanIn that its partition
// grows, and not at all while there are fewer segments than that.
const (
	mergeFanIn   = 16
	mergeMaxRows = 4 << 20 // no merge makes a larger segment
	maxFiles     = 32      // of a partition; beyond it the smallest neighbours merge whatever their level
)

// levelOf gives the level of a segment by its rows.
func levelOf(rows int64) int {
	const smallest = 4096 // everything below is one level
	return max(0, bits.Len64(uint64(rows/smallest))) / bits.Len(mergeFanIn-1)
}

// dueMerge picks the segments of one partition to merge, or none. quiet says that
// the partition gets no more spans in the ordinary run of things.
func dueMerge(segments []*handle, quiet bool) []*handle {
	levels := map[int][]*handle{}
	for _, h := range segments {
		l := levelOf(int64(h.meta.Rows))
		levels[l] = append(levels[l], h)
	}
	order := make([]int, 0, len(levels))
	for l := range levels {
		order = append(order, l)
	}
	slices.Sort(order)
	for _, l := range order {
		if len(levels[l]) >= mergeFanIn {
			if pick := fitting(levels[l][:mergeFanIn]); len(pick) > 1 {
				return pick
			}
		}
	}
	if len(segments) <= maxFiles && !(quiet && len(segments) > 1) {
		return nil
	}
	all := slices.Clone(segments)
	slices.SortFunc(all, func(a, b *handle) int {
		if d := int64(a.meta.Rows) - int64(b.meta.Rows); d != 0 {
			return int(min(max(d, -1), 1))
		}
		return int(int64(a.ID) - int64(b.ID))
	})
	if pick := fitting(all[:min(len(all), mergeFanIn)]); len(pick) > 1 {
		return pick
	}
	return nil
}

// fitting cuts the list where the sum of rows would pass the largest segment.
func fitting(segments []*handle) []*handle {
	rows := 0
	for i, h := range segments {
		if rows += int(h.meta.Rows); rows > mergeMaxRows {
			return segments[:i]
		}
	}
	return segments
}

// mergeAll runs every merge that is due.
func (e *Embedded) mergeAll(ctx context.Context) error {
	for {
		more, err := e.mergeOnce()
		if err = cmp.Or(err, ctx.Err()); err != nil || !more {
			return err
		}
	}
}

// mergeOnce runs one due merge and reports whether there was one.
func (e *Embedded) mergeOnce() (bool, error) {
	e.mergeMu.Lock()
	defer e.mergeMu.Unlock()
	if err := e.manifest.journal.Err(); err != nil {
		return false, fmt.Errorf("merge: %w", err)
	}
	t, pick := e.pickMerge()
	if pick == nil {
		return false, nil
	}
	v := &view{e: e, segments: pick}
	defer v.release()
	defer func() {
		e.mu.Lock()
		e.merging--
		e.mu.Unlock()
	}()
	began := time.Now()
	size := int64(0)
	sources := make([]*segment.Segment, len(pick))
	c := change{}
	gone := map[uint64]bool{}
	for i, h := range pick {
		sources[i] = h.seg
		size += h.size()
		c.Remove = append(c.Remove, h.ID)
		gone[h.ID] = true
	}
	if err := e.reserve(size); err != nil {
		e.counters.add("merges_postponed", 1)
		return false, nil
	}
	merged, err := e.writeSegment(t.name, pick[0].Partition, func(dir string) (*segment.Meta, error) {
		meta, stats, err := segment.Merge(e.o.FS, dir, sources, segment.Options{Cache: e.cache})
		e.noteWrite(stats)
		return meta, err
	})
	if err != nil {
		e.counters.add("merges_failed", 1)
		if bad := e.blame(pick); bad {
			return true, nil // the rest can still merge
		}
		return false, fmt.Errorf("merge: %w", err)
	}
	c.Add = []added{merged.added}
	// Retention may have removed a source while it was read: what has expired must
	// not come back. The next look merges what is left.
	if unknown, err := e.commitIf(c, e.stillThere(c.Remove)); err != nil {
		if !unknown {
			e.discard(merged)
		}
		if errors.Is(err, errStale) {
			return true, nil
		}
		return false, fmt.Errorf("merge: %w", err)
	}
	e.mu.Lock()
	dead := e.publish(t, []*handle{merged}, gone)
	e.mu.Unlock()
	for _, h := range dead {
		e.discard(h)
	}
	e.o.Logger.Info("merged", "segments", len(pick), "rows", merged.meta.Rows, "took", time.Since(began))
	return true, nil
}

// stillThere says whether the manifest names all of the segments.
func (e *Embedded) stillThere(ids []uint64) func() bool {
	return func() bool {
		return !slices.ContainsFunc(ids, func(id uint64) bool { _, ok := e.manifest.segments[id]; return !ok })
	}
}

// blame checks the sources of a failed merge and quarantines those that are not sound.
func (e *Embedded) blame(pick []*handle) bool {
	found := false
	for _, h := range pick {
		if err := h.seg.VerifyAll(); err != nil {
			e.unreadable(h, err)
			found = found || h.broken.Load() != nil
		}
	}
	return found
}

// pickMerge finds a due merge and pins its sources.
func (e *Embedded) pickMerge() (*tenant, []*handle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	today := e.day(e.o.Now().UnixNano(), e.o.Now().UnixNano())
	yesterday := dayName(today - 1)
	for _, name := range sortedKeys(e.tenants) {
		t := e.tenants[name]
		partitions := map[string][]*handle{}
		for _, h := range t.segments {
			if h.broken.Load() == nil {
				partitions[h.Partition] = append(partitions[h.Partition], h)
			}
		}
		for _, p := range sortedKeys(partitions) {
			if pick := dueMerge(partitions[p], p < yesterday); len(pick) > 1 {
				for _, h := range pick {
					h.refs++
				}
				e.merging++
				return t, pick
			}
		}
	}
	return nil, nil
}
