package fleet

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/examples/shop/internal/charter"
)

// SessionKey is the baggage member that the gateway sets for each request and
// that later services put on their spans, under the same name.
const SessionKey = charter.ShopSessionIDKey

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
		Note(ctx, charter.ShopSessionID(session))
	}
}

// Note puts attributes of the charter on the current span, whatever the stack.
func Note(ctx context.Context, attrs ...charter.Attribute) {
	span := trace.SpanFromContext(ctx)
	for _, a := range attrs {
		span.SetAttributes(a.Attr().KeyValue())
	}
}

// Session returns the session in the baggage, empty when there is none.
func Session(ctx context.Context) string { return running().baggage(ctx, SessionKey) }
