package clewgrpc_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	clewgrpc "github.com/clew-dev/clew/kit/go/grpc"
)

// failing answers Check with the code that the request names.
type failing struct {
	*health.Server
	code codes.Code
}

func (f failing) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if f.code != codes.OK {
		return nil, status.Error(f.code, "on purpose")
	}
	_, span := clew.Span(ctx, "inside")
	span.End()
	return f.Server.Check(ctx, r)
}

func dial(t *testing.T, code codes.Code, options ...clewgrpc.Option) healthpb.HealthClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(clewgrpc.Server(options...))
	healthpb.RegisterHealthServer(server, failing{health.NewServer(), code})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	target := "passthrough:///" + listener.Addr().String()
	conn, err := grpc.NewClient(target, append(clewgrpc.Client(target), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func bounded(t *testing.T, rec *clewtest.Recorder) context.Context {
	ctx, cancel := context.WithTimeout(rec.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestUnary(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx := bounded(t, rec)
	if _, err := dial(t, codes.OK).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := rec.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	want := `trace 1
└─ CLIENT grpc.health.v1.Health/Check (test) rpc.method=grpc.health.v1.Health/Check rpc.status_code=OK rpc.system.name=grpc server.address=127.0.0.1
   └─ SERVER grpc.health.v1.Health/Check rpc.method=grpc.health.v1.Health/Check rpc.status_code=OK rpc.system.name=grpc server.address=127.0.0.1
      └─ INTERNAL inside
`
	if got := rec.Tree("rpc.method", "rpc.status_code", "rpc.system.name", "server.address"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for _, s := range rec.Spans() {
		if port, ok := s.Attributes["server.port"].(int64); s.Kind != "INTERNAL" && (!ok || port == 0) {
			t.Errorf("%s has server.port %v", s.Kind, s.Attributes["server.port"])
		}
	}
}

// TestStatus checks which codes are errors on which side.
func TestStatus(t *testing.T) {
	const client, server = " ERROR \"on purpose\"", " ERROR \"on purpose\""
	for code, sides := range map[codes.Code][2]string{
		codes.Canceled:           {client, ""},
		codes.Unknown:            {client, server},
		codes.InvalidArgument:    {client, ""},
		codes.NotFound:           {client, ""},
		codes.PermissionDenied:   {client, ""},
		codes.ResourceExhausted:  {client, ""},
		codes.Internal:           {client, server},
		codes.Unavailable:        {client, server},
		codes.DataLoss:           {client, server},
		codes.Unimplemented:      {client, server},
		codes.DeadlineExceeded:   {client, server},
		codes.FailedPrecondition: {client, ""},
	} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			rec := clewtest.Start(t)
			ctx := bounded(t, rec)
			if _, err := dial(t, code).Check(ctx, &healthpb.HealthCheckRequest{}); status.Code(err) != code {
				t.Fatalf("got %v", err)
			}
			if err := rec.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			want := "trace 1\n└─ CLIENT grpc.health.v1.Health/Check (test)" + sides[0] + "\n   └─ SERVER grpc.health.v1.Health/Check" + sides[1] + "\n"
			if got := rec.Tree(); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, cancel := context.WithCancel(bounded(t, rec))
	stream, err := dial(t, codes.OK).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if open := rec.Tree(); open != "trace 1\n└─ CLIENT grpc.health.v1.Health/Watch (test) (open)\n   └─ SERVER grpc.health.v1.Health/Watch (open)\n" {
		t.Errorf("a stream has ended too early:\n%s", open)
	}
	cancel()
	if err := rec.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := rec.Spans()
	for _, s := range spans {
		if code := s.Attributes["rpc.status_code"]; code != "CANCELLED" {
			t.Errorf("%s: got %v, want CANCELLED", s.Kind, code)
		}
	}
	if len(spans) != 2 {
		t.Errorf("got %d spans, want both sides", len(spans))
	}
	// A canceled stream's two ends are seen in any order.
	rec.AllowLeaks()
}

func TestPublic(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx := bounded(t, rec)
	if _, err := dial(t, codes.OK, clewgrpc.Public(nil)).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := rec.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	want := `trace 1
└─ CLIENT grpc.health.v1.Health/Check (test)
trace 2
└─ SERVER grpc.health.v1.Health/Check (test)
   ├─ link trace 1 "grpc.health.v1.Health/Check"
   └─ INTERNAL inside
`
	if got := rec.Tree(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A gateway hands the metadata of its caller on; the context of its own call takes the place of the caller's.
func TestForwardedMetadata(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx := metadata.AppendToOutgoingContext(bounded(t, rec), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"tracestate", "a=1", "shop", "7")
	if _, err := dial(t, codes.OK).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := rec.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	want := "trace 1\n└─ CLIENT grpc.health.v1.Health/Check (test)\n   └─ SERVER grpc.health.v1.Health/Check\n      └─ INTERNAL inside\n"
	if got := rec.Tree(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestUnknownMethods: gRPC answers them itself and tells a handler no end.
func TestUnknownMethods(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx := bounded(t, rec)
	conn := connect(t, listen(t, health.NewServer()))
	for _, method := range []string{"/grpc.health.v1.Health/Cure", "/grpc.health.v2.Health/Check"} {
		err := conn.Invoke(ctx, method, &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: got %v", method, err)
		}
	}
	if err := rec.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	served := 0
	for _, s := range rec.Spans() {
		if s.Kind == "SERVER" {
			served++
		}
		if code := s.Attributes["rpc.status_code"]; code != "UNIMPLEMENTED" || s.Status != clewtest.Error {
			t.Errorf("%s %s ends with %v, status %v", s.Kind, s.Name, code, s.Status)
		}
	}
	if served != 2 {
		t.Errorf("got %d spans of the server, want 2", served)
	}
}

// TestDurations: each side counts a call once, with its status, whether it succeeds or not.
func TestDurations(t *testing.T) {
	k := clew.Start(t.Context(), clew.Service("durations", ""), clew.WithoutExport(), clew.WithoutGlobals(), clew.Sample("0"))
	defer func() { _ = k.Stop(context.Background()) }()
	count := func(side, code string) (n int) {
		w := httptest.NewRecorder()
		k.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, "rpc_"+side+"_call_duration_seconds_count") && strings.Contains(line, "Health/List") &&
				strings.Contains(line, `rpc_status_code="`+code+`"`) && strings.Contains(line, "error_type") == (code != "OK") {
				line, _, _ = strings.Cut(line, " # ")
				n, _ = strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
			}
		}
		return n
	}
	for code, service := range map[string]healthpb.HealthServer{"OK": health.NewServer(), "DATA_LOSS": losing{}} {
		client := healthpb.NewHealthClient(connect(t, listen(t, service)))
		before := map[string]int{"client": count("client", code), "server": count("server", code)}
		_, _ = client.List(t.Context(), &healthpb.HealthListRequest{})
		for _, side := range []string{"client", "server"} {
			for deadline := time.Now().Add(5 * time.Second); count(side, code) != before[side]+1; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatalf("%s %s: counted %d, want one more than %d", side, code, count(side, code), before[side])
				}
			}
		}
	}
}

// losing fails all lists.
type losing struct {
	healthpb.UnimplementedHealthServer
}

func (losing) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	return nil, status.Error(codes.DataLoss, "lost")
}
