package clew_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

// kit is any kit: its middlewares work with the one that runs.
var kit *clew.Kit

// serve starts a server on loopback whose requests belong to the test.
func serve(t *testing.T, rec *clewtest.Recorder, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(rec.Context()) }
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wantTree waits until every span has ended and compares the drawn tree.
func wantTree(t *testing.T, rec *clewtest.Recorder, want string, attributes ...string) {
	t.Helper()
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rec.Tree(attributes...); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestServerAndClientMakeOneTrace(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, span := clew.Span(r.Context(), "reserve", clew.Int("items", 3))
		span.Event("retried", clew.Int("attempt", 2))
		span.End()
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, r.PathValue("id"), r.Pattern)
	})
	s := serve(t, rec, kit.HTTP(mux))
	client := &http.Client{Transport: kit.Transport(nil)}
	r, err := http.NewRequestWithContext(rec.Context(), "POST", s.URL+"/orders/7?token=abc&a=b", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "7POST /orders/{id}" {
		t.Fatalf("got %q, %v", body, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	wantTree(t, rec, `trace 1
└─ CLIENT POST (test) http.response.status_code=201
   └─ SERVER POST /orders/{id} http.response.status_code=201 http.route=/orders/{id} url.path=/orders/7 url.query="token=REDACTED&a=b"
      └─ INTERNAL reserve items=3
         └─ event retried attempt=2
`, "http.response.status_code", "http.route", "items", "attempt", "url.path", "url.query")
}

func TestServerSpanOf(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"an answer without a body", func(http.ResponseWriter, *http.Request) {}, "SERVER GET /x (test) http.response.status_code=200"},
		{"a client's mistake", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "SERVER GET /x (test) http.response.status_code=404"},
		{"a failure", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "SERVER GET /x (test) error.type=503 http.response.status_code=503 ERROR"},
		{"the first status, which counts", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.WriteHeader(500) }, "SERVER GET /x (test) http.response.status_code=200"},
		{"early hints, which are no answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, "SERVER GET /x (test) http.response.status_code=204"},
		{"a stream of events", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: 1\n\n"); w.(http.Flusher).Flush() }, "SERVER GET /x (test) http.response.status_code=200"},
		{"a file sent by the kernel", func(w http.ResponseWriter, _ *http.Request) {
			if _, err := w.(io.ReaderFrom).ReadFrom(bytes.NewReader([]byte("hello"))); err != nil {
				panic(err)
			}
		}, "SERVER GET /x (test) http.response.status_code=200"},
		{"a response controller", func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				panic(err)
			}
		}, "SERVER GET /x (test) http.response.status_code=200"},
		{"a panic before the headers", func(http.ResponseWriter, *http.Request) { panic("boom") },
			"SERVER GET /x (test) error.type=panic http.response.status_code=500 ERROR \"panic: boom\"\n   └─ event exception"},
		{"a panic after the headers", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202); panic(errors.New("late")) },
			"SERVER GET /x (test) error.type=panic http.response.status_code=202 ERROR \"panic: late\"\n   └─ event exception"},
		{"an aborted answer", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
			"SERVER GET /x (test) error.type=aborted http.response.status_code=500 ERROR \"handler aborted the response\""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := clewtest.Start(t)
			mux := http.NewServeMux()
			mux.Handle("GET example.com/x", c.handler)
			mux.Handle("GET /x", c.handler)
			s := serve(t, rec, kit.HTTP(mux))
			res, err := s.Client().Get(s.URL + "/x")
			if err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			if err := rec.WaitFor(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			want := "trace 1\n└─ " + c.want + "\n"
			if got := rec.Tree("http.response.status_code", "error.type"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestServerNames(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	for _, p := range []string{"/plain", "GET /m/{id}", "example.com/host/", "POST example.com/both/{x...}", "/healthz", "/metrics"} {
		mux.HandleFunc(p, func(http.ResponseWriter, *http.Request) {})
	}
	tests := []struct{ method, target, want string }{
		{"GET", "/plain", "SERVER GET /plain (test) http.route=/plain"},
		{"GET", "/m/7", "SERVER GET /m/{id} (test) http.route=/m/{id}"},
		{"HEAD", "/m/7", "SERVER HEAD /m/{id} (test) http.route=/m/{id}"},
		{"GET", "http://example.com/host/a", "SERVER GET /host/ (test) http.route=/host/"},
		{"POST", "http://example.com/both/a/b", "SERVER POST /both/{x...} (test) http.route=/both/{x...}"},
		{"GET", "/nothing", "SERVER GET (test)"},
		{"BREW", "/plain", "SERVER HTTP /plain (test) http.request.method_original=BREW http.route=/plain"},
		{"BREW", "/nothing", "SERVER HTTP (test) http.request.method_original=BREW"},
		{"GET", "/healthz", ""},
		{"GET", "/metrics", ""},
		{"GET", "/health/unrouted", ""},
	}
	for _, c := range tests {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			t.Parallel()
			rec := clewtest.Start(t)
			kit.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(rec.Context(), c.method, c.target, nil))
			want := ""
			if c.want != "" {
				want = "trace 1\n└─ " + c.want + "\n"
			}
			wantTree(t, rec, want, "http.route", "http.request.method_original")
		})
	}
}

func TestServerTellsTheRouteOfAnInnerMux(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(w, r) })
	kit.HTTP(inner).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(rec.Context(), "GET", "/orders/7", nil))
	wantTree(t, rec, "trace 1\n└─ SERVER GET /orders/{id} (test) http.route=/orders/{id}\n", "http.route")
}

func TestServerAsksForTheRoute(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	h := kit.HTTP(http.NotFoundHandler(), clew.Route(func(*http.Request) string { return "/o/:id" }), clew.ExcludeRoutes("/internal/*"))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(rec.Context(), "GET", "/o/7", nil))
	wantTree(t, rec, "trace 1\n└─ SERVER GET /o/:id (test) http.response.status_code=404 http.route=/o/:id\n", "http.route", "http.response.status_code")
}

const (
	sampledParent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampledParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// Where Route knows nothing, what a ServeMux further in has matched is written like any of its patterns.
func TestServerReadsThePatternBehindRoute(t *testing.T) {
	rec := clewtest.Start(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET example.com/orders/{id}", func(http.ResponseWriter, *http.Request) {})
	h := kit.HTTP(http.HandlerFunc(mux.ServeHTTP), clew.Route(func(*http.Request) string { return "" }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(rec.Context(), "GET", "http://example.com/orders/7", nil))
	wantTree(t, rec, "trace 1\n└─ SERVER GET /orders/{id} (test) http.route=/orders/{id}\n", "http.route")
}

func TestServerTakesTheCallersContext(t *testing.T) {
	rec := clewtest.Start(t)
	var inside clew.SpanContext
	h := kit.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = clew.SpanContextOf(r.Context()) }))
	r := httptest.NewRequestWithContext(rec.Context(), "GET", "/", nil)
	r.Header.Set("Traceparent", sampledParent)
	r.Header.Set("Tracestate", "other=1")
	h.ServeHTTP(httptest.NewRecorder(), r)
	spans := rec.Spans()
	if len(spans) != 1 || spans[0].Trace != "0af7651916cd43dd8448eb211c80319c" || spans[0].Parent != "b7ad6b7169203331" || spans[0].TraceState != "other=1" {
		t.Fatalf("got %+v", spans)
	}
	if inside.SpanID.String() != spans[0].ID {
		t.Errorf("the handler sees %v, want the server's span", inside)
	}
	// Not sampled: no span, but an identity of its own that goes on.
	r.Header.Set("Traceparent", unsampledParent)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if inside.Sampled() || inside.TraceID.String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("got %+v, want the caller's trace, not sampled", inside)
	}
	if n := len(rec.Spans()); n != 1 {
		t.Errorf("got %d spans, want still 1", n)
	}
}

// TestSummaryOfARequestTellsAll: the one span of a request that is not sampled and fails has what a sampled one has.
func TestSummaryOfARequestTellsAll(t *testing.T) {
	k := start(t, "", clew.Policy([]byte(`{"sampling":{"th":"0","rules":[{"name":"r","match":{"route":"/orders/{id}","method":"GET"},"th":"never"}]}}`)))
	mux := http.NewServeMux()
	fails := true
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) {
		if fails {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	h := k.HTTP(mux)
	serve := func() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://shop.example.com:8080/orders/7", nil))
	}
	serve()
	got := k.one(t, "GET /orders/{id}")
	if !got.Summary || got.Status != codes.Error {
		t.Errorf("got %+v", got)
	}
	for key, want := range map[string]any{
		"http.request.method": "GET", "http.route": "/orders/{id}", "url.path": "/orders/7", "url.scheme": "http", "server.address": "shop.example.com",
		"http.response.status_code": int64(503), "error.type": "503",
	} {
		if got.attrs[key] != want {
			t.Errorf("%s: got %v, want %v", key, got.attrs[key], want)
		}
	}
	fails = false
	before := k.names()
	serve()
	if k.names() != before {
		t.Error("a request that did not fail left a span")
	}
}

func TestPublicEndpointLinks(t *testing.T) {
	rec := clewtest.Start(t)
	h := kit.HTTP(http.NotFoundHandler(), clew.Public(nil))
	for _, parent := range []string{sampledParent, unsampledParent} {
		r := httptest.NewRequestWithContext(rec.Context(), "GET", "/", nil)
		r.Header.Set("Traceparent", parent)
		r.Header.Set("Baggage", "user=7")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	spans := rec.Spans()
	if len(spans) != 2 {
		t.Fatalf("got %d spans, want both: the caller's flags do not count", len(spans))
	}
	for _, s := range spans {
		if s.Parent != "" || s.Trace == "0af7651916cd43dd8448eb211c80319c" || len(s.Links) != 1 || s.Links[0].Trace != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("got %+v, want a root with a link", s)
		}
	}
}

// The server's own patience, as of http.TimeoutHandler around the kit, is not the client's.
func TestServerTellsItsOwnDeadlineFromAClientThatIsGone(t *testing.T) {
	rec := clewtest.Start(t)
	h := http.TimeoutHandler(kit.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(http.StatusInternalServerError)
	})), time.Millisecond, "")
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(rec.Context(), "GET", "/", nil))
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTree(t, rec, "trace 1\n└─ SERVER GET (test) error.type=500 ERROR\n", "error.type")
}

// A public endpoint trusts its callers no more when it is not recorded itself.
func TestAPublicEndpointThatIsNotRecordedTakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		level  clew.Level
		target string
	}{"excluded": {clew.Standard, "/health"}, "off": {clew.Off, "/orders"}} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "")
			k.SetLevel(clew.ComponentHTTP, c.level)
			h := k.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if id := clew.SpanContextOf(r.Context()); id.IsValid() || clew.Baggage(r.Context(), "user") != "" {
					t.Errorf("the handler has %+v and baggage %q of an untrusted caller", id, clew.Baggage(r.Context(), "user"))
				}
			}), clew.Public(nil))
			r := httptest.NewRequest("GET", c.target, nil)
			r.Header.Set("Traceparent", sampledParent)
			r.Header.Set("Baggage", "user=7")
			h.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
}

// brokenFlush is what the server's writer is when its connection is broken.
type brokenFlush struct{ http.ResponseWriter }

var errBroken = errors.New("broken pipe")

func (brokenFlush) Flush()            {}
func (brokenFlush) FlushError() error { return errBroken }

// A handler that streams learns from Flush that its client is gone.
func TestWriterKeepsErrorsOfFlush(t *testing.T) {
	rec := clewtest.Start(t)
	kit.HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != errBroken {
			t.Errorf("flush returns %v, want the server's error", err)
		}
	})).ServeHTTP(brokenFlush{httptest.NewRecorder()}, httptest.NewRequestWithContext(rec.Context(), "GET", "/", nil))
}

func TestServerNotesThatTheClientIsGone(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, gone := context.WithCancel(rec.Context())
	h := kit.HTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { gone() }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	wantTree(t, rec, "trace 1\n└─ SERVER GET (test) error.type=client_disconnected\n", "error.type")
}

func TestServerLetsWebSocketsThrough(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	s := serve(t, rec, kit.HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, line)
		_ = rw.Flush()
	})))
	client := &http.Client{Transport: kit.Transport(nil)}
	r, _ := http.NewRequestWithContext(rec.Context(), "GET", s.URL, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatal("the body of 101 cannot be written to")
	}
	fmt.Fprint(conn, "hello\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || line != "hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
	_ = conn.Close()
	wantTree(t, rec, `trace 1
└─ CLIENT GET (test) http.response.status_code=101
   └─ SERVER GET http.response.status_code=101
`, "http.response.status_code")
}

// What the server's writer can do decides what the handler's can, no more and no less.
func TestWriterKeepsCapabilities(t *testing.T) {
	type capabilities struct{ flush, hijack, read, push, notify bool }
	tests := map[string]struct {
		inner http.ResponseWriter
		want  capabilities
	}{
		"HTTP/1": {struct {
			http.ResponseWriter
			http.Flusher
			http.Hijacker
			io.ReaderFrom
		}{}, capabilities{flush: true, hijack: true, read: true}},
		"HTTP/2": {struct {
			http.ResponseWriter
			http.Flusher
			http.Pusher
		}{}, capabilities{flush: true, push: true}},
		"server of HTTP/1": {struct {
			http.ResponseWriter
			http.Flusher
			http.Hijacker
			io.ReaderFrom
			http.CloseNotifier //nolint:staticcheck // Routers still ask for it.
		}{}, capabilities{flush: true, hijack: true, read: true, notify: true}},
		"server of HTTP/2": {struct {
			http.ResponseWriter
			http.Flusher
			http.Pusher
			http.CloseNotifier //nolint:staticcheck // Routers still ask for it.
		}{}, capabilities{flush: true, push: true, notify: true}},
		"recorder": {httptest.NewRecorder(), capabilities{flush: true}},
		"bare":     {struct{ http.ResponseWriter }{}, capabilities{}},
		"hijacker": {struct {
			http.ResponseWriter
			http.Flusher
			http.Hijacker
		}{}, capabilities{flush: true, hijack: true}},
		"reader": {struct {
			http.ResponseWriter
			http.Flusher
			io.ReaderFrom
		}{}, capabilities{flush: true, read: true}},
		"hijacker alone": {struct {
			http.ResponseWriter
			http.Hijacker
		}{}, capabilities{hijack: true}},
	}
	rec := clewtest.Start(t)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			var got capabilities
			kit.HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, got.flush = w.(http.Flusher)
				_, got.hijack = w.(http.Hijacker)
				_, got.read = w.(io.ReaderFrom)
				_, got.push = w.(http.Pusher)
				_, got.notify = w.(http.CloseNotifier) //nolint:staticcheck // Routers still ask for it.
				if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); !ok || u.Unwrap() != c.inner {
					t.Error("Unwrap does not lead to the server's writer")
				}
			})).ServeHTTP(c.inner, httptest.NewRequestWithContext(rec.Context(), "GET", "/", nil))
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestServerSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		_, pushes := w.(http.Pusher)
		fmt.Fprint(w, pushes)
		w.(http.Flusher).Flush()
	})
	s := httptest.NewUnstartedServer(kit.HTTP(mux))
	s.EnableHTTP2 = true
	s.Config.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(rec.Context()) }
	s.StartTLS()
	t.Cleanup(s.Close)
	if got := get(t, s.Client(), s.URL+"/stream"); got != "true" {
		t.Errorf("got %q, want a writer that can push", got)
	}
	if err := rec.WaitFor(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	want := "trace 1\n└─ SERVER GET /stream (test) network.protocol.version=2 url.scheme=https\n"
	if got := rec.Tree("network.protocol.version", "url.scheme"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The server removes the files of a form that it finds in its own request.
func TestServerHandsBackFormAndPattern(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	h := kit.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Pattern = "POST /upload"
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
	}))
	text := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nhello\r\n--b--\r\n"
	for _, target := range []string{"/upload", "/health"} {
		r := httptest.NewRequestWithContext(rec.Context(), "POST", target, strings.NewReader(text))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("Traceparent", unsampledParent)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if r.MultipartForm == nil || len(r.MultipartForm.File["f"]) != 1 || r.Pattern != "POST /upload" {
			t.Fatalf("%s: got the form %v and the pattern %q", target, r.MultipartForm, r.Pattern)
		}
		if err := r.MultipartForm.RemoveAll(); err != nil {
			t.Error(err)
		}
	}
}
