package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// openForTenants opens a store of three slots in which nothing happens by itself.
func openForTenants(t *testing.T, fs wal.FS, dir string, age *atomic.Int64) *engine {
	t.Helper()
	s, err := store.OpenStill(context.Background(), store.Options{Dir: dir, FS: fs, Tenants: 3,
		Retention: func(string) store.Retention { return store.Retention{Age: time.Duration(age.Load())} },
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore, Delay: -1})
		}})
	if err != nil {
		t.Fatal(err)
	}
	seq := &atomic.Int64{}
	seq.Store(time.Now().Add(-time.Hour).UnixNano())
	return &engine{s, dir, fs, seq, &atomic.Int64{}}
}

func (e *engine) tenants() string {
	var names []string
	for _, t := range e.Status().Tenants {
		names = append(names, fmt.Sprintf("%s:%d", t.Tenant, t.Spans))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// A tenant has a slot as long as something of it is stored. The limit refuses the next
// one before anything of it is logged, and what is logged is stored, also by a start.
func TestTenantsComeAndGo(t *testing.T) {
	fs, dir := memoryFS(t)
	var age atomic.Int64
	e := openForTenants(t, fs, dir, &age)
	ctx, now := context.Background(), time.Now().UnixNano()
	look := func(want string) {
		t.Helper()
		if err := e.Look(ctx); err != nil {
			t.Fatal(err)
		}
		if got := e.tenants(); got != want {
			t.Errorf("tenants %q, want %q", got, want)
		}
	}
	full := func(name string) {
		t.Helper()
		if err := e.Admit(name); telemetry.KindOf(err) != telemetry.KindExhausted || !strings.Contains(err.Error(), "the limit is 3") {
			t.Errorf("tenant %s: got %v", name, err)
		}
	}
	for i, name := range []string{"a", "b", "c"} {
		e.Send(t, plain(name, uint64(i+1), 1, 5, now))
	}
	full("d")
	e.Send(t, plain("a", 9, 1, 1, now)) // who is there goes on
	look("a:6 b:5 c:5")
	if err := e.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	look("a:6 b:5 c:5")
	full("d")

	age.Store(int64(time.Minute)) // all was received an hour ago
	look("")
	for i, name := range []string{"d", "e"} {
		e.Send(t, plain(name, uint64(i+20), 1, 2, now))
	}
	if err := e.Admit("silent"); err != nil { // and nothing comes
		t.Fatal(err)
	}
	full("f")
	look("d:2 e:2")
	e.Send(t, plain("f", 30, 1, 2, now))
	full("a")
	logged(t, e, plain("a", 31, 1, 2, now)) // admitted when there was room
	look("a:2 d:2 e:2 f:2")

	e.Abandon()
	e = openForTenants(t, fs, dir, &age)
	look("a:2 d:2 e:2 f:2")
	full("g")
	e.Abandon()
}

// logged stores what was admitted before.
func logged(t *testing.T, e *engine, b *telemetry.Batch) {
	t.Helper()
	seq := e.seq.Add(1)
	start, end, err := e.Log().Append(context.Background(), telemetry.AppendRecord(nil, b, seq))
	if err == nil {
		err = e.Append(b, seq, start, end)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Who follows a tenant keeps its slot, so that nothing passes by.
func TestTailKeepsItsTenant(t *testing.T) {
	fs, dir := memoryFS(t)
	e := openForTenants(t, fs, dir, &atomic.Int64{})
	defer e.Abandon()
	p, err := query.Compile("{ }")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	rows := 0
	go func() {
		done <- e.Tail(ctx, "a", p, func(b *telemetry.Batch, _ int64) error {
			if rows += b.Spans.N; rows == 3 {
				cancel()
			}
			return nil
		})
	}()
	for e.Tails("a") == 0 {
		runtime.Gosched()
	}
	if err := e.Look(ctx); err != nil {
		t.Fatal(err)
	}
	e.Send(t, plain("a", 1, 1, 3, time.Now().UnixNano()))
	if err := <-done; err != nil || rows != 3 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}
