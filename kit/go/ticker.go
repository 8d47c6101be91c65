package clew

import (
	"context"
	"time"
)

// Ticker calls fn every d until ctx is over, and returns then: run it with go or in a Group. Each call has a trace of its own whose
// root is called name; an error makes it one that failed. A tick that comes while fn still runs is skipped. d must be positive.
func Ticker(ctx context.Context, d time.Duration, name string, fn func(ctx context.Context) error) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if ctx.Err() != nil {
				return
			}
			tick(ctx, name, fn)
		}
	}
}

func tick(ctx context.Context, name string, fn func(context.Context) error) {
	ctx, span := StartLinked(ctx, ComponentApp, Standard, Internal, name, nil)
	defer recordAndRethrow(func(thrown any) {
		span.panicked(thrown)
		span.End()
	})
	if err := fn(ctx); err != nil {
		span.Fail(err)
	}
	span.End()
}
