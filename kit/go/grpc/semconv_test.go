package clewgrpc

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/clew-dev/clew/kit/go/clewtest"
	"github.com/clew-dev/clew/kit/go/internal/semconvtest"
)

type scenario struct {
	Type, Method, Authority, Message string
	Code                             codes.Code
}

// TestSemconv runs the scenarios of kit/contract through the handler as grpc calls it; the other tests do so over a connection.
func TestSemconv(t *testing.T) {
	semconvtest.Run(t, "../../contract/semconv.json", []string{"grpc.server", "grpc.client"}, func(t *testing.T, rec *clewtest.Recorder, s scenario) {
		ctx, err := rec.Context(), status.Error(s.Code, s.Message)
		if s.Type == "grpc.client" {
			answer := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
			if got := newClient("dns:///"+s.Authority).unary(ctx, "/"+s.Method, nil, nil, nil, answer); got != err {
				t.Errorf("the caller got %v", got)
			}
			return
		}
		h := newHandler()
		ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(":authority", s.Authority))
		ctx = h.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: "/" + s.Method})
		h.HandleRPC(ctx, &stats.Begin{})
		h.HandleRPC(ctx, &stats.End{Error: err})
	})
}

func TestTargets(t *testing.T) {
	for target, want := range map[string]struct {
		host string
		port int
	}{
		"orders:443":                {"orders", 443},
		"orders":                    {"orders", 0},
		"dns:///orders:443":         {"orders", 443},
		"dns:orders:443":            {"orders", 443},
		"dns://1.1.1.1/orders:443":  {"orders", 443},
		"passthrough:///[::1]:80":   {"::1", 80},
		"unix:///run/orders.socket": {"/run/orders.socket", 0},
		"unix:/run/orders.socket":   {"/run/orders.socket", 0},
		"orders:70000":              {"orders", 0},
	} {
		if host, port := splitTarget(target); host != want.host || port != want.port {
			t.Errorf("%s: got %s %d, want %s %d", target, host, port, want.host, want.port)
		}
	}
}
