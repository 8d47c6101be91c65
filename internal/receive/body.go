package receive

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

// work is what one request needs, from a pool.
type work struct {
	d    otlp.Decoder
	b    *telemetry.Builder
	body []byte // inflated
	sent []byte // compressed, for zstd
	gz   *gzip.Reader
	res  reservation
}

// keepBuffer is the largest buffer that goes back to the pool.
const keepBuffer = 1 << 20

// body is a request's bytes on their way.
type body struct {
	r        io.Reader
	declared int64 // length on the wire, −1 when the sender does not say
	encoding string
	got      int64 // bytes read so far, as sent
	err      error // of the connection
	max      int64
}

// Read counts what is sent and stops over the limit.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.got += int64(n)
	if b.got > b.max {
		err = b.tooLarge("as sent")
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (b *body) tooLarge(how string) error {
	return refuse(tooLarge, telemetry.KindInvalid, 0, "the request is over %d bytes %s; send smaller batches", b.max, how)
}

// read gives the inflated body, which holds until w is given back.
func (s *Server) read(w *work, b *body) ([]byte, error) {
	if b.declared > b.max {
		return nil, b.tooLarge("as sent")
	}
	if b.declared > s.budget.free() || !w.res.cover(max(min(b.declared, step), 1)) {
		return nil, s.overBudget()
	}
	var err error
	switch b.encoding {
	case plain:
		w.body, err = s.fill(w, w.body[:0], b, 0, b)
		return w.body, err
	case gzipped:
		if w.gz == nil {
			w.gz = new(gzip.Reader)
		}
		if err := w.gz.Reset(b); err != nil {
			return nil, s.broken(b, err)
		}
		w.body, err = s.fill(w, w.body[:0], w.gz, 0, b)
		return w.body, err
	}
	w.sent, err = s.fill(w, w.sent[:0], b, 0, b)
	if err != nil {
		return nil, err
	}
	return s.inflateZstd(w, b)
}

// fill reads r to its end into buf. Memory is reserved before it is filled; before is
// what the request holds in other buffers.
func (s *Server) fill(w *work, buf []byte, r io.Reader, before int64, b *body) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			room := max(4*cap(buf), step) // what is left behind is at most a third of what is held
			if room > int(b.max)+1 {
				room = int(b.max) + 1
			}
			// A sender that says how much it sends is believed as far as it has begun to send it.
			if d := int(b.declared); b.encoding != gzipped && d >= cap(buf) && d < room {
				room = d + 1
			}
			if !w.res.cover(before + int64(room)) {
				return buf, s.overBudget()
			}
			buf = append(make([]byte, 0, room), buf...)
		}
		to := min(cap(buf), len(buf)+step)
		if !w.res.cover(before + int64(to)) {
			return buf, s.overBudget()
		}
		n, err := r.Read(buf[len(buf):to])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > b.max {
			return buf, b.tooLarge("inflated")
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, s.broken(b, err)
		}
	}
}

// inflateZstd inflates w.sent into w.body. The decoder writes no further than the
// room that is reserved; when that is too little, it starts again with more. It has
// several errors for too little room, one of which damage can cause as well: damaged
// bytes are tried again, too, which costs a third more than reading them to the end.
func (s *Server) inflateZstd(w *work, b *body) ([]byte, error) {
	const usual = 12 // how much smaller traces become
	var h zstd.Header
	room := int64(usual * len(w.sent))
	if err := h.Decode(w.sent); err == nil && h.HasFCS {
		if h.FrameContentSize > uint64(b.max) {
			return nil, b.tooLarge("inflated")
		}
		// The size is a claim of the sender. It is worth a first try if it is not absurd.
		if size := int64(h.FrameContentSize); size < 4*room {
			room = size
		}
	}
	for room = min(max(room, step), b.max); ; room = min(4*room, b.max) {
		if !w.res.cover(int64(len(w.sent)) + room) {
			return nil, s.overBudget()
		}
		if int64(cap(w.body)) < room {
			w.body = make([]byte, 0, room)
		}
		out, err := s.zstd.DecodeAll(w.sent, w.body[:0:room])
		if err == nil {
			w.body = out
			return out, nil
		}
		for _, damage := range damages {
			if errors.Is(err, damage) {
				return nil, s.broken(b, err)
			}
		}
		if room < b.max {
			continue
		}
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || strings.Contains(err.Error(), "output bigger than") {
			return nil, b.tooLarge("inflated")
		}
		return nil, s.broken(b, err)
	}
}

// damages are errors of the decoder that more room does not mend.
var damages = []error{
	zstd.ErrMagicMismatch, zstd.ErrReservedBlockType, zstd.ErrCompressedSizeTooBig, zstd.ErrWindowSizeExceeded,
	zstd.ErrWindowSizeTooSmall, zstd.ErrUnknownDictionary, zstd.ErrFrameSizeExceeded, zstd.ErrFrameSizeMismatch,
	zstd.ErrCRCMismatch, io.ErrUnexpectedEOF,
}

// broken explains an error of reading: that of the connection, or else that of the decompressor.
func (s *Server) broken(b *body, err error) error {
	if b.err != nil {
		err = b.err
	}
	var r *refused
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, rpc.ErrMore):
		return refuse(badRequest, telemetry.KindInvalid, 0, "%v", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(tooSlow, telemetry.KindUnavailable, s.o.RetryAfter, "the request was not there after %s (%d bytes were)", s.o.BodyTimeout, b.got)
	case b.err != nil || b.encoding == plain:
		return refuse(cutOff, telemetry.KindInvalid, 0, "the request ends after %d bytes: %v", b.got, err)
	}
	return refuse(badRequest, telemetry.KindInvalid, 0, "the request is not %s: %v (after %d bytes)", b.encoding, err, b.got)
}

func (s *Server) overBudget() error {
	return refuse(overBudget, telemetry.KindExhausted, s.o.RetryAfter,
		"requests in flight hold %d of %d bytes; send again in %s", s.budget.held.Load(), s.budget.max, s.o.RetryAfter)
}

func (s *Server) begin() *work {
	w := s.work.Get().(*work)
	w.res.b = &s.budget
	return w
}

// end gives w back to the pool. A request that panicked does not come here, so that a
// decoder in an unknown state is not used again.
func (s *Server) end(w *work) {
	if cap(w.body) > keepBuffer {
		w.body = nil
	}
	if cap(w.sent) > keepBuffer {
		w.sent = nil
	}
	s.work.Put(w)
}
