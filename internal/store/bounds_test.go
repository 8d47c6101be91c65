package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// A span dated at the end of time must not hide what is stored from the search for repeats.
func TestRepeatBesideEndOfTime(t *testing.T) {
	e := newEngine(t)
	defer e.Abandon()
	now := time.Now().UnixNano()
	b := plain(storetest.Tenant, 1, 1, 20, now)
	e.Send(t, b)
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	x := telemetry.NewBuilder()
	x.Reset(b.Tenant)
	x.AppendRows(b, nil)
	x.AppendRows(plain(storetest.Tenant, 2, 1, 1, math.MaxInt64), nil)
	e.Send(t, &x.Batch)
	got, err := e.Trace(context.Background(), storetest.Tenant, b.Spans.TraceID[0], store.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Batch.Spans.N != 20 {
		t.Fatalf("%d spans, want 20", got.Batch.Spans.N)
	}
}

// Flush writes everything fresh, also after a flush that failed; so does Close.
func TestFlushAfterFailureWritesAll(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(storetest.Base)
	e, err := tryOpen(dir, fs, seq)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abandon()
	e.trySend(plain(storetest.Tenant, 1, 1, 20, storetest.Base))
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // as the stop of the background loop does to its flush
	if e.Flush(ctx) == nil {
		t.Fatal("flush passed")
	}
	e.trySend(plain(storetest.Tenant, 2, 1, 20, storetest.Base))
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := e.Status(); s.FreshRows != 0 {
		t.Fatalf("%d rows are fresh after Flush", s.FreshRows)
	}
}

// Counters count once.
func TestCountersCountOnce(t *testing.T) {
	e := newEngine(t)
	defer e.Abandon()
	now := time.Now().UnixNano()
	a, b := plain(storetest.Tenant, 1, 1, 1, now), plain(storetest.Tenant, 1, 1, 1, now)
	b.Spans.Duration[0] = 99
	e.Send(t, a)
	e.Send(t, b)
	first := e.Status().Counters["id_collisions"]
	for i := range 17 {
		if err := e.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		e.Send(t, plain(storetest.Tenant, uint64(i+2), 1, 1, now))
	}
	if last := e.Status().Counters["id_collisions"]; last != first {
		t.Fatalf("id_collisions %d after receipt, %d after flush and merge", first, last)
	}
}

// A tail that keeps up is not told that it missed rows.
func TestTailMissesNothing(t *testing.T) {
	e := newEngine(t)
	defer e.Abandon()
	now := time.Now().UnixNano()
	p, err := query.Compile("{ }")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	entered, goOn := make(chan struct{}), make(chan struct{})
	calls, rows, missed := 0, 0, int64(0)
	done := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		close(ready)
		done <- e.Tail(ctx, storetest.Tenant, p, func(b *telemetry.Batch, m int64) error {
			missed += m
			if b != nil {
				rows += b.Spans.N
				calls++
				if calls <= 2 {
					entered <- struct{}{}
					<-goOn
				}
			}
			if rows == 4 {
				time.AfterFunc(200*time.Millisecond, cancel)
			}
			return nil
		})
	}()
	<-ready
	time.Sleep(50 * time.Millisecond)
	e.Send(t, plain(storetest.Tenant, 1, 1, 1, now))
	<-entered
	e.Send(t, plain(storetest.Tenant, 2, 1, 1, now))
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	goOn <- struct{}{}
	<-entered // in the call for row 2, from the flushed generation
	e.Send(t, plain(storetest.Tenant, 3, 1, 1, now))
	goOn <- struct{}{}
	e.Send(t, plain(storetest.Tenant, 4, 1, 1, now))
	<-done
	if rows != 4 || missed != 0 {
		t.Fatalf("%d rows and %d missed, want 4 and 0", rows, missed)
	}
}

// A log over the budget must not cost everything that is stored.
func TestBudgetBelowLog(t *testing.T) {
	e := limitedLog(t, 8<<20, store.Options{DiskBudget: 1 << 20})
	now := time.Now().UnixNano()
	for i := range 4 {
		e.Send(t, plain(storetest.Tenant, uint64(i+1), 1, 10, now))
		if err := e.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; e.Log().Bytes() < 1<<20; i++ {
		if err := e.put(plain(storetest.Tenant, uint64(i+100), 1, 100, now)); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		time.Sleep(100 * time.Millisecond)
		if s := e.Status(); s.Segments == 0 {
			t.Fatalf("the log of %d bytes took every segment with it: %+v", s.LogBytes, s.Counters)
		}
	}
}

// A full disk passes by itself when retention frees space: removal must not need space.
func TestFullDiskExpires(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(time.Now().UnixNano())
	var offset atomic.Int64
	s, err := store.Open(context.Background(), store.Options{Dir: dir, FS: fs,
		Now:       func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
		Retention: func(string) store.Retention { return store.Retention{Age: time.Hour} },
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore})
		}})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{s, dir, fs, seq, &atomic.Int64{}}
	defer e.Abandon()
	if err := e.put(plain(storetest.Tenant, 1, 1, 1000, time.Now().UnixNano())); err != nil {
		t.Fatal(err)
	}
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(fs.Used())
	if err := e.put(plain(storetest.Tenant, 2, 1, 1, time.Now().UnixNano())); !errors.Is(err, wal.ErrDiskFull) {
		t.Fatalf("got %v", err)
	}
	offset.Store(int64(2 * time.Hour))
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		if e.Status().Segments == 0 {
			return
		}
	}
	t.Fatalf("nothing expires on a full disk: %+v", e.Status())
}

// blockMerge holds the first merge at its first fsync until the returned function is called.
func blockMerge(fs *testkit.FS, e func() *store.Embedded) (blocked <-chan struct{}, release func()) {
	at, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs.Inject(testkit.Fault{Op: testkit.OpSync, Path: "spans.parquet", Times: -1, Wait: func() {
		if s := e().Status(); s.MergesRunning > 0 && s.FlushesActive == 0 {
			once.Do(func() { close(at); <-goOn })
		}
	}})
	return at, func() { close(goOn) }
}

// What retention removed while a merge was reading it stays removed.
func TestMergeBringsBackExpired(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(time.Now().UnixNano())
	var offset atomic.Int64
	s, err := store.Open(context.Background(), store.Options{Dir: dir, FS: fs,
		Now:       func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
		Retention: func(string) store.Retention { return store.Retention{Age: time.Hour} },
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore})
		}})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{s, dir, fs, seq, &atomic.Int64{}}
	blocked, release := blockMerge(fs, func() *store.Embedded { return s })
	now := time.Now().UnixNano()
	go func() {
		for i := range 16 {
			_ = e.put(plain(storetest.Tenant, uint64(i+1), 1, 5, now))
			if i < 15 {
				_ = e.Flush(context.Background())
			}
		}
		_ = e.Flush(context.Background())
	}()
	<-blocked
	offset.Store(int64(2 * time.Hour))
	for e.Status().Counters["spans_expired"] == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	offset.Store(0) // the next look must not hide what the merge did
	release()
	for e.Status().MergesRunning > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	defer e.Abandon()
	if s := e.Status(); s.SpansStored != 0 {
		t.Fatalf("%d spans expired, and after the merge %d are stored", s.Counters["spans_expired"], s.SpansStored)
	}
}

// Close ends after the merge that runs, not after all that are due.
func TestCloseWaitsForEveryMerge(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(time.Now().UnixNano())
	s, err := store.Open(context.Background(), store.Options{Dir: dir, FS: fs, FreshAge: 1500 * time.Millisecond,
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore, Delay: -1})
		}})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{s, dir, fs, seq, &atomic.Int64{}}
	blocked, release := blockMerge(fs, func() *store.Embedded { return s })
	now := time.Now().UnixNano()
	go func() {
		for i := range 16 {
			for tenant := range 10 {
				_ = e.put(plain(fmt.Sprintf("t%d", tenant), uint64(i+1), 1, 5, now))
			}
			if i < 15 { // the last one is left to the background, which then merges
				_ = e.Flush(context.Background())
			}
		}
	}()
	<-blocked
	closed := make(chan error)
	go func() { closed <- e.Close() }()
	time.Sleep(100 * time.Millisecond)
	release()
	<-closed
	if n := e.Status().Segments; n < 160-2*15 {
		t.Fatalf("%d segments of 160 are left: Close ran merge after merge", n)
	}
}

// Keys that are never the same twice, as of a sender that puts ids into keys: what
// the receiver lets through (8,192 columns a request) must stay storable.
func TestKeysWithoutEnd(t *testing.T) {
	e := newEngine(t)
	defer e.Abandon()
	now := time.Now().UnixNano()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var last time.Duration
	for i := range 40 {
		b := telemetry.NewBuilder()
		b.Reset(storetest.Tenant)
		b.AppendRows(plain(storetest.Tenant, uint64(i+1), 1, 64, now), nil)
		for k := range 8192 {
			key := fmt.Appendf(nil, "app.session.%036d.count", i*8192+k)
			b.Spans.Col(telemetry.ScopeSpan, key, telemetry.TypeInt).AddNum(uint32(k/128), 1)
		}
		began := time.Now()
		if err := e.put(&b.Batch); err != nil {
			t.Fatal(err)
		}
		last = time.Since(began)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	s := e.Status()
	t.Logf("%d requests: %d MiB counted as fresh, %d MiB of heap; the last append took %v", 40, s.FreshBytes>>20, (after.HeapAlloc-before.HeapAlloc)>>20, last)
	if err := e.Flush(context.Background()); err != nil {
		t.Errorf("nothing can be flushed any more: %v", err)
	}
}
