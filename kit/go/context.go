package clew

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// SpanContext is the identity of a span, as it travels between processes.
type SpanContext struct {
	TraceID trace.TraceID
	SpanID  trace.SpanID
	// Flags are those of traceparent: sampled (1) and random (2).
	Flags trace.TraceFlags
	// Remote says that the span is one of another process.
	Remote bool
	// State is the tracestate as on the wire, "" when there is none.
	State string
}

// IsValid says whether both ids are set.
func (c SpanContext) IsValid() bool {
	return c.TraceID != trace.TraceID{} && c.SpanID != trace.SpanID{}
}

// Sampled says whether the span is recorded.
func (c SpanContext) Sampled() bool { return c.Flags.IsSampled() }

// OTel returns the identity as the OpenTelemetry API has it.
func (c SpanContext) OTel() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: c.TraceID, SpanID: c.SpanID, TraceFlags: c.Flags, TraceState: states.parse(c.State), Remote: c.Remote,
	})
}

// fromOTel takes over the identity of a span that the kit did not make.
func fromOTel(c trace.SpanContext) SpanContext {
	return SpanContext{
		TraceID: c.TraceID(), SpanID: c.SpanID(), Flags: c.TraceFlags(), Remote: c.IsRemote(), State: c.TraceState().String(),
	}
}

// SpanContextOf returns the identity of the span in ctx: of the local span, of the remote one that Extract read, or the zero SpanContext.
// An unsampled span has an identity like any other.
func SpanContextOf(ctx context.Context) SpanContext {
	switch s := trace.SpanFromContext(ctx).(type) {
	case *span:
		return s.identity()
	case *interior:
		return (*span)(s).identity()
	case *remote:
		return s.context
	default:
		if c := s.SpanContext(); c.IsValid() {
			return fromOTel(c)
		}
		return SpanContext{}
	}
}

// Link points from a span to another one, of this trace or of another.
type Link struct {
	SpanContext
	Attrs []Attr
}

// LinkTo is a link to the span in ctx.
func LinkTo(ctx context.Context, attrs ...Attr) Link {
	return Link{SpanContext: SpanContextOf(ctx), Attrs: attrs}
}
