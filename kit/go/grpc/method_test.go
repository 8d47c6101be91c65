package clewgrpc

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// TestInventedMethodsAreForgotten: whoever calls a server may send any name, and must not push out those that it serves.
func TestInventedMethodsAreForgotten(t *testing.T) {
	h := &handler{server: true, duration: serverDuration}
	serve := func(method string, err error) {
		ctx := h.TagRPC(context.Background(), &stats.RPCTagInfo{FullMethodName: method})
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
