package clew_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/clew-dev/clew/kit/go"
)

// Events go to the collector too, as long as the component logs is at standard; the lines do not depend on it.
func TestLoggerSendsRecords(t *testing.T) {
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/v1/logs" {
			mu.Lock()
			defer mu.Unlock()
			got.Write(body)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	out := new(lines)
	k := clew.Start(t.Context(), clew.Service("orders", "1"), clew.Endpoint(collector.URL), clew.WithoutGlobals(), clew.Output(out),
		clew.Environment(func(string) (string, bool) { return "", false }))
	logger := k.Logger()
	logger.Info("sent to both", "key", "value-of-key")
	k.SetLevel(clew.ComponentLogs, clew.Edges)
	logger.Info("to the lines only")
	k.SetLevel(clew.ComponentLogs, clew.Standard)
	for range 150 {
		logger.Info("too many")
	}
	if err := k.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for text, want := range map[string]bool{"sent to both": true, "value-of-key": true, "to the lines only": false, "clew.log.more": true, "log_export_test.go": true} {
		if bytes.Contains(got.Bytes(), []byte(text)) != want {
			t.Errorf("%q is sent: %v, want %v", text, !want, want)
		}
	}
	// The loop may run over the border of a second, which adds lines.
	if n := bytes.Count(got.Bytes(), []byte("too many")); n < 101 || n > 151 {
		t.Errorf("%d records of a site with 100 lines a second, want 101 and the count of the rest", n)
	}
	if n := len(out.all(t)); n < 103 {
		t.Errorf("%d lines, want 103 at least", n)
	}
}
