package clewgrpc

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"google.golang.org/grpc/stats"
)

// TestRoomIsMadeOnce: a goroutine that has asked has the stack of a call, and one that has not begins with little.
func TestRoomIsMadeOnce(t *testing.T) {
	if raceDetector {
		t.Skip("frames are larger under the race detector")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would take back what waiting goroutines do not use
	const many = 1_000
	// parked is how much stack each of many goroutines has that do one thing and wait.
	parked := func(do func()) uint64 {
		var ready, done sync.WaitGroup
		var before, after runtime.MemStats
		release := make(chan struct{})
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range many {
			ready.Add(1)
			done.Go(func() {
				do()
				ready.Done()
				<-release
			})
		}
		ready.Wait()
		runtime.ReadMemStats(&after)
		close(release)
		done.Wait()
		return (after.StackInuse - min(before.StackInuse, after.StackInuse)) / many
	}
	// What goroutines begin with follows what others use, so it is no fixed number.
	idle, asked := parked(func() {}), parked(func() { makeRoom(false) })
	if asked < room || asked > 3*room || idle > asked/2 {
		t.Errorf("a goroutine that asks for room has a stack of %d bytes, want 16 KB; one that does not has %d", asked, idle)
	}
}

// TestOnlyUnaryCallsMakeRoom: streams live long and wait, and there may be many.
func TestOnlyUnaryCallsMakeRoom(t *testing.T) {
	h := newHandler()
	for _, c := range []struct {
		begin stats.Begin
		unary bool
	}{
		{stats.Begin{}, true},
		{stats.Begin{IsClientStream: true}, false},
		{stats.Begin{}, true}, // another service's, which has taken the name over
		{stats.Begin{IsServerStream: true}, false},
	} {
		ctx := h.TagRPC(context.Background(), &stats.RPCTagInfo{FullMethodName: "/shop.Orders/Follow"})
		h.HandleRPC(ctx, &c.begin)
		h.HandleRPC(ctx, &stats.End{})
		if m, known := h.methods.Find("/shop.Orders/Follow"); !known || m.unary.Load() != c.unary {
			t.Errorf("after %+v the method is unary: %v", c.begin, !c.unary)
		}
	}
}
