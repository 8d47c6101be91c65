package clew_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

// A whole service.
func Example() {
	ctx, stop := clew.SignalContext(context.Background())
	defer stop()
	k := clew.Start(ctx, clew.Service("orders", "1.4.2"))
	defer k.Stop(context.Background())
	slog.SetDefault(k.Logger())

	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		slog.InfoContext(r.Context(), "placed", "order.id", r.PathValue("id"))
	})
	server := &http.Server{Addr: ":8080", Handler: k.HTTP(mux)}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	_ = server.ListenAndServe()
}

// A kit that shows what it would send, for the examples.
func shown(options ...clew.Option) (stop func()) {
	none := func(string) (string, bool) { return "", false }
	options = append(options, clew.Service("orders", "1"), clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(none))
	k := clew.Start(context.Background(), options...)
	k.OnEnd(func(v *clew.SpanView) {
		var b strings.Builder
		for _, a := range v.Attrs() {
			fmt.Fprintf(&b, " %s=%v", a.Key(), a.Value())
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%v %s%s %s", v.Kind, v.Name, b.String(), v.StatusText)))
	})
	return func() { _ = k.Stop(context.Background()) }
}

func ExampleSpan() {
	defer shown()()
	ctx, span := clew.Span(context.Background(), "reserve", clew.Int("items", 3))
	defer span.End()

	_, inner := clew.Span(ctx, "lock")
	inner.End()
	// Output:
	// INTERNAL lock
	// INTERNAL reserve items=3
}

func ExampleActive_EndErr() {
	defer shown()()
	reserve := func(ctx context.Context) (err error) {
		_, span := clew.Span(ctx, "reserve")
		defer span.EndErr(&err)
		return errors.New("no stock")
	}
	_ = reserve(context.Background())
	// Output: INTERNAL reserve error.type=*errors.errorString no stock
}

func ExampleActive_Set() {
	defer shown()()
	_, span := clew.Span(context.Background(), "reserve")
	span.Set(clew.String("order.id", "7"), clew.Duration("waited", 1500*time.Millisecond), clew.Bool("express", true))
	span.Event("retried", clew.Int("attempt", 2))
	span.End()
	// Output: INTERNAL reserve order.id=7 waited=1.5 express=true
}

func ExampleCurrent() {
	defer shown()()
	ctx, span := clew.Span(context.Background(), "reserve")
	func(ctx context.Context) {
		clew.Current(ctx).Set(clew.String("warehouse", "north"))
	}(ctx)
	span.End()
	// Output: INTERNAL reserve warehouse=north
}

func ExampleStartSpan() {
	defer shown()()
	_, span := clew.StartSpan(context.Background(), clew.ComponentMessaging, clew.Edges, clew.Producer, "send orders.placed",
		clew.String("messaging.system.name", "nats"))
	span.End()
	// Output: PRODUCER send orders.placed messaging.system.name=nats
}

func ExampleStartWith() {
	defer shown()()
	headers := clew.HeaderCarrier{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	_, span := clew.StartWith(context.Background(), "GET /", clew.SpanOptions{
		Component: clew.ComponentHTTP, Need: clew.Edges, Kind: clew.Server, From: headers,
	})
	fmt.Println(span.SpanContext().TraceID)
	span.End()
	// Output:
	// 0af7651916cd43dd8448eb211c80319c
	// SERVER GET /
}

func ExampleStartLinked() {
	defer shown()()
	producer := clew.SpanContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}, Flags: 1}
	_, span := clew.StartLinked(context.Background(), clew.ComponentMessaging, clew.Edges, clew.Consumer, "process orders.placed",
		[]clew.Link{{SpanContext: producer}})
	fmt.Println(span.SpanContext().TraceID != producer.TraceID)
	span.End()
	// Output:
	// true
	// CONSUMER process orders.placed
}

func ExampleExtract() {
	defer shown(clew.PropagateTo(".shop.internal"))()
	in := clew.HeaderCarrier{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Baggage": {"cart=7"}}
	ctx := clew.Extract(context.Background(), in)
	fmt.Println(clew.Baggage(ctx, "cart"))

	out := clew.HeaderCarrier{}
	clew.Inject(ctx, "stock.shop.internal", out)
	fmt.Println(out["Traceparent"], out["Baggage"])
	// Output:
	// 7
	// [00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01] [cart=7]
}

func ExampleForceKeep() {
	defer shown(clew.Sample("0"))()
	_, span := clew.Span(clew.ForceKeep(context.Background()), "looked at")
	span.End()
	_, span = clew.Span(context.Background(), "not looked at")
	span.End()
	// Output: INTERNAL looked at
}

func ExampleSetLevel() {
	defer shown()()
	clew.SetLevel(clew.ComponentApp, clew.Off)
	_, span := clew.Span(context.Background(), "reserve")
	fmt.Println(span.Recording(), clew.On(clew.ComponentSQL, clew.Standard))
	span.End()
	// Output: false true
}

func ExampleApplyPolicy() {
	defer shown()()
	err := clew.ApplyPolicy([]byte(`{"version": "7", "redact": [{"key": "card.*", "action": "mask"}]}`))
	_, span := clew.Span(context.Background(), "pay", clew.String("card.number", "4111"))
	span.End()
	fmt.Println(err)
	// Output:
	// INTERNAL pay card.number=***
	// <nil>
}

func ExampleKit_OnEnd() {
	none := func(string) (string, bool) { return "", false }
	k := clew.Start(context.Background(), clew.WithoutExport(), clew.WithoutGlobals(), clew.Environment(none))
	defer k.Stop(context.Background())
	remove := k.OnEnd(func(v *clew.SpanView) { fmt.Println(v.Name, v.End.Sub(v.Start) >= 0) })
	defer remove()
	_, span := clew.Span(context.Background(), "reserve")
	span.End()
	// Output: reserve true
}

func ExampleKit_Status() {
	k := clew.Start(context.Background(), clew.Service("orders", "1"), clew.WithoutExport(), clew.WithoutGlobals())
	defer k.Stop(context.Background())
	s := k.Status()
	fmt.Println(s.Service, s.Live, s.Signals["traces"].Breaker)
	// Output: orders 0 closed
}

func ExampleKit_Stop() {
	k := clew.Start(context.Background(), clew.Service("orders", "1"), clew.WithoutExport(), clew.WithoutGlobals())
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := k.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err) // What was lost.
	}
	// Output:
}

func ExampleKit_Handler() {
	k := clew.Start(context.Background(), clew.Service("orders", "1"), clew.WithoutExport(), clew.WithoutGlobals())
	defer k.Stop(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/clew/", http.StripPrefix("/clew", k.Handler()))
}
