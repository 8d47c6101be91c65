package node

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// The limit of the heap leaves the collector half of what is in use as room, from the
// share that it has to the most that it may have.
func TestHeapLimit(t *testing.T) {
	m := memory{heap: 300, heapMost: 330}
	for _, x := range []struct{ live, want int64 }{{0, 300}, {200, 300}, {202, 303}, {220, 330}, {221, 330}, {1000, 330}} {
		if got := m.limit(x.live); got != x.want {
			t.Errorf("with %d in use the limit is %d; want %d", x.live, got, x.want)
		}
	}
	all := shareOut(DefaultMemory, math.MaxInt64)
	// The store asks senders to wait at four times the first.
	if kept := 4*all.fresh + all.inflight + all.traces + all.cache; kept >= all.heap || all.heap >= all.heapMost {
		t.Errorf("what is kept at most, %d, the limit, %d, and the most that it may be, %d, do not rise", kept, all.heap, all.heapMost)
	}
	if all.heapMost+all.query > DefaultMemory {
		t.Errorf("the heap may take %d and DuckDB %d of %d", all.heapMost, all.query, DefaultMemory)
	}
}

var kept []byte

// The limit in force follows what is in use up, and down again.
func TestHeapLimitFollows(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	m := memory{heap: 64 << 20, heapMost: 1 << 30}
	m.apply()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.watch(ctx)
	}()
	defer func() { cancel(); <-ended }()
	await := func(what string, ok func(limit int64) bool) {
		t.Helper()
		for began := time.Now(); !ok(debug.SetMemoryLimit(-1)); runtime.Gosched() {
			if time.Since(began) > time.Minute {
				t.Fatalf("%s: the limit is %d MiB", what, debug.SetMemoryLimit(-1)>>20)
			}
		}
	}
	kept = make([]byte, 200<<20)
	runtime.GC()
	await("with 200 MiB in use", func(l int64) bool { return l >= 300<<20 })
	kept = nil
	runtime.GC()
	await("with little in use", func(l int64) bool { return l == m.heap })
}
