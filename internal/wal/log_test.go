package wal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// On the real disk: parts of every size, files that end, and a second life.
func TestRoundTripOnTheRealDisk(t *testing.T) {
	folder := t.TempDir() + "/a/b"
	o := wal.Options{SegmentBytes: 1 << 20, MaxRecordBytes: 4 << 20}
	l, err := wal.Open(folder, o)
	if err != nil {
		t.Fatal(err)
	}
	var want []entry
	for i, size := range []int{1, 100, 8 << 10, 128<<10 - 1, 128 << 10, 64 << 10, 300 << 10, 3 << 20, 5, 900 << 10} {
		a, b := strings.Repeat(string(rune('a'+i)), size), strings.Repeat("-", i*700)
		pos, end, err := l.Append(context.Background(), []byte(a), nil, []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, entry{pos, end, a + b})
	}
	got, damage := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, want)
	testkit.Diff(t, "damage", damage, wal.Damage{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = wal.Open(folder, o); err != nil {
		t.Fatal(err)
	}
	got, _ = readFrom(t, l, 0)
	testkit.Diff(t, "records of the next life", got, want)
	if err := l.Truncate(l.End()); err != nil {
		t.Fatal(err)
	}
	got, _ = readFrom(t, l, 0)
	testkit.Diff(t, "records after truncate", got, []entry(nil))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsThatAreRefused(t *testing.T) {
	l := open(t, small(emptyDir(t)))
	wantKind(t, tryAppend(l, ""), telemetry.KindInvalid, "the record is empty")
	wantKind(t, tryAppend(l, strings.Repeat("x", 3001)), telemetry.KindInvalid, "the record has 3001 bytes, the limit is 3000: send smaller batches")
	appendOne(t, l, strings.Repeat("x", 3000))
}

func TestOptionsThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(*wal.Options){
		"MaxRecordBytes is -1":      func(o *wal.Options) { o.MaxRecordBytes = -1 },
		"SegmentBytes is 50":        func(o *wal.Options) { o.SegmentBytes = 50 },
		"MaxBytes is 1000":          func(o *wal.Options) { o.MaxBytes = 1000 },
		"MaxPendingBytes is 1000":   func(o *wal.Options) { o.MaxPendingBytes = 1000 },
		"SegmentBytes is 214748364": func(o *wal.Options) { o.SegmentBytes = 2147483648 },
	} {
		o := small(emptyDir(t))
		change(&o)
		_, err := wal.Open(dir, o)
		wantKind(t, err, telemetry.KindInvalid, name)
	}
}

// The bound holds to the byte from both sides, and a truncate makes room.
func TestFullLog(t *testing.T) {
	fs := emptyDir(t)
	o := small(fs)
	o.MaxBytes = 10_000
	l := open(t, o)
	var all []entry
	for {
		err := tryAppend(l, strings.Repeat("x", 990))
		if err != nil {
			wantKind(t, err, telemetry.KindExhausted, "log is full")
			if !errors.Is(err, wal.ErrFull) || telemetry.RetryAfterOf(err) <= 0 {
				t.Errorf("got %v, retry after %s", err, telemetry.RetryAfterOf(err))
			}
			break
		}
		all, _ = readFrom(t, l, 0)
	}
	if len(all) != 9 || l.Bytes() > o.MaxBytes {
		t.Errorf("%d records in %d bytes", len(all), l.Bytes())
	}
	// What is left is for a record, the header of a file and a seal.
	left := o.MaxBytes - l.Bytes() - 2*wal.FrameBytes - wal.FileHeaderBytes
	calls := fs.Calls(testkit.OpWrite)
	if err := tryAppend(l, strings.Repeat("y", int(left)+1)); !errors.Is(err, wal.ErrFull) {
		t.Errorf("one byte too many: %v", err)
	}
	testkit.Diff(t, "writes of a refused append", fs.Calls(testkit.OpWrite)-calls, 0)
	testkit.Diff(t, "counted", l.Stats().FullErrs, int64(2))
	appendOne(t, l, strings.Repeat("y", int(left)))

	if err := l.Truncate(all[4].End); err != nil {
		t.Fatal(err)
	}
	appendOne(t, l, strings.Repeat("x", 990))
	var onDisk int64
	for _, name := range names(t, fs) {
		onDisk += int64(len(fileBytes(t, fs, dir+"/"+name)))
	}
	testkit.Diff(t, "Bytes", l.Bytes(), onDisk)
}

// Records that wait for their fsync count: the bound is never found to be passed
// when they are written.
func TestFullLogCountsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		o := small(fs)
		o.MaxBytes = 4000
		l := open(t, o)
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := tryAppend(l, strings.Repeat("x", 1000)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if err := tryAppend(l, strings.Repeat("x", 1000)); !errors.Is(err, wal.ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		close(release)
		wg.Wait()
		if l.Bytes() > o.MaxBytes {
			t.Errorf("%d bytes of %d", l.Bytes(), o.MaxBytes)
		}
	})
}

func TestPendingBytesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		o := small(fs)
		o.MaxPendingBytes = 3200
		l := open(t, o)
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := tryAppend(l, strings.Repeat("x", 1400)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wantKind(t, tryAppend(l, strings.Repeat("x", 1400)), telemetry.KindExhausted, "bytes wait for the disk, at most 3200 may")
		close(release)
		wg.Wait()
		appendOne(t, l, strings.Repeat("x", 1400))
	})
}

func TestTruncateDropsWholeFilesOnly(t *testing.T) {
	fs, all := written(t, 30)
	l := open(t, small(fs))
	for _, e := range all {
		if err := l.Truncate(e.Pos); err != nil {
			t.Fatal(err)
		}
		got, damage := readFrom(t, l, e.Pos)
		testkit.Diff(t, "records", got, without(all, func(x entry) bool { return x.Pos < e.Pos }))
		testkit.Diff(t, "damage", damage, wal.Damage{})
		if l.Start() > e.Pos {
			t.Errorf("starts at %d after truncate before %d", l.Start(), e.Pos)
		}
	}
}

// When every record may go, every file goes; the position lives on.
func TestTruncateToTheEndKeepsThePosition(t *testing.T) {
	fs, all := written(t, 30)
	end := all[29].End
	for range 3 {
		l := open(t, small(fs))
		if err := l.Truncate(l.End()); err != nil {
			t.Fatal(err)
		}
		testkit.Diff(t, "bytes", l.Bytes(), int64(wal.FileHeaderBytes))
		testkit.Diff(t, "files", len(names(t, fs)), 1)
		if l.End() < end || l.Start()+wal.FileHeaderBytes != l.End() {
			t.Errorf("the log is %d–%d after %d", l.Start(), l.End(), end)
		}
		end = l.End()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, small(fs))
	e := appendOne(t, l, "next")
	if e.Pos < end {
		t.Errorf("position %d after %d", e.Pos, end)
	}
	got, damage := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, []entry{e})
	testkit.Diff(t, "damage", damage, wal.Damage{})
}

// The power goes at every call of a truncate: the records that were needed stay,
// and no crash leaves a gap.
func TestTruncateIsCrashSafe(t *testing.T) {
	for calls := 0; ; calls++ {
		fs, all := written(t, 30)
		l := open(t, small(fs))
		cursor := all[20].End
		if calls%2 == 1 {
			cursor = l.End()
		}
		fs.CutPower(calls / 2)
		err := l.Truncate(cursor)
		for seed := range uint64(40) {
			next := open(t, small(fs.Crash(seed)))
			got, damage := readFrom(t, next, 0)
			got = without(got, func(e entry) bool { return e.Pos < cursor })
			testkit.Diff(t, "records", got, without(all, func(e entry) bool { return e.Pos < cursor }))
			if damage != (wal.Damage{}) || next.Recovery().Damage != (wal.Damage{}) || next.End() < all[29].End {
				t.Errorf("end %d, damage %+v, %+v", next.End(), damage, next.Recovery())
			}
			if t.Failed() {
				t.Fatalf("power cut after %d calls, seed %d", calls/2, seed)
			}
		}
		if err == nil && calls%2 == 1 {
			return
		}
	}
}

// A reader that has a file open finishes it; what went before it could open the
// next one is counted as missing for it.
func TestTruncateUnderAReader(t *testing.T) {
	fs, all := written(t, 30)
	l := open(t, small(fs))
	r, err := l.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if err := l.Truncate(all[25].Pos); err != nil {
		t.Fatal(err)
	}
	got := readAll(t, r)
	start := l.Start()
	const firstEnds = 1080
	testkit.Diff(t, "records", got, without(all[1:], func(e entry) bool { return e.End > firstEnds && e.Pos < start }))
	if d := r.Damage(); d.MissingBytes == 0 || d.CorruptBytes != 0 {
		t.Errorf("damage %+v", d)
	}
}

func TestReaderGoesOnAfterTheEnd(t *testing.T) {
	fs := emptyDir(t)
	o := small(fs)
	o.SegmentBytes = 200
	l := open(t, o)
	r, err := l.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 20 {
		if _, _, _, err := r.Next(); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
		want := appendOne(t, l, fmt.Sprint("record ", i))
		pos, end, b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		testkit.Diff(t, "record", entry{pos, end, string(b)}, want)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, small(emptyDir(t)))
		ctx, cancel := context.WithCancel(context.Background())
		results := make(chan error, 1)
		wait := func(ctx context.Context) *wal.Reader {
			r, err := l.Reader(l.End())
			if err != nil {
				t.Fatal(err)
			}
			if _, _, _, err := r.Next(); err != io.EOF {
				t.Fatalf("at the end: %v", err)
			}
			go func() { results <- r.Wait(ctx) }()
			synctest.Wait()
			return r
		}
		r := wait(context.Background())
		want := appendOne(t, l, "wakes")
		if err := <-results; err != nil {
			t.Errorf("after an append: %v", err)
		}
		testkit.Diff(t, "records", readAll(t, r), []entry{want})
		r.Close()
		wait(ctx)
		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("after cancel: %v", err)
		}
		wait(context.Background())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-results; err != nil && !errors.Is(err, wal.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		wantKind(t, tryAppend(l, "late"), telemetry.KindUnavailable, "log is closed")
	})
}

// A floor leaves positions in front of the next file that nobody wrote. Waiting
// there must not turn into asking over and over.
func TestWaitBehindAFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, _ := written(t, 5)
		o := small(fs)
		o.NotBefore = 5000
		l := open(t, o)
		r, err := l.Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readAll(t, r)
		woken := make(chan error, 1)
		go func() { woken <- r.Wait(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-woken:
			t.Fatalf("woken with nothing to read: %v", err)
		default:
		}
		want := appendOne(t, l, "first above the floor")
		if err := <-woken; err != nil {
			t.Error(err)
		}
		testkit.Diff(t, "records", readAll(t, r), []entry{want})
	})
}

// Close answers the appends that wait: they are written, not dropped.
func TestCloseWritesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		l := open(t, small(fs))
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if err := tryAppend(l, fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Go(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(release)
		wg.Wait()
		got, _ := readFrom(t, open(t, small(fs)), 0)
		testkit.Diff(t, "records", len(got), 3)
	})
}

// Writers, readers and a truncating consumer at once; meant for the race
// detector, checked for order and loss in any case.
func TestConcurrentUse(t *testing.T) {
	const writers, each = 8, 60
	fs := emptyDir(t)
	o := small(fs)
	o.MaxBytes = 8 << 20
	l := open(t, o)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			last := wal.Position(0)
			for i := range each {
				pos, end, err := l.Append(context.Background(), []byte{byte(w)}, []byte{byte(i)})
				if err != nil || pos < last || end <= pos {
					t.Errorf("append: %d–%d after %d, %v", pos, end, last, err)
					return
				}
				last = end
			}
		})
	}
	var mu sync.Mutex
	cursors := make([]wal.Position, 2)
	consume := func(reader int) error {
		r, err := l.Reader(0)
		if err != nil {
			return err
		}
		defer r.Close()
		next := make([]byte, writers)
		for n := 0; n < writers*each; {
			_, end, b, err := r.Next()
			if errors.Is(err, io.EOF) {
				err = r.Wait(context.Background())
				if err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			if len(b) != 2 || next[b[0]] != b[1] {
				return fmt.Errorf("record %v, want number %d", b, next[b[0]])
			}
			next[b[0]]++
			n++
			mu.Lock()
			cursors[reader] = end
			slowest := slices.Min(cursors)
			mu.Unlock()
			if n%20 == 0 {
				if err := l.Truncate(slowest); err != nil {
					return err
				}
			}
		}
		if d := r.Damage(); d != (wal.Damage{}) {
			return fmt.Errorf("damage %+v", d)
		}
		return nil
	}
	for reader := range cursors {
		all.Go(func() {
			if err := consume(reader); err != nil {
				t.Errorf("reader %d: %v", reader, err)
			}
		})
	}
	all.Wait()
}
