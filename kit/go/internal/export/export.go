// Package export takes encoded records from the hot paths of a program and sends
// them to a collector, in a way that cannot hurt the program: section 5 of the
// contract (kit/contract/README.md).
//
//	Add ──▶ shards ──▶ queue of blocks ──▶ worker ──▶ pacer ──▶ sender ──▶ collector
//	copy     a short     bounded bytes,    one per    waits,     HTTP/1.1
//	         lock each   oldest goes       signal     breaker    or gRPC
//
// Add copies a record under the lock of one shard and returns. No lock is held
// over I/O, nothing is logged, no telemetry is made about sending. What cannot be
// kept or sent is counted by reason in self.Counters; there is no other way for a
// record to vanish.
//
// A program that forks without exec cannot be written in Go, so there is nothing
// to detect: os/exec starts other programs, which start kits of their own.
package export

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

// Signal is one of self.Traces, self.Metrics, self.Logs.
type Signal = self.Signal

// Exporter is safe for use by many goroutines. A nil Exporter drops what it gets.
type Exporter struct {
	scopes  scopes
	workers [self.Signals]*worker

	stop sync.Once
	lost error
}

// New starts one worker for each signal that is not off. It does not fail: a
// target that cannot be used is counted as what it answers.
func New(config Config) *Exporter {
	config = config.withDefaults()
	e := &Exporter{}
	e.scopes.init()
	for s := range config.Signals {
		if !config.Signals[s].Off {
			e.workers[s] = newWorker(Signal(s), config, &e.scopes)
		}
	}
	return e
}

// Scope gives the number under which Add knows an instrumentation scope. The same
// words give the same number. At most 1,024 are kept apart; the rest share
// number 0, whose name is "clew".
func (e *Exporter) Scope(name, version, schemaURL string) uint32 {
	if e == nil {
		return 0
	}
	return e.scopes.number(name, version, schemaURL)
}

// Add copies a record into the queue of its signal. The record is an element of
// ScopeSpans, ScopeMetrics or ScopeLogs as it stands on the wire: the tag of field
// 2, its length, its bytes. Add never waits for I/O and takes microseconds at
// worst; when the queue is full, its oldest block is lost in its stead.
func (e *Exporter) Add(signal Signal, scope uint32, record []byte) {
	if e == nil || len(record) == 0 {
		return
	}
	if w := e.workers[signal]; w != nil {
		w.add(scope, record)
	}
}

// On says whether records of a signal are sent anywhere.
func (e *Exporter) On(signal Signal) bool { return e != nil && e.workers[signal] != nil }

// Tick sets the function that the worker of a signal calls once in every, between two
// requests, and a last time before the last batch of Stop. all is true when Flush or
// Stop wants everything that call holds back. It may call Add. A panic in it is one of
// the worker.
func (e *Exporter) Tick(signal Signal, every time.Duration, call func(all bool)) {
	if e.On(signal) {
		w := e.workers[signal]
		w.tick.Store(&tick{every, call})
		w.queue.rouse()
	}
}

// Flush sends what was added before the call and waits until that was sent or
// lost, or ctx is done. It starts no goroutine, so calling it with a context that
// is already done is a request to flush without waiting.
func (e *Exporter) Flush(ctx context.Context) error {
	if e == nil {
		return nil
	}
	var waiters [self.Signals]<-chan struct{}
	for s, w := range e.workers {
		if w != nil {
			waiters[s] = w.requestFlush()
		}
	}
	for s, done := range waiters {
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("flush %s: %w", Signal(s), ctx.Err())
		}
	}
	return nil
}

// Stop sends what it can until ctx is done (at most DefaultStop when ctx has no
// deadline) and ends the workers. Its error is a *Lost when records were lost
// meanwhile. Later calls wait for the first and give its answer.
func (e *Exporter) Stop(ctx context.Context) error {
	if e == nil {
		return nil
	}
	e.stop.Do(func() {
		deadline, ok := ctx.Deadline()
		if !ok {
			deadline = time.Now().Add(DefaultStop)
		}
		// The workers end a little earlier, so that counting what is left happens
		// within the deadline too.
		margin := min(time.Until(deadline)/20, 50*time.Millisecond)
		inner, cancel := context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
		for _, w := range e.workers {
			if w != nil {
				w.beginStop(inner)
			}
		}
		var lost Lost
		for s, w := range e.workers {
			if w != nil {
				lost.Records[s], lost.Bytes[s] = w.awaitStop(inner, margin/2+time.Millisecond)
			}
		}
		if lost.any() {
			e.lost = &lost
		}
	})
	return e.lost
}

// DefaultStop bounds a Stop whose context has no deadline.
const DefaultStop = 3 * time.Second

// Lost is what a Stop could not deliver, by signal.
type Lost struct {
	Records [self.Signals]int64
	Bytes   [self.Signals]int64
}

func (l *Lost) any() bool {
	for s := range l.Records {
		if l.Records[s] != 0 {
			return true
		}
	}
	return false
}

// Error names only the signals that lost something.
func (l *Lost) Error() string {
	var parts []string
	for s, n := range l.Records {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%d of %s (%d bytes)", n, Signal(s), l.Bytes[s]))
		}
	}
	return "stop exporter: lost " + strings.Join(parts, ", ")
}
