package fleet

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// SessionKey is the baggage member that the gateway sets for each request and
// that later services put on their spans, under the same name.
const SessionKey = "shop.session.id"

// Fail records err on the span of ctx as an exception event and an error status.
func Fail(ctx context.Context, err error) {
	span := trace.SpanFromContext(ctx)
	span.RecordError(err)
	span.SetAttributes(semconv.ErrorType(rootCause(err)))
	span.SetStatus(codes.Error, err.Error())
}

// rootCause names the innermost error: the wrappers are all *fmt.wrapError.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// NoteSession copies the session from the baggage to the current span.
func NoteSession(ctx context.Context) {
	if session := Session(ctx); session != "" {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String(SessionKey, session))
	}
}

// Session returns the session in the baggage, empty when there is none.
func Session(ctx context.Context) string { return running().baggage(ctx, SessionKey) }
