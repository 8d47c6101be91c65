package clew

import (
	"context"
	"sync"

	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// Group runs functions in goroutines and waits for them, with the errors of golang.org/x/sync/errgroup: the first error cancels the
// context that all of them have, and Wait returns it. Their spans are children of the span in the context that the group was made with.
// A Group must not be used again after Wait.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	slots  chan struct{}
	wait   sync.WaitGroup
	once   sync.Once
	err    error
}

// NewGroup makes a group that runs at most limit functions at a time; 0 or less means no limit. Wait must be called.
func NewGroup(ctx context.Context, limit int) *Group {
	g := &Group{}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	if limit > 0 {
		g.slots = make(chan struct{}, limit)
	}
	return g
}

// Go runs fn in a goroutine. It waits while the limit is reached. A panic is recorded on the span of the group's context and goes on.
func (g *Group) Go(fn func(ctx context.Context) error) {
	if g.slots != nil {
		g.slots <- struct{}{}
	}
	g.wait.Add(1)
	done := watch.Task(g.ctx)
	go func() {
		defer func() {
			done()
			if g.slots != nil {
				<-g.slots
			}
			g.wait.Done()
		}()
		defer recordAndRethrow(func(thrown any) { Current(g.ctx).panicked(thrown) })
		if err := fn(logline.WithTask(g.ctx)); err != nil {
			g.once.Do(func() {
				g.err = err
				g.cancel(err)
			})
		}
	}()
}

// Wait returns when all functions have, with the first error.
func (g *Group) Wait() error {
	g.wait.Wait()
	g.cancel(g.err)
	return g.err
}
