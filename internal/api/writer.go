package api

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/clew-dev/clew/internal/rpc"
)

// gzipFrom is the size of a body from which compressing it pays.
const gzipFrom = 1024

const (
	writeWait  = 30 * time.Second
	writePiece = 256 << 10
)

type writerKey struct{}

// writer counts what an answer is and compresses its body when the client takes
// gzip, the body is over gzipFrom bytes and the handler did not encode it itself.
// Flush ends the wait for more and with it the chance to compress.
type writer struct {
	w       http.ResponseWriter
	takes   bool // the client takes gzip
	status  int
	sent    int64
	err     error  // of the request, for its span
	held    []byte // the body while it is under gzipFrom
	started bool   // the header has been sent
	zip     *gzip.Writer
}

func newWriter(w http.ResponseWriter, r *http.Request) *writer {
	return &writer{w: w, takes: acceptsEncoding(r, "gzip") && r.Method != http.MethodHead}
}

func (w *writer) Header() http.Header { return w.w.Header() }

// Unwrap lets http.ResponseController set deadlines.
func (w *writer) Unwrap() http.ResponseWriter { return w.w }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		if status == http.StatusNoContent || status == http.StatusNotModified || status < 200 {
			w.start(false)
		}
	}
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.started {
		return w.out(b)
	}
	if !w.mayZip() {
		w.start(false)
		return w.out(b)
	}
	if len(w.held)+len(b) <= gzipFrom {
		w.held = append(w.held, b...)
		return len(b), nil
	}
	w.start(true)
	return w.out(b)
}

func (w *writer) mayZip() bool {
	h := w.Header()
	return w.takes && h.Get("Content-Encoding") == "" && h.Get("Content-Range") == "" &&
		!strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") && !strings.HasPrefix(h.Get("Content-Type"), "font/") &&
		!strings.HasPrefix(h.Get("Content-Type"), rpc.ContentType)
}

var zips = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return z
}}

// start sends the header, and what was held.
func (w *writer) start(zip bool) {
	if w.started {
		return
	}
	w.started = true
	if zip {
		h := w.Header()
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
			h.Set("ETag", "W/"+tag)
		}
		w.zip = zips.Get().(*gzip.Writer)
		w.zip.Reset(counted{w})
	}
	w.w.WriteHeader(w.status)
	if len(w.held) > 0 {
		_, _ = w.out(w.held) // a broken connection shows at the next write too
		w.held = nil
	}
}

func (w *writer) out(b []byte) (int, error) {
	if w.zip != nil {
		return w.zip.Write(b)
	}
	return counted{w}.Write(b)
}

type counted struct{ w *writer }

// Write passes the bytes on in pieces, each of which a client must take within
// writeWait: a reader that has stopped does not hold an answer for ever.
func (c counted) Write(b []byte) (int, error) {
	control := http.NewResponseController(c.w.w)
	done := 0
	for {
		_ = control.SetWriteDeadline(time.Now().Add(writeWait)) // not every writer can; then there is no deadline
		n, err := c.w.w.Write(b[done:min(len(b), done+writePiece)])
		c.w.sent += int64(n)
		done += n
		if err != nil || done == len(b) {
			return done, err
		}
	}
}

// FlushError implements what http.ResponseController looks for.
func (w *writer) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.start(false)
	if w.zip != nil {
		if err := w.zip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.w).Flush()
}

// fail answers with an error instead of what the handler began. It reports false
// when a part of that has been sent already.
func (w *writer) fail(status int, header http.Header, body []byte) bool {
	if w.started {
		return false
	}
	w.held = nil
	h := w.Header()
	for _, k := range []string{"Content-Encoding", "Content-Length", "Content-Disposition", "ETag"} {
		h.Del(k)
	}
	for k, v := range header {
		h[k] = v
	}
	w.status = status
	_, _ = w.Write(body) // a client that has gone cannot be told
	return true
}

// close sends what is left.
func (w *writer) close() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.start(false)
	if w.zip != nil {
		_ = w.zip.Close() // as above
		zips.Put(w.zip)
		w.zip = nil
	}
}

// acceptsEncoding reads Accept-Encoding: is the coding named, or *, without q=0?
func acceptsEncoding(r *http.Request, coding string) bool {
	accepted := false
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		if !strings.EqualFold(name, coding) && name != "*" {
			continue
		}
		q := strings.ReplaceAll(params, " ", "")
		refused := q == "q=0" || strings.HasPrefix(q, "q=0.") && strings.Trim(q[4:], "0") == ""
		if strings.EqualFold(name, coding) {
			return !refused
		}
		accepted = !refused
	}
	return accepted
}
