package main

import (
	"context"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	clew "github.com/clew-dev/clew/kit/go"
)

// requestsPerRound fit into the queues of both stacks.
const requestsPerRound = 20_000

// httpCases are requests to a server with one route, through the middleware of each stack, with metrics. What the mux and the handler cost
// is in both.
func httpCases(k *clew.Kit, stock *sdk.TracerProvider, flush func()) []measure {
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	ours := k.HTTP(mux)
	theirs := otelhttp.NewHandler(mux, "server", otelhttp.WithTracerProvider(stock), otelhttp.WithMeterProvider(meters),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})))
	const id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"
	off := func() { k.SetLevel(clew.ComponentHTTP, clew.Off) }
	on := func() { k.SetLevel(clew.ComponentHTTP, clew.Standard) }
	flushStock := func() { _ = stock.ForceFlush(context.Background()) }
	return []measure{
		{name: "HTTP request, sampled, sent", n: requestsPerRound, ns: 4000, allocs: 7, kit: requests(ours, id+"1", flush), stock: requests(theirs, id+"1", flushStock)},
		{name: "HTTP request, unsampled", n: requestsPerRound, ns: 1650, allocs: 7, kit: requests(ours, id+"0", flush), stock: requests(theirs, id+"0", flushStock)},
		{name: "HTTP request, off, without a context", n: 1_000_000, allocs: 1, prepare: off, undo: on, kit: requests(ours, "", flush), stock: requests(mux, "", flushStock)},
	}
}

// plainWriter is a ResponseWriter that costs nothing.
type plainWriter struct{ header http.Header }

func (w *plainWriter) Header() http.Header         { return w.header }
func (w *plainWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *plainWriter) WriteHeader(int)             {}
func (w *plainWriter) Flush()                      {}

func requests(h http.Handler, parent string, flush func()) func(int) {
	w := &plainWriter{http.Header{}}
	r := httptest.NewRequest("GET", "http://shop.example.com:8080/orders/7?expand=items", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
	if parent != "" {
		r.Header.Set("Traceparent", parent)
	}
	return func(n int) {
		for range n {
			h.ServeHTTP(w, r)
		}
		flush()
	}
}
