package clew

import (
	"reflect"
	"runtime"
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
	// maxFrames bounds the search of a stack for a hook that is running. A deeper one counts as inside of one.
	maxFrames = 512
)

// hook is a function of the program that sees every finished span.
type hook struct {
	see    func(*SpanView)
	panics atomic.Int32
}

var hooksChange sync.Mutex

// OnEnd calls see with every span that goes out, on the goroutine that ended it, so see must be quick and must not wait. At most 8
// functions may look; more are refused with a line. A panic in see is caught; after the third see is not called again. The function that
// OnEnd returns takes it out. Spans that see itself ends go out unseen.
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
	if k.showing.Add(1) > 1 && insideHook() {
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

// insideHook says whether a hook is running further up the caller's stack: one that ends a span each time would call itself without end. It
// is asked only while another hook runs somewhere, and takes microseconds.
func insideHook() bool {
	var room [maxFrames]uintptr
	n := runtime.Callers(3, room[:])
	for _, at := range room[:n] {
		if f := runtime.FuncForPC(at - 1); f != nil && f.Entry() == hookEntry {
			return true
		}
	}
	return n == maxFrames
}

// hookEntry is where runHook begins. It is not inlined, because it recovers.
var hookEntry = reflect.ValueOf((*Kit).runHook).Pointer()

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
