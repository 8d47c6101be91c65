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
	f     *foreign // the span of another provider, in the place of s
	own   bool
	guest bool // it may not end the span
}

// Current is the handle of the span in ctx, for who wants to add to it without having started it: its End and EndAt do nothing. Under a
// span that is not recorded, and where there is none, all of it does nothing.
func Current(ctx context.Context) Active {
	p := trace.SpanFromContext(ctx)
	if s, ok := p.(*span); ok && s.mode == recording {
		return Active{s: s, own: true, guest: true}
	}
	if k := current.Load(); k != nil && k.tracer != nil && p.IsRecording() {
		return Active{f: &foreign{k, p}, guest: true}
	}
	return Active{}
}

// Recording says whether the span goes out, and so whether it is worth building expensive attributes.
func (a Active) Recording() bool {
	if a.f != nil {
		return a.f.span.IsRecording()
	}
	return a.own && a.s.mode == recording && !a.s.ended.Load()
}

// summarises says whether the span is an unsampled root that goes out if it fails.
func (a Active) summarises() bool { return a.own && a.s.mode == summarised && !a.s.ended.Load() }

// SpanContext returns the span's identity, which is the root's in a trace that is not sampled, and the zero SpanContext when the span was
// not started.
func (a Active) SpanContext() SpanContext {
	switch {
	case a.f != nil:
		return fromOTel(a.f.span.SpanContext())
	case a.s != nil:
		return a.s.identity()
	}
	return SpanContext{}
}

// Set records attributes. A key that was set before keeps its place and gets the new value.
func (a Active) Set(attrs ...Attr) {
	if a.f != nil {
		a.f.set(attrs)
		return
	}
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
	} else if a.f != nil {
		a.f.span.SetName(name)
	}
}

// Event records that something happened at this moment.
func (a Active) Event(name string, attrs ...Attr) {
	if a.own {
		a.s.event(name, a.s.now(), attrs)
	} else if a.f != nil {
		a.f.event(name, attrs)
	}
}

// Fail marks the span as failed by err: its status becomes an error with err's message, and error.type the Go type of the innermost error
// that err wraps, unless it is set already. nil does nothing.
func (a Active) Fail(err error) {
	switch {
	case err == nil:
	case a.own:
		a.s.fail(err)
	case a.f != nil:
		a.f.fail(err)
	}
}

// FailText marks the span as failed with a message.
func (a Active) FailText(message string) {
	if a.own {
		a.s.statusTo(codes.Error, message)
	} else if a.f != nil {
		a.f.span.SetStatus(codes.Error, a.f.text(message))
	}
}

// Ok says that the span has succeeded, whatever it is told later. Without it a span that did not fail has no status, which is the usual.
func (a Active) Ok() {
	if a.own {
		a.s.statusTo(codes.Ok, "")
	} else if a.f != nil {
		a.f.span.SetStatus(codes.Ok, "")
	}
}

// Link records that this span has to do with another one.
func (a Active) Link(to SpanContext, attrs ...Attr) {
	if a.own {
		a.s.link(&Link{SpanContext: to, Attrs: attrs})
	} else if a.f != nil && to.IsValid() {
		a.f.span.AddLink(a.f.kit.link(&Link{SpanContext: to, Attrs: attrs}))
	}
}

// End ends the span. Deferred directly, it also notes a panic that is under way, and lets it go on:
//
//	ctx, span := clew.Span(ctx, "reserve")
//	defer span.End()
//
// Only the first End counts; what is recorded later is dropped.
func (a Active) End() {
	if !a.ends() {
		return
	}
	if p := recover(); p != nil {
		a.panicked(p)
		defer panic(p)
	}
	a.finish(time.Time{})
}

// EndAt ends the span at a time that has passed.
func (a Active) EndAt(end time.Time) {
	if a.ends() {
		a.finish(end)
	}
}

// EndErr is Fail and End for a function with a named error:
//
//	func reserve(ctx context.Context) (err error) {
//		ctx, span := clew.Span(ctx, "reserve")
//		defer span.EndErr(&err)
func (a Active) EndErr(err *error) {
	if !a.ends() {
		return
	}
	if p := recover(); p != nil {
		a.panicked(p)
		defer panic(p)
	} else if err != nil {
		a.Fail(*err)
	}
	a.finish(time.Time{})
}

// ends says whether the handle may end a span.
func (a Active) ends() bool { return (a.own || a.f != nil) && !a.guest }

func (a Active) finish(end time.Time) {
	if a.own {
		a.s.finish(end)
	} else {
		a.f.end(end)
	}
}

// panicked notes a panic on the span.
func (a Active) panicked(thrown any) {
	if a.own {
		a.s.panicked(thrown)
	} else if a.f != nil {
		a.f.panicked(thrown)
	}
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
	if !s.has("error.type") {
		a := String("error.type", kind)
		s.setOne(&a)
	}
}

// has says whether an attribute with this key is recorded. The caller holds mu.
func (s *span) has(key string) bool {
	if s.buf == nil || s.buf.seen&keyBit(key) == 0 {
		return false
	}
	from, _ := findAttribute(s.buf.b, key)
	return from != 0
}

func (s *span) panicked(thrown any) {
	if !s.keeps() {
		return
	}
	if text, attrs, ok := exception(thrown); ok {
		s.event("exception", time.Now(), attrs)
		s.statusTo(codes.Error, "panic: "+text)
	}
}

// exception describes a panic with its stack. ok is false for http.ErrAbortHandler, which is how a handler gives up on purpose and is no
// failure.
func exception(thrown any) (message string, attrs []Attr, ok bool) {
	err, isError := thrown.(error)
	if isError && aborts(err) {
		return "", nil, false
	}
	message, kind := fmt.Sprint(thrown), fmt.Sprintf("%T", thrown)
	if isError {
		message, kind = describe(err)
	}
	return message, []Attr{
		String("exception.type", kind), String("exception.message", message), String("exception.stacktrace", stack()),
	}, true
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
