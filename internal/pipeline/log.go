package pipeline

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Consumer takes batches that are in the log. Append may be called by several
// goroutines at once, and not in the order of the log; it MUST NOT keep b.
type Consumer interface {
	Append(b *telemetry.Batch, seq int64, start, end wal.Position) error
	// Admit returns an error, exhausted with a delay, when the consumer must not
	// be given more. It is asked before anything is written.
	Admit() error
}

// Appender is the part of wal.Log that the end of the chain needs.
type Appender interface {
	Append(ctx context.Context, parts ...[]byte) (start, end wal.Position, err error)
}

// LogOptions configure a Log.
type LogOptions struct {
	LastSeq   int64            // the largest seq that was found in store and log at the start
	Now       func() time.Time // default time.Now
	Consumers []Consumer       // asked and served in this order
}

// Log is the end of the chain: it stamps a batch with its place in the log, has
// its record made durable and hands it to the consumers. When Write returns nil,
// the batch is on disk and visible.
type Log struct {
	wal  Appender
	o    LogOptions
	seq  atomic.Int64
	bufs sync.Pool // of *[]byte
}

// keepBytes bounds the buffers that are used again: one huge request must not
// make every pooled buffer huge.
const keepBytes = 4 << 20

// NewLog returns the end of the chain.
func NewLog(w Appender, o LogOptions) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{wal: w, o: o}
	l.seq.Store(o.LastSeq)
	l.bufs.New = func() any { return new([]byte) }
	return l
}

// Write implements telemetry.Sink. An empty batch is accepted and not written.
// An error after the record became durable is possible: the sender then sends
// again, and the store keeps one of the two.
func (l *Log) Write(b *telemetry.Batch) error {
	if b.Spans.N == 0 {
		return nil
	}
	for _, c := range l.o.Consumers {
		if err := c.Admit(); err != nil {
			return err
		}
	}
	seq := l.nextSeq()
	buf := l.bufs.Get().(*[]byte)
	*buf = telemetry.AppendRecord((*buf)[:0], b, seq)
	// The sender may go away, but a record is never given up half-way: it would
	// be durable without anybody having seen it.
	start, end, err := l.wal.Append(context.Background(), *buf)
	if cap(*buf) <= keepBytes {
		l.bufs.Put(buf)
	}
	if err != nil {
		return fmt.Errorf("write %d spans to the log: %w", b.Spans.N, err)
	}
	for _, c := range l.o.Consumers {
		if err := c.Append(b, seq, start, end); err != nil {
			return fmt.Errorf("store %d spans that are in the log: %w", b.Spans.N, err)
		}
	}
	return nil
}

// nextSeq gives the instant of receipt in Unix nanoseconds, made strictly
// increasing: it orders batches also when the clock is set back.
func (l *Log) nextSeq() int64 {
	for {
		last := l.seq.Load()
		seq := max(last+1, l.o.Now().UnixNano())
		if l.seq.CompareAndSwap(last, seq) {
			return seq
		}
	}
}
