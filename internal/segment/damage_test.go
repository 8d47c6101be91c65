package segment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// use reads everything in every way, and returns the first error.
func use(s *segment.Segment, ids []telemetry.TraceID) ([]record, []string, error) {
	for _, id := range ids {
		may, err := s.MayContain(id)
		if err != nil {
			return nil, nil, err
		}
		if !may {
			return nil, nil, errors.New("a trace that is there is said not to be")
		}
	}
	b, err := s.ReadRows(0, s.Meta().Rows)
	if err != nil {
		return nil, nil, err
	}
	x, err := s.Structure()
	if err != nil {
		return nil, nil, err
	}
	defer x.Close()
	var shape []string
	for _, id := range ids {
		rows, err := x.Find(id)
		if err != nil {
			return nil, nil, err
		}
		spans, err := x.Read([]segment.Rows{rows}, segment.Fields{Start: true, Duration: true, Seq: true})
		if err != nil {
			return nil, nil, err
		}
		shape = append(shape, fmt.Sprintf("%s in %v: %v, parents %v, starts %v, durations %v, places %v", id, rows, spans.SpanID, spans.Parent, spans.Start, spans.Duration, spans.Seq))
	}
	return records(b), shape, nil
}

// A flipped bit in any file is an error that says which file, or touches
// nothing that was read; Verify finds every one.
func TestFlippedBits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seg")
	batches := randomBatches(shape{spans: 400, traces: 40, keys: 22, fill: 0.4, distinct: 60, children: true, seed: 21}, 2)
	s, _ := write(t, dir, batches)
	m := s.Meta()
	var ids []telemetry.TraceID
	for _, r := range want(batches) {
		if n := len(ids); n == 0 || ids[n-1] != r.trace {
			ids = append(ids, r.trace)
		}
	}
	rows, shape, err := use(s, ids)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	silent := 0
	for i := range 2000 {
		f := m.Files[i%len(m.Files)]
		at, bit := r.Int64N(f.Bytes), byte(1)<<r.IntN(8)
		flip(t, filepath.Join(dir, f.Name), at, bit)
		damaged, err := segment.Open(wal.OS, dir, m, segment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := damaged.VerifyAll(); err == nil {
			t.Errorf("%s: bit %#x of byte %d: Verify found nothing", f.Name, bit, at)
		} else if err != nil && (telemetry.KindOf(err) != telemetry.KindInternal || !strings.Contains(err.Error(), f.Name)) {
			t.Errorf("%s: byte %d: %v", f.Name, at, err)
		}
		gotRows, gotShape, err := use(damaged, ids)
		switch {
		case err == nil:
			silent++
			requireEqual(t, "rows after a flip in "+f.Name, gotRows, rows)
			requireEqual(t, "the shape of traces after a flip in "+f.Name, gotShape, shape)
		case telemetry.KindOf(err) != telemetry.KindInternal || !strings.Contains(err.Error(), f.Name):
			t.Errorf("%s: byte %d: %v", f.Name, at, err)
		}
		flip(t, filepath.Join(dir, f.Name), at, bit)
	}
	// Columns that no row needs (service, the number of a resource) may go unnoticed.
	if silent > 300 {
		t.Errorf("%d of 2,000 flips went unnoticed", silent)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func flip(t *testing.T, path string, at int64, bit byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func TestTruncatedAndMissingFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seg")
	s, _ := write(t, dir, randomBatches(shapes["small"], 2))
	for _, f := range s.Meta().Files {
		path := filepath.Join(dir, f.Name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int64{0, 1, f.Bytes / 2, f.Bytes - 1, f.Bytes + 1} {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			if _, err := segment.Open(wal.OS, dir, s.Meta(), segment.Options{}); err == nil || telemetry.KindOf(err) != telemetry.KindInternal || !strings.Contains(err.Error(), f.Name) {
				t.Errorf("%s cut to %d bytes: %v", f.Name, size, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := segment.Open(wal.OS, dir, s.Meta(), segment.Options{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is gone: %v", f.Name, err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := segment.Open(wal.OS, dir, s.Meta(), segment.Options{}); err != nil {
		t.Errorf("mended folder: %v", err)
	}
}

func TestCutAfterOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seg")
	batches := randomBatches(shapes["small"], 2)
	s, _ := write(t, dir, batches)
	for _, name := range []string{"spans.parquet", "events.parquet", "resources.parquet"} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := segment.Open(wal.OS, dir, s.Meta(), segment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 40); err != nil {
			t.Fatal(err)
		}
		if _, err := fresh.ReadRows(0, s.Meta().Rows); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s cut after Open: %v", name, err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewerFormat(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seg")
	s, _ := write(t, dir, randomBatches(shapes["one row"], 1))
	m := *s.Meta()
	m.Format = 3
	const say = "format 3, this clew reads up to 1: start a newer clew, or restore the folder from a backup"
	if _, err := segment.Open(wal.OS, dir, &m, segment.Options{}); err == nil || !strings.HasSuffix(err.Error(), say) {
		t.Errorf("open: %v", err)
	}
	if _, err := segment.ParseMeta(segment.AppendMeta(nil, &m)); err == nil || !strings.HasSuffix(err.Error(), say) {
		t.Errorf("parse: %v", err)
	}
}

// Every call to the file system that fails makes Write fail with its cause;
// what Write reported as done survives a crash whole.
func TestWriteFaults(t *testing.T) {
	batches := randomBatches(shapes["small"], 2)
	model := want(batches)
	clean := testkit.NewFS()
	m, _, err := segment.Write(clean, "/seg", batches, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []testkit.Op{testkit.OpMkdir, testkit.OpOpen, testkit.OpWrite, testkit.OpSync, testkit.OpClose, testkit.OpSyncDir} {
		calls := clean.Calls(op)
		if calls == 0 {
			t.Errorf("Write never calls %s", op)
		}
		for n := 1; n <= calls; n++ {
			fs := testkit.NewFS()
			fs.Inject(testkit.Fault{Op: op, Nth: n, Err: syscall.EIO})
			if _, _, err := segment.Write(fs, "/seg", batches, segment.Options{}); !errors.Is(err, syscall.EIO) {
				t.Errorf("call %d of %s failed, Write says %v", n, op, err)
			}
		}
	}
	if err := clean.SyncDir("/"); err != nil { // as the caller does after the rename
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		s, err := segment.Open(clean.Crash(seed), "/seg", m, segment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.VerifyAll(); err != nil {
			t.Fatal(err)
		}
		compareToModel(t, readAll(t, s), model)
	}
}

// A read that fails is an error, not a trace that is not there.
func TestReadFaults(t *testing.T) {
	batches := randomBatches(shapes["small"], 2)
	id := want(batches)[0].trace
	fs := testkit.NewFS()
	m, _, err := segment.Write(fs, "/seg", batches, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(fs, "/seg", m, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []testkit.Op{testkit.OpOpen, testkit.OpRead} {
		before := fs.Calls(op)
		if _, err := s.Trace(id); err != nil {
			t.Fatal(err)
		}
		for n := range fs.Calls(op) - before {
			fs.Inject(testkit.Fault{Op: op, Nth: n + 1, Err: syscall.EIO})
			if b, err := s.Trace(id); !errors.Is(err, syscall.EIO) || b != nil {
				t.Errorf("call %d of %s failed, Trace gives %v, %v", n+1, op, b, err)
			}
			fs.Heal()
		}
	}
}

// One Segment and one Cache serve many goroutines; the cache stays within its bound.
func TestConcurrentReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "seg")
	batches := randomBatches(shapes["small"], 2)
	model := want(batches)
	m, _, err := segment.Write(wal.OS, dir, batches, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cache := segment.NewCache(64 << 10)
	s, err := segment.Open(wal.OS, dir, m, segment.Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	fail := make(chan error, 8)
	for g := range 8 {
		wg.Go(func() {
			for i := g; i < len(model); i += 8 {
				b, err := s.Trace(model[i].trace)
				if err == nil && b == nil {
					err = fmt.Errorf("trace %s is not there", model[i].trace)
				}
				if err == nil {
					err = s.Verify(segment.TableSpans, "trace_id", "name")
				}
				if err != nil {
					fail <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(fail)
	for err := range fail {
		t.Error(err)
	}
	if cache.Bytes() > 64<<10 {
		t.Errorf("cache holds %d bytes, its bound is %d", cache.Bytes(), 64<<10)
	}
	s.Close()
	if cache.Bytes() != 0 {
		t.Errorf("cache holds %d bytes of a closed segment", cache.Bytes())
	}
}
