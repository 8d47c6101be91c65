package clew_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

type valueKey struct{}

func TestGoIsAChild(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, span := clew.Span(rec.Context(), "request")
	done := make(chan struct{})
	clew.Go(ctx, func(ctx context.Context) {
		defer close(done)
		_, child := clew.Span(ctx, "child")
		child.End()
	})
	<-done
	span.End()
	wantTree(t, rec, "trace 1\n└─ INTERNAL request (test)\n   └─ INTERNAL child\n")
}

func TestDetachIsALinkedRootThatSurvives(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, cancel := context.WithCancel(context.WithValue(rec.Context(), valueKey{}, "kept"))
	ctx, span := clew.Span(ctx, "request")
	proceed := make(chan struct{})
	clew.Detach(ctx, "email", func(ctx context.Context) {
		<-proceed
		if ctx.Err() != nil || ctx.Value(valueKey{}) != "kept" {
			t.Errorf("got %v and %v, want a context that lives and keeps its values", ctx.Err(), ctx.Value(valueKey{}))
		}
		_, child := clew.Span(ctx, "render")
		child.End()
	}, clew.String("to", "all"))
	span.End()
	cancel()
	close(proceed)
	wantTree(t, rec, `trace 1
└─ INTERNAL request (test)
trace 2
└─ INTERNAL email (test) to=all
   ├─ link trace 1 "request"
   └─ INTERNAL render
`, "to", "clew.late")
}

func TestDetachUnderAnUnsampledRequestIsUnsampledToo(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx := clew.Extract(rec.Context(), carrier{"traceparent": unsampledParent})
	ran := make(chan bool)
	clew.Detach(ctx, "email", func(ctx context.Context) { ran <- clew.SpanContextOf(ctx).IsValid() })
	if !<-ran {
		t.Error("the detached work has no identity")
	}
}

type carrier map[string]string

func (c carrier) Get(key string) string { return c[key] }
func (c carrier) Set(key, value string) { c[key] = value }
func (c carrier) Keys() []string        { return nil }

func TestGroupReturnsTheFirstErrorAndCancels(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	ctx, span := clew.Span(rec.Context(), "request")
	g := clew.NewGroup(ctx, 2)
	failed := errors.New("first")
	var running, most atomic.Int32
	g.Go(func(ctx context.Context) error {
		_, child := clew.Span(ctx, "fails")
		defer child.End()
		return failed
	})
	for range 8 {
		g.Go(func(ctx context.Context) error {
			for n := running.Add(1); ; {
				old := most.Load()
				if n <= old || most.CompareAndSwap(old, n) {
					break
				}
			}
			defer running.Add(-1)
			<-ctx.Done()
			return errors.New("later")
		})
	}
	if err := g.Wait(); err != failed {
		t.Errorf("got %v, want the first error", err)
	}
	if most.Load() > 2 {
		t.Errorf("%d functions ran at a time, want at most 2", most.Load())
	}
	span.End()
	wantTree(t, rec, "trace 1\n└─ INTERNAL request (test)\n   └─ INTERNAL fails\n")
}

func TestPoolTasksBelongToTheirCaller(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	pool := clew.NewPool(1, 1)
	var spans []clew.Active
	for i := range 3 {
		ctx, span := clew.Span(rec.Context(), fmt.Sprintf("request %d", i))
		spans = append(spans, span)
		var done sync.WaitGroup
		done.Add(1)
		err := pool.Do(ctx, func(ctx context.Context) {
			defer done.Done()
			_, child := clew.Span(ctx, fmt.Sprintf("task %d", i))
			child.End()
		})
		if err != nil {
			t.Fatal(err)
		}
		done.Wait()
	}
	pool.Close()
	if err := pool.Do(rec.Context(), nil); err != clew.ErrClosed {
		t.Errorf("got %v, want ErrClosed", err)
	}
	for _, s := range spans {
		s.End()
	}
	wantTree(t, rec, `trace 1
└─ INTERNAL request 0 (test)
   └─ INTERNAL task 0
trace 2
└─ INTERNAL request 1 (test)
   └─ INTERNAL task 1
trace 3
└─ INTERNAL request 2 (test)
   └─ INTERNAL task 2
`)
}

func TestPoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := clew.NewPool(1, 2)
		release := make(chan struct{})
		for range 3 {
			if err := pool.Do(t.Context(), func(context.Context) { <-release }); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := pool.Do(ctx, func(context.Context) { t.Error("it ran") }); err != context.DeadlineExceeded {
			t.Errorf("got %v, want the deadline: one task runs, two wait", err)
		}
		waiting := make(chan error)
		go func() { waiting <- pool.Do(t.Context(), func(context.Context) { t.Error("it ran") }) }()
		synctest.Wait()
		closed := make(chan struct{})
		go func() { defer close(closed); pool.Close() }()
		if err := <-waiting; err != clew.ErrClosed {
			t.Errorf("got %v, want ErrClosed for who waits", err)
		}
		close(release)
		<-closed
	})
}

func TestChanLinksTheReceiverToTheSender(t *testing.T) {
	t.Parallel()
	rec := clewtest.Start(t)
	orders := clew.NewChan[int](2)
	ctx, span := clew.Span(rec.Context(), "place")
	for i := range 2 {
		if err := orders.Send(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	span.End()
	orders.Close()
	if err := orders.Send(ctx, 3); err != clew.ErrClosed {
		t.Errorf("got %v, want ErrClosed", err)
	}
	receiving, own := rec.Context(), clew.Active{}
	for m := range orders.All(context.Background()) {
		if m.Value == 1 {
			receiving, own = clew.Span(receiving, "batch")
		}
		if m.Cause() != span.SpanContext() {
			t.Errorf("the sender of %d is %+v, want %+v", m.Value, m.Cause(), span.SpanContext())
		}
		_, work := m.Span(receiving, "work", clew.Int("value", m.Value))
		work.End()
	}
	own.End()
	if _, err := orders.Recv(ctx); err != clew.ErrClosed {
		t.Errorf("got %v, want ErrClosed", err)
	}
	wantTree(t, rec, `trace 1
└─ INTERNAL place (test)
trace 2
└─ INTERNAL work (test) value=0
   └─ link trace 1 "place"
trace 3
└─ INTERNAL batch (test)
   └─ INTERNAL work value=1
      └─ link trace 1 "place"
`, "value")
}

func TestChanIsBoundedAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clew.NewChan[int](1)
		if err := c.Send(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Send(ctx, 2); err != context.DeadlineExceeded {
			t.Errorf("got %v, want the deadline: there is room for one", err)
		}
		var waiting sync.WaitGroup
		for range 4 {
			waiting.Go(func() {
				if err := c.Send(t.Context(), 3); err != clew.ErrClosed {
					t.Errorf("got %v, want ErrClosed for who waits", err)
				}
			})
		}
		synctest.Wait()
		c.Close()
		c.Close()
		waiting.Wait()
		if m, err := c.Recv(t.Context()); err != nil || m.Value != 1 {
			t.Errorf("got %v, %v, want what was sent before", m.Value, err)
		}
	})
}

func TestTickerStartsATraceEachTick(t *testing.T) {
	// The kit's own goroutines must not be part of the bubble.
	clewtest.Start(t)
	synctest.Test(t, func(t *testing.T) {
		rec := clewtest.Start(t)
		ctx, cancel := context.WithTimeout(rec.Context(), 48*time.Second)
		defer cancel()
		n := 0
		clew.Ticker(ctx, 10*time.Second, "sweep", func(context.Context) error {
			n++
			if n == 2 {
				time.Sleep(25 * time.Second) // Of the two ticks within one waits and one is skipped.
				return errors.New("too slow")
			}
			return nil
		})
		if got, want := rec.Tree(), "trace 1\n└─ INTERNAL sweep (test)\ntrace 2\n└─ INTERNAL sweep (test) ERROR \"too slow\"\ntrace 3\n└─ INTERNAL sweep (test)\n"; got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// A panic in work that was handed on takes the process down, as it does without the kit, after it was recorded.
func TestPanicsGoOn(t *testing.T) {
	if which := os.Getenv("CLEW_TEST_PANIC"); which != "" {
		rec := clewtest.Start(t)
		panicIn(rec, which)
		time.Sleep(10 * time.Second) // The panic comes first.
		return
	}
	for _, which := range []string{"go", "detach", "group", "pool"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			c := exec.Command(os.Args[0], "-test.run=^TestPanicsGoOn$")
			c.Env = append(os.Environ(), "CLEW_TEST_PANIC="+which)
			out, err := c.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "panic: boom") {
				t.Errorf("got %v:\n%s", err, out)
			}
		})
	}
}

func panicIn(rec *clewtest.Recorder, which string) {
	boom := func(context.Context) { panic("boom") }
	switch which {
	case "go":
		clew.Go(rec.Context(), boom)
	case "detach":
		clew.Detach(rec.Context(), "work", boom)
	case "group":
		clew.NewGroup(rec.Context(), 1).Go(func(ctx context.Context) error { boom(ctx); return nil })
	case "pool":
		_ = clew.NewPool(1, 1).Do(rec.Context(), boom)
	}
}
