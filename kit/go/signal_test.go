//go:build unix

package clew_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

func TestSignalContextEndsAtASignal(t *testing.T) {
	ctx, stop := clew.SignalContext(context.Background())
	defer stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the context has not ended")
	}
}

// TestStopLeavesNoGoroutine starts everything that a kit can have, against a server that answers, and stops it.
func TestStopLeavesNoGoroutine(t *testing.T) {
	t.Cleanup(clew.Suspend())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-r.Context().Done() // a policy that does not change
		}
	}))
	defer s.Close()
	none := func(string) (string, bool) { return "", false }
	once := func() {
		k := clew.Start(t.Context(), clew.Endpoint(s.URL), clew.PolicyURL(s.URL), clew.Output(nil), clew.WithoutGlobals(), clew.Environment(none))
		_, span := clew.Span(t.Context(), "work")
		span.End()
		if err := k.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		s.CloseClientConnections()
	}
	once() // What is started once for the process is not a leak.
	before := runtime.NumGoroutine()
	for range 5 {
		once()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines more than before:\n%s", runtime.NumGoroutine()-before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}
