package clew_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// bareWriter is the cheapest ResponseWriter with what HTTP/1 has.
type bareWriter struct{ header http.Header }

func (w *bareWriter) Header() http.Header         { return w.header }
func (w *bareWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *bareWriter) WriteHeader(int)             {}
func (w *bareWriter) Flush()                      {}

// budgetKit starts a kit that keeps what ratio says and sends nothing. Nobody watches the spans, as in production.
func budgetKit(tb testing.TB, ratio string) *clew.Kit {
	tb.Helper()
	if r := watch.Current(); r != nil {
		watch.Remove(r)
		tb.Cleanup(func() { watch.Install(r) })
	}
	k := clew.Start(context.Background(), clew.Service("budget", ""), clew.Sample(ratio), clew.WithoutExport(), clew.WithoutGlobals())
	tb.Cleanup(func() { _ = k.Stop(context.Background()) })
	return k
}

// request is one as a browser behind a proxy sends it, with a route of a mux.
func request(tb testing.TB, h http.Handler, parent string) func() {
	tb.Helper()
	w := &bareWriter{http.Header{}}
	r := httptest.NewRequest("GET", "http://shop.example.com:8080/orders/7?expand=items", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
	if parent != "" {
		r.Header.Set("Traceparent", parent)
	}
	return func() { h.ServeHTTP(w, r) }
}

func budgetMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return mux
}

// TestHTTPServerAllocations holds the middleware to its budget, over what the mux itself allocates.
func TestHTTPServerAllocations(t *testing.T) {
	bare := testing.AllocsPerRun(200, request(t, budgetMux(), ""))
	for _, c := range []struct {
		name, ratio, parent string
		level               clew.Level
		budget              float64
	}{
		{"sampled root", "1", "", clew.Standard, 6},
		{"sampled by the caller", "1", sampledParent, clew.Standard, 6},
		{"unsampled root", "0", "", clew.Standard, 5},
		{"unsampled by the caller", "1", unsampledParent, clew.Standard, 5},
		{"off", "1", "", clew.Off, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := budgetKit(t, c.ratio)
			k.SetLevel(clew.ComponentHTTP, c.level)
			one := request(t, k.HTTP(budgetMux()), c.parent)
			one()
			if got := testing.AllocsPerRun(200, one) - bare; got > c.budget {
				t.Errorf("got %v allocations over the mux, want at most %v", got, c.budget)
			} else {
				t.Logf("%v allocations over the mux's %v", got, bare)
			}
		})
	}
}

// answers is the cheapest RoundTripper.
type answers struct{ response http.Response }

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	a.response = http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
	return &a.response, nil
}

// call is a request of a client with two headers, made again and again under a context.
func call(tb testing.TB, k *clew.Kit, ctx context.Context) func() {
	tb.Helper()
	t := k.Transport(&answers{})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders.example.com:8080/orders/7", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("User-Agent", "shop")
	r.Header.Set("Accept", "application/json")
	return func() { _, _ = t.RoundTrip(r) }
}

// TestHTTPClientAllocations holds the transport to its budget. A request is copied with its headers, because that of the caller must not
// be changed; that and the header of the context are allocations that any client with propagation has.
func TestHTTPClientAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations cannot be counted under the race detector")
	}
	for _, c := range []struct {
		name, ratio string
		level       clew.Level
		within      bool
		budget      float64
	}{
		{"sampled child", "1", clew.Standard, true, 10},
		{"sampled root", "1", clew.Standard, false, 10},
		{"unsampled child", "0", clew.Standard, true, 6},
		{"off under a span", "1", clew.Off, true, 6},
		{"off without a span", "1", clew.Off, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := budgetKit(t, c.ratio)
			ctx := t.Context()
			if c.within {
				under, root := clew.Span(ctx, "root")
				defer root.End()
				ctx = under
			}
			k.SetLevel(clew.ComponentHTTP, c.level)
			one := call(t, k, ctx)
			one()
			if got := testing.AllocsPerRun(200, one); got > c.budget {
				t.Errorf("got %v allocations, want at most %v", got, c.budget)
			}
		})
	}
}

func BenchmarkHTTPServer(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		one := request(b, budgetMux(), "")
		b.ReportAllocs()
		for b.Loop() {
			one()
		}
	})
	for _, c := range []struct {
		name, ratio, parent string
		level               clew.Level
	}{
		{"sampled", "1", sampledParent, clew.Standard},
		{"unsampled", "1", unsampledParent, clew.Standard},
		{"root", "1", "", clew.Standard},
		{"off", "1", "", clew.Off},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := budgetKit(b, c.ratio)
			k.SetLevel(clew.ComponentHTTP, c.level)
			one := request(b, k.HTTP(budgetMux()), c.parent)
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}
