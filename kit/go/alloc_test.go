package clew_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

// TestAllocations holds the budgets of allocations; the budgets of time are in the module stock, beside the stock SDK.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations cannot be counted under the race detector")
	}
	five := func(ctx context.Context) {
		ctx, s := clew.Span(ctx, "work", clew.String("a", "x"), clew.Int("b", 1), clew.Bool("c", true), clew.Float("d", 1.5), clew.Duration("e", time.Second))
		s.Set(clew.String("a", "y"))
		s.Event("happened", clew.Int("n", 1))
		s.FailText("no")
		s.End()
		_ = ctx
	}
	api := tracer("api")
	database, broker := clew.NewDatabase("postgresql", "shop", "db.example.com", 5432), clew.NewMessages("nats")
	query := func(ctx context.Context) {
		_, call := database.Start(ctx, database.SQL("SELECT n FROM orders WHERE id = 7"))
		call.End(nil)
	}
	send := func(ctx context.Context) {
		_, call := broker.Send(ctx, "orders.placed", nil)
		call.End(nil)
	}
	link := []clew.Link{{SpanContext: clew.SpanContext{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}}}
	head := clew.HeaderCarrier{"Traceparent": {parent}, "Tracestate": {"a=b"}}
	for _, c := range []struct {
		name   string
		ratio  string
		level  clew.Level
		budget float64
		run    func(context.Context)
	}{
		{"sampled child with attributes and an event", "1", clew.Standard, 2, five},
		{"sampled root", "1", clew.Standard, 2, func(context.Context) { five(context.Background()) }},
		{"sampled root under a remote parent in headers", "1", clew.Standard, 2, func(context.Context) {
			o := clew.SpanOptions{Component: clew.ComponentHTTP, Need: clew.Edges, Kind: clew.Server, From: head}
			_, s := clew.StartWith(context.Background(), "GET /", o, clew.String("http.route", "/"))
			s.End()
		}},
		{"sampled with a link", "1", clew.Standard, 2, func(ctx context.Context) {
			o := clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard, Kind: clew.Internal, Links: link}
			_, s := clew.StartWith(ctx, "work", o)
			s.End()
		}},
		{"unsampled child", "0", clew.Standard, 0, five},
		{"unsampled root", "0", clew.Standard, 2, func(context.Context) {
			_, s := clew.Span(context.Background(), "root", clew.Int("a", 1))
			s.End()
		}},
		{"off", "1", clew.Off, 0, five},
		{"unsampled child of the API", "0", clew.Standard, 0, func(ctx context.Context) {
			_, s := api.Start(ctx, "work")
			s.End()
		}},
		// The API itself allocates once for attributes that are set, and four times for those that are given at the start.
		{"sampled child of the API, five attributes set", "1", clew.Standard, 3, func(ctx context.Context) {
			_, s := api.Start(ctx, "work")
			s.SetAttributes(attribute.Int("a", 1), attribute.String("b", "x"), attribute.Bool("c", true), attribute.Int("d", 1), attribute.Float64("e", 1))
			s.End()
		}},
		{"sampled child of the API with five attributes", "1", clew.Standard, 6, func(ctx context.Context) {
			_, s := api.Start(ctx, "work", trace.WithAttributes(attribute.Int("a", 1), attribute.String("b", "x"), attribute.Bool("c", true), attribute.Int("d", 1), attribute.Float64("e", 1)))
			s.End()
		}},
		{"sampled database call", "1", clew.Standard, 2, query},
		{"unsampled database call", "0", clew.Standard, 0, query},
		// One is the span's name.
		{"sampled message", "1", clew.Standard, 3, send},
		{"unsampled message", "0", clew.Standard, 1, send},
		{"off of the API", "1", clew.Off, 0, func(ctx context.Context) {
			_, s := api.Start(ctx, "work")
			s.End()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := start(t, "", clew.Sample(c.ratio))
			k.RemoveHooks()
			ctx, root := clew.Span(context.Background(), "root")
			defer root.End()
			k.SetLevel(clew.ComponentApp, c.level)
			if got := testing.AllocsPerRun(2000, func() { c.run(ctx) }); got > c.budget {
				t.Errorf("%v allocations, the budget is %v", got, c.budget)
			}
		})
	}
}
