package main

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

// recordsPerRound makes the collections that fall into a round weigh little.
const recordsPerRound = 2_000_000

// metricCases compares instruments of the kit, bound and by the API, with those of
// the stock SDK, which cannot bind. The kit has been started.
func metricCases() []measure {
	bounds := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	stock := sdk.NewMeterProvider(sdk.WithReader(sdk.NewManualReader())).Meter("bench")
	option := metric.WithExplicitBucketBoundaries(bounds...)
	stockHistogram, err := stock.Float64Histogram("bench.duration", metric.WithUnit("s"), option)
	if err != nil {
		panic(err)
	}
	stockCounter, err := stock.Int64Counter("bench.count")
	if err != nil {
		panic(err)
	}
	apiHistogram, err := otel.GetMeterProvider().Meter("bench").Float64Histogram("bench.duration", metric.WithUnit("s"), option)
	if err != nil {
		panic(err)
	}
	labels := []attribute.KeyValue{attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders/{id}"), attribute.Int("http.response.status_code", 200)}
	cached := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(labels...))}
	cachedAdd := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(labels...))}
	attrs := []clew.Attr{clew.String("http.request.method", "GET"), clew.String("http.route", "/orders/{id}"), clew.Int("http.response.status_code", 200)}
	bound := clew.DurationHistogram("bench.bound", clew.ComponentHTTP).With(attrs...)
	counter := clew.Counter("bench.counter", "{item}").With(attrs...)

	unsampled, kept := background(0), background(trace.FlagsSampled)
	record := func(h metric.Float64Histogram, ctx context.Context) func(int) {
		return func(n int) {
			for range n {
				h.Record(ctx, 0.03, cached...)
			}
		}
	}
	fresh := func(h metric.Float64Histogram) func(int) {
		return func(n int) {
			for range n {
				h.Record(unsampled, 0.03, metric.WithAttributes(attribute.String("http.request.method", "GET"),
					attribute.String("http.route", "/orders/{id}"), attribute.Int("http.response.status_code", 200)))
			}
		}
	}
	recordBound := func(ctx context.Context) func(int) {
		return func(n int) {
			for range n {
				bound.RecordDuration(ctx, 30*time.Millisecond)
			}
		}
	}
	return []measure{
		{name: "histogram, bound, unsampled", n: recordsPerRound, ns: 60, kit: recordBound(unsampled), stock: record(stockHistogram, unsampled)},
		{name: "histogram, bound, sampled", n: recordsPerRound, ns: 60, kit: recordBound(kept), stock: record(stockHistogram, kept)},
		{name: "histogram by the API, cached set", n: recordsPerRound, ns: 300, kit: record(apiHistogram, unsampled), stock: record(stockHistogram, unsampled)},
		{name: "histogram by the API, new set", n: recordsPerRound / 4, allocs: 4, kit: fresh(apiHistogram), stock: fresh(stockHistogram)},
		{name: "counter, bound", n: recordsPerRound, ns: 60, kit: func(n int) {
			for range n {
				counter.Add(1)
			}
		}, stock: func(n int) {
			for range n {
				stockCounter.Add(unsampled, 1, cachedAdd...)
			}
		}},
	}
}

// background is a context with the span of a caller.
func background(flags trace.TraceFlags) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: flags,
	}))
}
