package clew

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxHooks bounds the functions that look at every span.
	maxHooks = 8
	// hookPanics is how often a hook may panic before it is taken out.
	hookPanics = 3
	// maxShowing bounds how many spans are shown to hooks at one moment. A hook that ends a span of its own each time would otherwise
	// call itself without end.
	maxShowing = 64
)

// hook is a function of the program that sees every finished span.
type hook struct {
	see    func(*SpanView)
	panics atomic.Int32
}

var hooksChange sync.Mutex

// OnEnd calls see with every span that goes out, on the goroutine that ended it, so see must be quick and must not wait. At most 8
// functions may look; more are refused with a line. A panic in see is caught; after the third see is not called again. The function that
// OnEnd returns takes it out. While 64 spans are being shown, as when see ends spans itself, others go out unseen.
//
// It is what span processors are used for: counting, copying, testing. To change or withhold what goes out, use a policy's redaction.
func (k *Kit) OnEnd(see func(*SpanView)) (remove func()) {
	if k == nil || see == nil {
		return func() {}
	}
	hooksChange.Lock()
	defer hooksChange.Unlock()
	var list []*hook
	if old := k.hooks.Load(); old != nil {
		list = *old
	}
	if len(list) >= maxHooks {
		k.problems.add("on end: there are 8 hooks already; remove one first")
		return func() {}
	}
	h := &hook{see: see}
	list = append(slices.Clone(list), h)
	k.hooks.Store(&list)
	return func() { k.removeHook(h) }
}

func (k *Kit) removeHook(h *hook) {
	hooksChange.Lock()
	defer hooksChange.Unlock()
	old := k.hooks.Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(o *hook) bool { return o == h })
	if len(list) == 0 {
		k.hooks.Store(nil)
		return
	}
	k.hooks.Store(&list)
}

// runHooks shows a span to all hooks. The span's lock is not held, so a hook may start and end spans of its own.
func (k *Kit) runHooks(hooks []*hook, s *span, statusText string, record []byte, end time.Time) {
	defer k.showing.Add(-1)
	if k.showing.Add(1) > maxShowing {
		return
	}
	v := &SpanView{
		SpanContext: s.identity(), Kind: s.kind, Name: s.name, Start: s.start, End: end, Status: s.status, StatusText: statusText,
		Summary: s.mode != recording, record: record,
	}
	if v.Summary {
		v.Flags, v.State = 0, "" // as it goes out; the span keeps its own for who goes on under it
	}
	if s.parent.IsValid() {
		v.Parent = SpanContext{TraceID: s.trace, SpanID: s.parent, Remote: s.remote}
	}
	for _, h := range hooks {
		k.runHook(h, v)
	}
}

func (k *Kit) runHook(h *hook, v *SpanView) {
	defer func() {
		if recover() != nil && h.panics.Add(1) == hookPanics {
			k.problems.add("on end: a hook panicked three times and is not called again")
			k.removeHook(h)
		}
	}()
	if h.panics.Load() < hookPanics {
		h.see(v)
	}
}
