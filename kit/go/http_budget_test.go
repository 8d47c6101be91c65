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
