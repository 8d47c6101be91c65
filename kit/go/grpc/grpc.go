// Package clewgrpc instruments gRPC for Clew: one span and one duration for each call, on both sides, unary and streaming. A call that gRPC
// tries again by a retry policy is one call for its client, and has a span for each attempt on the server.
//
//	server := grpc.NewServer(clewgrpc.Server())
//	conn, err := grpc.NewClient("dns:///orders:443", append(clewgrpc.Client("dns:///orders:443"), creds)...)
//
// The server's side is a stats.Handler, which sees calls that never reach a handler and those whose status an interceptor changes. The client's
// side is interceptors: they see all calls too, and gRPC copies neither metadata nor sizes for them. What both record is section 8 of
// kit/contract.
package clewgrpc

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
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
	h := newHandler()
	for _, o := range options {
		o(h)
	}
	return grpc.StatsHandler(h)
}

func newHandler() *handler { return &handler{side: side{server: true, duration: serverDuration}} }

// side is what both ends of a call have in common.
type side struct {
	server   bool
	host     string
	port     int
	duration clew.HistogramFamily
	methods  bound.Cache[string, *method]
}

// handler is a server's side.
type handler struct {
	side
	public func(method string) bool
	hosts  bound.Cache[string, *clew.Fixed]
}

// method is what is the same for all calls of a method.
type method struct {
	full    string // /package.Service/Method
	name    string // without the first slash
	about   *clew.Fixed
	endings bound.Cache[codes.Code, ending]
	unary   atomic.Bool // it was served, with one message each way
}

// ending is what spans and metrics say of a call that has ended with a code.
type ending struct {
	about    *clew.Fixed
	duration clew.BoundHistogram
}

// call is one RPC.
type call struct {
	span     clew.Active
	method   *method
	invented bool // for all that is known when the call begins
	start    time.Time
	sent     int
	received int
}

// serverCall is one that is served.
type serverCall struct {
	call
	begun atomic.Bool // gRPC has taken it up, or it was ended because gRPC did not
	over  bool        // it was ended before gRPC took it up
}

type callKey struct{}

// callContext is the call's context and the call in one piece: the stats package hands it from method to method.
type callContext struct {
	context.Context                 // has the span and what else was added
	given           context.Context // to TagRPC, and ended with the call
	done            <-chan struct{} // of given
	call            serverCall
}

// Deadline, Done and Err are those of the context that was given: what was added to it ends nothing, and asking each layer takes time.
func (c *callContext) Deadline() (time.Time, bool) { return c.given.Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.done }
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
	c := &callContext{given: ctx, done: ctx.Done()}
	c.call.start = time.Now()
	c.call.method, c.call.invented = h.method(info.FullMethodName)
	if c.call.method.unary.Load() {
		makeRoom(false)
	}
	c.Context, c.call.span = h.start(ctx, c.call.method, c.call.start)
	if c.call.invented {
		// gRPC answers what nobody serves without a word to its handlers.
		context.AfterFunc(ctx, func() {
			if c.call.begun.CompareAndSwap(false, true) {
				h.end(c, &c.call.call, status.Error(codes.Unimplemented, "unknown service or method"))
			}
		})
	}
	return c
}

// method is what is known of a method. Whoever calls a server may invent names: those that it has served are remembered, when the call ends.
func (h *handler) method(full string) (m *method, invented bool) {
	m, ok := h.methods.FindAt(full, full)
	if !ok {
		m = h.newMethod(full)
	}
	return m, !ok
}

func (s *side) newMethod(full string) *method {
	m := &method{full: full, name: strings.TrimPrefix(full, "/")}
	about := []clew.Attr{clew.String("rpc.system.name", "grpc"), clew.String("rpc.method", m.name)}
	m.about = clew.Fix(append(about, where(s.host, s.port)...)...)
	return m
}

func (h *handler) start(ctx context.Context, m *method, at time.Time) (context.Context, clew.Active) {
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
	case *stats.Begin:
		if c := callOf(ctx); c != nil {
			c.over = !c.begun.CompareAndSwap(false, true)
			if unary := !s.IsClientStream && !s.IsServerStream; c.method.unary.Load() != unary {
				c.method.unary.Store(unary)
			}
		}
	case *stats.InPayload:
		if c := callOf(ctx); c != nil {
			c.message(&c.received, "RECEIVED", s.Length)
		}
	case *stats.OutPayload:
		if c := callOf(ctx); c != nil {
			c.message(&c.sent, "SENT", s.Length)
		}
	case *stats.End:
		if c := callOf(ctx); c != nil && !c.over {
			h.end(ctx, &c.call, s.Error)
		}
	}
}

// callOf is the call that TagRPC has put into ctx, nil for none.
func callOf(ctx context.Context) *serverCall {
	c, _ := ctx.Value(callKey{}).(*serverCall)
	return c
}

// message counts a message and, at level detailed, records it.
func (c *call) message(count *int, way string, bytes int) {
	*count++
	if detailed() {
		c.span.Event("rpc.message", messageAttrs(way, *count, bytes)...)
	}
}

func detailed() bool { return clew.On(clew.ComponentGRPC, clew.Detailed) }

func messageAttrs(way string, id, bytes int) []clew.Attr {
	attrs := []clew.Attr{clew.String("rpc.message.type", way), clew.Int("rpc.message.id", id)}
	if bytes >= 0 {
		attrs = append(attrs, clew.Int("rpc.message.uncompressed_size", bytes))
	}
	return attrs
}

// end ends a call with the error that it has returned.
func (s *side) end(ctx context.Context, c *call, err error) {
	st := statusOf(err)
	code := st.Code()
	m := c.method
	switch {
	case s.server && code == codes.Unimplemented:
		// Whoever calls may invent methods; they must not become series.
		m = s.methods.Get("_OTHER", s.newMethod)
	case c.invented:
		m = s.methods.Get(m.full, func(string) *method { return m })
	}
	e, known := m.endings.Find(code)
	if !known {
		e = m.endings.Get(code, func(code codes.Code) ending { return s.newEnding(m.name, code) })
	}
	failed := s.fails(code)
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

// statusOf is the status of an error, also of one of a context that an interceptor hands on as it is.
func statusOf(err error) *status.Status {
	if st, ok := status.FromError(err); ok {
		return st
	}
	return status.FromContextError(err)
}

func (s *side) newEnding(method string, code codes.Code) ending {
	about := []clew.Attr{clew.String("rpc.status_code", codeName(code))}
	if s.fails(code) {
		about = append(about, clew.String("error.type", codeName(code)))
	}
	labels := []clew.Attr{clew.String("rpc.system.name", "grpc"), clew.String("rpc.method", method)}
	return ending{clew.Fix(about...), s.duration.With(append(labels, about...)...)}
}

// fails says which codes are errors: on a client all but OK, on a server those that are its own fault.
func (s *side) fails(c codes.Code) bool {
	if !s.server {
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
