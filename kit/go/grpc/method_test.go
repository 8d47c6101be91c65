package clewgrpc

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// TestInventedMethodsAreForgotten: whoever calls a server may send any name, and must not push out those that it serves.
func TestInventedMethodsAreForgotten(t *testing.T) {
	h := newHandler()
	serve := func(method string, err error) {
		ctx := h.TagRPC(context.Background(), &stats.RPCTagInfo{FullMethodName: method})
		h.HandleRPC(ctx, &stats.Begin{})
		h.HandleRPC(ctx, &stats.End{Error: err})
	}
	for i := range 100 {
		serve(fmt.Sprintf("/shop.Orders/Invented%d", i), status.Error(codes.Unimplemented, "unknown method"))
	}
	if _, known := h.methods.Find("/shop.Orders/Invented0"); known {
		t.Error("a method that was not served is remembered")
	}
	serve("/shop.Orders/Place", nil)
	m, known := h.methods.Find("/shop.Orders/Place")
	if !known || m.name != "shop.Orders/Place" {
		t.Fatalf("of the method that was served is remembered: %v %+v", known, m)
	}
	if again, invented := h.method("/shop.Orders/Place"); again != m || invented {
		t.Error("the method is made anew for each call")
	}
	if _, known := m.endings.Find(codes.OK); !known {
		t.Error("what its calls end with is not remembered")
	}
}

// TestClientAllocations holds what a call of a client costs beside gRPC itself. The span's context, the metadata and the text of traceparent are
// what any client with propagation allocates.
func TestClientAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations cannot be counted under the race detector")
	}
	if r := watch.Current(); r != nil {
		// Nobody watches the spans, as in production.
		watch.Remove(r)
		t.Cleanup(func() { watch.Install(r) })
	}
	k := clew.Start(t.Context(), clew.Service("budget", ""), clew.WithoutExport(), clew.WithoutGlobals())
	defer func() { _ = k.Stop(context.Background()) }()
	c := newClient("dns:///orders:443")
	answer := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	got := testing.AllocsPerRun(500, func() { _ = c.unary(t.Context(), "/shop.Orders/Place", nil, nil, nil, answer) })
	if got > 9 {
		t.Errorf("got %v allocations, want at most 9", got)
	}
}
