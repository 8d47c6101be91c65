package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// leaving is a client that takes some bytes and then is gone.
type leaving struct {
	header  http.Header
	left    int
	largest int // piece
	status  int
}

func (l *leaving) Header() http.Header    { return l.header }
func (l *leaving) WriteHeader(status int) { l.status = status }

func (l *leaving) Write(b []byte) (int, error) {
	l.largest = max(l.largest, len(b))
	if l.left < len(b) {
		return 0, errors.New("gone")
	}
	l.left -= len(b)
	return len(b), nil
}

func storeOfChain(t testing.TB, n int) *apitest.Fake {
	t.Helper()
	f := apitest.New()
	b := chain(n)
	b.Tenant = "default"
	if err := f.Append(b, apitest.Now.UnixNano(), 1, 2); err != nil {
		t.Fatal(err)
	}
	return f
}

// traceForms are the answers that are written while they are encoded.
var traceForms = []string{"", "/otlp", "/skeleton"}

// An answer that ends in the middle ends the connection, wherever that is: what a
// client has must not pass for the whole.
func TestHalfATraceIsNone(t *testing.T) {
	h := api.New(options(t, storeOfChain(t, 12_000)))
	for _, form := range traceForms {
		r := apitest.Request("GET", "/api/traces/"+telemetry.TraceID{1}.String()+form)
		r.Header.Del("Accept-Encoding")
		whole := get(h, r)
		if whole.Code != http.StatusOK || whole.Body.Len() < 150<<10 {
			t.Fatalf("%q: %d, %d bytes", form, whole.Code, whole.Body.Len())
		}
		for _, takes := range []int{0, 100 << 10, whole.Body.Len() - 1} {
			client := &leaving{header: http.Header{}, left: takes}
			if got := panicOf(func() { h.ServeHTTP(client, r) }); got != http.ErrAbortHandler {
				t.Errorf("%q, the client is gone after %d of %d bytes: got panic %v", form, takes, whole.Body.Len(), got)
			}
		}
		client := &leaving{header: http.Header{}, left: whole.Body.Len()}
		if got := panicOf(func() { h.ServeHTTP(client, r) }); got != nil || client.status != http.StatusOK || client.left != 0 {
			t.Errorf("%q, a client that takes all: panic %v, status %d, %d bytes missing", form, got, client.status, client.left)
		}
		if client.largest > 80<<10 {
			t.Errorf("%q: a piece of %d bytes: it was all encoded before it was sent", form, client.largest)
		}
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// The JSON of a trace is that of its parts, whatever the number of pieces.
func TestTraceInPieces(t *testing.T) {
	const n = 3000
	w := httptest.NewRecorder()
	api.New(options(t, storeOfChain(t, n))).ServeHTTP(w, apitest.Request("GET", "/api/traces/"+telemetry.TraceID{1}.String()))
	var got struct {
		SpanCount int
		Services  []struct{ Spans int }
		Spans     []struct {
			Name  string
			Depth int
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.SpanCount != n || len(got.Spans) != n || len(got.Services) != 1 || got.Services[0].Spans != n {
		t.Fatalf("%d spans of %d, services %+v", len(got.Spans), got.SpanCount, got.Services)
	}
	for i, s := range got.Spans {
		if want := fmt.Sprintf("op %d", i%600); s.Name != want {
			t.Fatalf("span %d is %q, want %q", i, s.Name, want)
		}
	}
}
