package api_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/auth"
)

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
