package wal

import "io"

const (
	// gatherBytes is the buffer that small pieces share a write(2) in.
	gatherBytes = 256 << 10
	// directBytes is from when a piece is written from its owner's memory. Copying
	// 64 KiB costs 4 µs, the write(2) that it saves 10 µs.
	directBytes = 128 << 10
)

// groupWriter writes frames at consecutive offsets with few system calls.
type groupWriter struct {
	f   io.WriterAt
	off int64 // of buf[0]
	buf []byte
}

func (w *groupWriter) begin(f io.WriterAt, off int64) {
	w.f, w.off, w.buf = f, off, w.buf[:0]
	if w.buf == nil {
		w.buf = make([]byte, 0, gatherBytes)
	}
}

// frame adds one frame; small pieces are copied, large ones written at once.
func (w *groupWriter) frame(h frameHeader, parts [][]byte) error {
	if len(w.buf)+FrameBytes > cap(w.buf) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.buf = h.appendTo(w.buf)
	for _, p := range parts {
		if len(p) >= directBytes || len(w.buf)+len(p) > cap(w.buf) {
			if err := w.flush(); err != nil {
				return err
			}
		}
		if len(p) < directBytes {
			w.buf = append(w.buf, p...)
			continue
		}
		if _, err := w.f.WriteAt(p, w.off); err != nil {
			return err
		}
		w.off += int64(len(p))
	}
	return nil
}

func (w *groupWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.f.WriteAt(w.buf, w.off); err != nil {
		return err
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}
