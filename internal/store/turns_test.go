package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startTurns gives turns that are worked at until the test ends.
func startTurns(t *testing.T, width int, waiting func() time.Duration) *turns {
	over := make(chan struct{})
	turns := newTurns(width, waiting, over)
	turns.staffed.Store(true)
	var all sync.WaitGroup
	for range turns.threads() {
		all.Go(turns.work)
	}
	t.Cleanup(func() {
		close(over)
		all.Wait()
	})
	return turns
}

func inTime() time.Duration { return 0 }

func TestTurnsWhileSpansArrive(t *testing.T) {
	turns := startTurns(t, 3, inTime)
	usual := niceOfThread()
	var now, most, high atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				turns.arrive()
				if err := turns.do(t.Context(), func() error {
					n := now.Add(1)
					for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
					}
					if niceOfThread() == usual+niceness {
						high.Add(1)
					}
					now.Add(-1)
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > 2 {
		t.Errorf("%d goroutines worked at once, want at most 2", n)
	}
	if n := high.Load(); n != 8*200 {
		t.Errorf("%d of %d turns were done on a thread of a low priority", n, 8*200)
	}
	if n := niceOfThread(); n != usual {
		t.Errorf("the test itself runs with niceness %d, %d before", n, usual)
	}
}

// Without spans that arrive nobody waits: a turn that never ends is no matter.
func TestTurnsWithoutSpans(t *testing.T) {
	for name, turns := range map[string]*turns{"none has come": newTurns(2, inTime, nil), "of no store": nil} {
		inner := errors.New("inner")
		err := turns.do(t.Context(), func() error {
			return turns.do(t.Context(), func() error { return turns.do(t.Context(), func() error { return inner }) })
		})
		if err != inner {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTurnsEnd(t *testing.T) {
	turns := startTurns(t, 2, inTime)
	turns.arrive()
	func() {
		defer func() {
			if p, _ := recover().(string); !strings.HasPrefix(p, "in a page\n") {
				t.Errorf("a panic comes back as %q", p)
			}
		}()
		_ = turns.do(t.Context(), func() error { panic("in a page") })
		t.Error("a panic is lost")
	}()
	inner := errors.New("inner")
	if err := turns.do(t.Context(), func() error { return inner }); err != inner {
		t.Errorf("after a panic a turn gives %v", err)
	}
	idle := newTurns(2, inTime, nil)
	idle.arrive()
	if err := idle.do(t.Context(), func() error { return inner }); err != inner {
		t.Errorf("where nobody works at turns one gives %v", err)
	}
	idle.staffed.Store(true) // by somebody who is busy for ever
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := idle.do(ctx, func() error { t.Error("worked out of turn"); return nil }); err != why {
		t.Errorf("a question that is cut off while it waits gets %v", err)
	}
	over := make(chan struct{})
	close(over)
	closed := newTurns(2, inTime, over)
	closed.arrive()
	closed.staffed.Store(true)
	if err := closed.do(t.Context(), func() error { return inner }); err != inner {
		t.Errorf("beside a store that is closing a turn gives %v", err)
	}
}

func TestTurnsRestWhileWritesAreLate(t *testing.T) {
	looks := 0
	turns := newTurns(2, func() time.Duration {
		if looks++; looks <= 3 {
			return late + 1
		}
		return late
	}, nil)
	turns.rest(time.Hour)
	if looks != 4 {
		t.Errorf("rested until look %d, want 4", looks)
	}
	always := newTurns(2, func() time.Duration { return late + 1 }, nil)
	began := time.Now()
	always.rest(5 * time.Millisecond)
	if took := time.Since(began); took < 5*time.Millisecond {
		t.Errorf("rested for %v, want 5 ms", took)
	}
	over := make(chan struct{})
	close(over)
	newTurns(2, func() time.Duration { return time.Hour }, over).rest(time.Hour)
}
