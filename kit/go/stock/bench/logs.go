package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

// linesPerRound at about 300 bytes each is more than waits for the writer at once; the writer keeps up, since it discards.
const linesPerRound = 200_000

// lineKit is a kit that writes lines to nowhere and sends nothing. It is to be started before the one that is measured otherwise, which
// takes over from it.
func lineKit(ctx context.Context) *clew.Kit {
	return clew.Start(ctx, clew.Service("lines", "1"), clew.Output(io.Discard), clew.WithoutExport(), clew.WithoutGlobals(),
		clew.Policy([]byte(`{"version":"1","log_lines_per_second":1000000000}`)))
}

// withIDs is what a stock set-up adds to slog's JSON handler.
type withIDs struct{ slog.Handler }

func (h withIDs) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// logCases compares lines with slog's JSON handler, without and with what the kit's lines also have, and records with otelslog over the
// stock SDK.
func logCases(ctx context.Context, lines, sent *clew.Kit, address string) (cases []measure, finish func(), err error) {
	unlimited := func() {
		if err := sent.ApplyPolicy([]byte(`{"log_lines_per_second":1000000000}`)); err != nil {
			panic(err)
		}
	}
	exporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(address+"/v1/logs"), otlploghttp.WithInsecure())
	if err != nil {
		return nil, nil, fmt.Errorf("start the stock exporter of logs: %w", err)
	}
	provider := sdk.NewLoggerProvider(sdk.WithProcessor(sdk.NewBatchProcessor(exporter, sdk.WithMaxQueueSize(2*spansPerRound))))
	spanCtx, _ := clew.Span(ctx, "reserve")
	line := func(h slog.Handler, level slog.Level, flush func(context.Context) error) func(int) {
		logger := slog.New(h)
		return func(n int) {
			for range n {
				logger.LogAttrs(spanCtx, level, "placed", slog.String("sku", "a-17"), slog.Int("items", 3), slog.Float64("price", 12.5))
			}
			if flush != nil {
				if err := flush(ctx); err != nil {
					panic(err)
				}
			}
		}
	}
	json := withIDs{slog.NewJSONHandler(io.Discard, nil)}
	placed := withIDs{slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{AddSource: true})}
	kit := lines.Logger().Handler()
	return []measure{
		{name: "line, 3 attributes, ids; slog JSON with ids", n: linesPerRound, ns: 1000, allocs: 1, kit: line(kit, slog.LevelInfo, lines.Flush), stock: line(json, slog.LevelInfo, nil)},
		{name: "line, 3 attributes, ids, place; slog with them", n: linesPerRound, allocs: 1, kit: line(kit, slog.LevelInfo, lines.Flush), stock: line(placed, slog.LevelInfo, nil)},
		{name: "log record, 3 attributes, sent; otelslog", n: spansPerRound, allocs: 1, prepare: unlimited, kit: line(sent.Logger().Handler(), slog.LevelInfo, sent.Flush), stock: line(otelslog.NewHandler("bench", otelslog.WithLoggerProvider(provider)), slog.LevelInfo, provider.ForceFlush)},
		{name: "log level off", n: 2_000_000, kit: off(kit, spanCtx), stock: off(json, spanCtx), ns: 10},
	}, func() { _ = provider.Shutdown(ctx) }, nil
}

// off is a line without attributes, whose making would cost more than asking whether it is wanted.
func off(h slog.Handler, ctx context.Context) func(int) {
	logger := slog.New(h)
	return func(n int) {
		for range n {
			logger.LogAttrs(ctx, slog.LevelDebug, "placed")
		}
	}
}
