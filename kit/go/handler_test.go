package clew_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	clew "github.com/clew-dev/clew/kit/go"
)

func TestHandlerAnswersThisMachineOnly(t *testing.T) {
	k := start(t, "")
	h := k.Handler()
	for _, c := range []struct {
		method, path, from, host, kind, body string
		want                                 int
	}{
		{"GET", "/", "127.0.0.1:5", "localhost:80", "", "", 200},
		{"GET", "/", "[::1]:5", "[::1]:80", "", "", 200},
		{"GET", "/", "10.0.0.1:5", "localhost", "", "", 403},
		{"GET", "/", "127.0.0.1:5", "rebound.example", "", "", 403},
		{"GET", "/", "not an address", "localhost", "", "", 403},
		{"GET", "/metrics", "127.0.0.1:5", "localhost", "", "", 200},
		{"GET", "/other", "127.0.0.1:5", "localhost", "", "", 404},
		{"POST", "/policy", "127.0.0.1:5", "localhost", "application/json", "{}", 405},
		{"PUT", "/policy", "127.0.0.1:5", "localhost", "text/plain", "{}", 415},
		{"PUT", "/policy", "127.0.0.1:5", "localhost", "application/json", `{"level":"loud"}`, 400},
		{"PUT", "/policy", "127.0.0.1:5", "localhost", "application/json", strings.Repeat(" ", 257<<10), 413},
		{"PUT", "/policy", "127.0.0.1:5", "127.0.0.1", "application/json; charset=utf-8", `{"version":"9","level":"edges"}`, 204},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.RemoteAddr, r.Host = c.from, c.host
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s from %s for %s: %d, not %d: %s", c.method, c.path, c.from, c.host, w.Code, c.want, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var status clew.Status
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || status.Policy != "9" || status.Service != "test" || status.Levels["sql"] != "edges" {
		t.Errorf("the status is %+v, %v", status, err)
	}
}
