package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	clew "github.com/clew-dev/clew/kit/go"
)

// spansPerRound fit into the queues of both stacks, so that nothing is dropped and all of it is encoded and sent.
const spansPerRound = 30_000

// prepare starts both stacks and lists the cases.
func prepare(address string) (cases []measure, finish func(), err error) {
	ctx := context.Background()
	lines := lineKit(ctx)
	k := clew.Start(ctx, clew.Service("bench", "1"), clew.Endpoint(address), clew.Output(nil))
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(address), otlptracehttp.WithInsecure())
	if err != nil {
		return nil, nil, fmt.Errorf("start the stock exporter: %w", err)
	}
	stock := sdk.NewTracerProvider(sdk.WithBatcher(exporter, sdk.WithMaxQueueSize(2*spansPerRound), sdk.WithMaxExportBatchSize(2048)))
	never := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	ratio := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(1e-9))))
	s := &spans{
		k: k, api: otel.GetTracerProvider().Tracer("bench"), stock: stock.Tracer("bench"), provider: stock,
		never: never.Tracer("bench"), ratio: ratio.Tracer("bench"),
	}
	logs, finishLogs, err := logCases(ctx, lines, k, address)
	if err != nil {
		return nil, nil, err
	}
	finish = func() {
		finishLogs()
		_ = k.Stop(ctx)
		_ = lines.Stop(ctx)
		_ = stock.Shutdown(ctx)
	}
	return slices.Concat(s.cases(), httpCases(k, stock, s.flush), metricCases(), logs), finish, nil
}

type spans struct {
	k                        *clew.Kit
	api, stock, never, ratio trace.Tracer
	provider                 *sdk.TracerProvider
}

func (s *spans) flush() {
	if err := s.k.Flush(context.Background()); err != nil {
		panic(err)
	}
}

// sample sets the share of roots that the kit keeps.
func (s *spans) sample(th string) func() {
	return func() {
		if err := s.k.ApplyPolicy([]byte(`{"sampling":{"th":"` + th + `","summary_on_error":true}}`)); err != nil {
			panic(err)
		}
	}
}

func (s *spans) cases() []measure {
	kept, none := s.sample("0"), s.sample("never")
	off := func() { s.k.SetLevel(clew.ComponentApp, clew.Off) }
	on := func() { s.k.SetLevel(clew.ComponentApp, clew.Standard) }
	return []measure{
		{name: "span, 5 attributes, sent", n: spansPerRound, ns: 1200, allocs: 2, prepare: kept, kit: s.kitFive(true), stock: s.apiFive(s.stock, true)},
		{name: "span, 5 attributes, sent, by the API", n: spansPerRound, allocs: 6, prepare: kept, kit: s.apiFive(s.api, true), stock: s.apiFive(s.stock, true)},
		{name: "span, no attributes, sent", n: spansPerRound, allocs: 2, prepare: kept, kit: s.kitBare(true), stock: s.apiBare(s.stock, true)},
		{name: "root span, 5 attributes, sent", n: spansPerRound, allocs: 2, prepare: kept, kit: s.kitFive(false), stock: s.apiFive(s.stock, false)},
		{name: "span, 5 attributes, event, error, sent", n: spansPerRound, allocs: 2, prepare: kept, kit: s.kitFull, stock: s.apiFull(s.stock)},
		{name: "unsampled child, 5 attributes", n: 1_000_000, ns: 40, prepare: none, undo: kept, kit: s.kitFive(true), stock: s.apiFive(s.never, true)},
		{name: "unsampled child, no attributes", n: 1_000_000, ns: 40, prepare: none, undo: kept, kit: s.kitBare(true), stock: s.apiBare(s.never, true)},
		{name: "unsampled child by the API", n: 1_000_000, prepare: none, undo: kept, kit: s.apiBare(s.api, true), stock: s.apiBare(s.never, true)},
		{name: "unsampled root", n: 300_000, allocs: 2, prepare: none, undo: kept, kit: s.kitBare(false), stock: s.apiBare(s.ratio, false)},
		{name: "component off", n: 1_000_000, ns: 20, prepare: off, undo: on, kit: s.kitBare(true), stock: s.apiBare(noop.NewTracerProvider().Tracer(""), true)},
		{name: "component off, 5 attributes", n: 1_000_000, prepare: off, undo: on, kit: s.kitFive(true), stock: s.apiFive(noop.NewTracerProvider().Tracer(""), true)},
		{name: "extract, inject", n: 200_000, allocs: -1, kit: s.kitHeaders, stock: stockHeaders},
	}
}

// root starts the parent of what is measured.
func (s *spans) root(child bool) (context.Context, func()) {
	if !child {
		return context.Background(), func() {}
	}
	ctx, root := clew.Span(context.Background(), "root")
	return ctx, root.End
}

// kitFive and its like are functions of their own, because the compiler inlines nothing into a closure that is returned.
func (s *spans) kitFive(child bool) func(int) { return func(n int) { s.manyFive(child, n) } }

func (s *spans) manyFive(child bool, n int) {
	ctx, end := s.root(child)
	for i := range n {
		_, span := clew.Span(ctx, "reserve", clew.String("http.request.method", "GET"), clew.String("http.route", "/orders/{id}"),
			clew.Int("http.response.status_code", 200), clew.Bool("cache.hit", i&1 == 0), clew.Float("ratio", 0.5))
		span.End()
	}
	end()
	s.flush()
}

func (s *spans) kitBare(child bool) func(int) { return func(n int) { s.manyBare(child, n) } }

func (s *spans) manyBare(child bool, n int) {
	ctx, end := s.root(child)
	for range n {
		_, span := clew.Span(ctx, "reserve")
		span.End()
	}
	end()
	s.flush()
}

func (s *spans) kitFull(n int) {
	ctx, end := s.root(true)
	for i := range n {
		_, span := clew.Span(ctx, "reserve", clew.String("http.request.method", "GET"), clew.String("http.route", "/orders/{id}"))
		span.Set(clew.Int("http.response.status_code", 200), clew.Bool("cache.hit", i&1 == 0), clew.Float("ratio", 0.5))
		span.Event("retried", clew.Int("attempt", 2))
		span.FailText("no stock")
		span.End()
	}
	end()
	s.flush()
}

// parent starts the parent of what is measured with the API.
func parent(t trace.Tracer, child bool) (context.Context, func()) {
	if !child {
		return context.Background(), func() {}
	}
	ctx, root := t.Start(context.Background(), "root")
	return ctx, func() { root.End() }
}

func (s *spans) drain() {
	s.flush()
	if err := s.provider.ForceFlush(context.Background()); err != nil {
		panic(err)
	}
}

func (s *spans) apiFive(t trace.Tracer, child bool) func(int) {
	return func(n int) { s.manyFiveByAPI(t, child, n) }
}

func (s *spans) manyFiveByAPI(t trace.Tracer, child bool, n int) {
	ctx, end := parent(t, child)
	for i := range n {
		_, span := t.Start(ctx, "reserve", trace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders/{id}"),
			attribute.Int("http.response.status_code", 200), attribute.Bool("cache.hit", i&1 == 0), attribute.Float64("ratio", 0.5)))
		span.End()
	}
	end()
	s.drain()
}

func (s *spans) apiBare(t trace.Tracer, child bool) func(int) {
	return func(n int) { s.manyBareByAPI(t, child, n) }
}

func (s *spans) manyBareByAPI(t trace.Tracer, child bool, n int) {
	ctx, end := parent(t, child)
	for range n {
		_, span := t.Start(ctx, "reserve")
		span.End()
	}
	end()
	s.drain()
}

func (s *spans) apiFull(t trace.Tracer) func(int) { return func(n int) { s.manyFullByAPI(t, n) } }

func (s *spans) manyFullByAPI(t trace.Tracer, n int) {
	ctx, end := parent(t, true)
	for i := range n {
		_, span := t.Start(ctx, "reserve", trace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/orders/{id}")))
		span.SetAttributes(attribute.Int("http.response.status_code", 200), attribute.Bool("cache.hit", i&1 == 0), attribute.Float64("ratio", 0.5))
		span.AddEvent("retried", trace.WithAttributes(attribute.Int("attempt", 2)))
		span.SetStatus(codes.Error, "no stock")
		span.End()
	}
	end()
	s.drain()
}

const (
	traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tracestate  = "ot=th:0,vendor=" + "abcdef"
)

func (s *spans) kitHeaders(n int) {
	for range n {
		in, out := clew.HeaderCarrier{"Traceparent": {traceparent}, "Tracestate": {tracestate}}, clew.HeaderCarrier{}
		clew.Inject(clew.Extract(context.Background(), in), "shop.example", out)
		if !strings.HasSuffix(out["Traceparent"][0], "01") {
			panic("traceparent is lost")
		}
	}
}

func stockHeaders(n int) {
	p := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	for range n {
		in, out := propagation.HeaderCarrier{"Traceparent": {traceparent}, "Tracestate": {tracestate}}, propagation.HeaderCarrier{}
		p.Inject(p.Extract(context.Background(), in), out)
		if !strings.HasSuffix(out["Traceparent"][0], "01") {
			panic("traceparent is lost")
		}
	}
}
