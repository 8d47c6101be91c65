package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	runtimemetrics "go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc"
)

// exportComplaintEvery keeps the log readable while no endpoint listens: the
// exporter complains once per batch.
const exportComplaintEvery = time.Minute

// stock is the OpenTelemetry SDK and its instrumentation libraries, as their
// documentation sets them up.
type stock struct{}

// metricsVariable says whether metrics are made too: otlp. Unset they are not, because
// Clew takes none and the SDK complains of that each interval; `shop overhead` sets
// it, because the kit makes metrics.
const metricsVariable = "OTEL_METRICS_EXPORTER"

// start makes the global tracer provider and propagator, and a meter provider when it
// is asked for. The OTLP endpoint, its headers, time-outs, protocol (grpc or
// http/protobuf), sampler, batch sizes and intervals come from the standard OTEL_
// variables.
func (stock) start(ctx context.Context, service string) (stop func(context.Context) error, err error) {
	spans, err := newSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the OTLP exporter: %w", err)
	}
	about, err := newResource(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("describe the service to telemetry: %w", err)
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(about))
	otel.SetTracerProvider(traces)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(&complaints{})
	if os.Getenv(metricsVariable) != "otlp" {
		return traces.Shutdown, nil
	}
	points, err := newMetricExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("make the OTLP exporter: %w", err)
	}
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points)), sdkmetric.WithResource(about))
	otel.SetMeterProvider(metrics)
	if err := runtimemetrics.Start(); err != nil {
		return nil, fmt.Errorf("measure the runtime: %w", err)
	}
	return func(ctx context.Context) error { return errors.Join(traces.Shutdown(ctx), metrics.Shutdown(ctx)) }, nil
}

func newSpanExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	switch protocol, plain := endpoint("TRACES"); protocol {
	case "grpc":
		var options []otlptracegrpc.Option
		if plain {
			options = append(options, otlptracegrpc.WithEndpointURL("http://127.0.0.1:4317"))
		}
		return otlptracegrpc.New(ctx, options...)
	case "http/protobuf":
		var options []otlptracehttp.Option
		if plain {
			options = append(options, otlptracehttp.WithEndpointURL("http://127.0.0.1:4318/v1/traces"))
		}
		return otlptracehttp.New(ctx, options...)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; use grpc or http/protobuf", protocol)
	}
}

func newMetricExporter(ctx context.Context) (sdkmetric.Exporter, error) {
	switch protocol, plain := endpoint("METRICS"); protocol {
	case "grpc":
		var options []otlpmetricgrpc.Option
		if plain {
			options = append(options, otlpmetricgrpc.WithEndpointURL("http://127.0.0.1:4317"))
		}
		return otlpmetricgrpc.New(ctx, options...)
	case "http/protobuf":
		var options []otlpmetrichttp.Option
		if plain {
			options = append(options, otlpmetrichttp.WithEndpointURL("http://127.0.0.1:4318/v1/metrics"))
		}
		return otlpmetrichttp.New(ctx, options...)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; use grpc or http/protobuf", protocol)
	}
}

// endpoint says how a signal is sent, and whether to a developer's collector: without
// an address the exporters speak TLS to localhost, which such a collector does not.
func endpoint(signal string) (protocol string, plain bool) {
	protocol = cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "grpc")
	return protocol, os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") == ""
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

func (stock) serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler())}
}

func (stock) dialOptions(string) []grpc.DialOption {
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler())}
}

func (stock) server(h http.Handler) http.Handler { return h }

func (stock) route(pattern string, h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, pattern)
}

// transport names spans after the method, since a caller does not know its peer's routes.
func (stock) transport(next http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(next, otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method }))
}

func (stock) baggage(ctx context.Context, key string) string {
	return baggage.FromContext(ctx).Member(key).Value()
}
