package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// turns keeps spans that arrive from waiting for questions: while they do, scans and
// evaluations of questions are done a page of rows or a trace at a time by a few threads
// of a low priority, one less than there are processors, and these rest while spans that
// were sent wait for their acknowledgement. Other work of questions is short, or
// DuckDB's, whose threads have that priority too. Go's scheduler has no priorities, the
// kernel's has; docs/adr/007-questions-beside-ingest.md has the measurements.
type turns struct {
	width   int // processors
	waiting func() time.Duration
	began   time.Time
	came    atomic.Int64 // when spans were last appended, since began
	staffed atomic.Bool  // that somebody works at turns has been seen to
	wide    *wideness
	next    chan *turn
	over    <-chan struct{} // closed when the store is: nobody works at turns any more
}

// turn is a piece of work and what became of it.
type turn struct {
	f        func() error
	err      error
	panicked any
	done     chan struct{}
}

const (
	// arriving is how long after an append spans are taken to arrive.
	arriving = 200 * time.Millisecond
	// late is how long a write may be under way before questions stand back. A group
	// that is fsynced beside nothing else takes 1 to 5 ms.
	late = 15 * time.Millisecond
	// restOf is how many times as long as a turn took the rest after it may last. It
	// leaves questions a fifth of their threads where writes are always late.
	restOf = 4
)

// newTurns makes turns for questions that may keep width processors busy. waiting is
// how long the write has been under way that came first.
func newTurns(width int, waiting func() time.Duration, over <-chan struct{}) *turns {
	t := &turns{width: width, waiting: waiting, began: time.Now(), next: make(chan *turn), over: over}
	t.came.Store(int64(-arriving))
	return t
}

// workers is how many goroutines a question may be worked at by.
func (t *turns) workers() int {
	if t == nil {
		return 1
	}
	return min(t.width, maxScanWorkers)
}

// arrive says that spans are appended.
func (t *turns) arrive() { t.came.Store(int64(time.Since(t.began))) }

// threads is how many goroutines have to be in work for turns to be done.
func (t *turns) threads() int { return max(t.width-1, 1) }

// work does turns until the store is closed.
func (t *turns) work() {
	withNice(func() {
		for {
			select {
			case <-t.over:
				return
			case x := <-t.next:
				began := time.Now()
				x.run()
				t.rest(restOf * time.Since(began))
			}
		}
	})
}

func (x *turn) run() {
	defer close(x.done)
	defer func() {
		if p := recover(); p != nil {
			x.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	x.err = errLeft // stays when f ends its goroutine
	x.err = x.f()
}

var errLeft = errors.New("what a question was worked at by ended in the middle")

// rest waits as long as writes are late, most at the longest.
func (t *turns) rest(most time.Duration) {
	if t.waiting() <= late {
		return
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ends := time.Now().Add(most); t.waiting() > late && time.Now().Before(ends); {
		select {
		case <-t.over:
			return
		case <-tick.C:
		}
	}
}

// do calls f, as a turn while spans arrive. f must be short and take no turn itself;
// it panics where do was called.
func (t *turns) do(ctx context.Context, f func() error) error {
	if t == nil || !t.staffed.Load() || int64(time.Since(t.began))-t.came.Load() >= int64(arriving) {
		return f()
	}
	t.wide.need()
	x := &turn{f: f, done: make(chan struct{})}
	select {
	case t.next <- x:
		<-x.done
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.over:
		return f()
	}
	if x.panicked != nil {
		panic(x.panicked)
	}
	return x.err
}
