package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

const (
	// maxGroup bounds what one fsync covers, so that the first of a burst does
	// not wait for the last.
	maxGroup = 8 << 20
)

// request is one caller of Append.
type request struct {
	parts      [][]byte
	size       int
	sum        uint32
	start, end Position
	err        error
	done       chan struct{}
}

func updateChecksum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

// run is the committer: the only goroutine that writes records.
func (l *Log) run() {
	defer close(l.done)
	for {
		l.mu.Lock()
		waiting, closed := len(l.queue), l.closed
		l.mu.Unlock()
		switch {
		case waiting > 0:
			if !closed {
				l.awaitCompany()
			}
			l.commit()
		case closed:
			l.seal()
			return
		default:
			<-l.wake
		}
	}
}

// awaitCompany waits until as many records are there as shared the fsync before,
// at most Delay. Senders answer an acknowledgement with their next request, so
// the group before is the best guess of who is about to come.
func (l *Log) awaitCompany() {
	if l.o.Delay < 0 {
		return
	}
	var timeout <-chan time.Time
	for {
		l.mu.Lock()
		enough := len(l.queue) >= l.lastSize || l.closed
		l.mu.Unlock()
		if enough {
			return
		}
		if timeout == nil {
			t := time.NewTimer(l.o.Delay)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-timeout:
			return
		case <-l.wake:
		}
	}
}

// commit makes one group durable and answers its callers.
func (l *Log) commit() {
	l.disk.Lock()
	group, roll := l.take()
	err := l.write(group, roll)
	l.disk.Unlock()

	var reserved int64
	for _, r := range group {
		reserved += reserve(r.size)
	}
	l.mu.Lock()
	l.pending -= reserved
	l.lastSize = len(group)
	if errors.Is(err, ErrDiskFull) {
		l.stats.DiskErrs += int64(len(group))
	}
	l.mu.Unlock()
	for _, r := range group {
		r.err = err
		close(r.done)
	}
	l.reportFailure()
}

// take removes the next group from the queue: what fits into the current file,
// or into a new one when the first record does not. The caller holds disk.
func (l *Log) take() (group []*request, roll bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 { // all withdrawn
		return nil, false
	}
	used := int64(FileHeaderBytes)
	if roll = l.active == nil; !roll {
		used = l.files[len(l.files)-1].bytes
		roll = used > FileHeaderBytes && used+FrameBytes+int64(l.queue[0].size) > l.o.SegmentBytes
	}
	if roll {
		used = FileHeaderBytes
	}
	room := min(l.o.SegmentBytes-used, maxGroup)
	n := 0
	for _, r := range l.queue {
		room -= FrameBytes + int64(r.size)
		if n > 0 && room < 0 {
			break
		}
		n++
	}
	group = append(group, l.queue[:n]...)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return group, roll
}

// write makes the group durable and sets its requests' places. The caller holds
// disk.
func (l *Log) write(group []*request, roll bool) error {
	if len(group) == 0 {
		return nil
	}
	if err := l.Err(); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	if roll {
		if err := l.roll(); err != nil {
			return fmt.Errorf("append to log: %w", err)
		}
	}
	l.mu.Lock()
	file, start := l.files[len(l.files)-1], l.end
	l.mu.Unlock()

	at, payload := start, int64(0)
	l.out.begin(l.active, file.bytes)
	for _, r := range group {
		h := frameHeader{kind: frameRecord, length: uint32(r.size), pos: at, group: start, salt: l.salt, sum: r.sum}
		if err := l.out.frame(h, r.parts); err != nil {
			return l.undo(file, err)
		}
		r.start, at = at, at+Position(h.size())
		r.end = at
		payload += int64(r.size)
	}
	if err := l.out.flush(); err != nil {
		return l.undo(file, err)
	}
	if err := l.active.Sync(); err != nil {
		return l.fail(fmt.Errorf("fsync %s: %w", file.path, err))
	}
	l.mu.Lock()
	l.stats.Records += int64(len(group))
	l.stats.Bytes += payload
	l.stats.Syncs++
	l.advance(at)
	l.mu.Unlock()
	return nil
}

// advance publishes that the active file is durable up to end. The caller holds
// disk and mu.
func (l *Log) advance(end Position) {
	f := &l.files[len(l.files)-1]
	l.bytes += int64(end - f.end)
	f.bytes += int64(end - f.end)
	f.end, l.end, l.tailEnd = end, end, end
	l.broadcast()
}

// undo handles a failed write: a full disk is cut back to what was durable and
// can be tried again later, anything else ends the log. The caller holds disk.
func (l *Log) undo(file logFile, err error) error {
	doing := fmt.Sprintf("write %s", file.path)
	if !isDiskFull(err) {
		return l.fail(fmt.Errorf("%s: %w", doing, err))
	}
	if cut := l.active.Truncate(file.bytes); cut != nil {
		return l.fail(fmt.Errorf("%s: %w; cut it back to %d bytes: %w", doing, err, file.bytes, cut))
	}
	return diskFull(doing, err)
}

// roll starts the next file. Its header and its folder entry are durable before
// any record goes in, so that a damaged header is never an interrupted start.
// Opening may fail for reasons that pass, such as too many open files: the
// caller's records are refused, the log goes on. The caller holds disk.
func (l *Log) roll() error {
	l.mu.Lock()
	h := fileHeader{kind: kindLog, start: l.end, prevEnd: l.tailEnd, salt: l.salt}
	l.mu.Unlock()
	path := l.fileName(h.start)
	// O_TRUNC: all that can lie there is a start that did not get this far.
	f, err := l.fs.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return notStarted(path, err)
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return errors.Join(notStarted(path, err), f.Close(), removeFile(l.fs, path))
	}
	if err := f.Sync(); err != nil {
		return errors.Join(l.fail(fmt.Errorf("fsync %s: %w", path, err)), f.Close())
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return errors.Join(l.fail(fmt.Errorf("fsync folder %s: %w", l.dir, err)), f.Close())
	}
	if l.active != nil {
		if err := l.active.Close(); err != nil { // it is durable: nothing can be lost here
			l.o.Logger.Warn("log file did not close", "error", err)
		}
	}
	l.active = f
	l.mu.Lock()
	l.files = append(l.files, logFile{path: path, start: h.start, end: h.start, header: h, hasHeader: true})
	l.advance(h.start + FileHeaderBytes)
	l.mu.Unlock()
	return nil
}

func notStarted(path string, err error) error {
	doing := fmt.Sprintf("start log file %s", path)
	if isDiskFull(err) {
		return diskFull(doing, err)
	}
	return telemetry.Errorf(telemetry.KindUnavailable, "%s: %w", doing, err)
}

// removeFile removes path; that it is gone already is success.
func removeFile(fsys FS, path string) error {
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// seal marks the end of a log that is closed in good order. It is a help to the
// next recovery, so a full disk is no reason to fail.
func (l *Log) seal() {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.mu.Lock()
	needed := l.active != nil && l.err == nil && l.files[len(l.files)-1].bytes > FileHeaderBytes
	var file logFile
	end := l.end
	if needed {
		file = l.files[len(l.files)-1]
	}
	l.mu.Unlock()
	if !needed {
		return
	}
	l.out.begin(l.active, file.bytes)
	h := frameHeader{kind: frameSeal, pos: end, group: end, salt: l.salt}
	err := l.out.frame(h, nil)
	if err == nil {
		err = l.out.flush()
	}
	if err == nil {
		err = l.active.Sync()
	}
	if err != nil {
		l.o.Logger.Warn("log was closed without a seal", "dir", l.dir, "error", err)
		return
	}
	l.mu.Lock()
	l.advance(end + FrameBytes)
	l.mu.Unlock()
}

// fail makes the log read-only and returns the sticky error, that of the first
// failure. Who calls it calls reportFailure after releasing disk.
func (l *Log) fail(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = readOnly("log "+l.dir, cause)
		l.broadcast()
	}
	return l.err
}

// reportFailure answers the appends that wait behind a failure and tells of it,
// once.
func (l *Log) reportFailure() {
	l.mu.Lock()
	if l.err == nil || l.reported {
		l.mu.Unlock()
		return
	}
	l.reported = true
	err, waiting := l.err, l.queue
	l.queue = nil
	for _, r := range waiting {
		l.pending -= reserve(r.size)
	}
	l.mu.Unlock()
	for _, r := range waiting {
		r.err = fmt.Errorf("append to log: %w", err)
		close(r.done)
	}
	l.o.Logger.Error("log is read-only", "dir", l.dir, "error", err)
	if l.o.OnFailure != nil {
		l.o.OnFailure(err)
	}
}
