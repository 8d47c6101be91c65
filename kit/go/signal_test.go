//go:build unix

package clew_test

import (
	"context"
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
