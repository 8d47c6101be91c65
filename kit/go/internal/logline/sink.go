package logline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sinkBytes bounds the lines that wait for the writer.
	sinkBytes = 1 << 20
	// sinkKeep is how large a buffer may stay when no lines came for a second.
	sinkKeep = 64 << 10
	// sinkWait is how long the writer of an ERROR line waits until it is out, so that it is not lost when the program exits right
	// behind it.
	sinkWait = 100 * time.Millisecond
	// sinkCollect is how long the goroutine collects before it writes: waking it costs more than a line.
	sinkCollect = time.Millisecond
)

// Sink writes lines on a goroutine of its own, so that a pipe that nobody reads holds up nobody. Lines that find no room, or that the
// writer refuses, are lost and counted.
type Sink struct {
	w    io.Writer
	lost *atomic.Int64

	wake    chan struct{} // There are lines.
	urgent  chan struct{} // Somebody waits for one.
	stop    chan struct{}
	stopped chan struct{}

	mu       sync.Mutex
	pending  []byte
	spare    []byte
	taken    uint64 // Bytes of all lines that were taken.
	atTick   uint64 // taken when the goroutine ticked last.
	done     uint64 // Bytes that were written or lost.
	waiters  []waiter
	stopping bool
	stuck    bool // Somebody waited in vain; nobody waits until the writer has moved.

	after sync.Mutex // Writing after Stop.
}

type waiter struct {
	until uint64
	done  chan struct{}
}

// NewSink makes a sink that is to be started. Lost lines are added to lost.
func NewSink(w io.Writer, lost *atomic.Int64) *Sink {
	return &Sink{
		w: w, lost: lost,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Start starts the goroutine. It calls tick once a second as long as lines come, and for a second or two after the last; tick may call
// Write, without wait.
func (s *Sink) Start(tick func()) { go s.run(tick) }

// Write takes a copy of a line. With wait it waits until the line is out, 100 ms at most, and not at all while the writer is stuck. After
// Stop it writes the line itself, unless the writer was stuck then.
func (s *Sink) Write(line []byte, wait bool) {
	s.mu.Lock()
	if s.stopping {
		stuck := s.stuck
		s.mu.Unlock()
		s.late(line, stuck)
		return
	}
	if len(s.pending)+len(line) > sinkBytes {
		s.mu.Unlock()
		s.lost.Add(1)
		return
	}
	first := len(s.pending) == 0
	s.pending = append(s.pending, line...)
	s.taken += uint64(len(line))
	var out chan struct{}
	if wait && !s.stuck {
		out = s.waiter()
	}
	s.mu.Unlock()
	if first {
		signal(s.wake)
	}
	if out != nil {
		signal(s.urgent)
		s.await(out)
	}
}

// waiter returns what is closed when the lines taken so far are out. The lock is held.
func (s *Sink) waiter() chan struct{} {
	out := make(chan struct{})
	s.waiters = append(s.waiters, waiter{until: s.taken, done: out})
	return out
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Sink) await(out chan struct{}) {
	timer := time.NewTimer(sinkWait)
	defer timer.Stop()
	select {
	case <-out:
	case <-timer.C:
		s.mu.Lock()
		s.stuck = true
		s.mu.Unlock()
	}
}

// late writes a line after the goroutine has ended.
func (s *Sink) late(line []byte, stuck bool) {
	select {
	case <-s.stopped:
	default:
		// The goroutine still has the writer.
		stuck = true
	}
	if stuck {
		s.lost.Add(1)
		return
	}
	s.after.Lock()
	defer s.after.Unlock()
	s.write(line)
}

// Flush waits until all lines taken before the call are out, or the context is done.
func (s *Sink) Flush(ctx context.Context) error {
	s.mu.Lock()
	if s.done >= s.taken {
		s.mu.Unlock()
		return nil
	}
	out := s.waiter()
	s.mu.Unlock()
	signal(s.urgent)
	select {
	case <-out:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("flush log lines: %d bytes not written: %w", s.taken-s.done, ctx.Err())
	}
}

// Stop flushes and ends the goroutine, unless the writer never returns.
func (s *Sink) Stop(ctx context.Context) error {
	err := s.Flush(ctx)
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stop)
	}
	s.mu.Unlock()
	if err == nil {
		select {
		case <-s.stopped:
			return nil
		case <-ctx.Done():
			err = fmt.Errorf("stop log lines: the output takes no more: %w", ctx.Err())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = true
	s.lost.Add(int64(bytes.Count(s.pending, []byte{'\n'})))
	s.done += uint64(len(s.pending))
	s.pending = nil
	return err
}

func (s *Sink) run(tick func()) {
	defer close(s.stopped)
	second := time.NewTimer(time.Second)
	defer second.Stop()
	ticking := true
	collect := time.NewTimer(0)
	defer collect.Stop()
	for {
		select {
		case <-s.wake:
			collect.Reset(sinkCollect)
			select {
			case <-collect.C:
			case <-s.urgent:
			case <-s.stop:
				s.drain()
				return
			}
		case <-s.urgent:
		case <-second.C:
			before := time.Now()
			tick()
			if ticking = s.shrink(); ticking {
				second.Reset(time.Second - time.Since(before))
			}
			continue // what tick wrote has woken this loop
		case <-s.stop:
			s.drain()
			return
		}
		s.drain()
		if !ticking {
			ticking = true
			second.Reset(time.Second)
		}
	}
}

// shrink gives back the memory of a burst when nothing came since the last tick, and says whether something came.
func (s *Sink) shrink() (came bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	came = s.taken != s.atTick
	if !came && len(s.pending) == 0 {
		if cap(s.pending) > sinkKeep {
			s.pending = nil
		}
		if cap(s.spare) > sinkKeep {
			s.spare = nil
		}
	}
	s.atTick = s.taken
	return came
}

// drain writes until nothing waits.
func (s *Sink) drain() {
	for {
		s.mu.Lock()
		batch := s.pending
		s.pending = s.spare[:0]
		s.spare = nil
		s.mu.Unlock()
		if len(batch) > 0 {
			s.write(batch)
		}
		s.mu.Lock()
		s.spare = batch
		s.done += uint64(len(batch))
		s.stuck = s.stuck && len(batch) == 0
		s.release()
		empty := len(s.pending) == 0
		s.mu.Unlock()
		if empty {
			return
		}
	}
}

// release tells those whose lines are out.
func (s *Sink) release() {
	left := s.waiters[:0]
	for _, w := range s.waiters {
		if w.until <= s.done {
			close(w.done)
		} else {
			left = append(left, w)
		}
	}
	clear(s.waiters[len(left):])
	s.waiters = left
}

// write hands lines to the writer once. What it does not take is lost; a writer that panics has taken nothing.
func (s *Sink) write(lines []byte) {
	n := 0
	defer func() {
		_ = recover()
		if n < len(lines) {
			s.lost.Add(int64(bytes.Count(lines[max(n, 0):], []byte{'\n'})))
		}
	}()
	n, _ = s.w.Write(lines)
}
