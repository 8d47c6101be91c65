package clew

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// SignalContext returns a context that ends at the first SIGINT or SIGTERM, or with ctx. From then on, and after stop, signals do again
// what they did before, so that a second one ends a program whose shutdown hangs. The kit never takes a signal unless this is called.
//
//	ctx, stop := clew.SignalContext(context.Background())
//	defer stop()
//	k := clew.Start(ctx, clew.Service("orders", "1.4.2"))
//	defer k.Stop(context.Background())
func SignalContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
