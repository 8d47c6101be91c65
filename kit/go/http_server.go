package clew

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/bound"
	"github.com/clew-dev/clew/kit/go/internal/sanitise"
)

var (
	httpServerDuration = DurationHistogram("http.server.request.duration", ComponentHTTP, Description("Duration of HTTP server requests."))
	httpActiveRequests = UpDown("http.server.active_requests", "{request}", Needs(ComponentHTTP, Edges),
		Description("Number of HTTP server requests under way."))
)

// HTTP wraps a handler: one SERVER span and one duration for each request, and the caller's context taken over.
//
// The route is known before the span starts, so that sampling rules see it: a *http.ServeMux is asked for it, other routers tell it through
// Route. The ResponseWriter that the handler gets has what the server's own has (Flusher, Hijacker, ReaderFrom, Pusher), so WebSockets,
// server-sent events and sendfile work. The span ends when the handler has returned. A panic is recorded and goes on.
func (k *Kit) HTTP(h http.Handler, options ...HTTPOption) http.Handler {
	s := &httpServer{next: h, httpConfig: newHTTPConfig(options)}
	s.mux, _ = h.(*http.ServeMux)
	return s
}

type httpServer struct {
	httpConfig
	next   http.Handler
	mux    *http.ServeMux
	routes bound.Cache[routeKey, *httpRoute]
	hosts  bound.Cache[hostKey, *Fixed]
}

// routeKey is what the router says of a request; for a ServeMux the pattern may have a method and a host, unless Route has told it.
type routeKey struct {
	method, pattern string
	told            bool
}

// httpRoute is what is the same for all requests of a route.
type httpRoute struct {
	name     string
	method   string
	route    string
	excluded bool
	about    *Fixed
	active   BoundUpDown
	endings  bound.Cache[httpOutcome, httpEnding]
}

// hostKey is what requests to one address have alike.
type hostKey struct {
	host, scheme string
	major, minor int
}

// httpOutcome has the labels that are known at the end of a request.
type httpOutcome struct {
	status int
	failed string
}

// httpEnding is what spans and metrics say of an outcome.
type httpEnding struct {
	about    *Fixed
	duration BoundHistogram
}

func (s *httpServer) lookup(r *http.Request) *httpRoute {
	var pattern string
	switch {
	case s.route != nil:
		pattern = s.route(r)
	case s.mux != nil:
		_, pattern = s.mux.Handler(r)
	}
	method, _ := knownMethod(r.Method)
	key := routeKey{method, pattern, s.route != nil}
	rt, ok := s.routes.FindAt(pattern, key)
	if !ok {
		// What a router tells may be a piece of the request, which must not stay in memory with it.
		key.pattern = strings.Clone(pattern)
		rt = s.routes.Get(key, s.newRoute)
	}
	return rt
}

// host is what spans say of the address that a request was sent to.
func (s *httpServer) host(key hostKey) *Fixed {
	if len(key.host) > bound.LongestHost {
		return newHost(key)
	}
	f, ok := s.hosts.FindAt(key.host, key)
	if !ok {
		// It may be a piece of the request's first line, of a megabyte.
		key.host = strings.Clone(key.host)
		f = s.hosts.Get(key, newHost)
	}
	return f
}

func (s *httpServer) newRoute(key routeKey) *httpRoute {
	route := key.pattern
	if !key.told {
		// A pattern of ServeMux is [METHOD ][HOST]/[PATH].
		if _, rest, ok := strings.Cut(route, " "); ok {
			route = strings.TrimLeft(rest, " \t")
		}
		if i := strings.IndexByte(route, '/'); i > 0 {
			route = route[i:]
		}
	}
	named := key.method
	if named == "_OTHER" {
		named = "HTTP"
	}
	if route != "" {
		named += " " + route
	}
	rt := &httpRoute{name: named, method: key.method, route: route}
	rt.excluded = route != "" && matchesAny(s.excluded, route)
	rt.active = httpActiveRequests.With(String("http.request.method", key.method))
	rt.about = Fix(rt.labels()...)
	return rt
}

// labels are what spans and metrics say of a route.
func (rt *httpRoute) labels() []Attr {
	labels := append(make([]Attr, 0, 4), String("http.request.method", rt.method))
	if rt.route != "" {
		labels = append(labels, String("http.route", rt.route))
	}
	return labels
}

func (rt *httpRoute) newEnding(o httpOutcome) httpEnding {
	about := append(make([]Attr, 0, 2), Int("http.response.status_code", o.status))
	if o.failed != "" {
		about = append(about, String("error.type", o.failed))
	}
	return httpEnding{about: Fix(about...), duration: httpServerDuration.With(append(rt.labels(), about...)...)}
}

func newHost(key hostKey) *Fixed {
	about := append(make([]Attr, 0, 4), String("url.scheme", key.scheme))
	host, port := splitHost(key.host)
	if host != "" {
		about = append(about, String("server.address", host))
	}
	if port != 0 {
		about = append(about, Int("server.port", port))
	}
	return Fix(append(about, String("network.protocol.version", protocolVersion(key.major, key.minor)))...)
}

func (s *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !On(ComponentHTTP, Edges) {
		s.passOn(w, r)
		return
	}
	rt := s.lookup(r)
	if rt.excluded || rt.route == "" && matchesAny(s.excluded, r.URL.Path) {
		s.passOn(w, r)
		return
	}
	start := time.Now()
	ctx, span := s.start(r, rt, start)
	asked := askedFor(r)
	if span.Recording() {
		s.describe(span, rt, &asked)
	}
	counted := rt.active.Enabled()
	if counted {
		rt.active.Always(1)
	}
	rw := &responseWriter{ResponseWriter: w}
	call := httpCall{server: s, route: rt, span: span, rw: rw, asked: asked, original: r, r: r.WithContext(ctx), start: start, counted: counted}
	defer call.end()
	s.next.ServeHTTP(rw.writer(), call.r)
	call.returned = true
}

// passOn serves a request that is not recorded, with the context of a caller that is trusted.
func (s *httpServer) passOn(w http.ResponseWriter, r *http.Request) {
	if s.public != nil && s.public(r) || !carriesContext(r.Header) {
		s.next.ServeHTTP(w, r)
		return
	}
	inner := r.WithContext(Extract(r.Context(), HeaderCarrier(r.Header)))
	defer handBack(r, inner)
	s.next.ServeHTTP(w, inner)
}

// handBack gives the server and the middlewares around what the handler has done to its copy of the request and they expect in theirs: the
// server removes the files of a form.
func handBack(original, inner *http.Request) {
	original.Pattern = inner.Pattern
	if original.MultipartForm == nil {
		original.MultipartForm = inner.MultipartForm
	}
}

// carriesContext says whether there is anything to extract, so that a request without is left as it is.
func carriesContext(h http.Header) bool {
	return h["Traceparent"] != nil || h["Baggage"] != nil || h["B3"] != nil || h["X-B3-Traceid"] != nil
}

func (s *httpServer) start(r *http.Request, rt *httpRoute, at time.Time) (context.Context, Active) {
	// Attributes come later, and only when they go out; the sampling rules have what they need.
	o := SpanOptions{Component: ComponentHTTP, Need: Edges, Kind: Server, Start: at, route: rt.route, method: rt.method}
	if carriesContext(r.Header) {
		o.From = HeaderCarrier(r.Header)
		o.Public = s.public != nil && s.public(r)
	}
	return StartWith(r.Context(), rt.name, o)
}

// httpAsked is what a request asks for, as it came: handlers change it, and may do so after they have returned, as those do that
// http.TimeoutHandler has given up on.
type httpAsked struct {
	method, path, rawPath, query, scheme string
	host, remote, agent                  string
	major, minor                         int
}

func askedFor(r *http.Request) httpAsked {
	a := httpAsked{
		method: r.Method, path: r.URL.Path, rawPath: r.URL.RawPath, query: r.URL.RawQuery, scheme: "http",
		host: r.Host, remote: r.RemoteAddr, major: r.ProtoMajor, minor: r.ProtoMinor,
	}
	if r.TLS != nil {
		a.scheme = "https"
	}
	if agent := r.Header["User-Agent"]; len(agent) > 0 {
		a.agent = agent[0]
	}
	return a
}

// describe sets what is known of a request before it is served.
func (s *httpServer) describe(span Active, rt *httpRoute, a *httpAsked) {
	if _, ok := knownMethod(a.method); !ok {
		span.Set(String("http.request.method_original", a.method))
	}
	span.SetFixed(rt.about)
	u := url.URL{Path: a.path, RawPath: a.rawPath}
	span.Set(String("url.path", u.EscapedPath()))
	span.SetFixed(s.host(hostKey{a.host, a.scheme, a.major, a.minor}))
	if a.remote != "" {
		span.Set(String("client.address", peerAddress(a.remote)))
	}
	if a.agent != "" {
		span.Set(String("user_agent.original", a.agent))
	}
	if a.query != "" {
		span.Set(String("url.query", sanitise.Query(a.query)))
	}
}

// httpCall is one request between its start and its end.
type httpCall struct {
	server   *httpServer
	route    *httpRoute
	original *http.Request
	r        *http.Request // the copy with the span's context, which the handler has
	span     Active
	rw       *responseWriter
	asked    httpAsked
	start    time.Time
	counted  bool // among the active requests
	returned bool
}

func (c *httpCall) end() {
	ctx := c.r.Context()
	var thrown any
	if !c.returned {
		// Nil when the handler called runtime.Goexit: the goroutine ends by itself then.
		thrown = recover()
	}
	handBack(c.original, c.r)
	out := httpOutcome{status: c.rw.status}
	// The server cancels the context when the peer has gone; a deadline is the program's own.
	gone := ctx.Err() == context.Canceled && !c.rw.hijacked
	switch {
	case thrown != nil && out.status == 0:
		out.status = http.StatusInternalServerError
	case out.status == 0:
		out.status = http.StatusOK
	}
	switch {
	case thrown != nil && thrown != http.ErrAbortHandler:
		out.failed = "panic"
		c.span.panicked(thrown)
	case gone:
		out.failed = "client_disconnected"
	case thrown != nil:
		out.failed = "aborted"
		c.span.FailText("handler aborted the response")
	case out.status >= 500:
		out.failed = statusText(out.status)
		c.span.FailText("")
	}
	if c.counted {
		c.route.active.Always(-1)
	}
	if c.route.route == "" && c.r.Pattern != "" {
		// A ServeMux further in has matched; sampling could not know it, the name and the metrics still can.
		c.route = c.server.routes.Get(routeKey{method: c.route.method, pattern: c.r.Pattern}, c.server.newRoute)
		c.span.SetName(c.route.name)
		if c.span.Recording() {
			c.span.Set(String("http.route", c.route.route))
		}
	}
	if out.failed != "" && c.span.summarises() {
		c.server.describe(c.span, c.route, &c.asked)
	}
	ending := c.route.endings.Get(out, c.route.newEnding)
	if c.span.Recording() || out.failed != "" {
		c.span.SetFixed(ending.about)
	}
	took := time.Since(c.start)
	ending.duration.RecordDuration(ctx, took)
	c.span.EndAt(c.start.Add(took))
	if thrown != nil {
		panic(thrown)
	}
}
