package clew

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// responseWriter notes the status that a handler sends. What the server's own writer can do beyond the interface stays reachable in both
// ways that handlers use: http.NewResponseController by Unwrap, and type assertions by the wrappers below, which exist for the sets of
// methods that real writers have: HTTP/1 (Flusher, Hijacker, ReaderFrom, CloseNotifier), HTTP/2 (Flusher, Pusher, CloseNotifier), recorders and
// other middleware.
type responseWriter struct {
	http.ResponseWriter
	status   int
	hijacked bool
}

func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseWriter) WriteHeader(status int) {
	// 1xx are sent before the answer, but for 101, which is the answer.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	w.implicit()
	return w.ResponseWriter.Write(b)
}

// WriteString keeps io.WriteString from copying, when the server's writer can.
func (w *responseWriter) WriteString(s string) (int, error) {
	w.implicit()
	return io.WriteString(w.ResponseWriter, s)
}

func (w *responseWriter) implicit() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

func (w *responseWriter) flush() {
	w.implicit()
	w.ResponseWriter.(http.Flusher).Flush()
}

func (w *responseWriter) flushError() error {
	if f, ok := w.ResponseWriter.(interface{ FlushError() error }); ok {
		w.implicit()
		return f.FlushError()
	}
	w.flush()
	return nil
}

func (w *responseWriter) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		w.hijacked = true
		if w.status == 0 {
			w.status = http.StatusSwitchingProtocols
		}
	}
	return conn, rw, err
}

func (w *responseWriter) readFrom(r io.Reader) (int64, error) {
	w.implicit()
	return w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}

func (w *responseWriter) push(target string, o *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, o)
}

func (w *responseWriter) notify() <-chan bool {
	return w.ResponseWriter.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // Routers still ask for it.
}

// The wrappers are structs of one pointer, so that making an interface of them allocates nothing.
type (
	flushWriter   struct{ *responseWriter }
	connWriter    struct{ *responseWriter }
	hijackWriter  struct{ flushWriter }
	http1Writer   struct{ hijackWriter }
	http2Writer   struct{ flushWriter }
	readingWriter struct{ flushWriter }
	// Those of the server itself. Routers that stream, gin among them, panic without CloseNotify.
	server1Writer struct{ http1Writer }
	server2Writer struct{ http2Writer }
)

func (w flushWriter) Flush()                                        { w.flush() }
func (w flushWriter) FlushError() error                             { return w.flushError() }
func (w connWriter) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return w.hijack() }
func (w hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w http1Writer) ReadFrom(r io.Reader) (int64, error)           { return w.readFrom(r) }
func (w http2Writer) Push(t string, o *http.PushOptions) error      { return w.push(t, o) }
func (w readingWriter) ReadFrom(r io.Reader) (int64, error)         { return w.readFrom(r) }
func (w server1Writer) CloseNotify() <-chan bool                    { return w.notify() }
func (w server2Writer) CloseNotify() <-chan bool                    { return w.notify() }

// writer returns w with the methods that the writer under it has.
func (w *responseWriter) writer() http.ResponseWriter {
	_, hijacks := w.ResponseWriter.(http.Hijacker)
	_, reads := w.ResponseWriter.(io.ReaderFrom)
	_, pushes := w.ResponseWriter.(http.Pusher)
	_, flushes := w.ResponseWriter.(http.Flusher)
	_, notifies := w.ResponseWriter.(http.CloseNotifier) //nolint:staticcheck // Routers still ask for it.
	switch {
	case !flushes && hijacks:
		return connWriter{w}
	case !flushes:
		return w
	case hijacks && reads && notifies:
		return server1Writer{http1Writer{hijackWriter{flushWriter{w}}}}
	case hijacks && reads:
		return http1Writer{hijackWriter{flushWriter{w}}}
	case hijacks:
		return hijackWriter{flushWriter{w}}
	case pushes && notifies:
		return server2Writer{http2Writer{flushWriter{w}}}
	case pushes:
		return http2Writer{flushWriter{w}}
	case reads:
		return readingWriter{flushWriter{w}}
	}
	return flushWriter{w}
}
