package receive_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/telemetry"
)

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ctx(t testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

func TestGRPC(t *testing.T) {
	r := start(t, func(o *receive.Options) { o.MaxRequestBytes = 1 << 20 })
	c := collectorpb.NewTraceServiceClient(dial(t, r.grpc))
	res, err := c.Export(ctx(t), request(50))
	if err != nil || res.PartialSuccess != nil {
		t.Fatalf("export: %v %v", res, err)
	}
	if _, err := c.Export(ctx(t), request(60), grpc.UseCompressor("gzip")); err != nil {
		t.Fatalf("export with gzip: %v", err)
	}
	if r.sink.stored() != 110 {
		t.Errorf("%d spans stored, want 110", r.sink.stored())
	}
	bad := request(2)
	bad.ResourceSpans[0].ScopeSpans[0].Spans[0].TraceId = make([]byte, 16)
	if res, err = c.Export(ctx(t), bad); err != nil || res.GetPartialSuccess().GetRejectedSpans() != 1 {
		t.Errorf("export with a bad id: %v %v", res, err)
	}
	if _, err := c.Export(ctx(t), &collectorpb.ExportTraceServiceRequest{}); err != nil {
		t.Errorf("export of nothing: %v", err)
	}

	for _, test := range []struct {
		name  string
		sink  error
		md    []string
		spans int
		code  codes.Code
		retry time.Duration
	}{
		{name: "exhausted", sink: telemetry.RetryError(telemetry.KindExhausted, 1500*time.Millisecond, "behind"), code: codes.ResourceExhausted, retry: 1500 * time.Millisecond},
		{name: "unavailable", sink: telemetry.Errorf(telemetry.KindUnavailable, "replaying, 40 %% done"), code: codes.Unavailable, retry: time.Second},
		{name: "internal", sink: fmt.Errorf("disk"), code: codes.Internal},
		{name: "token", md: []string{"authorization", "Bearer bad"}, code: codes.Unauthenticated},
		{name: "tenant", md: []string{"x-scope-orgid", "other"}, code: codes.PermissionDenied},
		{name: "too large", spans: 12000, code: codes.ResourceExhausted},
	} {
		t.Run(test.name, func(t *testing.T) {
			r.sink.fail(test.sink)
			defer r.sink.fail(nil)
			_, err := c.Export(metadata.AppendToOutgoingContext(ctx(t), test.md...), request(max(test.spans, 1)))
			st, _ := status.FromError(err)
			if st.Code() != test.code {
				t.Fatalf("%v, want %v", err, test.code)
			}
			var retry time.Duration
			for _, d := range st.Details() {
				if info, ok := d.(*errdetails.RetryInfo); ok {
					retry = info.RetryDelay.AsDuration()
				}
			}
			if retry != test.retry {
				t.Errorf("RetryInfo says %v, want %v", retry, test.retry)
			}
			if test.name == "unavailable" && st.Message() != "replaying, 40 % done" {
				t.Errorf("message %q", st.Message())
			}
		})
	}
	_, err = logspb.NewLogsServiceClient(dial(t, r.grpc)).Export(ctx(t), &logspb.ExportLogsServiceRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("logs: %v, want Unimplemented", err)
	}
	if _, err := c.Export(ctx(t), request(1)); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestRealExporters sends with the exporters of OpenTelemetry, which must try again
// when they are told to.
func TestRealExporters(t *testing.T) {
	r := start(t, nil)
	grpcRetry := otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Millisecond, MaxElapsedTime: 10 * time.Second})
	httpRetry := otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Millisecond, MaxElapsedTime: 10 * time.Second})
	for name, test := range map[string]struct {
		client otlptrace.Client
		least  time.Duration // what the exporter must wait: Retry-After knows whole seconds only
	}{
		"grpc":      {otlptracegrpc.NewClient(otlptracegrpc.WithEndpoint(r.grpc), otlptracegrpc.WithInsecure(), grpcRetry), 100 * time.Millisecond},
		"grpc gzip": {otlptracegrpc.NewClient(otlptracegrpc.WithEndpoint(r.grpc), otlptracegrpc.WithInsecure(), grpcRetry, otlptracegrpc.WithCompressor("gzip")), 100 * time.Millisecond},
		"http":      {otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(r.http), httpRetry), time.Second},
		"http gzip": {otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(r.http), httpRetry, otlptracehttp.WithCompression(otlptracehttp.GzipCompression)), time.Second},
	} {
		for kind, refusal := range map[string]error{
			"exhausted":   telemetry.RetryError(telemetry.KindExhausted, 100*time.Millisecond, "behind"),
			"unavailable": telemetry.RetryError(telemetry.KindUnavailable, 100*time.Millisecond, "replaying"),
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				before := r.sink.stored()
				exporter, err := otlptrace.New(ctx(t), test.client)
				if err != nil {
					t.Fatal(err)
				}
				provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(time.Hour)))
				tracer := provider.Tracer("test")
				for i := range 10 {
					_, span := tracer.Start(context.Background(), fmt.Sprint("op ", i))
					span.SetAttributes(attribute.StringSlice("list", []string{"a", "b"}), attribute.Int("i", i))
					span.AddEvent("e")
					span.End()
				}
				r.sink.failTimes(1, refusal)
				began := time.Now()
				if err := provider.ForceFlush(ctx(t)); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < test.least {
					t.Errorf("the exporter tried again after %s, and was asked to wait %s", took, test.least)
				}
				if got := r.sink.stored() - before; got != 10 {
					t.Errorf("%d spans stored, want 10", got)
				}
			})
		}
	}
}
