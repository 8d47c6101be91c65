package clew

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// HTTPOption changes how HTTP and Transport treat requests.
type HTTPOption func(*httpConfig)

type httpConfig struct {
	route    func(*http.Request) string
	public   func(*http.Request) bool
	excluded []string
	silent   []string
}

// excludedByDefault are the routes that nobody wants to see, as the contract lists them.
var excludedByDefault = []string{"/health*", "/ready*", "/live*", "/metrics"}

func newHTTPConfig(options []HTTPOption) httpConfig {
	c := httpConfig{excluded: excludedByDefault}
	for _, o := range options {
		o(&c)
	}
	return c
}

// Route tells the middleware the route of a request, for routers other than http.ServeMux, before the span starts: the path's pattern,
// as in "/orders/{id}", or "" when there is none. It must be cheap, must not read the body, and must return few different texts: from
// the 2,001st on, requests have no route in the metrics.
func Route(route func(*http.Request) string) HTTPOption {
	return func(c *httpConfig) { c.route = route }
}

// Public marks the requests for which public returns true (nil: all) as coming from outside the fleet: they start a new root that links
// to the caller's span, and neither the caller's sampling nor its baggage is taken.
func Public(public func(*http.Request) bool) HTTPOption {
	if public == nil {
		public = func(*http.Request) bool { return true }
	}
	return func(c *httpConfig) { c.public = public }
}

// ExcludeRoutes replaces the routes for which there is neither span nor metric, by default /health*, /ready*, /live* and /metrics. A
// pattern is exact, or a prefix before a last *. It is compared with the route, or with the path where there is no route.
func ExcludeRoutes(patterns ...string) HTTPOption {
	return func(c *httpConfig) { c.excluded = patterns }
}

// WithoutPropagation names hosts to which Transport writes no trace headers: exact, or a suffix that begins with a dot.
func WithoutPropagation(hosts ...string) HTTPOption {
	return func(c *httpConfig) { c.silent = append(c.silent, hosts...) }
}

func matchesAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(text, prefix)
		}
		return text == p
	})
}

func matchesHost(patterns []string, host string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == host || strings.HasPrefix(p, ".") && strings.HasSuffix(host, p)
	})
}

// knownMethods are those that may stand in names and labels.
var knownMethods = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPatch,
	http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY"}

// knownMethod returns the method as it may stand in names and labels: a known one, or ok = false. It is never a piece of the request, whose
// first line would stay in memory with what is remembered of the method.
func knownMethod(m string) (method string, ok bool) {
	if m == "" {
		return http.MethodGet, true
	}
	for _, known := range knownMethods {
		if m == known {
			return known, true
		}
	}
	return "_OTHER", false
}

// statusText returns the digits of a status without allocating for those that exist.
func statusText(status int) string {
	if status >= 0 && status < len(statusTexts) {
		return statusTexts[status]
	}
	return strconv.Itoa(status)
}

var statusTexts = func() (texts [600]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	return texts
}()

// splitHost takes a host, or host:port, apart. The port is 0 when there is none.
func splitHost(hostport string) (host string, port int) {
	i := strings.LastIndexByte(hostport, ':')
	if i < 0 {
		return hostport, 0
	}
	if strings.IndexByte(hostport, ':') != i && !strings.HasPrefix(hostport, "[") {
		return hostport, 0 // an IPv6 address without brackets
	}
	if strings.HasSuffix(hostport, "]") {
		return hostport[1 : len(hostport)-1], 0
	}
	n, err := strconv.ParseUint(hostport[i+1:], 10, 16)
	if err != nil {
		return hostport, 0
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport[:i], "["), "]"), int(n)
}

// peerAddress is the address of a connection's other end, without its port.
func peerAddress(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

func protocolVersion(major, minor int) string {
	switch {
	case major == 1 && minor == 1:
		return "1.1"
	case major == 1 && minor == 0:
		return "1.0"
	case major == 2:
		return "2"
	case major == 3:
		return "3"
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor)
}
