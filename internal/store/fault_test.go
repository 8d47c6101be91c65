package store_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// tryOpen opens a store on a file system that may break.
func tryOpen(dir string, fs wal.FS, seq *atomic.Int64) (*engine, error) {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, FS: fs, FreshBytes: 1 << 30,
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore, Delay: -1, SegmentBytes: 64 << 10, MaxBytes: 32 << 20})
		}})
	if err != nil {
		return nil, err
	}
	return &engine{s, dir, fs, seq, &atomic.Int64{}}, nil
}

// trySend appends to log and store and reports whether the batch is acknowledged.
func (e *engine) trySend(b *telemetry.Batch) bool {
	if e.Admit(b.Tenant) != nil {
		return false
	}
	seq := e.seq.Add(1)
	record := telemetry.AppendRecord(nil, b, seq)
	start, end, err := e.Log().Append(context.Background(), record)
	if err != nil {
		return false
	}
	copied, _, err := telemetry.DecodeRecord(record)
	return err == nil && e.Append(copied, seq, start, end) == nil
}

// acked is what was acknowledged so far, by trace.
type acked map[telemetry.TraceID][]*telemetry.Batch

func (a acked) check(t *testing.T, e *engine, when string) {
	t.Helper()
	for id, want := range a {
		got, err := e.Trace(context.Background(), storetest.Tenant, id, store.TraceOptions{})
		if err != nil {
			t.Fatalf("%s: acknowledged trace: %v", when, err)
		}
		if got.Partial != "" {
			t.Fatalf("%s: partial: %s", when, got.Partial)
		}
		have := map[telemetry.SpanID]bool{}
		for _, s := range got.Batch.Spans.SpanID {
			have[s] = true
		}
		for _, b := range want {
			for _, s := range b.Spans.SpanID {
				if !have[s] {
					t.Fatalf("%s: acknowledged span %s of trace %s is lost", when, s, id)
				}
			}
		}
	}
}

// A flush that fails leaves every row visible, and the next one writes them.
func TestFailedFlushIsRepeated(t *testing.T) {
	for _, op := range []testkit.Op{testkit.OpSync, testkit.OpWrite, testkit.OpRename, testkit.OpSyncDir, testkit.OpMkdir} {
		for nth := 1; nth <= 12; nth++ {
			fs, dir := memoryFS(t)
			seq := &atomic.Int64{}
			seq.Store(storetest.Base)
			e, err := tryOpen(dir, fs, seq)
			if err != nil {
				t.Fatal(err)
			}
			known := acked{}
			for _, b := range storetest.NewGen(1, storetest.Base).Trace(storetest.Tenant, 30) {
				if !e.trySend(b) {
					t.Fatal("not acknowledged on a sound disk")
				}
				known[b.Spans.TraceID[0]] = append(known[b.Spans.TraceID[0]], b)
			}
			fs.Inject(testkit.Fault{Op: op, Nth: nth, Err: syscall.EIO})
			failed := e.Flush(context.Background()) != nil
			known.check(t, e, "after the fault")
			fs.Heal()
			if e.Status().ReadOnly != "" {
				// The manifest cannot tell what it holds: the store takes nothing
				// more, and the next start finds everything.
				if telemetry.KindOf(e.Admit(storetest.Tenant)) != telemetry.KindUnavailable {
					t.Fatalf("%s %d: a read-only store admits", op, nth)
				}
				e.Abandon()
				if e, err = tryOpen(dir, fs.Crash(uint64(nth)), seq); err != nil {
					t.Fatal(err)
				}
				known.check(t, e, "after a restart")
			} else if err := e.Flush(context.Background()); err != nil {
				t.Fatalf("%s %d: flush after the fault: %v", op, nth, err)
			} else if fresh, behind := e.Unflushed(); fresh != 0 || behind != 0 {
				t.Fatalf("%s %d: after the flush %d bytes count as fresh and %d as being flushed", op, nth, fresh, behind)
			}
			known.check(t, e, "after the next flush")
			if s := e.Status(); failed && s.Counters["flushes_failed"] > 1 {
				t.Fatalf("%s %d: counters %v", op, nth, s.Counters)
			}
			e.Abandon()
		}
	}
}

// A segment that changed on disk is taken out of answers, which say so; nothing
// else is lost and nothing wrong is answered.
func TestDamagedSegmentIsQuarantined(t *testing.T) {
	seq := &atomic.Int64{}
	seq.Store(storetest.Base)
	e := open(t, t.TempDir(), wal.OS, seq)
	defer func() { e.Abandon() }()
	g := storetest.NewGen(3, storetest.Base)
	bad, good := g.Trace(storetest.Tenant, 50), g.Trace(storetest.Tenant, 50)
	for _, b := range bad {
		e.Send(t, b)
	}
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, b := range good {
		e.Send(t, b)
	}
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(e.dir, "segments", "*", "*", "*", "spans.parquet"))
	if err != nil || len(files) != 2 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	p, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := 4; i < len(p)-8; i += 64 {
		p[i] ^= 1
	}
	if err := os.WriteFile(files[0], p, 0o644); err != nil {
		t.Fatal(err)
	}
	e.Abandon()
	e = open(t, e.dir, e.fs, seq)
	if _, err := e.Trace(context.Background(), storetest.Tenant, bad[0].Spans.TraceID[0], store.TraceOptions{}); telemetry.KindOf(err) != telemetry.KindUnavailable {
		t.Fatalf("got %v, want an error that says the trace may be in a damaged segment", err)
	}
	got, err := e.Trace(context.Background(), storetest.Tenant, good[0].Spans.TraceID[0], store.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Batch.Spans.N != 50 || got.Partial == "" {
		t.Fatalf("%d spans, partial %q: want 50, and a word that answers are partial", got.Batch.Spans.N, got.Partial)
	}
	if diff := cmp.Diff(e.Status().Quarantined, 1); diff != "" {
		t.Fatal(diff)
	}
}
