package logline

import (
	"context"
	"sync/atomic"
)

// The task id marks what runs beside the rest of a request, as the goroutine's number would if Go had one to give: lines of one task have
// the same.

type taskKey struct{}

var lastTask atomic.Uint64

// WithTask returns a context of a new task.
func WithTask(ctx context.Context) context.Context {
	return context.WithValue(ctx, taskKey{}, lastTask.Add(1))
}

// TaskID is the id of the task that the context belongs to; 0 for none.
func TaskID(ctx context.Context) uint64 {
	id, _ := ctx.Value(taskKey{}).(uint64)
	return id
}
