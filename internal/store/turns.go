package store

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// turns keeps a processor free for spans that arrive: while they do, goroutines that
// work for questions take turns on the others, a page of rows or a trace at a time.
// Go's scheduler has no priorities, and it looks for what the network has brought
// when it has nothing else to do: questions that kept both of two processors busy
// let an acknowledgement wait 791 ms (p99) where 37 are usual; with turns it is 150 to 450.
type turns struct {
	began   time.Time
	came    atomic.Int64  // when spans were last appended, since began
	working chan struct{} // holds an element for each goroutine that works
}

// arriving is how long after an append spans are taken to arrive.
const arriving = 200 * time.Millisecond

func newTurns() *turns {
	t := &turns{began: time.Now(), working: make(chan struct{}, max(runtime.GOMAXPROCS(0)-1, 1))}
	t.came.Store(int64(-arriving))
	return t
}

// arrive says that spans are appended.
func (t *turns) arrive() { t.came.Store(int64(time.Since(t.began))) }

// do calls f, when it is this goroutine's turn. f must be short and take no turn itself.
func (t *turns) do(ctx context.Context, f func() error) error {
	if t == nil || int64(time.Since(t.began))-t.came.Load() >= int64(arriving) {
		return f()
	}
	select {
	case t.working <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-t.working }()
	return f()
}
