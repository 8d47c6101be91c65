package logline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that stands still until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(p)
}

func newTestSink(w io.Writer) (*Sink, *atomic.Int64) {
	lost := new(atomic.Int64)
	s := NewSink(w, lost)
	s.Start(func() {})
	return s, lost
}

func TestSinkWritesLinesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got bytes.Buffer
		s, lost := newTestSink(&got)
		var want strings.Builder
		for i := range 1000 {
			line := strings.Repeat("x", i%7) + "\n"
			want.WriteString(line)
			s.Write([]byte(line), i%100 == 0)
		}
		if err := s.Stop(t.Context()); err != nil || lost.Load() != 0 {
			t.Fatalf("stop: %v, %d lost", err, lost.Load())
		}
		if got.String() != want.String() {
			t.Errorf("got %d bytes, want the %d that were written", got.Len(), want.Len())
		}
		s.Write([]byte("late\n"), false)
		if !strings.HasSuffix(got.String(), "late\n") {
			t.Error("a line after Stop is not written")
		}
	})
}

// A reader that stands still costs a line of level ERROR 100 ms once, others nothing, and memory is bounded.
func TestSinkWithAReaderThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		s, lost := newTestSink(g)
		line := []byte(strings.Repeat("x", 1023) + "\n")
		s.Write(line, false)
		time.Sleep(time.Second) // The goroutine is in the writer now.
		begin := time.Now()
		for range 5000 {
			s.Write(line, false)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("lines waited %v, want none to", took)
		}
		if got := lost.Load(); got != 5000-sinkBytes/1024 {
			t.Errorf("%d lines lost, want %d", got, 5000-sinkBytes/1024)
		}
		if len(s.pending) > sinkBytes {
			t.Errorf("%d bytes wait, want %d at most", len(s.pending), sinkBytes)
		}
		s.mu.Lock()
		s.pending = s.pending[:0]
		s.mu.Unlock()
		for range 10 {
			s.Write(line, true)
		}
		if took := time.Since(begin); took != sinkWait {
			t.Errorf("ten ERROR lines waited %v together, want %v once", took, sinkWait)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		before := lost.Load()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v, want that the deadline passed", err)
		}
		if got := lost.Load() - before; got != 10 {
			t.Errorf("stop counts %d lines, want the 10 that waited", got)
		}
		s.Write(line, true)
		if got := lost.Load() - before; got != 11 {
			t.Errorf("a line after a stop that failed: %d counted, want 11", got)
		}
		close(g.open)
		synctest.Wait()
	})
}

func TestSinkWaitsForAnErrorLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		s, _ := newTestSink(g)
		go func() {
			time.Sleep(30 * time.Millisecond)
			close(g.open)
		}()
		begin := time.Now()
		s.Write([]byte("bad\n"), true)
		if took := time.Since(begin); took != 30*time.Millisecond {
			t.Errorf("the line waited %v, want the 30ms that the writer took", took)
		}
		g.mu.Lock()
		if g.got.String() != "bad\n" {
			t.Errorf("written when the call returned: %q", g.got.String())
		}
		g.mu.Unlock()
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type brokenWriter struct{ fault func() (int, error) }

func (b brokenWriter) Write([]byte) (int, error) { return b.fault() }

func TestSinkCountsWhatAWriterRefuses(t *testing.T) {
	for name, fault := range map[string]func() (int, error){
		"an error": func() (int, error) { return 0, io.ErrClosedPipe },
		"a panic":  func() (int, error) { panic("writer") },
		"nothing":  func() (int, error) { return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, lost := newTestSink(brokenWriter{fault})
				for range 3 {
					s.Write([]byte("a\nb\n"), true)
				}
				if err := s.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				if lost.Load() != 6 {
					t.Errorf("%d lines lost, want 6", lost.Load())
				}
			})
		})
	}
	t.Run("a part", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, lost := newTestSink(brokenWriter{func() (int, error) { return 3, io.ErrShortWrite }})
			s.Write([]byte("a\nbb\nc\n"), true)
			if lost.Load() != 2 {
				t.Errorf("%d lines lost, want the 2 that were not written whole", lost.Load())
			}
			_ = s.Stop(t.Context())
		})
	})
}

func TestSinkTicksEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks := 0
		var got bytes.Buffer
		s := NewSink(&got, new(atomic.Int64))
		s.Start(func() { ticks++; s.Write([]byte("tick\n"), false) })
		time.Sleep(10*time.Second + time.Millisecond)
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ticks != 10 || got.String() != strings.Repeat("tick\n", 10) {
			t.Errorf("%d ticks wrote %q, want 10", ticks, got.String())
		}
	})
}

// A program that logs nothing is not woken: the ticks end a second or two after the last line, and begin again with the next.
func TestSinkTicksOnlyWhileLinesCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var ticks []time.Duration
		s := NewSink(io.Discard, new(atomic.Int64))
		s.Start(func() { ticks = append(ticks, time.Since(began)) })
		time.Sleep(time.Hour + 300*time.Millisecond)
		s.Write([]byte("line\n"), true)
		line := time.Since(began)
		time.Sleep(time.Hour)
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{time.Second, line + time.Second, line + 2*time.Second}; !slices.Equal(ticks, want) {
			t.Errorf("ticks after %v, want %v", ticks, want)
		}
	})
}

// A line that comes while Stop waits for the ones before it must not bind Stop to a reader that stands still from then on.
func TestStopEndsWhenTheReaderStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{}, 1)}
		s, lost := newTestSink(g)
		s.Write([]byte("one\n"), false)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stopped := make(chan error, 1)
		time.Sleep(10 * time.Millisecond) // the writer has the first line
		go func() { stopped <- s.Stop(ctx) }()
		synctest.Wait()
		s.Write([]byte("two\n"), false)
		go func() {
			time.Sleep(10 * time.Millisecond)
			s.Write([]byte("three\n"), false) // after the goroutine has ended or while it stands still
		}()
		g.open <- struct{}{} // for the first line alone
		select {
		case err := <-stopped:
			if err == nil {
				t.Error("stop returns no error for lines that are not out")
			}
		case <-time.After(time.Minute):
			t.Error("stop waits for a reader that stands still")
		}
		close(g.open)
		synctest.Wait()
		if lines := int64(bytes.Count(g.got.Bytes(), []byte{'\n'})); lines+lost.Load() != 3 {
			t.Errorf("%d lines are out and %d lost of 3", lines, lost.Load())
		}
	})
}
