package clew_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

// The summary of a failed request says what was asked for, also when the handler has changed its request since.
func TestASummaryTellsTheRequestAsItCame(t *testing.T) {
	k := start(t, "OTEL_TRACES_SAMPLER=always_off")
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/api")
		r.URL.RawQuery = ""
		r.Header.Del("User-Agent")
		w.WriteHeader(http.StatusInternalServerError)
	})
	r := httptest.NewRequest("GET", "/api/orders?q=1", nil)
	r.Header.Set("User-Agent", "ua")
	k.HTTP(h, clew.Route(func(*http.Request) string { return "/api/orders" })).ServeHTTP(httptest.NewRecorder(), r)
	if len(k.spans) != 1 {
		t.Fatalf("%d summaries", len(k.spans))
	}
	for key, want := range map[string]any{
		"url.path": "/api/orders", "url.query": "q=1", "user_agent.original": "ua", "http.route": "/api/orders", "error.type": "500",
	} {
		if got := k.spans[0].attrs[key]; got != want {
			t.Errorf("%s is %v, not %v", key, got, want)
		}
	}
}

// http.TimeoutHandler answers while the handler that it has given up on still works on the headers: reading them then ends the process.
func TestAHandlerThatWasGivenUpOnMayChangeItsRequest(t *testing.T) {
	k := start(t, "OTEL_TRACES_SAMPLER=always_off")
	inner := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for end := time.Now().Add(2 * time.Millisecond); time.Now().Before(end); {
			r.Header.Set("X-Forwarded-For", "192.0.2.1")
			r.Header.Del("X-Forwarded-For")
		}
	})
	h := k.HTTP(http.TimeoutHandler(inner, time.Millisecond, ""), clew.Route(func(*http.Request) string { return "/a" }))
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 100 {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a?x=1", nil))
			}
		}()
	}
	all.Wait()
}

// The limit of summaries counts the seconds that pass, not those that the program names.
func TestSummariesOfThePastHaveTheSameLimit(t *testing.T) {
	k := start(t, "OTEL_TRACES_SAMPLER=always_off")
	first := time.Now().Add(-time.Hour)
	begun := time.Now()
	for i := range 1000 {
		at := first.Add(time.Duration(i) * time.Second)
		_, s := clew.StartWith(context.Background(), "import", clew.SpanOptions{Component: clew.ComponentApp, Need: clew.Standard, Start: at})
		s.FailText("x")
		s.EndAt(at.Add(time.Millisecond))
	}
	if n, most := len(k.spans), 10*(2+int(time.Since(begun)/time.Second)); n == 0 || n > most {
		t.Errorf("%d summaries, want 1 to %d", n, most)
	}
}

// Baggage of a caller that is not trusted goes nowhere, whether or not it came with a span.
func TestAPublicCallersBaggageGoesNowhere(t *testing.T) {
	start(t, "CLEW_PROPAGATE_TO=*")
	for name, head := range map[string]http.Header{
		"alone": {"Baggage": {"evil=1"}}, "with a span": {"Baggage": {"evil=1"}, "Traceparent": {parent}},
	} {
		ctx := clew.WithBaggage(clew.Extract(context.Background(), clew.HeaderCarrier(head)), "own", "2")
		ctx, s := clew.StartWith(ctx, "in", clew.SpanOptions{Public: true, Kind: clew.Server, Need: clew.Edges})
		out := http.Header{}
		clew.Inject(ctx, "partner.example", clew.HeaderCarrier(out))
		s.End()
		if b := out["Baggage"]; len(b) != 0 {
			t.Errorf("%s: baggage %q goes on", name, b)
		}
	}
}

// A message without headers is processed at every level.
func TestAMessageWithoutHeadersIsProcessed(t *testing.T) {
	k := start(t, "")
	m := clew.NewMessages("test")
	for _, l := range []clew.Level{clew.Standard, clew.Off} {
		k.SetLevel(clew.ComponentMessaging, l)
		_, c := m.Process(t.Context(), "destination", "group", nil)
		c.End(nil)
	}
}
