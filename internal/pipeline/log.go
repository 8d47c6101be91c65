package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Consumer takes batches that are in the log. Append may be called by several
// goroutines at once, and not in the order of the log; it MUST NOT keep b.
type Consumer interface {
	Append(b *telemetry.Batch, seq int64, start, end wal.Position) error
	// Admit returns an error, exhausted with a delay, when the consumer must not
	// be given more of the tenant. It is asked before anything is written: what is
	// logged MUST be appendable, also when it is replayed after a crash.
	Admit(tenant string) error
}

// Appender is the part of wal.Log that the end of the chain needs.
type Appender interface {
	Append(ctx context.Context, parts ...[]byte) (start, end wal.Position, err error)
	End() wal.Position
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
	bufs sync.Pool // of *[]byte

	mu       sync.Mutex
	seq      int64              // the largest given out
	inflight map[int64]inflight // given out and not yet with every consumer
}

// inflight is a batch on its way: since when, and the end of the log before it.
type inflight struct {
	began time.Time
	end   wal.Position
}

// keepBytes bounds the buffers that are used again: one huge request must not
// make every pooled buffer huge.
const keepBytes = 4 << 20

// NewLog returns the end of the chain.
func NewLog(w Appender, o LogOptions) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{wal: w, o: o, seq: o.LastSeq, inflight: map[int64]inflight{}}
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
		if err := c.Admit(b.Tenant); err != nil {
			return err
		}
	}
	seq := l.begin()
	defer l.end(seq)
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

// begin gives the instant of receipt in Unix nanoseconds, made strictly
// increasing: it orders batches also when the clock is set back.
func (l *Log) begin() int64 {
	now := l.o.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq = max(l.seq+1, now.UnixNano())
	l.inflight[l.seq] = inflight{now, l.wal.End()}
	return l.seq
}

func (l *Log) end(seq int64) {
	l.mu.Lock()
	delete(l.inflight, seq)
	l.mu.Unlock()
}

// Waiting is how long the batch has been on its way to the consumers that came first,
// and 0 when there is none.
func (l *Log) Waiting() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, longest := l.o.Now(), time.Duration(0)
	for _, w := range l.inflight {
		longest = max(longest, now.Sub(w.began))
	}
	return longest
}

// Watermark tells how far everything is with every consumer: no batch at or below
// seq, and no record before end, is still on its way. An answer that is fixed at
// seq cannot gain a row later; a cursor at end skips nothing.
func (l *Log) Watermark() (seq int64, end wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq, end = l.seq, l.wal.End()
	for s, w := range l.inflight {
		seq, end = min(seq, s-1), min(end, w.end)
	}
	return seq, end
}
