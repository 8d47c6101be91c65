package wal

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Log is an append-only sequence of records in a folder. Its methods MAY be
// called from many goroutines.
type Log struct {
	dir       string
	o         Options
	fs        FS
	recovered Recovery
	salt      uint32

	// disk is held by whoever writes or creates files. It is taken before mu.
	disk   sync.Mutex
	active File // the last of files; nil until the first append after Open
	out    groupWriter

	// truncating is held during the whole of a Truncate. It is taken before disk.
	truncating sync.Mutex

	mu       sync.Mutex
	files    []logFile // ascending, never overlapping
	end      Position  // durable end
	tailEnd  Position  // where durable bytes ended; below end only when NotBefore jumped
	bytes    int64     // on disk
	queue    []*request
	pending  int64 // reserved by queue and by the group being written
	lastSize int   // records in the group before
	changed  chan struct{}
	err      error // sticky
	reported bool  // the waiting appends and OnFailure have heard of err
	closed   bool
	stats    Stats

	wake chan struct{} // one token: there is something to do
	done chan struct{} // closed when the committer has ended
}

// logFile is one file of the log.
type logFile struct {
	path      string
	start     Position
	end       Position // of what may be read
	bytes     int64    // on disk
	header    fileHeader
	hasHeader bool
}

// Stats counts what a Log did since it was opened.
type Stats struct {
	Records  int64 // acknowledged
	Bytes    int64 // payload bytes acknowledged
	Syncs    int64 // groups made durable: records ÷ syncs is the company an fsync had
	FullErrs int64 // appends refused with ErrFull
	DiskErrs int64 // appends refused with ErrDiskFull
}

// Append adds one record, the concatenation of parts, and returns its place
// [start, end) once it is durable. Callers share fsyncs. The parts MUST NOT
// change until Append returns; they are not kept after.
//
// An error means that the record is not acknowledged; after a crash it may still
// be found. Kinds: invalid (empty, or over MaxRecordBytes), exhausted (ErrFull,
// ErrDiskFull), unavailable (read-only after a failed write or fsync, or
// ErrClosed). When ctx ends while the record still waits for its turn, it is
// withdrawn and the context's error returned; once it is being written Append
// waits for the outcome.
func (l *Log) Append(ctx context.Context, parts ...[]byte) (start, end Position, err error) {
	r := &request{parts: parts, done: make(chan struct{})}
	for _, p := range parts {
		r.size += len(p)
	}
	if r.size == 0 {
		return 0, 0, telemetry.Errorf(telemetry.KindInvalid, "append to log: the record is empty")
	}
	if r.size > l.o.MaxRecordBytes {
		return 0, 0, telemetry.Errorf(telemetry.KindInvalid, "append to log: the record has %d bytes, the limit is %d: send smaller batches", r.size, l.o.MaxRecordBytes)
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, fmt.Errorf("append to log: %w", err)
	}
	for _, p := range parts { // here, not in the committer: callers are many, the committer is one
		r.sum = updateChecksum(r.sum, p)
	}
	if err := l.enqueue(r); err != nil {
		return 0, 0, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if l.withdraw(r) {
			return 0, 0, fmt.Errorf("append to log: %w", ctx.Err())
		}
		<-r.done
	}
	if r.err != nil {
		return 0, 0, r.err
	}
	return r.start, r.end, nil
}

// enqueue hands r to the committer unless a bound or the log's state forbids it.
func (l *Log) enqueue(r *request) error {
	need := reserve(r.size)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return fmt.Errorf("append to log: %w", l.err)
	case l.closed:
		return fmt.Errorf("append to log: %w", ErrClosed)
	case l.bytes+l.pending+need > l.o.MaxBytes:
		l.stats.FullErrs++
		return fmt.Errorf("append %d bytes: %w: it holds %d bytes of at most %d", r.size, ErrFull, l.bytes+l.pending, l.o.MaxBytes)
	case l.pending+need > l.o.MaxPendingBytes:
		l.stats.FullErrs++
		return fmt.Errorf("append %d bytes: %w: %d bytes wait for the disk, at most %d may", r.size, ErrFull, l.pending, l.o.MaxPendingBytes)
	}
	l.pending += need
	l.queue = append(l.queue, r)
	l.signal()
	return nil
}

// withdraw takes r out of the queue; false means that it is being written.
func (l *Log) withdraw(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range l.queue {
		if q == r {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			l.pending -= reserve(r.size)
			return true
		}
	}
	return false
}

// signal leaves a token for the committer; it never blocks.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// End is the durable end: the next record starts here or later.
func (l *Log) End() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Start is the position of the oldest byte still on disk.
func (l *Log) Start() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.files) == 0 {
		return l.end
	}
	return l.files[0].start
}

// Bytes is what the log's files hold on disk, headers and damage included.
func (l *Log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Err is the reason why the log is read-only, or nil. It never becomes nil again.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stats tells what was done since Open.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Recovery tells what Open found.
func (l *Log) Recovery() Recovery { return l.recovered }

// wait returns nil as soon as a position after p is durable: see Reader.Wait.
func (l *Log) wait(ctx context.Context, p Position) error {
	for {
		l.mu.Lock()
		end, changed, err, closed := l.end, l.changed, l.err, l.closed
		l.mu.Unlock()
		switch {
		case end > p:
			return nil
		case err != nil:
			return fmt.Errorf("wait for log: %w", err)
		case closed:
			return fmt.Errorf("wait for log: %w", ErrClosed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for log: %w", ctx.Err())
		}
	}
}

// broadcast wakes all who wait. The caller holds mu.
func (l *Log) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Close writes what waits, seals the log and closes it. Later appends get
// ErrClosed; readers keep what they have opened. A second Close does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.broadcast()
	l.signal()
	l.mu.Unlock()
	<-l.done
	l.disk.Lock()
	defer l.disk.Unlock()
	if l.active == nil {
		return nil
	}
	err := l.active.Close()
	l.active = nil
	if err != nil {
		return fmt.Errorf("close log %s: %w", l.dir, err)
	}
	return nil
}

// Truncate drops the files of which nothing at or after before is needed, the
// oldest first, each made durable before the next, so that a crash in between
// leaves a log without a gap. A Reader that has such a file open finishes it.
//
// Positions live on in the name of the last file: when all records are dropped,
// an empty file is started first.
func (l *Log) Truncate(before Position) error {
	defer l.reportFailure()
	l.truncating.Lock()
	defer l.truncating.Unlock()
	if err := l.startEmpty(before); err != nil {
		return fmt.Errorf("truncate log: %w", err)
	}
	for {
		f, ok, err := l.oldest(before)
		if err != nil || !ok {
			return err
		}
		if err := removeFile(l.fs, f.path); err != nil {
			return fmt.Errorf("truncate log: %w", err)
		}
		l.mu.Lock()
		l.files = l.files[1:]
		l.bytes -= f.bytes
		l.mu.Unlock()
		if err := l.fs.SyncDir(l.dir); err != nil {
			return fmt.Errorf("truncate log: %w", l.fail(fmt.Errorf("fsync folder %s: %w", l.dir, err)))
		}
	}
}

// oldest gives the first file when nothing of it is needed.
func (l *Log) oldest(before Position) (logFile, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return logFile{}, false, fmt.Errorf("truncate log: %w", l.err)
	}
	if len(l.files) < 2 || l.files[0].end > before {
		return logFile{}, false, nil
	}
	return l.files[0], true, nil
}

// startEmpty ends the last file when all of its records may go.
func (l *Log) startEmpty(before Position) error {
	l.disk.Lock()
	defer l.disk.Unlock()
	l.mu.Lock()
	needed := len(l.files) > 0 && before >= l.end && !l.closed && l.err == nil &&
		l.files[len(l.files)-1].bytes > FileHeaderBytes
	l.mu.Unlock()
	if !needed {
		return nil
	}
	return l.roll()
}

// fileName is where the file that starts at p lies.
func (l *Log) fileName(p Position) string {
	return filepath.Join(l.dir, fmt.Sprintf("%016x%s", uint64(p), fileSuffix))
}
