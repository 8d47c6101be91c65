package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
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

func options(t testing.TB, f store.Store) api.Options {
	return api.Options{
		Store: f, Auth: openAuth(t), Limits: limits(nil), Now: func() time.Time { return apitest.Now }, Started: apitest.Now.Add(-time.Minute),
		Build: api.Build{Version: "1.0", Revision: "abc", Go: "go1.26"},
		Page: fstest.MapFS{
			"index.html": {Data: []byte("<!doctype html><title>Clew</title>\n")}, "assets/app-1a2b.js": {Data: []byte("plain()\n")},
			"assets/app-1a2b.js.br": {Data: []byte("brotli\n")}, "assets/app-1a2b.js.gz": {Data: []byte("gzip\n")},
		},
		WriteMetrics: func(w io.Writer) error { _, err := io.WriteString(w, "clew_x 1\n"); return err },
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

func TestHeadersOnEveryAnswer(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, target := range []string{"/", "/assets/app-1a2b.js", "/assets/none.js", "/api/search", "/api/none", "/api/traces/x", "/ready", "/metrics"} {
		w := get(h, apitest.Request("GET", target))
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", target, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %v", target, w.Header())
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by other sites", target)
		}
	}
}

// TestHostileNamesAreHarmless looks for the bytes that would end a script or an
// attribute, or move a terminal, in every answer that shows names.
func TestHostileNamesAreHarmless(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, target := range []string{
		"/api/search?q={}&spans=10", "/api/traces/deadbeef", "/api/traces/deadbeef/spans/1", "/api/services", "/api/tags",
		"/api/tags/name/values", "/api/tags/span.http.route/values", "/api/metrics?q={}|rate()by(name)", "/api/traces/deadbeef/skeleton",
		"/api/services/" + url.PathEscape(apitest.Hostile) + "/operations",
		"/api/search?q=" + url.QueryEscape(`{ name = "`+apitest.Hostile), "/api/traces/" + url.PathEscape(apitest.Hostile),
		"/api/tags/" + url.PathEscape(apitest.Hostile) + "/values", "/api/search?order=" + url.QueryEscape(apitest.Hostile),
		"/api/" + url.PathEscape(apitest.Hostile), "/" + url.PathEscape(apitest.Hostile), "/trace/" + url.PathEscape(apitest.Hostile) + ".js",
	} {
		w := get(h, apitest.Request("GET", target))
		if body := w.Body.String(); strings.ContainsAny(body, "\x1b\u2028") || strings.Contains(body, "<script") || strings.Contains(body, "</script") {
			t.Errorf("%s: %q", target, body)
		}
		if typ := w.Header().Get("Content-Type"); strings.HasPrefix(target, "/api/") && strings.Contains(typ, "html") {
			t.Errorf("%s has type %s", target, typ)
		}
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

func TestTenantsAreApart(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, target := range []string{
		"/api/search?q={}&from=0", "/api/traces/" + apitest.OtherTrace, "/api/traces/" + apitest.OtherTrace + "/skeleton",
		"/api/traces/" + apitest.OtherTrace + "/spans/1", "/api/traces/" + apitest.OtherTrace + "/otlp", "/api/metrics?q={}|rate()by(name)",
		"/api/tags", "/api/tags/name/values", "/api/tags/span.secret.key/values", "/api/services", "/api/services/secret-service/operations",
	} {
		if w := get(h, apitest.Request("GET", target)); strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %s", target, w.Body)
		}
		r := apitest.Request("GET", target)
		r.Header.Set("X-Scope-OrgID", "other")
		if w := get(h, r); w.Code != 200 || strings.Contains(w.Body.String(), "gateway") {
			t.Errorf("%s as other: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestRolesAndTokens(t *testing.T) {
	state := openAuth(t)
	secrets := map[string]string{"none": "", "wrong": "clew_x"}
	for name, roles := range map[string][]auth.Role{"reader": {auth.RoleRead}, "writer": {auth.RoleWrite}, "admin": {auth.RoleRead, auth.RoleAdmin}} {
		_, secret, err := state.Create(context.Background(), auth.NewToken{Tenant: "default", Name: name, Roles: roles})
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = secret
	}
	o := options(t, apitest.Seed())
	o.Auth = state
	o.Mount = map[string]http.Handler{"/tempo/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, auth.FromContext(r.Context()).Tenant)
	})}
	h := api.New(o)
	for _, tt := range []struct {
		method, path string
		want         map[string]int
	}{
		{"GET", "/api/search", map[string]int{"none": 401, "wrong": 401, "reader": 200, "writer": 403, "admin": 200}},
		{"GET", "/tempo/api/search", map[string]int{"none": 401, "wrong": 401, "reader": 200, "writer": 403, "admin": 200}},
		{"GET", "/api/status", map[string]int{"none": 401, "wrong": 401, "reader": 200, "writer": 403, "admin": 200}},
		{"POST", "/api/flush", map[string]int{"none": 401, "wrong": 401, "reader": 403, "writer": 403, "admin": 200}},
		{"GET", "/debug/pprof/cmdline", map[string]int{"none": 401, "wrong": 401, "reader": 403, "writer": 403, "admin": 200}},
		{"GET", "/ready", map[string]int{"none": 200, "wrong": 200, "reader": 200, "writer": 200, "admin": 200}},
		{"GET", "/api/version", map[string]int{"none": 200, "wrong": 200, "reader": 200, "writer": 200, "admin": 200}},
		{"GET", "/metrics", map[string]int{"none": 200, "wrong": 200, "reader": 200, "writer": 200, "admin": 200}},
		{"GET", "/", map[string]int{"none": 200, "wrong": 200, "reader": 200, "writer": 200, "admin": 200}},
	} {
		for who, want := range tt.want {
			r := apitest.Request(tt.method, tt.path)
			r.Host = "clew.example" // with tokens any name serves
			if tt.path == "/metrics" {
				r.Host = "localhost"
			}
			if secrets[who] != "" {
				r.Header.Set("Authorization", "bearer "+secrets[who])
			}
			if w := get(h, r); w.Code != want {
				t.Errorf("%s %s as %s: %d %s, want %d", tt.method, tt.path, who, w.Code, w.Body, want)
			}
		}
	}
	for _, who := range []string{"none", "reader"} {
		r := apitest.Request("GET", "/metrics")
		r.RemoteAddr = "192.0.2.1:99"
		if secrets[who] != "" {
			r.Header.Set("Authorization", "Bearer "+secrets[who])
		}
		if w := get(h, r); (w.Code == 200) != (who == "reader") {
			t.Errorf("metrics from afar as %s: %d", who, w.Code)
		}
	}
	r := apitest.Request("GET", "/api/status")
	r.Header.Set("Authorization", "Bearer "+secrets["reader"])
	if body := get(h, r).Body.String(); strings.Contains(body, "other") || strings.Contains(body, "duplicates_dropped") || !strings.Contains(body, `"spans_stored":6`) {
		t.Errorf("status for a reader: %s", body)
	}
	r = apitest.Request("GET", "/debug/pprof/cmdline")
	r.RemoteAddr = "192.0.2.1:99"
	r.Header.Set("Authorization", "Bearer "+secrets["admin"])
	if w := get(h, r); w.Code != 403 {
		t.Errorf("profiles from afar: %d", w.Code)
	}
}

func TestBrowsersOfStrangersAreRefused(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, tt := range []struct {
		method, host string
		header       map[string]string
		want         int
	}{
		{"GET", "localhost:7700", nil, 200},
		{"GET", "LOCALHOST", nil, 200},
		{"GET", "clew.localhost:7700", nil, 200},
		{"GET", "[::1]:7700", nil, 200},
		{"GET", "127.0.0.9", nil, 200},
		{"GET", "rebound.example", nil, 403},
		{"GET", "localhost.rebound.example:7700", nil, 403},
		{"GET", "127.0.0.1.rebound.example", nil, 403},
		{"GET", "", nil, 403},
		{"GET", "localhost", map[string]string{"Via": "1.1 proxy"}, 401},
		{"GET", "localhost", map[string]string{"Forwarded": "for=10.0.0.1"}, 401},
		{"POST", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"POST", "localhost", map[string]string{"Origin": "https://evil.example"}, 403},
		{"POST", "localhost", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"POST", "localhost", nil, 200},
	} {
		target := "/api/services"
		if tt.method == "POST" {
			target = "/api/flush"
		}
		r := apitest.Request(tt.method, target)
		r.Host = tt.host
		for k, v := range tt.header {
			r.Header.Set(k, v)
		}
		if w := get(h, r); w.Code != tt.want {
			t.Errorf("%s %q %v: %d %s, want %d", tt.method, tt.host, tt.header, w.Code, w.Body, tt.want)
		}
	}
	far := apitest.Request("GET", "/api/services")
	far.RemoteAddr = "192.0.2.1:99"
	if w := get(h, far); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("from afar without tokens: %d %v", w.Code, w.Header())
	}
	o := options(t, apitest.Seed())
	o.AllowedHosts = []string{"laptop.lan"}
	r := apitest.Request("GET", "/api/services")
	r.Host = "laptop.lan:7700"
	if w := get(api.New(o), r); w.Code != 200 {
		t.Errorf("an allowed name: %d", w.Code)
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

func TestTail(t *testing.T) {
	f := apitest.Seed()
	s := api.New(options(t, f))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := s.HTTP()
	go server.Serve(l)
	resp, err := http.Get("http://" + l.Addr().String() + "/api/tail?q=" + url.QueryEscape(`{ name = "Charge" }`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if typ := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || typ != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, typ)
	}
	read := lines(resp.Body)
	if got := <-read; got != ": open" {
		t.Errorf("first line %q", got)
	}
	<-read
	// The store may not have begun to follow yet: send until something comes.
	var got string
	for n := byte(1); got == ""; n++ {
		b := telemetry.NewBuilder()
		b.Reset("default")
		b.Resources.AddRow()
		b.Scopes.AddRow()
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: n}, SpanID: telemetry.SpanID{7: n}, Start: 5, Duration: 6, Kind: telemetry.KindServer}, []byte("Charge"))
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: n}, SpanID: telemetry.SpanID{6: n}}, []byte("other\nline"))
		if err := f.Append(&b.Batch, int64(n), 1, 2); err != nil {
			t.Fatal(err)
		}
		select {
		case got = <-read:
		case <-time.After(20 * time.Millisecond):
		}
	}
	if data := <-read; got != "event: missed" || data != "data: 1" {
		t.Errorf("%q %q", got, data)
	}
	<-read
	data := <-read
	var spans []map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &spans); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	if len(spans) != 1 || spans[0]["name"] != "Charge" || spans[0]["start"] != "5" || spans[0]["kind"] != "server" || len(spans[0]["traceId"].(string)) != 32 {
		t.Errorf("got %v", spans)
	}
	s.Stop()
	for range read { // until the stream ends
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func lines(r io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		b, one := make([]byte, 1), []byte{}
		for {
			if _, err := r.Read(b); err != nil {
				return
			}
			if b[0] == '\n' {
				out <- string(one)
				one = one[:0]
				continue
			}
			one = append(one, b[0])
		}
	}()
	return out
}

func TestTailRefusals(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, q := range []string{"{} >> {}", "{} | count() > 1", "{} | rate()", "{"} {
		if w := get(h, apitest.Request("GET", "/api/tail?q="+url.QueryEscape(q))); w.Code != 400 {
			t.Errorf("%q: %d %s", q, w.Code, w.Body)
		}
	}
	f := apitest.Seed()
	f.Err = telemetry.Errorf(telemetry.KindUnavailable, "closing")
	w := get(api.New(options(t, f)), apitest.Request("GET", "/api/tail"))
	if !strings.Contains(w.Body.String(), "event: failed\ndata: {\"error\":{\"kind\":\"unavailable\",\"message\":\"closing\"}}\n\n") {
		t.Errorf("an error in a stream: %q", w.Body)
	}
}
