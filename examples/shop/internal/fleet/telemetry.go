package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// SessionKey is the baggage member that the gateway sets for each request and
// that later services put on their spans, under the same name.
const SessionKey = "shop.session.id"

// exportComplaintEvery keeps the log readable while no endpoint listens: the
// exporter complains once per batch.
const exportComplaintEvery = time.Minute

// StartTelemetry makes the global tracer provider and propagator for a service
// and returns the function that flushes what is left. The OTLP endpoint, its
// headers, time-outs, protocol (grpc or http/protobuf), sampler and batch sizes
// come from the standard OTEL_ variables.
func StartTelemetry(ctx context.Context, service string) (stop func(context.Context) error, err error) {
	exporter, err := newExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the OTLP exporter: %w", err)
	}
	about, err := newResource(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("describe the service to telemetry: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(&complaints{})
	return provider.Shutdown, nil
}

func newExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "grpc":
		var options []otlptracegrpc.Option
		if endpointUnset() {
			// The exporter's own default is TLS to localhost, which a
			// developer's collector does not speak.
			options = append(options, otlptracegrpc.WithEndpointURL("http://127.0.0.1:4317"))
		}
		return otlptracegrpc.New(ctx, options...)
	case "http/protobuf":
		var options []otlptracehttp.Option
		if endpointUnset() {
			options = append(options, otlptracehttp.WithEndpointURL("http://127.0.0.1:4318/v1/traces"))
		}
		return otlptracehttp.New(ctx, options...)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; use grpc or http/protobuf", protocol)
	}
}

func endpointUnset() bool {
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == ""
}

// newResource lets OTEL_RESOURCE_ATTRIBUTES win over the shop's own words,
// except for the service's name: one environment is given to the whole fleet.
func newResource(ctx context.Context, service string) (*resource.Resource, error) {
	return resource.New(ctx,
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			semconv.ServiceNamespace("shop"),
			semconv.ServiceVersion(Version),
			semconv.ServiceInstanceID(uuid.NewString()),
			semconv.DeploymentEnvironmentNameKey.String("example"),
			semconv.ProcessPID(os.Getpid()),
		),
		resource.WithFromEnv(),
		resource.WithAttributes(semconv.ServiceName(service)),
	)
}

// complaints logs the first error of the telemetry itself and then at most one
// a minute, with the number that it kept back.
type complaints struct {
	mu   sync.Mutex
	last time.Time
	kept int
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.last.IsZero() || now.Sub(c.last) >= exportComplaintEvery {
		slog.Warn("telemetry is not delivered", "error", err, "kept_back", c.kept)
		c.last, c.kept = now, 0
		return
	}
	c.kept++
}

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
func Session(ctx context.Context) string {
	return baggage.FromContext(ctx).Member(SessionKey).Value()
}
