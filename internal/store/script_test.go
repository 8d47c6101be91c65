package store_test

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// scripted is a store and its log on a disk in memory, and what was done to them.
// Nothing runs in the background, so that equal calls make equal calls of the disk.
type scripted struct {
	t     *testing.T
	fs    *testkit.FS
	dir   string
	e     *store.Embedded // nil while it does not open
	w     *witness
	clock *testkit.Clock
	gen   *storetest.Gen
	seq   int64
	rough bool // errors are expected: a fault is under way
	open  bool // the script ends without a Close
	tails *tailed

	stepped func()         // called after each step; nil: nothing
	refused func(error)    // called with the error of a send; nil: nothing
	running sync.WaitGroup // tails
}

// Tenants of scripts. What the second one sends expires after an hour.
const (
	tenantLong  = "long"
	tenantShort = "short"
)

var scriptStart = time.Date(2024, 3, 5, 12, 0, 0, 0, time.UTC)

// newScripted makes an empty disk. dir is a folder that the machine has, since
// the store looks at the free space of its real disk.
func newScripted(t *testing.T, dir string, seed int64) *scripted {
	fs := testkit.NewFS()
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for at := dir; at != "/"; at = filepath.Dir(at) {
		if err := fs.SyncDir(filepath.Dir(at)); err != nil {
			t.Fatal(err)
		}
	}
	return &scripted{t: t, fs: fs, dir: dir, w: newWitness(), clock: testkit.NewClock(scriptStart), gen: storetest.NewGen(seed, scriptStart.UnixNano())}
}

// on is the same story on another disk.
func (s *scripted) on(t *testing.T, fs *testkit.FS) *scripted {
	clock := testkit.NewClock(s.clock.Now())
	return &scripted{t: t, fs: fs, dir: s.dir, w: s.w.clone(), clock: clock, gen: storetest.NewGen(s.seq, clock.Now().UnixNano()), seq: s.seq}
}

// start opens the store.
func (s *scripted) start() error {
	e, err := store.OpenStill(context.Background(), store.Options{
		Dir: s.dir, FS: s.fs, Now: s.clock.Now, FreshBytes: 1 << 30, ClockSkew: 30 * 24 * time.Hour, CacheBytes: 1 << 20,
		Retention: func(tenant string) store.Retention {
			if tenant == tenantShort {
				return store.Retention{Age: time.Hour}
			}
			return store.Retention{}
		},
		OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
			return wal.Open(filepath.Join(s.dir, "log"), wal.Options{FS: s.fs, NotBefore: notBefore, Delay: -1,
				SegmentBytes: 8 << 10, MaxBytes: 4 << 20, MaxRecordBytes: 64 << 10})
		}})
	if err != nil {
		s.e = nil
		return err
	}
	s.e, s.seq = e, max(s.seq, e.LastSeq())
	if s.tails != nil {
		s.tails.follow(s)
	}
	return nil
}

// fine says whether a step went well. An error ends the test unless the script is rough.
func (s *scripted) fine(doing string, err error) bool {
	s.t.Helper()
	if err != nil && !s.rough {
		s.t.Fatalf("%s: %v", doing, err)
	}
	return err == nil
}

// send logs and appends as a node does, and gives whether the batch was acknowledged.
func (s *scripted) send(b *telemetry.Batch) bool {
	s.t.Helper()
	if s.e == nil {
		return false
	}
	s.seq = max(s.seq+1, s.clock.Now().UnixNano())
	x := s.w.add(b, s.seq)
	again := x.acked
	err := s.e.Admit(b.Tenant)
	if err == nil {
		err = s.log(b)
	}
	if err != nil && s.refused != nil {
		s.refused(err)
	}
	if !s.fine("send", err) {
		return false
	}
	x.acked = true
	if s.tails != nil && !again {
		s.tails.expect(s.t, b)
	}
	return true
}

func (s *scripted) log(b *telemetry.Batch) error {
	record := telemetry.AppendRecord(nil, b, s.seq)
	start, end, err := s.e.Log().Append(context.Background(), record)
	if err != nil {
		return err
	}
	copied, _, err := telemetry.DecodeRecord(record)
	if err != nil {
		return err
	}
	return s.e.Append(copied, s.seq, start, end)
}

// trace makes a trace of n spans that starts after the clock by so much.
func (s *scripted) trace(tenant string, after time.Duration, n int) []*telemetry.Batch {
	s.gen.Base = s.clock.Now().Add(after).UnixNano()
	return s.gen.Trace(tenant, n)
}

func (s *scripted) flush() {
	if s.e != nil {
		s.fine("flush", s.e.Flush(context.Background()))
	}
}

func (s *scripted) compact() {
	if s.e != nil {
		s.fine("compact", s.e.Compact())
	}
}

// look lets the background work of the store happen once.
func (s *scripted) look() {
	s.w.cutoff[tenantShort] = s.clock.Now().Add(-time.Hour).UnixNano()
	if s.e != nil {
		s.fine("look", s.e.Look(context.Background()))
	}
}

// restart ends the process without a word and starts the next on what it wrote.
func (s *scripted) restart() {
	if s.fs.Off() {
		return
	}
	s.stop()
	s.begin()
}

// begin opens the store, twice when need be: a supervisor tries again.
func (s *scripted) begin() {
	if !s.fine("start", s.start()) && !s.fs.Off() {
		s.fine("second start", s.start())
	}
}

// stop ends the process as kill -9 does.
func (s *scripted) stop() {
	if s.e != nil {
		s.fs.EndProcess()
		s.e.Abandon()
		s.e = nil
		s.running.Wait()
	}
}

// close ends the process in good order.
func (s *scripted) close() {
	s.fine("close", s.e.Close())
	s.e = nil
	s.running.Wait()
}

// play does everything that a store does to its disk: append, flush, merge,
// compaction, retention, a restart, while a tail follows; and ends in good order.
func (s *scripted) play() {
	const old = -3 * 24 * time.Hour // a day that gets no more spans: its segments merge at once
	early := s.trace(tenantLong, 0, 12)
	brief := s.trace(tenantShort, 0, 6)
	steps := []func(){
		func() { s.send(early[0]) },
		func() { s.send(brief[0]) },
		func() { s.send(s.trace(tenantLong, old, 3)[0]) },
		s.flush,
		s.compact,
		func() { s.send(early[0]) }, // a repeat
		func() { s.send(early[1]) }, // late spans of a stored trace
		func() { s.send(s.trace(tenantLong, old, 3)[0]) },
		s.flush, // and a merge of the old day
		func() { s.send(brief[1]) },
		s.restart,
		func() { s.each(s.trace(tenantLong, 0, 60)) }, // more than one file of the log
		s.flush,
		func() { s.clock.Advance(2 * time.Hour) },
		s.look, // what is short expires
		s.compact,
		func() { s.send(s.trace(tenantShort, 0, 4)[0]) },
		func() { s.send(s.trace(tenantLong, 0, 4)[0]) },
		s.flush,
		func() { s.send(s.trace(tenantLong, 0, 4)[0]) },
		s.look,
	}
	for _, step := range steps {
		if s.fs.Off() {
			return
		}
		step()
		if s.stepped != nil {
			s.stepped()
		}
	}
	if s.e != nil && !s.open {
		s.close()
	}
}

func (s *scripted) each(batches []*telemetry.Batch) {
	for _, b := range batches {
		s.send(b)
	}
}

// played runs the script while a tail follows. arm is called before it and done
// after it, while the store is still open with s.open.
func played(t *testing.T, dir string, arm, done func(*scripted)) *scripted {
	t.Helper()
	s := newScripted(t, dir, 1)
	s.tails = &tailed{}
	s.fs.Record()
	if arm != nil {
		arm(s)
	}
	s.begin()
	s.play()
	if done != nil {
		done(s)
	}
	s.stop()
	return s
}

// tailed is a tail of all that the first tenant sends, in every life.
type tailed struct {
	got chan string // the lines of spans that it gave
}

// patience is how long a test waits for what comes at once.
const patience = 20 * time.Second

func (x *tailed) follow(s *scripted) {
	plan, err := query.Compile("{ }")
	if err != nil {
		s.t.Fatal(err)
	}
	got := make(chan string, 1000)
	x.got = got
	e, t := s.e, s.t
	s.running.Go(func() {
		err := e.Tail(context.Background(), tenantLong, plan, func(b *telemetry.Batch, missed int64) error {
			if b != nil {
				for _, line := range lines(b) {
					got <- line
				}
			}
			if missed > 0 {
				t.Errorf("the tail missed %d rows", missed)
			}
			return nil
		})
		if err != nil && telemetry.KindOf(err) != telemetry.KindUnavailable { // the store closes
			t.Errorf("tail: %v", err)
		}
	})
	for end := time.Now().Add(patience); e.Tails(tenantLong) == 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the tail does not start")
		}
	}
}

// expect wants the tail to give each span of an acknowledged batch, once and as
// the next.
func (x *tailed) expect(t *testing.T, b *telemetry.Batch) {
	t.Helper()
	if b.Tenant != tenantLong {
		return
	}
	want := map[string]bool{}
	for _, line := range lines(b) {
		want[line] = true
	}
	for range len(want) {
		select {
		case line := <-x.got:
			if !want[line] {
				t.Fatalf("the tail gives what was not sent now: %s", line)
			}
			delete(want, line)
		case <-time.After(patience):
			t.Fatalf("the tail has not given %d spans that are acknowledged", len(want))
		}
	}
}

// proveNext starts the next process on a disk and holds it against what is known; with
// onward it also works on, ends in good order and is started once more.
func (s *scripted) proveNext(t *testing.T, when string, fs *testkit.FS, onward bool) {
	t.Helper()
	n := s.on(t, fs)
	defer n.stop()
	if err := n.start(); err != nil {
		t.Fatalf("%s: start: %v\nfiles:\n%s", when, err, fs.Dump())
	}
	report(t, when, fs, append(n.w.faults(n.e), leftovers(fs, n.dir, n.e, true)...))
	if !onward {
		return
	}
	for i := range 2 {
		n.each(n.trace(tenantLong, 0, 9))
		n.each(n.trace(tenantShort, 0, 3))
		if i == 0 {
			n.flush()
		}
	}
	n.look()
	report(t, when+", and on", fs, append(n.w.faults(n.e), leftovers(fs, n.dir, n.e, false)...))
	if err := n.e.Close(); err != nil {
		t.Fatalf("%s: close: %v", when, err)
	}
	if err := n.start(); err != nil {
		t.Fatalf("%s: start after a good end: %v", when, err)
	}
	report(t, when+", after a good end", fs, append(n.w.faults(n.e), leftovers(fs, n.dir, n.e, true)...))
}
