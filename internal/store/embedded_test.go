package store_test

import (
	"context"
	"flag"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// engine is the embedded store with a log in front, as a node wires them.
type engine struct {
	*store.Embedded
	dir    string
	fs     wal.FS
	seq    *atomic.Int64
	expire *atomic.Int64 // what was received before expires; 0: nothing
}

func open(t testing.TB, dir string, fs wal.FS, seq *atomic.Int64) *engine {
	t.Helper()
	now, expire := time.Now(), &atomic.Int64{}
	s, err := store.Open(context.Background(), store.Options{
		Dir: dir, FS: fs, FreshBytes: 1 << 30, Now: func() time.Time { return now },
		Retention: func(string) store.Retention {
			if before := expire.Load(); before > 0 {
				return store.Retention{Age: time.Duration(now.UnixNano() - before)}
			}
			return store.Retention{}
		},
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(dir, "log"), wal.Options{FS: fs, NotBefore: notBefore})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &engine{s, dir, fs, seq, expire}
}

func newEngine(t testing.TB) *engine {
	seq := &atomic.Int64{}
	seq.Store(time.Now().Add(-time.Hour).UnixNano())
	e := open(t, t.TempDir(), wal.OS, seq)
	return e
}

func (e *engine) Send(t testing.TB, b *telemetry.Batch) int64 {
	t.Helper()
	if err := e.Admit(b.Tenant); err != nil {
		t.Fatal(err)
	}
	seq := e.seq.Add(1)
	start, end, err := e.Log().Append(context.Background(), telemetry.AppendRecord(nil, b, seq))
	if err != nil {
		t.Fatal(err)
	}
	copied, _, err := telemetry.DecodeRecord(telemetry.AppendRecord(nil, b, seq))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Append(copied, seq, start, end); err != nil {
		t.Fatal(err)
	}
	return seq
}

// Expire sets the age of retention for one look.
func (e *engine) Expire(t testing.TB, before int64) {
	t.Helper()
	e.expire.Store(before)
	defer e.expire.Store(0)
	if err := e.Embedded.Expire(); err != nil {
		t.Fatal(err)
	}
}

// Crash leaves memory behind: the engine is abandoned, not closed, and only what
// is on disk counts.
func (e *engine) Crash(t testing.TB) storetest.Engine {
	t.Helper()
	e.Abandon()
	return open(t, e.dir, e.fs, e.seq)
}

func TestEmbedded(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Engine {
		e := newEngine(t)
		t.Cleanup(e.Abandon)
		return e
	})
}

var walks = flag.Int64("walks", 2, "courses of random operations beside the model")

// More courses of what TestEmbedded does once.
func TestRandomOperations(t *testing.T) {
	for seed := range *walks {
		e := newEngine(t)
		storetest.Random(t, e, 100+seed, 120)
		if t.Failed() {
			return
		}
	}
}
