package testkit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// file is one open handle.
type file struct {
	fs     *FS
	node   *node
	name   string
	flag   int
	off    int64
	closed bool

	process int // that opened it
}

func (h *file) Name() string { return h.name }

// check holds the fault, the power and the handle's state against one call. The
// caller holds mu.
func (h *file) check(op Op, verb string) (*Fault, error) {
	if h.closed {
		return nil, pathError(verb, h.name, fs.ErrClosed)
	}
	if h.process != h.fs.process {
		return nil, pathError(verb, h.name, ErrPowerOff)
	}
	fault, err := h.fs.check(op, h.name)
	if err != nil {
		err = pathError(verb, h.name, err)
	}
	return fault, err
}

func (h *file) Read(b []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.readAt(b, h.off)
	h.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (h *file) ReadAt(b []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.readAt(b, off)
}

func (h *file) readAt(b []byte, off int64) (int, error) {
	if h.flag&(os.O_WRONLY|os.O_RDWR) == os.O_WRONLY {
		return 0, pathError("read", h.name, syscall.EBADF)
	}
	if _, err := h.check(OpRead, "read"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", h.name, syscall.EINVAL)
	}
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	if off < int64(len(h.node.content)) {
		n = copy(b, h.node.content[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *file) Write(b []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.flag&os.O_APPEND != 0 {
		h.off = int64(len(h.node.content))
	}
	n, err := h.writeAt(b, h.off)
	h.off += int64(n)
	return n, err
}

func (h *file) WriteAt(b []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.writeAt(b, off)
}

func (h *file) writeAt(b []byte, off int64) (int, error) {
	if h.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return 0, pathError("write", h.name, syscall.EBADF)
	}
	fault, err := h.check(OpWrite, "write")
	if err != nil && (fault == nil || fault.Short == 0) {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("write", h.name, syscall.EINVAL)
	}
	if err != nil {
		b = b[:min(len(b), fault.Short)]
	}
	n := h.node
	if grow := off + int64(len(b)) - int64(len(n.content)); grow > 0 && h.fs.capacity > 0 {
		if space := max(0, h.fs.capacity-h.fs.used); grow > space {
			b = b[:max(0, int64(len(b))-(grow-space))]
			err = pathError("write", h.name, syscall.ENOSPC)
		}
	}
	if len(b) > 0 {
		data := slices.Clone(b)
		n.writes = append(n.writes, write{off: off, data: data})
		before := len(n.content)
		n.content = patched(n.content, off, data)
		h.fs.used += int64(len(n.content) - before)
	}
	return len(b), err
}

// patched gives content with data at off, grown where needed. The content of a
// node is owned by it alone, so that it is changed in place.
func patched(content []byte, off int64, data []byte) []byte {
	if end := off + int64(len(data)); end > int64(len(content)) {
		content = resized(content, end)
	}
	copy(content[off:], data)
	return content
}

func (h *file) Seek(offset int64, whence int) (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += h.off
	case io.SeekEnd:
		offset += int64(len(h.node.content))
	}
	if offset < 0 {
		return 0, pathError("seek", h.name, syscall.EINVAL)
	}
	h.off = offset
	return offset, nil
}

func (h *file) Stat() (os.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if _, err := h.check(OpStat, "stat"); err != nil {
		return nil, err
	}
	return h.fs.info(h.name, h.node), nil
}

func (h *file) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if _, err := h.check(OpTruncate, "truncate"); err != nil {
		return err
	}
	if size != int64(len(h.node.content)) {
		h.fs.resize(h.node, size)
	}
	return nil
}

func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	_, err := h.check(OpSync, "fsync")
	n := h.node
	if errors.Is(err, ErrPowerOff) {
		return err
	}
	if err == nil {
		n.disk = n.synced()
	}
	// Failed or not, the pages are clean now: the next Sync will not write them.
	n.base, n.writes = slices.Clone(n.content), nil
	return err
}

func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	_, err := h.check(OpClose, "close")
	h.closed = true
	return err
}
