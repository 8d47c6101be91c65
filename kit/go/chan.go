package clew

import (
	"context"
	"iter"
	"sync"

	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// Chan is a channel whose values remember who sent them: the receiver's work on a value links to the sender's span.
//
//	orders := clew.NewChan[Order](16)
//	orders.Send(ctx, order)
//
//	for m := range orders.All(ctx) {
//		ctx, span := m.Span(ctx, "place order")
//		place(ctx, m.Value)
//		span.End()
//	}
//
// All methods may be called from any goroutine.
type Chan[T any] struct {
	values chan Message[T]
	closed chan struct{}
	once   sync.Once
	// senders is held for reading while a value is being sent, so that Close knows when no further one comes.
	senders sync.RWMutex
}

// Message is a value with the span of its sender.
type Message[T any] struct {
	Value T
	cause SpanContext
	done  func()
}

// NewChan makes a channel that holds capacity values, at least none.
func NewChan[T any](capacity int) *Chan[T] {
	return &Chan[T]{values: make(chan Message[T], max(capacity, 0)), closed: make(chan struct{})}
}

// Send sends a value. While the channel is full it waits until ctx is over, whose error it returns then; a closed channel returns
// ErrClosed.
func (c *Chan[T]) Send(ctx context.Context, v T) error {
	c.senders.RLock()
	defer c.senders.RUnlock()
	select {
	case <-c.closed:
		return ErrClosed
	default:
	}
	m := Message[T]{Value: v, cause: SpanContextOf(ctx), done: watch.Task(ctx)}
	select {
	case c.values <- m:
		return nil
	case <-c.closed:
		m.done()
		return ErrClosed
	case <-ctx.Done():
		m.done()
		return context.Cause(ctx)
	}
}

// Recv returns the next value. It returns ErrClosed when the channel is closed and empty, and ctx's error when ctx is over first.
func (c *Chan[T]) Recv(ctx context.Context) (Message[T], error) {
	select {
	case m, ok := <-c.values:
		if !ok {
			return m, ErrClosed
		}
		// From here on the receiver's span is what a test waits for.
		m.done()
		return m, nil
	case <-ctx.Done():
		return Message[T]{}, context.Cause(ctx)
	}
}

// All yields the values until the channel is closed and empty or ctx is over.
func (c *Chan[T]) All(ctx context.Context) iter.Seq[Message[T]] {
	return func(yield func(Message[T]) bool) {
		for {
			m, err := c.Recv(ctx)
			if err != nil || !yield(m) {
				return
			}
		}
	}
}

// Close makes Send return ErrClosed, to those too who wait in it. What was sent can still be received.
func (c *Chan[T]) Close() {
	c.once.Do(func() {
		close(c.closed)
		c.senders.Lock()
		close(c.values)
		c.senders.Unlock()
	})
}

// Cause is the identity of the sender's span; it is not valid when there was none.
func (m *Message[T]) Cause() SpanContext { return m.cause }

// Span starts the span of the work on the value. With a span in ctx it is a child of that; without, it is a new root. Either way it links
// to the sender's span.
func (m *Message[T]) Span(ctx context.Context, name string, attrs ...Attr) (context.Context, Active) {
	if SpanContextOf(ctx).IsValid() {
		ctx, span := StartSpan(ctx, ComponentApp, Standard, Internal, name, attrs...)
		span.Link(m.cause)
		return ctx, span
	}
	return StartLinked(ctx, ComponentApp, Standard, Internal, name, []Link{{SpanContext: m.cause}}, attrs...)
}
