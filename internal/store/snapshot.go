package store

import (
	"slices"
	"sync/atomic"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// handle is an open segment and who uses it. Its files go when it is dead and
// the last user has let go.
type handle struct {
	added
	meta   *segment.Meta
	seg    *segment.Segment       // nil when it could not be opened; then broken is set
	broken atomic.Pointer[string] // why it was quarantined, nil while sound

	refs int  // guarded by Embedded.mu
	dead bool // guarded by Embedded.mu
}

// view is a fixed set of rows of one tenant: sound segments, and batches in
// memory that nobody changes. It is free of repeated records. The caller MUST
// call release.
type view struct {
	e        *Embedded
	segments []*handle
	fresh    []*telemetry.Batch
	partial  string // why rows may be missing, or empty
	expired  int64  // changes when rows of the tenant expire
	maxSeq   int64  // every row with seq <= maxSeq that will ever be visible is in the view
}

func (v *view) release() {
	v.e.mu.Lock()
	var gone []*handle
	for _, h := range v.segments {
		if h.refs--; h.refs == 0 && h.dead {
			gone = append(gone, h)
		}
	}
	v.e.mu.Unlock()
	for _, h := range gone {
		v.e.discard(h)
	}
}

// view pins the state of a tenant. Segments whose starts are all outside r are
// left out (a zero r keeps all), fresh rows are never left out.
func (e *Embedded) view(tenant string, r Range) *view {
	v := &view{e: e}
	t := e.use(tenant)
	if t == nil {
		e.mu.Lock()
		v.partial, v.expired = e.damaged, e.manifest.expired[tenant] // all of it, perhaps
		e.mu.Unlock()
		return v
	}
	defer e.leave(t)
	// Both locks are held at once, so that a flush cannot move rows from memory
	// into a segment between the two halves of the snapshot.
	t.mu.Lock()
	defer t.mu.Unlock()
	v.fresh = append(v.fresh, t.flushing...)
	v.fresh = append(v.fresh, t.active.snapshot()...)
	e.mu.Lock()
	defer e.mu.Unlock()
	v.partial, v.expired = e.damaged, t.expired
	v.maxSeq, _ = e.watermark()
	v.pinSegments(t, r)
	return v
}

// pin is view without what is in memory.
func (e *Embedded) pin(t *tenant, r Range) *view {
	v := &view{e: e}
	e.mu.Lock()
	v.pinSegments(t, r)
	e.mu.Unlock()
	return v
}

// pinSegments adds the tenant's sound segments. e.mu MUST be held.
func (v *view) pinSegments(t *tenant, r Range) {
	for _, h := range t.segments {
		if h.broken.Load() != nil {
			v.partial = h.why()
			continue
		}
		if (r.End != 0 && h.meta.MinStart >= r.End) || (r.Start != 0 && h.meta.MaxStart < r.Start) {
			continue
		}
		h.refs++
		v.segments = append(v.segments, h)
	}
}

// publish installs a new set of segments of a tenant. e.mu MUST be held; the
// returned handles have no user any more and are to be discarded without the lock.
func (e *Embedded) publish(t *tenant, add []*handle, remove map[uint64]bool) (gone []*handle) {
	kept := make([]*handle, 0, len(t.segments)+len(add))
	for _, h := range t.segments {
		if !remove[h.ID] {
			kept = append(kept, h)
			continue
		}
		if h.dead = true; h.refs == 0 {
			gone = append(gone, h)
		}
	}
	kept = append(kept, add...)
	slices.SortFunc(kept, func(a, b *handle) int { return int(int64(a.ID) - int64(b.ID)) })
	t.segments = kept
	return gone
}
