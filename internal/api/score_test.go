package api_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/score"
	"github.com/clew-dev/clew/internal/store"
)

// scoreOf judges what a store holds of a tenant.
func scoreOf(t testing.TB, st store.Store) api.ScoreFunc {
	return func(ctx context.Context, tenant string, window time.Duration) (*api.Scores, error) {
		e := score.NewEvaluation(nil)
		out := &api.Scores{From: apitest.Now.Add(-window), To: apitest.Now, TooLong: 1, More: true, NoRoomHistory: 2}
		p, err := query.Compile("{}")
		if err != nil {
			t.Fatal(err)
		}
		page, err := st.Search(ctx, tenant, p, store.SearchOptions{Range: store.Range{End: apitest.Now.UnixNano()}, Limit: 100})
		if err != nil {
			return nil, err
		}
		for _, found := range page.Traces {
			trace, err := st.Trace(ctx, tenant, found.TraceID, store.TraceOptions{})
			if err != nil {
				return nil, err
			}
			e.Add(trace.Batch)
			trace.Release()
		}
		out.Results, out.Spans, out.Traces = e.Results(), e.Spans, e.Traces
		out.History = func(service string) []score.Point {
			if service != "checkout" {
				return nil
			}
			return []score.Point{{Day: "2026-02-28", Score: 92}, {Day: "2026-03-01", Score: 100}}
		}
		return out, nil
	}
}

func TestScoreWindows(t *testing.T) {
	o := options(t, apitest.Seed())
	var got time.Duration
	o.Score = func(_ context.Context, _ string, window time.Duration) (*api.Scores, error) {
		got = window
		return &api.Scores{}, nil
	}
	h := api.New(o)
	ask := func(window string) *httptest.ResponseRecorder {
		got = 0
		return get(h, apitest.Request("GET", "/api/score?window="+window))
	}
	day := 24 * time.Hour
	for window, want := range map[string]time.Duration{"": 30 * day, "1h": time.Hour, "36h": 36 * time.Hour, "1d": day, "400d": 400 * day, "9600h": 400 * day} {
		if w := ask(window); w.Code != 200 || got != want {
			t.Errorf("%q: %d, %v, want %v", window, w.Code, got, want)
		}
	}
	for _, window := range []string{"59m59s", "401d", "9600h1s", "d", "-1d", "1.5d", "99999999999999999999d", "never", "30"} {
		if w := ask(window); w.Code != 400 || got != 0 {
			t.Errorf("%q: %d %s", window, w.Code, w.Body)
		}
	}
}

// A tenant sees its own services alone, and one that has no score is none.
func TestScoreOfTenants(t *testing.T) {
	for path, want := range map[string]int{"/api/score": 4, "/api/score?service=checkout": 1, "/api/score?service=nobody": 0} {
		w := get(api.New(options(t, apitest.Seed())), apitest.Request("GET", path))
		var a struct{ Services []struct{ Service string } }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Services) != want {
			t.Errorf("%s: %v, %d services, want %d: %s", path, err, len(a.Services), want, w.Body)
		}
	}
}
