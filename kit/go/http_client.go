package clew

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/bound"
	"github.com/clew-dev/clew/kit/go/internal/sanitise"
)

var httpClientDuration = DurationHistogram("http.client.request.duration", ComponentHTTP, Description("Duration of HTTP client requests."))

// Transport wraps a RoundTripper (nil: http.DefaultTransport): one CLIENT span and one duration for each attempt, and the context written to
// the request's headers: traceparent and tracestate to every host but those of WithoutPropagation, baggage to those of propagate_to only.
//
// The span ends when the response's body has been read to its end or closed, so a body that is never closed is a span that never ends, as it
// is a connection that is never reused. Redirects are attempts of their own with http.request.resend_count.
func (k *Kit) Transport(next http.RoundTripper, options ...HTTPOption) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &httpClient{next: next, httpConfig: newHTTPConfig(options)}
}

type httpClient struct {
	httpConfig
	next      http.RoundTripper
	durations bound.Cache[clientOutcome, BoundHistogram]
}

type clientOutcome struct {
	method string
	status int
	failed string
}

func (c *httpClient) RoundTrip(r *http.Request) (*http.Response, error) {
	if !On(ComponentHTTP, Edges) {
		if ctx := r.Context(); SpanContextOf(ctx).IsValid() || hasBaggage(ctx) || r.Header[baggageHeader.canonical] != nil {
			r = c.inject(r, ctx)
		}
		return c.next.RoundTrip(r)
	}
	start := time.Now()
	method, known := knownMethod(r.Method)
	name := method
	if !known {
		name = "HTTP"
	}
	o := SpanOptions{Component: ComponentHTTP, Need: Edges, Kind: Client, Start: start}
	ctx, span := StartWith(r.Context(), name, o, String("http.request.method", method))
	if span.Recording() {
		describeOutgoing(span, r)
		if On(ComponentHTTP, Detailed) {
			ctx = httptrace.WithClientTrace(ctx, phases(span))
		}
	}
	call := &clientCall{client: c, ctx: ctx, span: span, start: start, out: clientOutcome{method: method}}
	res, err := call.make(c.inject(r, ctx))
	if err != nil {
		call.end(err)
		return res, err
	}
	call.out.status = res.StatusCode
	if res.StatusCode >= 400 {
		call.out.failed = statusText(res.StatusCode)
		span.FailText("")
	}
	if span.Recording() {
		span.Set(Int("http.response.status_code", res.StatusCode), String("network.protocol.version", protocolVersion(res.ProtoMajor, res.ProtoMinor)))
	}
	if res.Body == nil || res.Body == http.NoBody {
		call.end(nil)
		return res, nil
	}
	body := &clientBody{ReadCloser: res.Body, call: call}
	res.Body = body
	// After 101 Switching Protocols the body is the connection, which a proxy closes in one direction first.
	if w, ok := body.ReadCloser.(io.Writer); ok {
		both := tunnelBody{body, w}
		res.Body = both
		if half, ok := w.(halfCloser); ok {
			res.Body = struct {
				tunnelBody
				halfCloser
			}{both, half}
		}
	}
	return res, nil
}

type tunnelBody struct {
	*clientBody
	io.Writer
}

type halfCloser interface{ CloseWrite() error }

// CloseIdleConnections reaches through to the wrapped transport, as http.Client expects.
func (c *httpClient) CloseIdleConnections() {
	if t, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// inject returns a copy of r that carries ctx: a RoundTripper must not change the request it is given.
func (c *httpClient) inject(r *http.Request, ctx context.Context) *http.Request {
	host := r.URL.Hostname()
	r = r.WithContext(ctx)
	if matchesHost(c.silent, host) {
		return r
	}
	h := make(http.Header, len(r.Header)+2)
	for k, v := range r.Header {
		h[k] = v
	}
	r.Header = h
	Inject(ctx, host, HeaderCarrier(h))
	return r
}

func describeOutgoing(span Active, r *http.Request) {
	if _, ok := knownMethod(r.Method); !ok {
		span.Set(String("http.request.method_original", r.Method))
	}
	port := 80
	if r.URL.Scheme == "https" {
		port = 443
	}
	host, explicit := splitHost(r.URL.Host)
	if explicit != 0 {
		port = explicit
	}
	span.Set(String("url.full", sanitise.URL(r.URL.String())), String("server.address", host), Int("server.port", port))
	if n := resends(r); n > 0 {
		span.Set(Int("http.request.resend_count", n))
	}
}

// resends counts the redirects that led to the request. net/http follows ten by default; a chain of more than 100 counts as 100.
func resends(r *http.Request) int {
	n := 0
	for n < 100 && r != nil && r.Response != nil {
		n++
		r = r.Response.Request
	}
	return n
}

// clientCall is one attempt between its start and the end of its response's body.
type clientCall struct {
	client *httpClient
	ctx    context.Context
	span   Active
	start  time.Time
	out    clientOutcome
	ended  atomic.Bool
}

// make makes the attempt, and ends the span when that panics. The panic goes on.
func (c *clientCall) make(r *http.Request) (*http.Response, error) {
	returned := false
	defer func() {
		if !returned {
			c.out.failed = "panic"
			c.span.FailText("")
			c.end(nil)
		}
	}()
	res, err := c.client.next.RoundTrip(r)
	returned = true
	return res, err
}

// end ends the span once; err is what reading the body ended with, nil for its end or Close.
func (c *clientCall) end(err error) {
	if !c.ended.CompareAndSwap(false, true) {
		return
	}
	if err != nil {
		c.out.failed = errorType(err)
	}
	if c.out.failed != "" {
		c.span.Set(String("error.type", c.out.failed))
	}
	c.span.Fail(err)
	took := time.Since(c.start)
	c.client.durations.Get(c.out, bindClient).RecordDuration(c.ctx, took)
	c.span.EndAt(c.start.Add(took))
}

func bindClient(o clientOutcome) BoundHistogram {
	attrs := make([]Attr, 0, 3)
	attrs = append(attrs, String("http.request.method", o.method))
	if o.status != 0 {
		attrs = append(attrs, Int("http.response.status_code", o.status))
	}
	if o.failed != "" {
		attrs = append(attrs, String("error.type", o.failed))
	}
	return httpClientDuration.With(attrs...)
}

type clientBody struct {
	io.ReadCloser
	call *clientCall
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.call.end(nil)
	default:
		b.call.end(err)
	}
	return n, err
}

func (b *clientBody) Close() error {
	err := b.ReadCloser.Close()
	b.call.end(nil)
	return err
}

// phases records what happens before the first byte, as events.
func phases(span Active) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { span.Event("http.connection", Bool("http.connection.reused", i.Reused)) },
		DNSDone: func(httptrace.DNSDoneInfo) { span.Event("http.dns") },
		ConnectDone: func(_, addr string, err error) {
			span.Event("http.connect", String("network.peer.address", peerAddress(addr)), Bool("error", err != nil))
		},
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { span.Event("http.tls", Bool("error", err != nil)) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { span.Event("http.request.sent") },
		GotFirstResponseByte: func() { span.Event("http.response.first_byte") },
	}
}

// errorType is the class of an error as it may stand in error.type, in spans and metrics: few different texts. A panic of the error's methods
// stays here.
func errorType(err error) (kind string) {
	defer func() {
		if recover() != nil {
			_, kind = describe(err)
		}
	}()
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	_, kind = describe(err)
	return kind
}
