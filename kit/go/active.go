package clew

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Active is the handle of a span that is under way, for the one who started it. Its methods may be called from many goroutines at once,
// and do nothing when the span was not started (its component is off, no kit runs) or belongs to a trace that is not sampled.
//
// In a trace that is not sampled only the root has a state: it remembers whether it failed, for the summary. The handles of its children
// share its ids and are inert, so that nothing that a child does ends the root or marks it as failed.
type Active struct {
	s     *span
	own   bool
	guest bool // it may not end the span
}

// Current is the handle of the span in ctx, for who wants to add to it without having started it: its End and EndAt do nothing. Under a
// span that is not recorded, and where there is none, all of it does nothing.
func Current(ctx context.Context) Active {
	if s, ok := trace.SpanFromContext(ctx).(*span); ok && s.mode == recording {
		return Active{s: s, own: true, guest: true}
	}
	return Active{}
}

// Recording says whether the span goes out, and so whether it is worth building expensive attributes.
func (a Active) Recording() bool { return a.own && a.s.mode == recording && !a.s.ended.Load() }

// SpanContext returns the span's identity, which is the root's in a trace that is not sampled, and the zero SpanContext when the span was
// not started.
func (a Active) SpanContext() SpanContext {
	if a.s == nil {
		return SpanContext{}
	}
	return a.s.identity()
}

// Set records attributes. A key that was set before keeps its place and gets the new value.
func (a Active) Set(attrs ...Attr) {
	if !a.own || !a.s.keeps() {
		return
	}
	a.s.mu.Lock()
	if !a.s.ended.Load() {
		a.s.set(attrs)
	}
	a.s.mu.Unlock()
}

// SetName replaces the span's name.
func (a Active) SetName(name string) {
	if a.own {
		a.s.rename(name)
	}
}

// Event records that something happened at this moment.
func (a Active) Event(name string, attrs ...Attr) {
	if a.own {
		a.s.event(name, a.s.now(), attrs)
	}
}

// Fail marks the span as failed by err: its status becomes an error with err's message, and error.type the Go type of the innermost error
// that err wraps, unless it is set already. nil does nothing.
func (a Active) Fail(err error) {
	if !a.own || err == nil {
		return
	}
	a.s.fail(err)
}

// FailText marks the span as failed with a message.
func (a Active) FailText(message string) {
	if a.own {
		a.s.statusTo(codes.Error, message)
	}
}

// Ok says that the span has succeeded, whatever it is told later. Without it a span that did not fail has no status, which is the usual.
func (a Active) Ok() {
	if a.own {
		a.s.statusTo(codes.Ok, "")
	}
}

// Link records that this span has to do with another one.
func (a Active) Link(to SpanContext, attrs ...Attr) {
	if a.own {
		a.s.link(&Link{SpanContext: to, Attrs: attrs})
	}
}

// End ends the span. Deferred directly, it also notes a panic that is under way, and lets it go on:
//
//	ctx, span := clew.Span(ctx, "reserve")
//	defer span.End()
//
// Only the first End counts; what is recorded later is dropped.
func (a Active) End() {
	if !a.own || a.guest {
		return
	}
	if p := recover(); p != nil {
		a.s.panicked(p)
		defer panic(p)
	}
	a.s.finish(time.Time{})
}

// EndAt ends the span at a time that has passed.
func (a Active) EndAt(end time.Time) {
	if a.own && !a.guest {
		a.s.finish(end)
	}
}

// EndErr is Fail and End for a function with a named error:
//
//	func reserve(ctx context.Context) (err error) {
//		ctx, span := clew.Span(ctx, "reserve")
//		defer span.EndErr(&err)
func (a Active) EndErr(err *error) {
	if !a.own || a.guest {
		return
	}
	if p := recover(); p != nil {
		a.s.panicked(p)
		defer panic(p)
	} else if err != nil && *err != nil {
		a.s.fail(*err)
	}
	a.s.finish(time.Time{})
}

// rename replaces the name.
func (s *span) rename(name string) {
	s.mu.Lock()
	if !s.ended.Load() {
		s.name = spanNameText(name)
	}
	s.mu.Unlock()
}

func (s *span) event(name string, at time.Time, attrs []Attr) {
	if !s.keeps() {
		return
	}
	s.mu.Lock()
	if !s.ended.Load() {
		s.addEvent(name, at, attrs)
	}
	s.mu.Unlock()
}

func (s *span) link(l *Link) {
	if !s.keeps() {
		return
	}
	s.mu.Lock()
	if !s.ended.Load() {
		s.addLink(l)
	}
	s.mu.Unlock()
}

func (s *span) statusTo(code codes.Code, text string) {
	if !s.keeps() {
		return
	}
	s.mu.Lock()
	if !s.ended.Load() {
		s.setStatus(code, text)
	}
	s.mu.Unlock()
}

func (s *span) fail(err error) {
	if !s.keeps() {
		return
	}
	// The host's methods run outside the lock, and a panic in them stays here.
	message, kind := describe(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return
	}
	s.setStatus(codes.Error, message)
	if s.seen&keyBit("error.type") == 0 || !s.has("error.type") {
		a := String("error.type", kind)
		s.setOne(&a)
	}
}

// has says whether an attribute with this key is recorded. The caller holds mu.
func (s *span) has(key string) bool {
	if s.buf == nil {
		return false
	}
	from, _ := findAttribute(s.buf.b, key)
	return from != 0
}

// panicked notes a panic as an exception with its stack. http.ErrAbortHandler is how a handler gives up on purpose and is no failure.
func (s *span) panicked(p any) {
	err, isError := p.(error)
	if isError && aborts(err) || !s.keeps() {
		return
	}
	message, kind := fmt.Sprint(p), fmt.Sprintf("%T", p)
	if isError {
		message, kind = describe(err)
	}
	s.event("exception", time.Now(), []Attr{
		String("exception.type", kind), String("exception.message", message), String("exception.stacktrace", stack()),
	})
	s.statusTo(codes.Error, "panic: "+message)
}

// aborts must not take the place of the panic that is under way.
func aborts(err error) bool {
	defer func() { _ = recover() }()
	return errors.Is(err, http.ErrAbortHandler)
}

// wrappers are types of errors that only carry others and say nothing about what went wrong.
var wrappers = map[reflect.Type]bool{
	reflect.TypeOf(fmt.Errorf("%w", context.Canceled)):                             true,
	reflect.TypeOf(fmt.Errorf("%w%w", context.Canceled, context.DeadlineExceeded)): true,
	reflect.TypeOf(errors.Join(context.Canceled)):                                  true,
}

// describe returns the message of an error, and the type of the error inside the wrappers of the standard library. An error whose method
// panics must not take the program down.
func describe(err error) (message, kind string) {
	defer func() {
		if recover() != nil {
			message, kind = "error whose message panics", reflect.TypeOf(err).String()
		}
	}()
	message = err.Error()
	inner := err
	for range 16 {
		if !wrappers[reflect.TypeOf(inner)] {
			break
		}
		next := errors.Unwrap(inner)
		if several, ok := inner.(interface{ Unwrap() []error }); ok {
			next = several.Unwrap()[0]
		}
		if next == nil {
			break
		}
		inner = next
	}
	return message, reflect.TypeOf(inner).String()
}

// stack is the stack of the caller as text.
func stack() string { return string(debug.Stack()) }
