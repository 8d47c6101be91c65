package clewgrpc_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"

	clew "github.com/clew-dev/clew/kit/go"
	clewgrpc "github.com/clew-dev/clew/kit/go/grpc"
)

// idle is a stats.Handler that does nothing: what gRPC itself spends on having one.
type idle struct{}

func (idle) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (idle) HandleRPC(context.Context, stats.RPCStats)                         {}
func (idle) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (idle) HandleConn(context.Context, stats.ConnStats)                       {}

// BenchmarkUnary is a call and its answer, both sides in one process.
func BenchmarkUnary(b *testing.B) {
	none := func(string) []grpc.DialOption { return nil }
	for _, c := range []struct {
		name   string
		server grpc.ServerOption
		client func(target string) []grpc.DialOption
	}{
		{"bare", grpc.EmptyServerOption{}, none},
		{"idle server", grpc.StatsHandler(idle{}), none},
		{"idle client", grpc.EmptyServerOption{}, func(string) []grpc.DialOption { return []grpc.DialOption{grpc.WithStatsHandler(idle{})} }},
		{"server", clewgrpc.Server(), none},
		{"client", grpc.EmptyServerOption{}, clewgrpc.Client},
		{"both", clewgrpc.Server(), clewgrpc.Client},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := clew.Start(b.Context(), clew.Service("budget", ""), clew.WithoutExport(), clew.WithoutGlobals())
			defer func() { _ = k.Stop(context.Background()) }()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := grpc.NewServer(c.server)
			healthpb.RegisterHealthServer(server, health.NewServer())
			go func() { _ = server.Serve(listener) }()
			defer server.Stop()
			target := "passthrough:///" + listener.Addr().String()
			conn, err := grpc.NewClient(target, append(c.client(target), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			client := healthpb.NewHealthClient(conn)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Check(b.Context(), &healthpb.HealthCheckRequest{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
