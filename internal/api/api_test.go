package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/policy"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// openAuth is the rule of a server without tokens.
func openAuth(t testing.TB) *auth.State {
	t.Helper()
	s, err := auth.Open(context.Background(), filepath.Join(t.TempDir(), "state.db"), auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func limits(change func(*charter.Limits)) func() charter.Limits {
	l := charter.Default().Limits()
	if change != nil {
		change(&l)
	}
	return func() charter.Limits { return l }
}

// policyOf compiles what a charter with this text says to kits.
func policyOf(t testing.TB, text string) *policy.Policy {
	t.Helper()
	c, err := charter.Parse("charter.yaml", []byte("charter: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func options(t testing.TB, f store.Store) api.Options {
	return api.Options{
		Store: f, Auth: openAuth(t), Limits: limits(nil), Now: func() time.Time { return apitest.Now }, Started: apitest.Now.Add(-time.Minute),
		Score:      scoreOf(t, f),
		Governance: apitest.NewGovernance(), Policy: policy.NewSource(policyOf(t, "")), Instances: policy.NewInstances(func() time.Time { return apitest.Now }),
		Build: api.Build{Version: "1.0", Revision: "abc", Go: "go1.26"},
		Page: fstest.MapFS{
			"index.html": {Data: []byte("<!doctype html><title>Clew</title>\n")}, "assets/app-1a2b.js": {Data: []byte("plain()\n")},
			"assets/app-1a2b.js.br": {Data: []byte("brotli\n")}, "assets/app-1a2b.js.gz": {Data: []byte("gzip\n")},
		},
		WriteMetrics: func(w io.Writer) error { _, err := io.WriteString(w, "clew_x 1\n"); return err },
		Backup: func(_ context.Context, w io.Writer, allowDamaged bool) error {
			_, err := fmt.Fprintf(w, "a backup, damaged files allowed: %v\n", allowDamaged)
			return err
		},
	}
}

func get(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGolden(t *testing.T) {
	apitest.Golden(t, api.New(options(t, apitest.Seed())), "testdata/http")
}

// TestEveryPathIsDescribed compares the served paths with openapi.yaml both ways.
func TestEveryPathIsDescribed(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	doc := get(h, apitest.Request("GET", "/api/openapi.yaml")).Body.String()
	var described []string
	for _, m := range regexp.MustCompile(`(?m)^  (/[^:]*):\n    (get|post):`).FindAllStringSubmatch(doc, -1) {
		described = append(described, strings.ToUpper(m[2])+" "+m[1])
	}
	if len(described) < 15 {
		t.Fatalf("found only %q", described)
	}
	for _, d := range described {
		method, path, _ := strings.Cut(d, " ")
		path = strings.NewReplacer("{id}", apitest.ShopTrace, "{spanId}", "4", "{name}", "resource.service.name").Replace(path)
		if path == "/api/tail" {
			continue // does not end; TestTail asks it
		}
		if path == "/api/metrics" {
			path += "?q=" + url.QueryEscape("{} | rate()")
		}
		if w := get(h, apitest.Request(method, path)); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", d, w.Code, w.Body)
		}
	}
	served := api.Routes()
	for i, r := range served {
		served[i] = strings.Replace(r, "{span}", "{spanId}", 1)
	}
	slices.Sort(served)
	slices.Sort(described)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served and described (-served +described):\n%s", diff)
	}
}

func TestTimes(t *testing.T) {
	f := apitest.Seed()
	h := api.New(options(t, f))
	ns := func(v string) int64 {
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixNano()
	}
	now := apitest.Now.UnixNano()
	for _, tt := range []struct {
		from, to string
		want     store.Range
	}{
		{"", "", store.Range{Start: now - int64(time.Hour), End: now}},
		{"now-15m", "now", store.Range{Start: now - int64(15*time.Minute), End: now}},
		{"now-7d", "now+1h", store.Range{Start: now - int64(7*24*time.Hour), End: now + int64(time.Hour)}},
		{"2026-02-28T10:00:00Z", "2026-03-01T12:00:00.123456789+01:00", store.Range{Start: ns("2026-02-28T10:00:00Z"), End: ns("2026-03-01T11:00:00.123456789Z")}},
		{"1700000000", "1700000001.5", store.Range{Start: 1700000000e9, End: 1700000001.5e9}},
		{"1700000000000", "1700000000000001", store.Range{Start: 1700000000e9, End: 1700000000000001e3}},
		{"1700000000000000000", "1700000000000000001", store.Range{Start: 1700000000e9, End: 1700000000000000001}},
		{"0", "1", store.Range{Start: 0, End: 1e9}},
		{"", "1700000000", store.Range{Start: 1700000000e9 - int64(time.Hour), End: 1700000000e9}},
	} {
		f.Asked = nil
		w := get(h, apitest.Request("GET", "/api/search?"+url.Values{"from": {tt.from}, "to": {tt.to}}.Encode()))
		if w.Code != 200 || len(f.Asked) != 1 || f.Asked[0].Range != tt.want {
			t.Errorf("%q to %q: %d %+v, want %+v", tt.from, tt.to, w.Code, f.Asked, tt.want)
		}
	}
	for _, bad := range []string{"now-", "now-1", "now-1y", "now--1h", "now-1.5h", "now - 1h", "-5", "99999999999", "1e400", "NaN", "2300-01-01T00:00:00Z", "1960-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "<script>"} {
		if w := get(h, apitest.Request("GET", "/api/search?from="+url.QueryEscape(bad))); w.Code != 400 || !strings.Contains(w.Body.String(), "from") {
			t.Errorf("%q: %d %s", bad, w.Code, w.Body)
		}
	}
}

func TestErrorPositions(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, tt := range []struct {
		q    string
		want int
	}{
		{`{ name = }`, 10},
		{"{ name = \"é\" &&\n  name = }", 26},
		{`{ name = "😀" && name = }`, 25},
	} {
		w := get(h, apitest.Request("GET", "/api/search?q="+url.QueryEscape(tt.q)))
		var e struct {
			Error struct {
				Kind, Message string
				Position      int
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 400 || e.Error.Kind != "invalid" || e.Error.Position != tt.want {
			t.Errorf("%q: %d %s, want position %d", tt.q, w.Code, w.Body, tt.want)
		}
	}
}

func TestEveryKindHasItsStatus(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		retry  string
		shown  string
	}{
		{telemetry.Errorf(telemetry.KindInvalid, "m1"), 400, "", "m1"},
		{telemetry.Errorf(telemetry.KindNotFound, "m2"), 404, "", "m2"},
		{telemetry.Errorf(telemetry.KindConflict, "m3"), 409, "", "m3"},
		{telemetry.Errorf(telemetry.KindUnauthenticated, "m4"), 401, "", "m4"},
		{telemetry.Errorf(telemetry.KindForbidden, "m5"), 403, "", "m5"},
		{telemetry.RetryError(telemetry.KindExhausted, 1500*time.Millisecond, "m6"), 429, "2", "m6"},
		{telemetry.Errorf(telemetry.KindUnavailable, "m7"), 503, "", "m7"},
		{context.DeadlineExceeded, 429, "", "narrow the time range"},
		{errors.New("pa$$word in a path"), 500, "", "its log says what"},
	} {
		f := apitest.Seed()
		f.Err = tt.err
		var log bytes.Buffer
		o := options(t, f)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		w := get(api.New(o), apitest.Request("GET", "/api/services"))
		if w.Code != tt.status || w.Header().Get("Retry-After") != tt.retry || !strings.Contains(w.Body.String(), tt.shown) || strings.Contains(w.Body.String(), "pa$$word") {
			t.Errorf("%v: %d %v %s", tt.err, w.Code, w.Header(), w.Body)
		}
		if internal := tt.status == 500; internal != strings.Contains(log.String(), "pa$$word") {
			t.Errorf("%v: log %q", tt.err, log.String())
		}
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	f := apitest.Seed()
	f.Panic = true
	var log bytes.Buffer
	o := options(t, f)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	var seen []api.Observation
	o.Observe = func(x api.Observation) { seen = append(seen, x) }
	h := api.New(o)
	w := get(h, apitest.Request("GET", "/api/services"))
	if w.Code != 500 || strings.Contains(w.Body.String(), "fake store") || !strings.Contains(log.String(), "fake store") {
		t.Errorf("%d %s, log %s", w.Code, w.Body, log.String())
	}
	if len(seen) != 1 || seen[0].Status != 500 || seen[0].Route != "GET /api/services" {
		t.Errorf("observed %+v", seen)
	}
}

func TestTimeLimitEndsAQuestion(t *testing.T) {
	f := apitest.Seed()
	f.Hang = true
	o := options(t, f)
	o.Limits = limits(func(l *charter.Limits) { l.QueryTimeout = time.Millisecond - time.Second })
	w := get(api.New(o), apitest.Request("GET", "/api/services"))
	if w.Code != 429 || !strings.Contains(w.Body.String(), "limits.query_timeout") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestClientThatGoesEndsAQuestion(t *testing.T) {
	f := apitest.Seed()
	f.Hang = true
	o := options(t, f)
	var seen []api.Observation
	o.Observe = func(x api.Observation) { seen = append(seen, x) }
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	get(api.New(o), apitest.Request("GET", "/api/services").WithContext(ctx))
	if len(seen) != 1 || seen[0].Status != 499 {
		t.Errorf("observed %+v", seen)
	}
}

func TestRequestLimitBothSides(t *testing.T) {
	f := apitest.Seed()
	f.Hang, f.Entered = true, make(chan struct{})
	o := options(t, f)
	o.MaxRequests = 2
	h := api.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	for range 2 {
		g.Go(func() { get(h, apitest.Request("GET", "/api/services").WithContext(ctx)) })
		<-f.Entered
	}
	if w := get(h, apitest.Request("GET", "/api/version")); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("over the limit: %d %v", w.Code, w.Header())
	}
	cancel()
	g.Wait()
	if w := get(h, apitest.Request("GET", "/api/version")); w.Code != 200 {
		t.Errorf("after the others ended: %d", w.Code)
	}
}

func TestTraceSizeLimitBothSides(t *testing.T) {
	for spans, want := range map[int]int{5: 200, 4: 429} {
		o := options(t, apitest.Seed())
		o.Limits = limits(func(l *charter.Limits) { l.TraceSpans = spans })
		if w := get(api.New(o), apitest.Request("GET", "/api/traces/"+apitest.ShopTrace)); w.Code != want {
			t.Errorf("limit %d: %d %s", spans, w.Code, w.Body)
		}
	}
}

func TestCompression(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	plain := get(h, apitest.Request("GET", "/api/traces/"+apitest.ShopTrace))
	for _, tt := range []struct {
		accept string
		zipped bool
	}{
		{"gzip", true}, {"br, gzip;q=0.5", true}, {"*", true}, {"", false}, {"identity", false}, {"gzip;q=0", false}, {"gzip; q=0.000, *", false},
	} {
		r := apitest.Request("GET", "/api/traces/"+apitest.ShopTrace)
		r.Header.Set("Accept-Encoding", tt.accept)
		w := get(h, r)
		body := w.Body.Bytes()
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != tt.zipped {
			t.Errorf("%q: encoding %q", tt.accept, w.Header().Get("Content-Encoding"))
			continue
		}
		if tt.zipped {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("%q: another body", tt.accept)
		}
	}
	small := apitest.Request("GET", "/api/version")
	small.Header.Set("Accept-Encoding", "gzip")
	if w := get(h, small); w.Header().Get("Content-Encoding") != "" || w.Code != 200 {
		t.Errorf("a small answer has encoding %q", w.Header().Get("Content-Encoding"))
	}
}

func TestSkeletonTag(t *testing.T) {
	f := apitest.Seed()
	h := api.New(options(t, f))
	target := "/api/traces/" + apitest.ShopTrace + "/skeleton"
	ask := func(tag string) *httptest.ResponseRecorder {
		r := apitest.Request("GET", target)
		r.Header.Set("If-None-Match", tag)
		r.Header.Set("Accept-Encoding", "gzip")
		return get(h, r)
	}
	first := ask("")
	tag := first.Header().Get("ETag")
	if first.Code != 200 || tag == "" {
		t.Fatalf("%d, tag %q", first.Code, tag)
	}
	if w := ask(tag); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("the same tag: %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := ask("W/" + tag + `, "x"`); w.Code != 304 {
		t.Errorf("a weak tag in a list: %d", w.Code)
	}
	f.Partial = "a segment is quarantined"
	if w := ask(tag); w.Code != 200 || w.Header().Get("ETag") == tag {
		t.Errorf("a changed trace: %d %s", w.Code, w.Header().Get("ETag"))
	}
}

func TestReadiness(t *testing.T) {
	o := options(t, apitest.Seed())
	why := "store: replays the log"
	o.Ready = func() string { return why }
	h := api.New(o)
	if w := get(h, apitest.Request("GET", "/ready")); w.Code != 503 || !strings.Contains(w.Body.String(), why) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	why = ""
	if w := get(h, apitest.Request("GET", "/ready")); w.Code != 200 || w.Body.String() != "ready\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestObservedRoutesAreAClosedList(t *testing.T) {
	o := options(t, apitest.Seed())
	got := map[string]bool{}
	o.Observe = func(x api.Observation) { got[x.Route] = true }
	var traced []string
	o.Trace = func(ctx context.Context, method, route, parent string) (context.Context, func(int, error)) {
		return ctx, func(status int, err error) { traced = append(traced, route+" "+parent) }
	}
	h := api.New(o)
	for _, target := range []string{"/api/traces/1", "/api/traces/2", "/trace/9", "/xyz", "/api/xyz", "/api/search?q=a", "/ready", "/api/status"} {
		r := apitest.Request("GET", target)
		r.Header.Set("traceparent", "p")
		get(h, r)
	}
	if diff := cmp.Diff(map[string]bool{"GET /api/traces/{id}": true, "other": true, "GET /api/search": true, "GET /ready": true, "GET /api/status": true}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/api/traces/{id} p", "/api/traces/{id} p", "/api/search p"}, traced); diff != "" {
		t.Errorf("traced: %s", diff)
	}
}
