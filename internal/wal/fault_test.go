package wal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// tryAppend gives only the error of an append.
func tryAppend(l *wal.Log, data string) error {
	_, _, err := l.Append(context.Background(), []byte(data))
	return err
}

func wantKind(t *testing.T, err error, kind telemetry.Kind, text string) {
	t.Helper()
	if telemetry.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v error %v, want %v with %q", telemetry.KindOf(err), err, kind, text)
	}
}

// Records that arrive while an fsync runs share the next one.
func TestConcurrentAppendsShareAnFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		l := open(t, small(fs))
		appendOne(t, l, "starts the file")
		before := l.Stats()
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		var acked atomic.Int32
		var wg sync.WaitGroup
		add := func(n int) {
			for i := range n {
				wg.Go(func() {
					if err := tryAppend(l, fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
					acked.Add(1)
				})
			}
			synctest.Wait()
		}
		add(1) // its fsync hangs
		add(20)
		if n := acked.Load(); n != 0 {
			t.Errorf("%d acknowledged before the fsync returned", n)
		}
		if got, _ := readFrom(t, l, 0); len(got) != 1 {
			t.Errorf("a reader sees %d records, one is durable", len(got))
		}
		close(release)
		wg.Wait()
		after := l.Stats()
		testkit.Diff(t, "records", after.Records-before.Records, int64(21))
		testkit.Diff(t, "fsyncs", after.Syncs-before.Syncs, int64(2))
	})
}

func TestFailedFsyncMakesTheLogReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		o := small(fs)
		var failures []error
		o.OnFailure = func(err error) { failures = append(failures, err) }
		l := open(t, o)
		kept := appendOne(t, l, "kept")
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Err: syscall.EIO, Wait: func() { <-release }})
		var wg sync.WaitGroup
		for i := range 5 { // one is in the fsync, four wait
			wg.Go(func() {
				wantKind(t, tryAppend(l, fmt.Sprint("refused ", i)), telemetry.KindUnavailable, "read-only")
			})
			synctest.Wait()
		}
		close(release)
		wg.Wait()
		synctest.Wait() // OnFailure comes after the answers
		syncs := fs.Calls(testkit.OpSync)
		err := tryAppend(l, "refused later")
		wantKind(t, err, telemetry.KindUnavailable, "log /data/log is read-only, nothing is accepted until the disk is sound and the server restarted: fsync /data/log/0000000000000000.log: ")
		if !errors.Is(err, syscall.EIO) || !errors.Is(l.Err(), syscall.EIO) {
			t.Errorf("the cause is gone: %v; %v", err, l.Err())
		}
		wantKind(t, l.Truncate(l.End()), telemetry.KindUnavailable, "read-only")
		testkit.Diff(t, "failures told", len(failures), 1)
		got, _ := readFrom(t, l, 0)
		testkit.Diff(t, "readable", got, []entry{kept})
		r, err := l.Reader(l.End())
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, r.Wait(context.Background()), telemetry.KindUnavailable, "read-only")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		testkit.Diff(t, "fsyncs after the failed one", fs.Calls(testkit.OpSync)-syncs, 0)
	})
}

func TestFailuresThatEndTheLog(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults []testkit.Fault
		text   string
	}{
		{"write", []testkit.Fault{{Op: testkit.OpWrite, Nth: 2, Err: syscall.EIO}}, "write /data/log/"},
		{"short write", []testkit.Fault{{Op: testkit.OpWrite, Nth: 2, Err: syscall.EIO, Short: 17}}, "write /data/log/"},
		{"fsync of a new file's header", []testkit.Fault{{Op: testkit.OpSync, Err: syscall.EIO}}, "fsync /data/log/"},
		{"fsync of the folder", []testkit.Fault{{Op: testkit.OpSyncDir, Err: syscall.EIO}}, "fsync folder /data/log"},
		{"disk full and no cut", []testkit.Fault{
			{Op: testkit.OpWrite, Nth: 2, Err: syscall.ENOSPC, Short: 17},
			{Op: testkit.OpTruncate, Err: syscall.EIO},
		}, "cut it back to 40 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fs := emptyDir(t)
			l := open(t, small(fs))
			for _, f := range tc.faults {
				fs.Inject(f)
			}
			wantKind(t, tryAppend(l, "refused"), telemetry.KindUnavailable, tc.text)
			wantKind(t, tryAppend(l, "refused as well"), telemetry.KindUnavailable, tc.text)
			if l.Err() == nil {
				t.Error("no sticky error")
			}
		})
	}
}

// Too many open files, or a folder whose rights are mended, are no reason to
// restart: nothing was written that is in doubt.
func TestFailedStartOfAFilePasses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault testkit.Fault
		kind  telemetry.Kind
	}{
		{"open", testkit.Fault{Op: testkit.OpOpen, Err: syscall.EMFILE}, telemetry.KindUnavailable},
		{"rights", testkit.Fault{Op: testkit.OpOpen, Err: syscall.EACCES}, telemetry.KindUnavailable},
		{"header", testkit.Fault{Op: testkit.OpWrite, Err: syscall.EIO, Short: 12}, telemetry.KindUnavailable},
		{"header on a full disk", testkit.Fault{Op: testkit.OpWrite, Err: syscall.ENOSPC, Short: 12}, telemetry.KindExhausted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fs := emptyDir(t)
			l := open(t, small(fs))
			fs.Inject(tc.fault)
			wantKind(t, tryAppend(l, "refused"), tc.kind, "start log file /data/log/0000000000000000.log: ")
			testkit.Diff(t, "sticky error", l.Err(), nil)
			e := appendOne(t, l, "accepted")
			got, _ := readFrom(t, l, 0)
			testkit.Diff(t, "records", got, []entry{e})
		})
	}
}

func TestFullDiskPassesWhenThereIsSpaceAgain(t *testing.T) {
	fs := emptyDir(t)
	l := open(t, small(fs))
	all := []entry{appendOne(t, l, "before")}
	size := len(fileBytes(t, fs, first))
	fs.SetCapacity(fs.Used() + 50)
	for range 3 {
		err := tryAppend(l, strings.Repeat("x", 100))
		wantKind(t, err, telemetry.KindExhausted, "no space on the disk of the log")
		if !errors.Is(err, wal.ErrDiskFull) || telemetry.RetryAfterOf(err) <= 0 {
			t.Errorf("got %v, retry after %s", err, telemetry.RetryAfterOf(err))
		}
		testkit.Diff(t, "size after the cut", len(fileBytes(t, fs, first)), size)
	}
	all = append(all, appendOne(t, l, "fits")) // what is smaller still goes in
	fs.SetCapacity(0)
	all = append(all, appendOne(t, l, strings.Repeat("x", 100)))
	got, damage := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, all)
	testkit.Diff(t, "damage", damage, wal.Damage{})
	testkit.Diff(t, "counted", l.Stats().DiskErrs, int64(3))
	testkit.Diff(t, "sticky error", l.Err(), nil)
}

func TestLogOpensAndDrainsOnAFullDisk(t *testing.T) {
	fs, all := written(t, 30)
	fs.SetCapacity(fs.Used())
	o := small(fs)
	o.SegmentBytes = 1200
	l := open(t, o)
	got, _ := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, all)
	if err := tryAppend(l, "refused"); !errors.Is(err, wal.ErrDiskFull) {
		t.Fatalf("append: %v", err)
	}
	if err := l.Truncate(all[20].End); err != nil {
		t.Fatal(err)
	}
	appendOne(t, l, "accepted")
}

func TestCancelWithdrawsWhatWaitsAndNotWhatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		l := open(t, small(fs))
		appendOne(t, l, "starts the file")
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		ctx, cancel := context.WithCancel(context.Background())
		errs := map[string]error{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, data := range []string{"being written", "withdrawn"} {
			wg.Go(func() {
				_, _, err := l.Append(ctx, []byte(data))
				mu.Lock()
				defer mu.Unlock()
				errs[data] = err
			})
			synctest.Wait()
		}
		wg.Go(func() {
			if err := tryAppend(l, "patient"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		mu.Lock()
		if err, done := errs["withdrawn"]; !done || !errors.Is(err, context.Canceled) {
			t.Errorf("the one that waited: %v", err)
		}
		if err, done := errs["being written"]; done {
			t.Errorf("the one being written returned early: %v", err)
		}
		mu.Unlock()
		close(release)
		wg.Wait()
		if err := errs["being written"]; err != nil {
			t.Errorf("the one being written: %v", err)
		}
		var got []string
		all, _ := readFrom(t, l, 0)
		for _, e := range all {
			got = append(got, e.Data)
		}
		testkit.Diff(t, "records", got, []string{"starts the file", "being written", "patient"})
		if _, _, err := l.Append(ctx, []byte("late")); !errors.Is(err, context.Canceled) {
			t.Errorf("append with an ended context: %v", err)
		}
	})
}

// The committer waits for as many as came together before, and not longer than
// Delay.
func TestDelayGathersCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		o := small(fs)
		o.Delay = time.Second
		l := open(t, o)
		start := time.Now()
		appendOne(t, l, "alone before, so it does not wait")
		testkit.Diff(t, "first", time.Since(start), time.Duration(0))

		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		var wg sync.WaitGroup
		add := func() {
			wg.Go(func() {
				if err := tryAppend(l, "x"); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		add() // hangs in its fsync
		add()
		add()
		close(release)
		wg.Wait() // the last two shared an fsync
		syncs := l.Stats().Syncs

		start = time.Now()
		add()
		time.Sleep(o.Delay / 2) // on the clock of the bubble
		add()
		wg.Wait()
		testkit.Diff(t, "two wait for each other", time.Since(start), o.Delay/2)
		testkit.Diff(t, "and share", l.Stats().Syncs-syncs, int64(1))

		start = time.Now()
		add()
		wg.Wait()
		testkit.Diff(t, "one waits no longer than", time.Since(start), o.Delay)
	})
}

// Every call to the disk fails once, in a run that starts files, appends,
// truncates and closes. Whatever was acknowledged is there for the next process
// and after a loss of power.
func TestEveryCallFailsOnce(t *testing.T) {
	script := func(fs *testkit.FS) (acked []entry, floor wal.Position, done bool) {
		o := small(fs)
		o.SegmentBytes = 300
		l, err := wal.Open(dir, o)
		if err != nil {
			return nil, 0, false
		}
		defer l.Close()
		for i := range 12 {
			data := fmt.Sprint(i, strings.Repeat("r", 100))
			pos, end, err := l.Append(context.Background(), []byte(data))
			if err == nil {
				acked = append(acked, entry{pos, end, data})
			}
			if i == 8 && len(acked) > 3 {
				floor = acked[3].End
				_ = l.Truncate(floor)
			}
		}
		return acked, floor, true
	}
	clean := emptyDir(t)
	if acked, _, _ := script(clean); len(acked) != 12 {
		t.Fatalf("%d acknowledged without a fault", len(acked))
	}
	for _, op := range []testkit.Op{testkit.OpOpen, testkit.OpRead, testkit.OpWrite, testkit.OpSync, testkit.OpTruncate,
		testkit.OpClose, testkit.OpRename, testkit.OpRemove, testkit.OpReadDir, testkit.OpMkdir, testkit.OpStat, testkit.OpSyncDir} {
		for nth := 1; nth <= clean.Calls(op); nth++ {
			for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
				t.Run(fmt.Sprintf("%s %d %s", op, nth, fault), func(t *testing.T) {
					fs := emptyDir(t)
					fs.Inject(testkit.Fault{Op: op, Nth: nth + emptyCalls(t, op), Err: fault, Short: 30})
					acked, floor, opened := script(fs)
					fs.Heal()
					for i, next := range []*testkit.FS{fs.Crash(1), fs.Crash(uint64(nth)), fs.Kill()} {
						l := open(t, small(next))
						got, damage := readFrom(t, l, floor)
						at := map[entry]bool{}
						for _, e := range got {
							at[e] = true
						}
						for _, e := range acked {
							if e.Pos >= floor && !at[e] {
								t.Errorf("after end %d: acknowledged record at %d is lost", i, e.Pos)
							}
						}
						if damage != (wal.Damage{}) || l.Recovery().Damage.Lost() {
							t.Errorf("after end %d: damage %+v, %+v", i, damage, l.Recovery())
						}
					}
					if !opened && len(acked) > 0 {
						t.Error("acknowledged by a log that did not open")
					}
				})
			}
		}
	}
}

// emptyCalls tells how many calls of op making the folder took.
func emptyCalls(t *testing.T, op testkit.Op) int { return emptyDir(t).Calls(op) }
