package clewgrpc

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	clew "github.com/clew-dev/clew/kit/go"
)

// Client instruments a connection. target is what the connection is made for: the server's address in spans, and what propagate_to is
// compared with before baggage is written. Give other interceptors before it: those that come after it run within the span, and one that
// replaces the outgoing metadata takes the context out of the call.
func Client(target string) []grpc.DialOption {
	c := newClient(target)
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary), grpc.WithChainStreamInterceptor(c.stream)}
}

// client is a client's side.
type client struct{ side }

func newClient(target string) *client {
	c := &client{side{duration: clientDuration}}
	c.host, c.port = splitTarget(target)
	return c
}

// errPanicked is what a call ends with whose interceptor or codec panics.
var errPanicked = status.Error(codes.Internal, "the call panicked")

// begin starts the span of a call and returns the context that the call is made with.
func (c *client) begin(ctx context.Context, full string) (context.Context, call) {
	one := call{start: time.Now()}
	var known bool
	if one.method, known = c.methods.FindAt(full, full); !known {
		one.method = c.methods.Get(full, c.newMethod)
	}
	o := clew.SpanOptions{Component: clew.ComponentGRPC, Need: clew.Edges, Kind: clew.Client, Start: one.start, Fixed: one.method.about}
	ctx, one.span = clew.StartWith(ctx, one.method.name, o)
	return c.inject(ctx), one
}

// inject returns ctx with the headers that the call is to have.
func (c *client) inject(ctx context.Context) context.Context {
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		// Metadata that is handed on may have the context of another call, which this one's takes the place of.
		clew.Inject(ctx, c.host, carrier(md))
		return metadata.NewOutgoingContext(ctx, md)
	}
	var out outgoing
	clew.Inject(ctx, c.host, &out)
	if out.n == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, out.pairs[:out.n]...)
}

func (c *client) unary(ctx context.Context, full string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx, one := c.begin(ctx, full)
	err := errPanicked
	defer func() { c.end(ctx, &one, err) }()
	if detailed() {
		one.message(&one.sent, "SENT", size(request))
	}
	err = invoke(ctx, full, request, reply, conn, options...)
	if err == nil && detailed() {
		one.message(&one.received, "RECEIVED", size(reply))
	}
	return err
}

// stream has gRPC say when the call ends: a caller may give a stream up in more ways than its methods tell.
func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, full string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	under := &clientStream{}
	ctx, under.call = c.begin(ctx, full)
	end := func(err error) {
		if under.ended.CompareAndSwap(false, true) {
			c.end(ctx, &under.call, err)
		}
	}
	err := errPanicked
	defer func() {
		if err != nil {
			end(err)
		}
	}()
	// The caller's options keep their own memory.
	options = append(options[:len(options):len(options)], grpc.OnFinish(end))
	under.ClientStream, err = open(ctx, desc, conn, full, options...)
	if err != nil || !detailed() {
		return under.ClientStream, err
	}
	return under, nil
}

// clientStream records the messages of a stream.
type clientStream struct {
	grpc.ClientStream
	call  call
	ended atomic.Bool
}

// SendMsg implements grpc.ClientStream.
func (s *clientStream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if err == nil {
		s.call.message(&s.call.sent, "SENT", size(m))
	}
	return err
}

// RecvMsg implements grpc.ClientStream.
func (s *clientStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil {
		s.call.message(&s.call.received, "RECEIVED", size(m))
	}
	return err
}

// size is the number of bytes of a message, -1 of one that is not of Protocol Buffers.
func size(message any) int {
	if m, ok := message.(proto.Message); ok {
		return proto.Size(m)
	}
	return -1
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
