package clew_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

// roundTrip is a transport of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body io.ReadCloser) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Body: body, Request: r}, nil
	}
}

func TestClientSpanOf(t *testing.T) {
	tests := []struct {
		name, method, url string
		transport         roundTrip
		want              string
	}{
		{"a success", "GET", "https://shop.example.com/a?b=c", answer(200, http.NoBody),
			"CLIENT GET (test) http.response.status_code=200 server.address=shop.example.com server.port=443 url.full=\"https://shop.example.com/a?b=c\""},
		{"a mistake", "POST", "http://shop.example.com:8080/", answer(404, http.NoBody),
			"CLIENT POST (test) error.type=404 http.response.status_code=404 server.address=shop.example.com server.port=8080 url.full=http://shop.example.com:8080/ ERROR"},
		{"a failure", "PUT", "http://[::1]/", answer(503, nil),
			"CLIENT PUT (test) error.type=503 http.response.status_code=503 server.address=::1 server.port=80 url.full=http://[::1]/ ERROR"},
		{"an unknown method", "BREW", "http://pot/", answer(200, http.NoBody),
			"CLIENT HTTP (test) http.response.status_code=200 server.address=pot server.port=80 url.full=http://pot/"},
		{"secrets", "GET", "https://me:pass@bucket/x?X-Amz-Signature=s&key=k", answer(200, http.NoBody),
			"CLIENT GET (test) http.response.status_code=200 server.address=bucket server.port=443 url.full=\"https://bucket/x?X-Amz-Signature=REDACTED&key=REDACTED\""},
		{"no answer", "GET", "http://pot/", func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
			"CLIENT GET (test) error.type=*errors.errorString server.address=pot server.port=80 url.full=http://pot/ ERROR \"unexpected EOF\""},
		{"a deadline", "GET", "http://pot/", func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("dial: %w", context.DeadlineExceeded)
		}, "CLIENT GET (test) error.type=timeout server.address=pot server.port=80 url.full=http://pot/ ERROR \"dial: context deadline exceeded\""},
		{"a cancelled call", "GET", "http://pot/", func(*http.Request) (*http.Response, error) { return nil, context.Canceled },
			"CLIENT GET (test) error.type=canceled server.address=pot server.port=80 url.full=http://pot/ ERROR \"context canceled\""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := clewtest.Start(t)
			r, err := http.NewRequestWithContext(rec.Context(), c.method, c.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := kit.Transport(c.transport).RoundTrip(r)
			if err == nil && res.Body != nil {
				res.Body.Close()
			}
			wantTree(t, rec, "trace 1\n└─ "+c.want+"\n", "http.response.status_code", "error.type", "server.address", "server.port", "url.full")
		})
	}
}

// body breaks off after its text.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

func TestClientSpanEndsWithTheBody(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for name, c := range map[string]struct {
		read func(io.ReadCloser)
		want string
	}{
		"read to its end": {func(b io.ReadCloser) {
			_, _ = io.Copy(io.Discard, io.LimitReader(b, 5))
			_, _ = b.Read(make([]byte, 1))
		}, " error.type=*errors.errorString ERROR \"connection reset\""},
		"closed before it": {func(b io.ReadCloser) { b.Close(); b.Close() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := clewtest.Start(t)
			inner := &body{Reader: io.MultiReader(strings.NewReader("hello"), readError{broken})}
			r, _ := http.NewRequestWithContext(rec.Context(), "GET", "http://pot/", nil)
			res, err := kit.Transport(answer(200, inner)).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := rec.Tree(); got != "trace 1\n└─ CLIENT GET (test) (open)\n" {
				t.Errorf("before the body is read:\n%s", got)
			}
			c.read(res.Body)
			wantTree(t, rec, "trace 1\n└─ CLIENT GET (test)"+c.want+"\n", "error.type")
		})
	}
}

type readError struct{ err error }

func (r readError) Read([]byte) (int, error) { return 0, r.err }

func TestClientLeavesTheRequestAsItIs(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, span := clew.Span(rec.Context(), "work")
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://pot/", nil)
	r.Header.Set("Mine", "1")
	var sent http.Header
	_, err := kit.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return answer(200, nil)(r)
	})).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	span.End()
	if len(r.Header) != 1 {
		t.Errorf("the caller's header is %v", r.Header)
	}
	if sent.Get("Mine") != "1" || !strings.HasPrefix(sent.Get("Traceparent"), "00-"+span.SpanContext().TraceID.String()) {
		t.Errorf("sent %v", sent)
	}
}

func TestClientWritesNoContextToSilentHosts(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	for host, silent := range map[string]bool{"api.example.org": true, "example.org": false, "partner.com": true, "other.com": false} {
		r, _ := http.NewRequestWithContext(rec.Context(), "GET", "http://"+host+"/", nil)
		var sent http.Header
		_, err := kit.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r.Header
			return answer(200, nil)(r)
		}), clew.WithoutPropagation(".example.org", "partner.com")).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := sent.Get("Traceparent") == ""; got != silent {
			t.Errorf("%s: silent is %v, want %v", host, got, silent)
		}
	}
}

func TestClientCountsRedirects(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	mux := http.NewServeMux()
	mux.Handle("/a", http.RedirectHandler("/b", http.StatusFound))
	mux.Handle("/b", http.RedirectHandler("/c", http.StatusFound))
	mux.HandleFunc("/c", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "there") })
	s := httptest.NewServer(mux)
	defer s.Close()
	r, _ := http.NewRequestWithContext(rec.Context(), "GET", s.URL+"/a", nil)
	res, err := (&http.Client{Transport: kit.Transport(nil)}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	wantTree(t, rec, `trace 1
└─ CLIENT GET (test) http.response.status_code=302
trace 2
└─ CLIENT GET (test) http.request.resend_count=1 http.response.status_code=302
trace 3
└─ CLIENT GET (test) http.request.resend_count=2 http.response.status_code=200
`, "http.request.resend_count", "http.response.status_code")
}

// net/http copies the headers of the first request to where it is redirected, but those that the transport wrote are not among them.
func TestClientRedirectsTakeBaggageToNoOtherHost(t *testing.T) {
	k := start(t, "", clew.PropagateTo("127.0.0.1"))
	var got []string
	note := func(r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		got = append(got, host+" "+r.Header.Get("Baggage"))
	}
	there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note(r) }))
	defer there.Close()
	elsewhere := strings.Replace(there.URL, "127.0.0.1", "localhost", 1)
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		http.Redirect(w, r, elsewhere, http.StatusFound)
	}))
	defer here.Close()
	ctx := clew.WithBaggage(context.Background(), "user", "7")
	r, err := http.NewRequestWithContext(ctx, "GET", here.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: k.Transport(nil)}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if want := []string{"127.0.0.1 user=7", "localhost "}; !slices.Equal(got, want) {
		t.Errorf("the servers got %q, want %q", got, want)
	}
}

func TestClientPhases(t *testing.T) {
	rec := clewtest.Start(t)
	clew.SetLevel(clew.ComponentHTTP, clew.Detailed)
	defer clew.SetLevel(clew.ComponentHTTP, clew.Standard)
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(rec.Context(), "GET", s.URL, nil)
	res, err := kit.Transport(transport).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	wantTree(t, rec, `trace 1
└─ CLIENT GET (test) ERROR
   ├─ event http.connect
   ├─ event http.connection http.connection.reused=false
   ├─ event http.request.sent
   └─ event http.response.first_byte
`, "http.connection.reused")
}

// What is switched off records nothing and still passes the context on.
func TestHTTPOffPassesContextOn(t *testing.T) {
	rec := clewtest.Start(t)
	clew.SetLevel(clew.ComponentHTTP, clew.Off)
	defer clew.SetLevel(clew.ComponentHTTP, clew.Standard)
	var sent string
	client := kit.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Get("Traceparent")
		return answer(200, nil)(r)
	}))
	h := kit.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out, _ := http.NewRequestWithContext(r.Context(), "GET", "http://pot/", nil)
		if _, err := client.RoundTrip(out); err != nil {
			t.Error(err)
		}
	}))
	r := httptest.NewRequestWithContext(rec.Context(), "GET", "/", nil)
	r.Header.Set("Traceparent", sampledParent)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if sent != sampledParent {
		t.Errorf("sent %q, want the caller's context", sent)
	}
	wantTree(t, rec, "")
}

// Baggage is context too, and comes without a trace from callers that record nothing.
func TestHTTPOffPassesBaggageOn(t *testing.T) {
	k := start(t, "", clew.PropagateTo("pot"))
	k.SetLevel(clew.ComponentHTTP, clew.Off)
	var sent string
	client := k.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Get("Baggage")
		return answer(200, nil)(r)
	}))
	out, err := http.NewRequestWithContext(clew.WithBaggage(t.Context(), "user", "7"), "GET", "http://pot/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.RoundTrip(out); err != nil || sent != "user=7" {
		t.Errorf("sent %q (%v), want user=7", sent, err)
	}
}

// tunnel is a body after 101 Switching Protocols, over a connection that can be closed in one direction.
type tunnel struct {
	io.Reader
	io.Writer
	closed, half bool
}

func (t *tunnel) Close() error      { t.closed = true; return nil }
func (t *tunnel) CloseWrite() error { t.half = true; return nil }

// A proxy tells the server by CloseWrite that its client has said everything, and still reads the answer.
func TestClientTunnelsCloseOneDirection(t *testing.T) {
	rec := clewtest.Start(t)
	inner := &tunnel{Reader: strings.NewReader(""), Writer: io.Discard}
	out, err := http.NewRequestWithContext(rec.Context(), "GET", "http://pot/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := kit.Transport(answer(http.StatusSwitchingProtocols, inner)).RoundTrip(out)
	if err != nil {
		t.Fatal(err)
	}
	half, ok := res.Body.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || !inner.half || inner.closed {
		t.Errorf("the body closes one direction: %v, %+v", ok, inner)
	}
	if _, ok := res.Body.(io.Writer); !ok {
		t.Error("the body cannot be written to")
	}
	if err := res.Body.Close(); err != nil || !inner.closed {
		t.Errorf("close: %v, %+v", err, inner)
	}
}

// A transport that panics leaves no span behind.
func TestClientSpanEndsWithAPanic(t *testing.T) {
	rec := clewtest.Start(t)
	out, err := http.NewRequestWithContext(rec.Context(), "GET", "http://pot/", nil)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not go on")
			}
		}()
		_, _ = kit.Transport(roundTrip(func(*http.Request) (*http.Response, error) { panic("boom") })).RoundTrip(out)
	}()
	wantTree(t, rec, "trace 1\n└─ CLIENT GET (test) error.type=panic ERROR\n", "error.type")
}
