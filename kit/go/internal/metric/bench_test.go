package metric_test

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/policy"
)

func gated(b *testing.B) *metric.Engine {
	e := metric.New(nil, nil)
	holder := policy.NewHolder(policy.Document{})
	e.SetGate(func(component, need uint8) bool {
		s := holder.Load()
		return s.On(policy.Metrics, policy.Level(need)) && s.On(policy.Component(component), policy.Level(need))
	})
	return e
}

var labels = attribute.NewSet(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders/{id}"), attribute.Int("http.response.status_code", 200))

func BenchmarkRecord(b *testing.B) {
	e := gated(b)
	h := must(b, e, metric.Desc{Name: "h", Kind: metric.Histogram, Float: true, Bounds: metric.DurationBounds, Component: 0, Need: 1}).Series(labels)
	unsampled := trace.ContextWithSpanContext(b.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	b.Run("bound/unsampled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Record(unsampled, 0.03)
		}
	})
	b.Run("bound/sampled", func(b *testing.B) {
		b.ReportAllocs()
		ctx := sampled()
		for b.Loop() {
			h.Record(ctx, 0.03)
		}
	})
	b.Run("bound/exemplar", func(b *testing.B) {
		b.ReportAllocs()
		ctx := sampled()
		for b.Loop() {
			e.NextInterval()
			h.Record(ctx, 0.03)
		}
	})
	api, err := metric.NewProvider(e, 0, 1).Meter("m").Float64Histogram("api", otelmetric.WithExplicitBucketBoundaries(metric.DurationBounds...))
	if err != nil {
		b.Fatal(err)
	}
	options := []otelmetric.RecordOption{otelmetric.WithAttributeSet(labels)}
	b.Run("api/cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			api.Record(unsampled, 0.03, options...)
		}
	})
	b.Run("api/new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			api.Record(unsampled, 0.03, otelmetric.WithAttributes(attribute.String("http.request.method", "GET"),
				attribute.String("http.route", "/orders/{id}"), attribute.Int("http.response.status_code", 200)))
		}
	})
	b.Run("counter", func(b *testing.B) {
		c := must(b, e, metric.Desc{Name: "c", Need: 1}).Series(labels)
		b.ReportAllocs()
		for b.Loop() {
			c.AddInt(1)
		}
	})
	b.Run("off", func(b *testing.B) {
		e.SetGate(func(uint8, uint8) bool { return false })
		for b.Loop() {
			h.Record(unsampled, 0.03)
		}
	})
}
