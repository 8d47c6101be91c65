package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
)

// result is what a command left behind.
type result struct {
	out, err string
	code     int
}

// runClew runs a command line on an environment that holds no more than env.
func runClew(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	err := run(context.Background(), args, func(k string) string { return env[k] }, stdio{in: strings.NewReader(""), out: &out, err: &errOut})
	if err != nil {
		errOut.WriteString("clew: " + err.Error() + "\n")
	}
	return result{out.String(), errOut.String(), exitCode(err)}
}

// golden compares got with the file; go test -update writes it anew.
func golden(t *testing.T, path, got string) {
	t.Helper()
	testkit.Golden(t, path, []byte(got))
}

// traceServer answers as the API does, from testdata/trace/NAME.json.
func traceServer(t *testing.T, name string) string {
	t.Helper()
	mux := http.NewServeMux()
	serve := func(file string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join("testdata", "trace", file))
		}
	}
	mux.HandleFunc("GET /api/traces/{id}", serve(name+".json"))
	mux.HandleFunc("GET /api/traces/{id}/otlp", serve(name+".otlp.json"))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}
