package clew

import (
	"context"

	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// Go runs fn in a goroutine with the caller's context: its spans are children of the span in ctx, its deadline is the caller's. Nobody
// waits for it: a span that ends after its parent is marked clew.late. For work that goes on after the request there is Detach, for work
// that is waited for there is Group.
//
// A panic in fn is recorded on the span in ctx, what the kit holds is flushed for 3 s at most, and the panic goes on, as Go has it.
func Go(ctx context.Context, fn func(ctx context.Context)) {
	done := watch.Task(ctx)
	go func() {
		defer done()
		defer recordAndRethrow(func(thrown any) { Current(ctx).panicked(thrown) })
		fn(logline.WithTask(ctx))
	}()
}

// Detach runs fn in a goroutine as work of its own: a new trace whose root, called name, links to the span in ctx. It survives the end and
// the cancelling of ctx and keeps its values. The cause's randomness is taken over, so that at equal thresholds both traces are kept
// or neither.
//
// The root has started when Detach returns, and ends with fn. A panic is recorded on it and goes on as with Go.
func Detach(ctx context.Context, name string, fn func(ctx context.Context), attrs ...Attr) {
	done := watch.Task(ctx)
	ctx, span := StartLinked(context.WithoutCancel(ctx), ComponentApp, Standard, Internal, name, []Link{LinkTo(ctx)}, attrs...)
	go func() {
		defer done()
		defer recordAndRethrow(func(thrown any) {
			span.panicked(thrown)
			span.End()
		})
		fn(logline.WithTask(ctx))
		span.End()
	}()
}

// recordAndRethrow, deferred, lets record see a panic, sends what the kit holds, and lets the panic go on.
func recordAndRethrow(record func(thrown any)) {
	thrown := recover()
	if thrown == nil {
		return
	}
	record(thrown)
	flushBeforePanic()
	panic(thrown)
}
