package clew_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

// held is what a process has of things that do not go away by themselves.
type held struct {
	goroutines, files int
	heap              uint64
}

func holding() held {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	files, _ := os.ReadDir("/proc/self/fd") // empty where the system has no such folder
	return held{runtime.NumGoroutine(), len(files), memory.HeapAlloc}
}

// TestStopsLeaveNothing starts everything that a kit can have, against a server that answers, and stops it, 200 times.
func TestStopsLeaveNothing(t *testing.T) {
	t.Cleanup(clew.Suspend())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-r.Context().Done() // a policy that does not change
		}
	}))
	defer s.Close()
	none := func(string) (string, bool) { return "", false }
	once := func() {
		k := clew.Start(t.Context(), clew.Endpoint(s.URL), clew.PolicyURL(s.URL), clew.Output(io.Discard), clew.WithoutGlobals(), clew.Environment(none))
		ctx, span := clew.Span(t.Context(), "work")
		k.Logger().WarnContext(ctx, "a line and a record")
		span.End()
		_, open := clew.Span(t.Context(), "ends after the kit")
		if err := k.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		open.End()
		s.CloseClientConnections()
	}
	// What is started, cached and pooled once for the process is not a leak.
	for range 10 {
		once()
	}
	before := holding()
	for range 200 {
		once()
	}
	// A kit that is kept has queues, tables and counters of some 30 KB.
	const spare = 1 << 20
	deadline := time.Now().Add(20 * time.Second)
	for {
		after := holding()
		if after.goroutines <= before.goroutines && after.files <= before.files && after.heap <= before.heap+spare {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%+v after %+v:\n%s", after, before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
