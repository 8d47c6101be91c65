package backup_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/backup"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

const (
	tenant        = "default"
	spansPerTrace = 10
)

// Spans are of today, whose segments merge by number alone.
var base = time.Now().UnixNano()

// engine is a store that is sent numbered spans: span n is in trace n / spansPerTrace.
type engine struct {
	*store.Embedded
	t    testing.TB
	next int // number of the next span
	done atomic.Int64
}

func openEngine(t testing.TB, fs wal.FS, dir string) *engine {
	t.Helper()
	e, err := tryEngine(t, fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func tryEngine(t testing.TB, fs wal.FS, dir string) (*engine, error) {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, FS: fs, DiskReserve: 1,
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore, Delay: -1, SegmentBytes: 32 << 10, MaxBytes: 64 << 20})
		}})
	if err != nil {
		return nil, err
	}
	return &engine{Embedded: s, t: t}, nil
}

func traceID(n int) (id telemetry.TraceID) {
	binary.BigEndian.PutUint64(id[:], 0x9e3779b97f4a7c15*uint64(n+1))
	return id
}

func batch(from, count int) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset(tenant)
	b.Resources.AddRow()
	b.Scopes.AddRow()
	for n := from; n < from+count; n++ {
		s := telemetry.Span{TraceID: traceID(n / spansPerTrace), Start: base + int64(n)*1000, Duration: int64(n) + 1}
		binary.BigEndian.PutUint64(s.SpanID[:], uint64(n)+1)
		b.AddSpan(s, fmt.Appendf(nil, "span %d", n%7))
	}
	return &b.Batch
}

// send appends spans as the pipeline does and notes them as acknowledged.
func (e *engine) send(count int) {
	e.t.Helper()
	seq := base + int64(e.next) + 1
	record := telemetry.AppendRecord(nil, batch(e.next, count), seq)
	start, end, err := e.Log().Append(context.Background(), record)
	if err != nil {
		e.t.Fatal(err)
	}
	copied, _, err := telemetry.DecodeRecord(record)
	if err != nil {
		e.t.Fatal(err)
	}
	if err := e.Append(copied, seq, start, end); err != nil {
		e.t.Fatal(err)
	}
	e.next += count
	e.done.Store(int64(e.next))
}

func (e *engine) flush() {
	e.t.Helper()
	if err := e.Flush(context.Background()); err != nil {
		e.t.Fatal(err)
	}
}

// holds checks that spans [0, least) are there, each once and as it was sent, and
// gives the number of spans in their traces.
func (e *engine) holds(least int) int {
	e.t.Helper()
	found := 0
	for trace := 0; trace*spansPerTrace < least; trace++ {
		got, err := e.Trace(context.Background(), tenant, traceID(trace), store.TraceOptions{})
		if err != nil {
			e.t.Fatalf("trace %d: %v", trace, err)
		}
		if got.Partial != "" {
			e.t.Fatalf("trace %d is partial: %s", trace, got.Partial)
		}
		have := map[uint64]int{}
		for i, id := range got.Batch.Spans.SpanID {
			n := binary.BigEndian.Uint64(id[:]) - 1
			have[n]++
			if got.Batch.Spans.Start[i] != base+int64(n)*1000 || got.Batch.Spans.Duration[i] != int64(n)+1 {
				e.t.Fatalf("span %d is damaged", n)
			}
		}
		for n := trace * spansPerTrace; n < min(least, (trace+1)*spansPerTrace); n++ {
			if have[uint64(n)] != 1 {
				e.t.Fatalf("span %d of %d is there %d times", n, least, have[uint64(n)])
			}
		}
		found += len(have)
	}
	return found
}

func source(fs wal.FS, dir string, c *store.Copy) backup.Source {
	return backup.Source{FS: fs, Dir: dir, Copy: c, Version: "1.0", Now: func() time.Time { return time.Unix(0, base) },
		State: func(context.Context) ([]byte, error) { return []byte("state\n"), nil }}
}

// stream backs the engine up into memory.
func (e *engine) stream(fs wal.FS, dir string) []byte {
	e.t.Helper()
	c, err := e.Copy()
	if err != nil {
		e.t.Fatal(err)
	}
	defer c.Close()
	var b bytes.Buffer
	if err := backup.Write(context.Background(), &b, source(fs, dir, c)); err != nil {
		e.t.Fatal(err)
	}
	return b.Bytes()
}

// memoryFS is a file system in memory in which the folders above dir are durable.
func memoryFS(t testing.TB) (*testkit.FS, string) {
	t.Helper()
	fs, dir := testkit.NewFS(), t.TempDir() // DuckDB wants a folder that is real
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

// small gives a backup of a store with segments and a log that is not flushed.
func small(t testing.TB) (stream []byte, spans int) {
	t.Helper()
	fs, dir := memoryFS(t)
	e := openEngine(t, fs, dir)
	defer e.Close()
	for range 3 {
		e.send(20)
		e.flush()
	}
	e.send(20)
	return e.stream(fs, dir), e.next
}

// While a writer goes on, with flushes and merges at the same time, each of five
// backups holds every span that was acknowledged before it began: none lost, none
// twice, none damaged.
func TestBackupsOfARunningStore(t *testing.T) {
	data := t.TempDir()
	e := openEngine(t, wal.OS, data)
	defer e.Close()
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			e.send(7)
			if n%40 == 0 {
				e.flush() // every sixteenth makes a merge
			}
		}
	}()
	targets := t.TempDir()
	type taken struct {
		path  string
		least int
	}
	var all []taken
	for i := range 5 {
		for e.done.Load() < int64(i+1)*1500 {
			time.Sleep(time.Millisecond)
		}
		b := taken{filepath.Join(targets, fmt.Sprint(i)), int(e.done.Load())}
		if i%2 == 0 {
			b.path += ".tar"
		}
		if _, err := saveWhileRunning(e, data, b.path); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	close(stop)
	<-stopped
	for _, b := range all {
		dir := b.path + ".data"
		if _, err := backup.Restore(b.path, dir, backup.Options{}); err != nil {
			t.Fatal(err)
		}
		restored := openEngine(t, wal.OS, dir)
		if found := restored.holds(b.least); found < b.least {
			t.Errorf("%s holds %d spans, %d were acknowledged before it", b.path, found, b.least)
		}
		restored.Close()
	}
	if all[0].least >= all[4].least || e.Status().Segments < 2 {
		t.Errorf("the writer did not go on: %d to %d spans, %d segments", all[0].least, all[4].least, e.Status().Segments)
	}
}

// A folder that a store writes to, flushes and merges in is never taken for damaged.
func TestVerifyOfARunningStore(t *testing.T) {
	data := t.TempDir()
	e := openEngine(t, wal.OS, data)
	defer e.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			e.send(7)
			if n%5 == 0 {
				e.flush()
			}
		}
	}()
	looks, most := 0, 0
	for looks < 20 || e.done.Load() < 800 {
		r, err := backup.Verify(data, backup.Options{})
		if err != nil || len(r.Problems) > 0 {
			t.Errorf("look %d: %+v, %v", looks, r, err)
			break
		}
		looks++
		most = max(most, r.Segments)
	}
	close(stop)
	<-stopped
	if most < 2 {
		t.Errorf("at most %d segments were seen", most)
	}
}

func saveWhileRunning(e *engine, data, to string) (*backup.Catalogue, error) {
	c, err := e.Copy()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, w := io.Pipe()
	go func() { w.CloseWithError(backup.Write(context.Background(), w, source(wal.OS, data, c))) }()
	if strings.HasSuffix(to, ".tar") {
		return backup.SaveFile(wal.OS, to, r)
	}
	return backup.SaveFolder(wal.OS, to, r)
}

// A flush whose record is committed and whose segments nobody sees yet: a copy
// waits for it, since the cursor has moved over rows that are in no segment of a view.
func TestCopyInTheMiddleOfAFlush(t *testing.T) {
	fs, dir := memoryFS(t)
	e := openEngine(t, fs, dir)
	defer e.Close()
	entered, proceed := make(chan struct{}), make(chan struct{})
	// The manifest is compacted between the two halves of a flush, now and then: the
	// second time it is a flush, the first a merge.
	fs.Inject(testkit.Fault{Op: testkit.OpOpen, Path: "manifest.tmp", Nth: 2, Wait: func() { close(entered); <-proceed }})
	flushed := make(chan error, 1)
	for inside := false; !inside; {
		e.send(3)
		go func() { flushed <- e.Flush(context.Background()) }()
		select {
		case err := <-flushed:
			if err != nil {
				t.Fatal(err)
			}
		case <-entered:
			inside = true
		}
	}
	type outcome struct {
		c   *store.Copy
		err error
	}
	copied := make(chan outcome, 1)
	go func() {
		c, err := e.Copy()
		copied <- outcome{c, err}
	}()
	var got outcome
	select {
	case got = <-copied:
	case <-time.After(100 * time.Millisecond): // one that did not wait would be here
	}
	close(proceed)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	if got.c == nil {
		got = <-copied
	}
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer got.c.Close()
	var b bytes.Buffer
	if err := backup.Write(context.Background(), &b, source(fs, dir, got.c)); err != nil {
		t.Fatal(err)
	}
	restoreStream(t, b.Bytes(), e.next)
}

// Files of a pinned state outlive a merge and a truncation of the log.
func TestPinnedFilesStay(t *testing.T) {
	fs, dir := memoryFS(t)
	e := openEngine(t, fs, dir)
	defer e.Close()
	for range 15 {
		e.send(10)
		e.flush()
	}
	e.send(10)
	c, err := e.Copy()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // the sixteenth segment makes a merge due, and the log is cut
		e.send(10)
		e.flush()
	}
	if e.Status().Segments >= 15 {
		t.Fatalf("no merge happened: %d segments", e.Status().Segments)
	}
	var b bytes.Buffer
	if err := backup.Write(context.Background(), &b, source(fs, dir, c)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := store.OpenCopy(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if unnamed, err := left.Unnamed(); err != nil || len(unnamed) > 0 {
		t.Errorf("folders are left when the copy is closed: %v, %v", unnamed, err)
	}
	restoreStream(t, b.Bytes(), 160)
}

// restoreStream restores a stream in memory and checks its spans.
func restoreStream(t *testing.T, stream []byte, spans int) {
	t.Helper()
	fs, dir := memoryFS(t)
	file := filepath.Join(dir, "b.tar")
	if _, err := backup.SaveFile(fs, file, bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil { // for DuckDB
		t.Fatal(err)
	}
	if _, err := backup.Restore(file, data, backup.Options{FS: fs}); err != nil {
		t.Fatal(err)
	}
	e := openEngine(t, fs, data)
	defer e.Close()
	e.holds(spans)
}

// A stream that ends early, wherever, is no backup; what it left says so.
func TestStreamsThatBreakOff(t *testing.T) {
	stream, _ := small(t)
	for cut := 0; cut < len(stream)-1536; cut += max(1, len(stream)/211) { // the end marks and zeros before them are up to 1,536 bytes
		fs, dir := memoryFS(t)
		file, folder := filepath.Join(dir, "b.tar"), filepath.Join(dir, "b")
		if _, err := backup.SaveFile(fs, file, bytes.NewReader(stream[:cut])); err == nil {
			t.Fatalf("cut at %d of %d: the file was taken for a backup", cut, len(stream))
		}
		if entries, _ := fs.ReadDir(dir); len(entries) > 0 {
			t.Fatalf("cut at %d: %s is left", cut, entries[0].Name())
		}
		if _, err := backup.SaveFolder(fs, folder, bytes.NewReader(stream[:cut])); err == nil {
			t.Fatalf("cut at %d of %d: the folder was taken for a backup", cut, len(stream))
		}
		if why := backup.Unfinished(fs, folder); !strings.Contains(why, "not finished") {
			t.Fatalf("cut at %d: the folder says %q", cut, why)
		}
		if _, err := backup.Restore(folder, filepath.Join(dir, "data"), backup.Options{FS: fs}); !errors.Is(err, backup.ErrUnfinished) {
			t.Fatalf("cut at %d: restore: %v", cut, err)
		}
		r, err := backup.Verify(folder, backup.Options{FS: fs})
		if err != nil || len(r.Problems) != 1 {
			t.Fatalf("cut at %d: verify: %+v, %v", cut, r, err)
		}
	}
}

// A source that fails on the way says why through the stream.
func TestSourceThatFails(t *testing.T) {
	fs, dir := memoryFS(t)
	e := openEngine(t, fs, dir)
	defer e.Close()
	e.send(10)
	e.flush()
	c, err := e.Copy()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := source(fs, dir, c)
	s.State = func(context.Context) ([]byte, error) { return nil, errors.New("the tokens are out") }
	var b bytes.Buffer
	if err := backup.Write(context.Background(), &b, s); err == nil {
		t.Fatal("no error")
	}
	if _, err := backup.SaveFile(fs, filepath.Join(dir, "b.tar"), &b); err == nil || !strings.Contains(err.Error(), "the source could not go on: the tokens are out") {
		t.Errorf("the reader hears %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := backup.Write(ctx, io.Discard, source(fs, dir, c)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled backup ends with %v", err)
	}
}
