package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTurnsWhileSpansArrive(t *testing.T) {
	turns := newTurns()
	turns.working = make(chan struct{}, 2)
	most := func() int64 {
		var now, most atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					turns.arrive()
					if err := turns.do(t.Context(), func() error {
						n := now.Add(1)
						for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
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
		return most.Load()
	}
	if n := most(); n > 2 {
		t.Errorf("%d goroutines worked at once, want at most 2", n)
	}
}

// Without spans that arrive nobody waits: a turn that never ends is no matter.
func TestTurnsWithoutSpans(t *testing.T) {
	for name, turns := range map[string]*turns{"none has come": newTurns(), "of no store": nil} {
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
	turns := newTurns()
	turns.working = make(chan struct{}, 1)
	turns.arrive()
	func() {
		defer func() { _ = recover() }()
		_ = turns.do(t.Context(), func() error { panic("in a page") })
	}()
	if len(turns.working) != 0 {
		t.Fatal("a panic keeps its turn")
	}
	turns.working <- struct{}{}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := turns.do(ctx, func() error { t.Error("worked out of turn"); return nil }); err != why {
		t.Errorf("a question that is cut off while it waits gets %v", err)
	}
}
