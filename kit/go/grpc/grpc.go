// Package clewgrpc instruments gRPC for Clew: one span and one duration for each call, on both sides, unary and streaming. A call that gRPC
// tries again by a retry policy has one for each attempt.
//
//	server := grpc.NewServer(clewgrpc.Server())
//	conn, err := grpc.NewClient("dns:///orders:443", creds, clewgrpc.Client("dns:///orders:443"))
//
// It is a stats.Handler, so it sees the call from its headers to its very end, and needs no interceptor. What it records is section 8 of
// kit/contract.
package clewgrpc

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/bound"
)

var (
	serverDuration = clew.DurationHistogram("rpc.server.call.duration", clew.ComponentGRPC, clew.Description("Duration of gRPC calls that were served."))
	clientDuration = clew.DurationHistogram("rpc.client.call.duration", clew.ComponentGRPC, clew.Description("Duration of gRPC calls that were made."))
)

// Option changes how Server treats calls.
type Option func(*handler)

// Public marks the calls for which public returns true (nil: all) as coming from outside the fleet: they start a new root that links to
// the caller's span, and neither the caller's sampling nor its baggage is taken. method is "package.Service/Method".
func Public(public func(method string) bool) Option {
	if public == nil {
		public = func(string) bool { return true }
	}
	return func(h *handler) { h.public = public }
}

// Server instruments a server.
func Server(options ...Option) grpc.ServerOption {
	h := &handler{server: true, duration: serverDuration}
	for _, o := range options {
		o(h)
	}
	return grpc.StatsHandler(h)
}

// Client instruments a connection. target is what the connection is made for: the server's address in spans, and what propagate_to is
// compared with before baggage is written.
func Client(target string) grpc.DialOption {
	h := &handler{duration: clientDuration}
	h.host, h.port = splitTarget(target)
	return grpc.WithStatsHandler(h)
}

type handler struct {
	server   bool
	host     string
	port     int
	public   func(method string) bool
	duration clew.HistogramFamily
	methods  bound.Cache[string, *method]
	hosts    bound.Cache[string, *clew.Fixed]
}

// method is what is the same for all calls of a method.
type method struct {
	full    string // /package.Service/Method
	name    string // without the first slash
	about   *clew.Fixed
	endings bound.Cache[codes.Code, ending]
}

// ending is what spans and metrics say of a call that has ended with a code.
type ending struct {
	about    *clew.Fixed
	duration clew.BoundHistogram
}

// call is one RPC; the stats package hands it from method to method in the context.
type call struct {
	span     clew.Active
	method   *method
	invented bool // for all that is known when the call begins
	start    time.Time
	sent     int
	received int
}

type callKey struct{}

// callContext is the call's context and the call in one piece.
type callContext struct {
	context.Context                 // has the span and what else was added
	given           context.Context // to TagRPC, and ended with the call
	call            call
	out             outgoing
}

// Deadline, Done and Err are those of the context that was given: what was added to it ends nothing, and asking each layer takes time.
func (c *callContext) Deadline() (time.Time, bool) { return c.given.Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.given.Done() }
func (c *callContext) Err() error                  { return c.given.Err() }

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if key == any(callKey{}) {
		return &c.call
	}
	return c.Context.Value(key)
}

// TagRPC starts the span.
func (h *handler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	c := &callContext{given: ctx, call: call{start: time.Now()}}
	c.call.method, c.call.invented = h.method(info.FullMethodName)
	if h.server {
		c.Context, c.call.span = h.startServer(ctx, c.call.method, c.call.start)
		return c
	}
	o := clew.SpanOptions{Component: clew.ComponentGRPC, Need: clew.Edges, Kind: clew.Client, Start: c.call.start, Fixed: c.call.method.about}
	ctx, c.call.span = clew.StartWith(ctx, c.call.method.name, o)
	c.Context = h.inject(ctx, &c.out)
	return c
}

// method is what is known of a method. Whoever calls a server may invent names: those that it has served are remembered, when the call ends.
func (h *handler) method(full string) (m *method, invented bool) {
	if !h.server {
		return h.methods.Get(full, h.newMethod), false
	}
	m, ok := h.methods.Find(full)
	if !ok {
		m = h.newMethod(full)
	}
	return m, !ok
}

func (h *handler) newMethod(full string) *method {
	m := &method{full: full, name: strings.TrimPrefix(full, "/")}
	about := []clew.Attr{clew.String("rpc.system.name", "grpc"), clew.String("rpc.method", m.name)}
	m.about = clew.Fix(append(about, where(h.host, h.port)...)...)
	return m
}

func (h *handler) startServer(ctx context.Context, m *method, at time.Time) (context.Context, clew.Active) {
	o := clew.SpanOptions{Component: clew.ComponentGRPC, Need: clew.Edges, Kind: clew.Server, Start: at, Fixed: m.about}
	for _, key := range [...]string{traceparent, "baggage", "b3", "x-b3-traceid"} {
		if found := metadata.ValueFromIncomingContext(ctx, key); len(found) > 0 {
			from := &received{ctx: ctx}
			if key == traceparent {
				from.traceparent = found
			}
			o.From = from
			o.Public = h.public != nil && h.public(m.name)
			break
		}
	}
	ctx, span := clew.StartWith(ctx, m.name, o)
	if span.Recording() {
		if authority := metadata.ValueFromIncomingContext(ctx, ":authority"); len(authority) > 0 {
			span.SetFixed(h.authority(authority[0]))
		}
	}
	return ctx, span
}

func (h *handler) authority(text string) *clew.Fixed {
	if len(text) > bound.LongestHost {
		return newHost(text)
	}
	return h.hosts.Get(text, newHost)
}

func newHost(authority string) *clew.Fixed { return clew.Fix(where(splitHost(authority))...) }

// inject returns ctx with the headers that the call is to have. out is what it collects them in.
func (h *handler) inject(ctx context.Context, out *outgoing) context.Context {
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		// Metadata that is handed on may have the context of another call, which this one's takes the place of.
		clew.Inject(ctx, h.host, carrier(md))
		return metadata.NewOutgoingContext(ctx, md)
	}
	clew.Inject(ctx, h.host, out)
	if out.n == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, out.pairs[:out.n]...)
}

func where(host string, port int) []clew.Attr {
	attrs := make([]clew.Attr, 0, 2)
	if host != "" {
		attrs = append(attrs, clew.String("server.address", host))
	}
	if port != 0 {
		attrs = append(attrs, clew.Int("server.port", port))
	}
	return attrs
}

// HandleRPC counts messages and ends the span.
func (h *handler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.InPayload:
		if c := callOf(ctx); c != nil {
			c.message(&c.received, "RECEIVED", s.Length)
		}
	case *stats.OutPayload:
		if c := callOf(ctx); c != nil {
			c.message(&c.sent, "SENT", s.Length)
		}
	case *stats.End:
		if c := callOf(ctx); c != nil {
			h.end(ctx, c, s)
		}
	}
}

// callOf is the call that TagRPC has put into ctx, nil for none.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// message counts a message and, at level detailed, records it.
func (c *call) message(count *int, way string, bytes int) {
	*count++
	if clew.On(clew.ComponentGRPC, clew.Detailed) {
		c.span.Event("rpc.message", clew.String("rpc.message.type", way), clew.Int("rpc.message.id", *count), clew.Int("rpc.message.uncompressed_size", bytes))
	}
}

func (h *handler) end(ctx context.Context, c *call, s *stats.End) {
	st := status.Convert(s.Error)
	code := st.Code()
	m := c.method
	switch {
	case h.server && code == codes.Unimplemented:
		// Whoever calls may invent methods; they must not become series.
		m = h.methods.Get("_OTHER", h.newMethod)
	case c.invented:
		m = h.methods.Get(m.full, func(string) *method { return m })
	}
	e := m.endings.Get(code, func(code codes.Code) ending { return h.newEnding(m.name, code) })
	failed := h.fails(code)
	switch {
	case c.span.Recording():
		c.span.SetFixed(e.about)
	case failed:
		c.span.Set(clew.String("error.type", codeName(code)))
	}
	if failed {
		c.span.FailText(st.Message())
	}
	took := time.Since(c.start)
	e.duration.RecordDuration(ctx, took)
	c.span.EndAt(c.start.Add(took))
}

func (h *handler) newEnding(method string, code codes.Code) ending {
	about := []clew.Attr{clew.String("rpc.response.status_code", codeName(code))}
	if h.fails(code) {
		about = append(about, clew.String("error.type", codeName(code)))
	}
	labels := []clew.Attr{clew.String("rpc.system.name", "grpc"), clew.String("rpc.method", method)}
	return ending{clew.Fix(about...), h.duration.With(append(labels, about...)...)}
}

// fails says which codes are errors: on a client all but OK, on a server those that are its own fault.
func (h *handler) fails(c codes.Code) bool {
	if !h.server {
		return c != codes.OK
	}
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	}
	return false
}

// TagConn and HandleConn have nothing to do: connections have no spans.
func (h *handler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (h *handler) HandleConn(context.Context, stats.ConnStats)                       {}

// codeNames are the codes as the protocol writes them; codes.Code.String writes them otherwise.
var codeNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func codeName(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return strconv.Itoa(int(c))
}

// carrier is a call's metadata, whose keys are in lower case.
type carrier metadata.MD

func (m carrier) Get(key string) string {
	if v := m[strings.ToLower(key)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (m carrier) Values(key string) []string { return m[strings.ToLower(key)] }

func (m carrier) Set(key, value string) { m[strings.ToLower(key)] = []string{value} }

func (m carrier) Keys() []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

const traceparent = "traceparent"

// received reads what came with a call, key by key: taking it out as a whole copies all of it.
type received struct {
	ctx         context.Context
	traceparent []string // nearly every call has it, so it is looked up once
}

func (r *received) Get(key string) string {
	if v := r.Values(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (r *received) Values(key string) []string {
	if key == traceparent {
		return r.traceparent
	}
	return metadata.ValueFromIncomingContext(r.ctx, key)
}

func (r *received) Set(string, string) {} // what came is not changed

func (r *received) Keys() []string {
	md, _ := metadata.FromIncomingContext(r.ctx)
	return carrier(md).Keys()
}

// outgoing collects what Inject writes, traceparent, tracestate and baggage: names in lower case, each before its value.
type outgoing struct {
	pairs [6]string
	n     int
}

func (o *outgoing) Get(string) string { return "" }
func (o *outgoing) Keys() []string    { return nil }
func (o *outgoing) Set(key, value string) {
	if o.n < len(o.pairs) {
		o.pairs[o.n], o.pairs[o.n+1] = key, value
		o.n += 2
	}
}

// splitTarget takes "dns:///orders:443", "passthrough:///10.0.0.1:80" or "orders:443" apart. A Unix socket's path is its address.
func splitTarget(target string) (host string, port int) {
	if path, ok := strings.CutPrefix(target, "unix://"); ok {
		return path, 0
	}
	if _, rest, ok := strings.Cut(target, "://"); ok {
		_, target, _ = strings.Cut(rest, "/")
	} else if scheme, rest, ok := strings.Cut(target, ":"); ok && (scheme == "dns" || scheme == "passthrough" || scheme == "unix") {
		target = rest
	}
	return splitHost(target)
}

func splitHost(hostport string) (string, int) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport, 0
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int(n)
}
