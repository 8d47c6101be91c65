package clew

import (
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// interior is what the context holds under the root of a trace that is not sampled, and what its children are: the root's identity, and
// nothing that can be done to it. It is the root span itself under another type, so that making one allocates nothing. What it does not
// define is promoted from noop.Span and does nothing.
type interior span

// SpanContext implements trace.Span.
func (s *interior) SpanContext() trace.SpanContext { return (*span)(s).SpanContext() }

// TracerProvider implements trace.Span.
func (s *interior) TracerProvider() trace.TracerProvider { return provider }

// remote is the span of another process that Extract put into a context.
type remote struct {
	*noop.Span
	context  SpanContext
	deferred bool // B3 left the decision to us
}

// SpanContext implements trace.Span.
func (r *remote) SpanContext() trace.SpanContext { return r.context.OTel() }

// TracerProvider implements trace.Span.
func (r *remote) TracerProvider() trace.TracerProvider { return provider }
