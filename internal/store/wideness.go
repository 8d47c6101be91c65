package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// wideness says to the process whether threads of a low priority have work, so that
// it can let more threads run than there are processors for as long as that lasts.
type wideness struct {
	set   func(wide bool) // nil: nobody wants to know
	began time.Time       // of the process's clock, which nobody sets
	until atomic.Int64    // when it ends, in nanoseconds since began
	users atomic.Int64    // that need it until they have ended
	on    atomic.Bool
	mu    sync.Mutex // held while on changes
}

// wideFor is how long after a turn the next one is expected.
const wideFor = 2 * time.Second

// need makes it wide until wideFor has gone by without another call. set is called
// here, and not by the thread of a low priority: what it does may stop all others, or
// wait for a collection to end. Nothing that takes spans comes here.
func (w *wideness) need() {
	if w == nil || w.set == nil {
		return
	}
	w.until.Store(int64(time.Since(w.began) + wideFor))
	if w.on.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.on.Load() {
		w.on.Store(true)
		w.set(true)
		time.AfterFunc(wideFor, w.ease)
	}
}

// during calls f and needs it until f has ended.
func (w *wideness) during(f func()) {
	if w == nil {
		f()
		return
	}
	w.users.Add(1)
	w.need()
	defer func() {
		w.users.Add(-1)
		w.need()
	}()
	f()
}

// ease ends it when nobody has needed it for wideFor, or looks again.
func (w *wideness) ease() {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Off before the look: whoever needs it either is seen by the look, or sees that it is off and waits for the lock.
	w.on.Store(false)
	left := time.Duration(w.until.Load()) - time.Since(w.began)
	if w.users.Load() > 0 {
		left = wideFor
	}
	if left > 0 {
		w.on.Store(true)
		time.AfterFunc(left, w.ease)
		return
	}
	w.set(false)
}
