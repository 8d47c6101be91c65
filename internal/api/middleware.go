package api

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/telemetry"
)

// maxBody bounds what a request may carry; no path of this interface needs more.
const maxBody = 1 << 20

// statusGone is counted when the client went away before the answer.
const statusGone = 499

// contentPolicy keeps a page that shows what strangers sent from running it: no
// script, style or picture but our own, and no framing.
const contentPolicy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := s.o.Now()
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Vary", "Accept-Encoding, Authorization, X-Scope-OrgID")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	_, pattern := s.mux.Handler(r)
	if pattern == "" || pattern == "/" || pattern == "/api/" {
		pattern = "other"
	}
	out := newWriter(w, r)
	ctx, endSpan := r.Context(), func(int, error) {}
	if traced(pattern) {
		ctx, endSpan = s.o.Trace(ctx, r.Method, pattern[strings.IndexByte(pattern, ' ')+1:], r.Header.Get("traceparent"))
	}
	r = r.WithContext(context.WithValue(ctx, writerKey{}, out))
	defer func() {
		p := recover()
		cut := p == http.ErrAbortHandler
		if p != nil && !cut {
			out.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			cut = !out.fail(s.internal(r, out.err))
		}
		if !cut {
			out.close()
		}
		status := out.status
		if r.Context().Err() != nil {
			status = statusGone
		}
		endSpan(status, out.err)
		s.o.Observe(Observation{Route: pattern, Status: status, Took: s.o.Now().Sub(begin), Bytes: out.sent})
		if cut {
			panic(http.ErrAbortHandler)
		}
	}()
	slots, retry := s.requests, time.Second
	if pattern == kitRoute {
		slots, retry = s.kits, 10*time.Second
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		s.fail(out, r, telemetry.RetryError(telemetry.KindExhausted, retry, "%d requests are being served, which is the limit; try again", cap(slots)))
		return
	}
	s.mux.ServeHTTP(out, r)
}

// traced tells questions about data, which are worth a span of our own, from the
// rest. A span is data too: one for each look at the status would mean that the
// store never comes to rest under who waits for it, or after a flush.
func traced(pattern string) bool {
	switch pattern {
	case "other", "GET /ready", "GET /metrics", "GET /api/version", "GET /api/openapi.yaml", "GET /api/status", "GET /api/tail", "POST /api/flush", "POST /api/backup", kitRoute, "GET /api/kit/instances", "GET /api/charter", "GET /api/charter/attributes", "GET /api/findings":
		return false
	}
	return !strings.HasPrefix(pattern, "GET /debug/")
}

// open wraps a handler that anybody may ask.
func (s *Server) open(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// guarded wraps a handler that needs to know who is asking.
func (s *Server) guarded(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.principal(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if !p.May(rt.role) {
			s.fail(w, r, telemetry.Errorf(telemetry.KindForbidden, "token %q does not have the role %s; make one with --roles %s", p.Name, rt.role, rt.role))
			return
		}
		if err := rt.knows(r.URL.Query()); err != nil {
			s.fail(w, r, err)
			return
		}
		// The deadline for reading the request would end an answer that takes longer.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not every writer can; then there is no deadline
		ctx := auth.NewContext(r.Context(), p)
		switch rt.limit {
		case limitQuery:
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.o.Limits().QueryTimeout+time.Second)
			defer cancel()
		case limitLong:
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 10*time.Minute)
			defer cancel()
		}
		r = r.WithContext(ctx)
		if err := rt.handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// knows refuses a parameter that the path does not have.
func (rt route) knows(given url.Values) error {
	if rt.params == anyParameter {
		return nil
	}
	known := strings.Fields(rt.params)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case slices.Contains(known, name):
		case len(known) == 0:
			return telemetry.Errorf(telemetry.KindInvalid, "%s has no parameters: leave out %q", rt.pattern, telemetry.Clip(name))
		default:
			return telemetry.Errorf(telemetry.KindInvalid, "%s has no parameter %q: its parameters are %s", rt.pattern, telemetry.Clip(name), strings.Join(known, ", "))
		}
	}
	return nil
}

// principal authenticates the request. Without tokens, being on this machine is
// what lets one in, so there it must be certain that the asker is: a browser that
// a stranger's page or name steers is not, nor is what a proxy forwards.
func (s *Server) principal(r *http.Request) (auth.Principal, error) {
	token := ""
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, t, ok := strings.Cut(h, " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(t) == "" {
			return auth.Principal{}, telemetry.Errorf(telemetry.KindUnauthenticated, "the Authorization header is not understood; send Authorization: Bearer clew_…")
		}
		token = strings.TrimSpace(t)
	}
	p, err := s.o.Auth.Authenticate(token, r.Header.Get("X-Scope-OrgID"), remoteOf(r))
	if err != nil || !p.Open {
		return p, err
	}
	if !s.hostAllowed(r.Host) {
		return auth.Principal{}, telemetry.Errorf(telemetry.KindForbidden,
			"without tokens this server answers to localhost and 127.0.0.1 only, not to %q; make a token, or name the host in the options of the server", telemetry.Clip(r.Host))
	}
	if err := s.crossOK.Check(r); err != nil {
		return auth.Principal{}, telemetry.Errorf(telemetry.KindForbidden, "another site's page sent this request; without tokens that is refused")
	}
	return p, nil
}

// remoteOf gives the address of who is asking. What came through a proxy is not
// from this machine, whatever its last hop is; who exactly it is does not matter.
func remoteOf(r *http.Request) net.Addr {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return proxied{}
		}
	}
	a, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
	if err != nil {
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
			return local
		}
		return proxied{}
	}
	return a
}

type proxied struct{}

func (proxied) Network() string { return "tcp" }
func (proxied) String() string  { return "behind a proxy" }

// hostAllowed tells the names of loopback from names that a stranger's DNS can
// point at loopback.
func (s *Server) hostAllowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(host, "]"), "["), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || s.hosts[host] {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
