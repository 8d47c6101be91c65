package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
)

const (
	// stopWithin bounds a graceful stop: requests in flight.
	stopWithin = 5 * time.Second
	// flushWithin bounds the wait for the last spans while no endpoint listens.
	flushWithin = 2 * time.Second
)

// Run starts a service's telemetry, runs it until it is told to stop, and
// flushes the last spans. serve must call Ready once it can serve, and return
// soon after ctx ends.
func Run(ctx context.Context, service string, serve func(context.Context) error) error {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("service", service))
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	if launched() {
		go func() {
			// Nothing is ever written to the pipe: the read ends with its writer.
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}

	if _, err := ParseStack(os.Getenv(StackVariable)); err != nil {
		return fmt.Errorf("%s: %s: %w", service, StackVariable, err)
	}
	stop, err := running().start(ctx, service)
	if err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	err = serve(ctx)
	flush, done := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer done()
	if stopped := stop(flush); stopped != nil {
		slog.Warn("last spans are lost", "error", stopped)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	return nil
}

// Ready tells the launcher, if there is one, that the process can serve.
func Ready() {
	if launched() {
		fmt.Println("ready")
	}
}

func launched() bool { return os.Getenv("SHOP_LAUNCHED") != "" }

// Listen opens the member's own address.
func Listen(member string) (net.Listener, error) {
	address, err := Address(member)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", member, err)
	}
	return listener, nil
}

// ServeHTTP serves a member's handler until ctx ends.
func ServeHTTP(ctx context.Context, member string, handler http.Handler) error {
	listener, err := Listen(member)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: running().server(handler), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	Ready()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := server.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop http: %w", err)
	}
	return nil
}

// ServeGRPC serves what register adds until ctx ends.
func ServeGRPC(ctx context.Context, member string, register func(grpc.ServiceRegistrar)) error {
	listener, err := Listen(member)
	if err != nil {
		return err
	}
	server := NewGRPCServer()
	register(server)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	Ready()
	select {
	case err := <-failed:
		return fmt.Errorf("serve grpc: %w", err)
	case <-ctx.Done():
	}
	force := time.AfterFunc(stopWithin, server.Stop)
	defer force.Stop()
	server.GracefulStop()
	return nil
}
