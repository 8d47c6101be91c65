package clewgrpc_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	clewgrpc "github.com/clew-dev/clew/kit/go/grpc"
)

// connect makes a connection with the kit's client and others' options after it. Nothing listens at target unless the test sees to it.
func connect(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(append(clewgrpc.Client(target), grpc.WithTransportCredentials(insecure.NewCredentials())), options...)
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// tree waits for the spans and compares their tree.
func tree(t *testing.T, rec *clewtest.Recorder, want string, keys ...string) {
	t.Helper()
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rec.Tree(keys...); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestUnansweredCalls: calls that never leave the process have their spans too, and end once.
func TestUnansweredCalls(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, cancel := context.WithCancel(bounded(t, rec))
	client := healthpb.NewHealthClient(connect(t, "passthrough:///127.0.0.1:1"))
	if _, err := client.Check(ctx, &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	cancel()
	if _, err := client.Watch(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"grpc.health.v1.Health/Check": "UNAVAILABLE", "grpc.health.v1.Health/Watch": "CANCELLED"}
	for _, s := range rec.Spans() {
		if code := s.Attributes["rpc.status_code"]; code != want[s.Name] {
			t.Errorf("%s has %v", s.Name, code)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("no spans of %v", want)
	}
}

// flaky fails all calls but each third one.
type flaky struct {
	*health.Server
	calls atomic.Int32
}

func (f *flaky) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if f.calls.Add(1)%3 != 0 {
		return nil, status.Error(codes.Unavailable, "not yet")
	}
	return f.Server.Check(ctx, r)
}

// listen serves a health service and says where.
func listen(t *testing.T, service healthpb.HealthServer) (target string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(clewgrpc.Server())
	healthpb.RegisterHealthServer(server, service)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "passthrough:///" + listener.Addr().String()
}

// TestRetries: what gRPC tries again is one call.
func TestRetries(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	const policy = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s",
		"maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`
	conn := connect(t, listen(t, &flaky{Server: health.NewServer()}), grpc.WithDefaultServiceConfig(policy))
	if _, err := healthpb.NewHealthClient(conn).Check(bounded(t, rec), &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	attempt := "   ├─ SERVER grpc.health.v1.Health/Check ERROR \"not yet\"\n"
	tree(t, rec, "trace 1\n└─ CLIENT grpc.health.v1.Health/Check (test)\n"+attempt+attempt+"   └─ SERVER grpc.health.v1.Health/Check\n")
}

// TestStreamOfAClosedConnection: a stream that nobody reads any more ends with its connection.
func TestStreamOfAClosedConnection(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	conn := connect(t, listen(t, health.NewServer()))
	stream, err := healthpb.NewHealthClient(conn).Watch(bounded(t, rec), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	rec.AllowLeaks() // The two ends are seen in any order.
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(rec.Spans()); got != 2 {
		t.Errorf("got %d spans, want both sides", got)
	}
}

// TestPanics: a panic of an interceptor goes on, and its call ends.
func TestPanics(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	conn := connect(t, "passthrough:///127.0.0.1:1",
		grpc.WithChainUnaryInterceptor(func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
			panic("on purpose")
		}),
		grpc.WithChainStreamInterceptor(func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
			panic("on purpose")
		}))
	ctx, client := bounded(t, rec), healthpb.NewHealthClient(conn)
	for _, call := range []func(){
		func() { _, _ = client.Check(ctx, &healthpb.HealthCheckRequest{}) },
		func() { _, _ = client.Watch(ctx, &healthpb.HealthCheckRequest{}) },
	} {
		func() {
			defer func() {
				if thrown := recover(); thrown != "on purpose" {
					t.Errorf("got %v", thrown)
				}
			}()
			call()
		}()
	}
	tree(t, rec, `trace 1
└─ CLIENT grpc.health.v1.Health/Check (test) ERROR "the call panicked"
trace 2
└─ CLIENT grpc.health.v1.Health/Watch (test) ERROR "the call panicked"
`)
}

// TestMessages: at level detailed each message is an event, with its size, on both sides. It is not parallel: levels are the process's.
func TestMessages(t *testing.T) {
	rec := clewtest.Start(t)
	clew.SetLevel(clew.ComponentGRPC, clew.Detailed)
	t.Cleanup(func() { clew.SetLevel(clew.ComponentGRPC, clew.Standard) })
	ctx, cancel := context.WithCancel(bounded(t, rec))
	client := healthpb.NewHealthClient(connect(t, listen(t, health.NewServer())))
	if _, err := client.Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	rec.AllowLeaks()
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range rec.Spans() {
		var ways []string
		for _, e := range s.Events {
			way, _ := e.Attributes["rpc.message.type"].(string)
			size := map[string]int64{"CLIENT SENT": 0, "CLIENT RECEIVED": 2, "SERVER SENT": 2, "SERVER RECEIVED": 0}[s.Kind+" "+way]
			if e.Attributes["rpc.message.uncompressed_size"] != size || e.Attributes["rpc.message.id"] != int64(1) {
				t.Errorf("%s %s: %v", s.Kind, s.Name, e.Attributes)
			}
			ways = append(ways, way)
		}
		if got := strings.Join(ways, " "); got != map[string]string{"CLIENT": "SENT RECEIVED", "SERVER": "RECEIVED SENT"}[s.Kind] {
			t.Errorf("%s %s has the events %q", s.Kind, s.Name, got)
		}
	}
}
