package overhead

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Sink takes telemetry over OTLP/HTTP and throws it away, until ctx ends. A real
// backend works when it pleases, on the same processors and in the same caches, and
// whichever shop has its slice then looks dearer.
func Sink(ctx context.Context) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for telemetry: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(swallow)}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(l) // ends with ErrServerClosed
	return "http://" + l.Addr().String(), nil
}

// swallow reads a request to its end; an empty answer says that all was taken.
func swallow(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
}
