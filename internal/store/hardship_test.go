package store_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// plain makes a batch of n spans of one trace; ids count from id.
func plain(tenant string, trace, id uint64, n int, start int64) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset(tenant)
	res := b.Resources.AddRow()
	b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(res, []byte("svc"))
	b.Scopes.AddRow()
	for i := range n {
		s := telemetry.Span{Start: start + int64(i), Duration: 5, Kind: 2}
		binary.BigEndian.PutUint64(s.TraceID[8:], trace)
		binary.BigEndian.PutUint64(s.TraceID[:], trace*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(s.SpanID[:], id+uint64(i))
		b.AddSpan(s, []byte("op"))
	}
	return &b.Batch
}

func memoryFS(t *testing.T) (*testkit.FS, string) {
	fs, dir := testkit.NewFS(), t.TempDir()
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for at := dir; at != "/"; at = filepath.Dir(at) {
		if err := fs.SyncDir(filepath.Dir(at)); err != nil {
			t.Fatal(err)
		}
	}
	return fs, dir
}

func folders(t *testing.T, fs wal.FS, dir string) int {
	n := 0
	root := filepath.Join(dir, "segments")
	tenants, _ := fs.ReadDir(root)
	for _, a := range tenants {
		days, _ := fs.ReadDir(filepath.Join(root, a.Name()))
		for _, d := range days {
			s, _ := fs.ReadDir(filepath.Join(root, a.Name(), d.Name()))
			n += len(s)
		}
	}
	return n
}

// A manifest that cannot be compacted because the disk is full has still taken
// the record: its segments must not be removed.
func TestCompactionOnAFullDisk(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(storetest.Base)
	e, err := tryOpen(dir, fs, seq)
	if err != nil {
		t.Fatal(err)
	}
	known := acked{}
	put := func(i int) {
		b := plain(storetest.Tenant, uint64(i+1), uint64(i*10+1), 3, storetest.Base+int64(i))
		if !e.trySend(b) {
			t.Fatal("not acknowledged")
		}
		known[b.Spans.TraceID[0]] = append(known[b.Spans.TraceID[0]], b)
	}
	for i := range 235 {
		put(i)
		if err := e.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	known.check(t, e, "before the fault")
	fs.Inject(testkit.Fault{Op: testkit.OpOpen, Path: "manifest.tmp", Times: -1, Err: syscall.ENOSPC})
	failures := 0
	for i := 235; i < 275; i++ {
		put(i)
		if err := e.Flush(context.Background()); err != nil {
			failures++
		}
	}
	t.Logf("%d flushes failed; status %+v", failures, e.Status().Counters)
	fs.Heal()
	e.Abandon()
	if e, err = tryOpen(dir, fs.Crash(1), seq); err != nil {
		t.Fatal(err)
	}
	defer e.Abandon()
	t.Logf("after restart: quarantined %d", e.Status().Quarantined)
	lost := 0
	for id := range known {
		if _, err := e.Trace(context.Background(), storetest.Tenant, id, store.TraceOptions{}); err != nil {
			lost++
		}
	}
	if lost > 0 {
		t.Fatalf("%d of %d acknowledged traces are lost", lost, len(known))
	}
}

// A store whose manifest is read-only must not write the same rows again every second.
func TestReadOnlyManifestFillsTheDisk(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(storetest.Base)
	e, err := tryOpen(dir, fs, seq)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abandon()
	e.trySend(plain(storetest.Tenant, 1, 1, 100, storetest.Base))
	fs.Inject(testkit.Fault{Op: testkit.OpSync, Path: "manifest*", Err: syscall.EIO})
	if e.Flush(context.Background()) == nil {
		t.Fatal("flush passed")
	}
	one := folders(t, fs, dir)
	for range 10 {
		_ = e.Flush(context.Background()) // what the background loop does every second
	}
	if n := folders(t, fs, dir); n > one {
		t.Fatalf("%d segment folders after the failure, %d after ten more tries; read-only: %s", one, n, e.Status().ReadOnly)
	}
}

// Segments that a damaged manifest does not name any more "are kept on disk".
func TestDamagedManifestKeepsSegments(t *testing.T) {
	seq := &atomic.Int64{}
	seq.Store(time.Now().UnixNano())
	e := open(t, t.TempDir(), wal.OS, seq)
	now := time.Now().UnixNano()
	for i := range 2 {
		e.Send(t, plain(storetest.Tenant, uint64(i+1), 1, 10, now))
		if err := e.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(e.dir, "manifest")
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p[len(p)-32-60] ^= 1 // in the last record; a seal of 32 bytes follows
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	e = open(t, e.dir, wal.OS, seq)
	defer func() { e.Abandon() }()
	before, _ := filepath.Glob(filepath.Join(e.dir, "segments/*/*/*/spans.parquet"))
	t.Logf("partial says: %v", e.Status().Counters)
	e.Send(t, plain(storetest.Tenant, 9, 1, 10, now))
	err = e.Flush(context.Background())
	kept, _ := filepath.Glob(filepath.Join(e.dir, "unnamed/*/*/*/spans.parquet"))
	if len(before) != 1 || len(kept) != 1 {
		t.Fatalf("named %v and set aside %v, want one of each", before, kept)
	}
	// The damage is mended by what is written now; what was set aside stays.
	for range 2 {
		e.Abandon()
		e = open(t, e.dir, wal.OS, seq)
	}
	for _, f := range append(kept, before...) {
		if _, e := os.Stat(f); e != nil {
			t.Fatalf("a kept segment was destroyed: %v (flush: %v)", e, err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func limitedLog(t *testing.T, most int64, o store.Options) *engine {
	t.Helper()
	seq := &atomic.Int64{}
	seq.Store(time.Now().UnixNano())
	dir := t.TempDir()
	o.Dir = dir
	o.OpenLog = func(notBefore wal.Position) (*wal.Log, error) {
		return wal.Open(filepath.Join(dir, "log"), wal.Options{NotBefore: notBefore, SegmentBytes: most / 8, MaxBytes: most, MaxRecordBytes: int(most / 8)})
	}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{s, dir, wal.OS, seq, &atomic.Int64{}}
	t.Cleanup(e.Abandon)
	return e
}

// put sends and tells the error of the log or the store.
func (e *engine) put(b *telemetry.Batch) error {
	if err := e.Admit(b.Tenant); err != nil {
		return err
	}
	seq := e.seq.Add(1)
	start, end, err := e.Log().Append(context.Background(), telemetry.AppendRecord(nil, b, seq))
	if err != nil {
		return err
	}
	return e.Append(b, seq, start, end)
}

// recovers waits for the store to take b again.
func (e *engine) recovers(b *telemetry.Batch, within time.Duration) error {
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = e.put(b); err == nil {
			return nil
		}
	}
	return err
}

// A log full of repeats holds nothing that is needed.
func TestLogFullOfRepeats(t *testing.T) {
	e := limitedLog(t, 1<<20, store.Options{LogBytes: 1 << 20})
	now := time.Now().UnixNano()
	b := plain(storetest.Tenant, 1, 1, 100, now)
	if err := e.put(b); err != nil {
		t.Fatal(err)
	}
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		err = e.put(b)
	}
	t.Logf("%v; fresh rows %d", err, e.Status().FreshRows)
	if err := e.recovers(plain(storetest.Tenant, 2, 1, 100, now), 5*time.Second); err != nil {
		t.Fatalf("nothing is fresh, and five seconds later: %v", err)
	}
}

// A log may fill up before memory does.
func TestLogFullBeforeMemory(t *testing.T) {
	e := limitedLog(t, 1<<20, store.Options{LogBytes: 1 << 20, FreshBytes: 1 << 20})
	now := time.Now().UnixNano()
	var err error
	wide := make([]byte, 4096)
	one := func(i int) *telemetry.Batch {
		b := telemetry.NewBuilder()
		b.Reset(storetest.Tenant)
		b.AppendRows(plain(storetest.Tenant, uint64(i+1), 1, 1, now), nil)
		b.Resources.Col(telemetry.ScopeResource, []byte("process.command_line"), telemetry.TypeString).AddText(0, wide)
		return &b.Batch
	}
	for i := 0; err == nil; i++ {
		err = e.put(one(i))
	}
	s := e.Status()
	t.Logf("%v; fresh rows %d in %d bytes, log %d bytes", err, s.FreshRows, s.FreshBytes, s.LogBytes)
	if err := e.recovers(one(1<<40), 5*time.Second); err != nil {
		t.Fatalf("five seconds later: %v", err)
	}
}

// Many different records under one id, as of a sender with a constant seed.
func TestOneIDForMany(t *testing.T) {
	e := newEngine(t)
	defer e.Abandon()
	now := time.Now().UnixNano()
	took := map[int]time.Duration{}
	for _, n := range []int{1000, 2000, 4000} {
		b := plain(storetest.Tenant, uint64(n), 1, n, now)
		for i := range n {
			b.Spans.SpanID[i] = b.Spans.SpanID[0]
			b.Spans.Start[i] = now // equal in start and duration, other in an attribute
		}
		x := telemetry.NewBuilder()
		x.Reset(b.Tenant)
		x.AppendRows(b, nil)
		for i := range n {
			x.Spans.Col(telemetry.ScopeSpan, []byte("n"), telemetry.TypeInt).AddNum(uint32(i), uint64(i))
		}
		began := time.Now()
		if err := e.put(&x.Batch); err != nil {
			t.Fatal(err)
		}
		took[n] = time.Since(began)
	}
	t.Logf("%v", took)
	if took[4000] > 2*time.Second && took[4000] > 10*took[1000] { // slow alone is a busy machine
		t.Fatalf("quadratic: %v", took)
	}
}

// Too many open files is no damage.
func TestTransientErrorIsNoDamage(t *testing.T) {
	fs, dir := memoryFS(t)
	seq := &atomic.Int64{}
	seq.Store(storetest.Base)
	e, err := tryOpen(dir, fs, seq)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { e.Abandon() }()
	b := plain(storetest.Tenant, 1, 1, 20, storetest.Base)
	e.trySend(b)
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	// A restart empties the caches; nothing is left to replay.
	e.Abandon()
	if e, err = tryOpen(dir, fs, seq); err != nil {
		t.Fatal(err)
	}
	fs.Inject(testkit.Fault{Op: testkit.OpOpen, Path: "traces.filter", Err: syscall.EMFILE})
	if e.trySend(b) { // the sender repeats itself
		t.Fatal("acknowledged, though nobody could tell whether it is stored")
	}
	if !e.trySend(b) {
		t.Fatal("not acknowledged the next time")
	}
	fs.Heal()
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	got, err := e.Trace(context.Background(), storetest.Tenant, b.Spans.TraceID[0], store.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("partial %q, quarantined %d, counter %d", got.Partial, e.Status().Quarantined, e.Status().Counters["segments_quarantined"])
	e.Abandon()
	if e, err = tryOpen(dir, fs, seq); err != nil {
		t.Fatal(err)
	}
	if got, err = e.Trace(context.Background(), storetest.Tenant, b.Spans.TraceID[0], store.TraceOptions{}); err != nil {
		t.Fatal(err)
	}
	if got.Batch.Spans.N != 20 {
		t.Errorf("%d spans after one EMFILE and a repeat, want 20", got.Batch.Spans.N)
	}
}
