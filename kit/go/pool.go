package clew

import (
	"context"
	"errors"
	"sync"

	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// ErrClosed is returned for work or values that are handed to a Pool or a Chan which is closed.
var ErrClosed = errors.New("clew: closed")

// Pool runs tasks on a fixed number of goroutines. Each task has the context of whoever handed it in, so that its spans belong to that
// request and not to the one that the goroutine served before.
type Pool struct {
	tasks   chan task
	workers sync.WaitGroup
	closed  chan struct{}
	once    sync.Once
	// callers is held for reading while a task is handed in, so that Close knows when no further one comes.
	callers sync.RWMutex
}

type task struct {
	ctx  context.Context
	fn   func(context.Context)
	done func()
}

// NewPool starts workers goroutines (at least one) with a queue of queue tasks (at least none). Close ends them.
func NewPool(workers, queue int) *Pool {
	p := &Pool{tasks: make(chan task, max(queue, 0)), closed: make(chan struct{})}
	for range max(workers, 1) {
		p.workers.Go(p.work)
	}
	return p
}

func (p *Pool) work() {
	for t := range p.tasks {
		t.run()
	}
}

func (t *task) run() {
	defer t.done()
	defer recordAndRethrow(func(thrown any) { Current(t.ctx).panicked(thrown) })
	t.fn(logline.WithTask(t.ctx))
}

// Do hands in a task and returns when it is queued, not when it is done. While the queue is full it waits until ctx is over, whose error
// it returns then; a closed pool returns ErrClosed, to those too who wait. A task whose context is over by its turn is run all the same: it must look itself.
func (p *Pool) Do(ctx context.Context, fn func(ctx context.Context)) error {
	p.callers.RLock()
	defer p.callers.RUnlock()
	select {
	case <-p.closed:
		return ErrClosed
	default:
	}
	t := task{ctx, fn, watch.Task(ctx)}
	select {
	case p.tasks <- t:
		return nil
	case <-p.closed:
		t.done()
		return ErrClosed
	case <-ctx.Done():
		t.done()
		return context.Cause(ctx)
	}
}

// Close takes no more tasks and returns when those that were handed in are done.
func (p *Pool) Close() {
	p.once.Do(func() {
		close(p.closed)
		p.callers.Lock()
		close(p.tasks)
		p.callers.Unlock()
	})
	p.workers.Wait()
}
