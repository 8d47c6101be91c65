package wal_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

var seeds = flag.Int("seeds", 500, "seeds of the crash test")

// model is what a log must hold: the entries that were acknowledged or read back
// after a start, and the records that were tried.
type model struct {
	t       *testing.T
	rnd     *rand.Rand
	seed    uint64
	tried   map[string]bool
	durable []entry
	floor   wal.Position // truncated up to here
	highest wal.Position // no new record may start before
	next    int
}

// TestCrashes lives through several process lives a seed: appends from one or
// many goroutines, truncates, faults, and then a kill, a loss of power or a good
// end. Whatever was acknowledged, or once read, must be read in every later
// life, at the same place; nothing may be read that was never appended; and
// nothing that is not damaged may be called damage.
func TestCrashes(t *testing.T) {
	for seed := range uint64(*seeds) {
		m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), seed: seed, tried: map[string]bool{}}
		fs := testkit.NewFS()
		for life := range 2 + m.rnd.IntN(4) {
			if fs = m.live(fs, life); t.Failed() {
				t.Fatalf("seed %d, life %d; files:\n%s", seed, life, fs.Dump())
			}
		}
	}
}

// live runs one life and gives the file system that the next one finds.
func (m *model) live(fs *testkit.FS, life int) *testkit.FS {
	o := small(fs)
	o.SegmentBytes = int64(1000 + m.rnd.IntN(8000))
	// A start may itself be cut short.
	if life > 0 && m.rnd.IntN(4) == 0 {
		fs.CutPower(m.rnd.IntN(20))
	}
	l, err := wal.Open(dir, o)
	if err != nil {
		if !errors.Is(err, testkit.ErrPowerOff) {
			m.t.Errorf("open: %v", err)
		}
		return fs.Crash(m.rnd.Uint64())
	}
	m.check(l)
	switch m.rnd.IntN(4) {
	case 0:
		fs.CutPower(m.rnd.IntN(60))
	case 1:
		op := []testkit.Op{testkit.OpSync, testkit.OpWrite, testkit.OpSyncDir, testkit.OpOpen, testkit.OpTruncate}[m.rnd.IntN(5)]
		fs.Inject(testkit.Fault{Op: op, Nth: 1 + m.rnd.IntN(12), Err: syscall.EIO, Short: m.rnd.IntN(700)})
	case 2:
		fs.SetCapacity(fs.Used() + int64(m.rnd.IntN(20000)))
	}
	for range m.rnd.IntN(8) {
		switch m.rnd.IntN(8) {
		case 0:
			m.truncate(l)
		case 1:
			m.check(l)
		default:
			m.append(l, 1+m.rnd.IntN(6))
		}
	}
	m.check(l)
	fs.SetCapacity(0)
	switch m.rnd.IntN(4) {
	case 0:
		if err := l.Close(); err != nil && !errors.Is(err, testkit.ErrPowerOff) {
			m.t.Errorf("close: %v", err)
		}
		fs = fs.Kill()
	case 1:
		fs = end(m.t, l, fs.Kill())
	default:
		fs = end(m.t, l, fs.Crash(m.rnd.Uint64()))
	}
	fs.Heal()
	return fs
}

// end ends the goroutine of a life whose process was killed; next does not see
// what it still does.
func end(t *testing.T, l *wal.Log, next *testkit.FS) *testkit.FS {
	if err := l.Close(); err != nil && !errors.Is(err, testkit.ErrPowerOff) {
		t.Errorf("close: %v", err)
	}
	return next
}

// append runs writers at the same time and keeps what was acknowledged.
func (m *model) append(l *wal.Log, writers int) {
	type outcome struct {
		entry
		err error
	}
	outcomes := make([]outcome, writers)
	var wg sync.WaitGroup
	for i := range writers {
		size := 1 + m.rnd.IntN(40)
		if m.rnd.IntN(2) == 0 {
			size = m.rnd.IntN(2900)
		}
		m.next++
		data := fmt.Sprintf("%d-%d:%s", m.seed, m.next, strings.Repeat(string(rune('a'+m.next%26)), size))
		m.tried[data] = true
		cut := m.rnd.IntN(len(data))
		wg.Go(func() {
			pos, end, err := l.Append(context.Background(), []byte(data[:cut]), nil, []byte(data[cut:]))
			outcomes[i] = outcome{entry{pos, end, data}, err}
		})
	}
	wg.Wait()
	var acked []entry
	for _, o := range outcomes {
		if o.err != nil {
			continue
		}
		if o.Pos < m.highest {
			m.t.Errorf("record at %d, but positions up to %d were given out before", o.Pos, m.highest)
		}
		acked = append(acked, o.entry)
	}
	slices.SortFunc(acked, func(a, b entry) int { return int(a.Pos) - int(b.Pos) })
	for _, e := range acked {
		m.durable = append(m.durable, e)
		m.highest = e.End
	}
}

func (m *model) truncate(l *wal.Log) {
	if len(m.durable) == 0 {
		return
	}
	before := m.durable[m.rnd.IntN(len(m.durable))].End
	if m.rnd.IntN(3) == 0 {
		before = l.End()
	}
	m.floor = max(m.floor, before)
	start := l.Start()
	_ = l.Truncate(before) // a fault may hit it; what it left is checked in any case
	if l.Start() > max(start, before) {
		m.t.Errorf("truncate before %d moved the start from %d to %d", before, start, l.Start())
	}
}

// check reads the whole log. What is found is durable from then on.
func (m *model) check(l *wal.Log) {
	m.t.Helper()
	r, err := l.Reader(0)
	if err != nil {
		m.t.Error(err)
		return
	}
	defer r.Close()
	got, err := tryReadAll(r)
	if errors.Is(err, testkit.ErrPowerOff) || errors.Is(err, syscall.EIO) {
		return // the faults hit readers as well; the next life reads in peace
	}
	if err != nil {
		m.t.Error(err)
	}
	damage := r.Damage()
	if damage != (wal.Damage{}) || l.Recovery().Damage.Lost() || len(l.Recovery().Quarantined) > 0 {
		m.t.Errorf("damage where only crashes were: reader %+v, recovery %+v", damage, l.Recovery())
	}
	at := map[wal.Position]entry{}
	for i, e := range got {
		at[e.Pos] = e
		if !m.tried[e.Data] {
			m.t.Errorf("read at %d what nobody appended: %.40q", e.Pos, e.Data)
		}
		if i > 0 && e.Pos < got[i-1].End {
			m.t.Errorf("record at %d starts before the end %d of the one before", e.Pos, got[i-1].End)
		}
	}
	for _, want := range m.durable {
		if e, ok := at[want.Pos]; ok && e != want {
			m.t.Errorf("record at %d changed to %.40q from %.40q", want.Pos, e.Data, want.Data)
		} else if !ok && want.Pos >= m.floor {
			m.t.Errorf("acknowledged record at %d is lost: %.40q", want.Pos, want.Data)
		}
	}
	m.durable = got
	if n := len(got); n > 0 {
		m.highest = max(m.highest, got[n-1].End)
	}
	if end := l.End(); end < m.highest {
		m.t.Errorf("the log ends at %d, but positions up to %d were given out", end, m.highest)
	}
}

// The power goes at each fsync while a group of several records begins a new file,
// two hundred times each with other sectors lost. What was acknowledged before is
// there, and what was not yet durable is never called damage: no part of a file's
// header can be lost behind a record that is left.
func TestPowerLossAtTheBeginOfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := emptyDir(t)
		o := small(fs)
		o.SegmentBytes = 8000
		l := open(t, o)
		acked := []entry{appendOne(t, l, "starts the file")}
		release := make(chan struct{})
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Wait: func() { <-release }})
		var wg sync.WaitGroup
		add := func(size, n int) {
			for range n {
				wg.Go(func() {
					if err := tryAppend(l, strings.Repeat("x", size)); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
		}
		add(2900, 1) // its fsync hangs
		add(2000, 6) // more than the file has room for: the last of them begin another
		var left []*testkit.FS
		fs.Inject(testkit.Fault{Op: testkit.OpSync, Times: -1, Wait: func() {
			for seed := range uint64(200) {
				left = append(left, fs.Crash(seed))
			}
		}})
		close(release)
		wg.Wait()
		if n := len(names(t, fs)); n < 2 || len(left) < 400 {
			t.Fatalf("%d files, %d losses of power: no group began a file", n, len(left))
		}
		for i, fs := range left {
			next := open(t, small(fs))
			got, damage := readFrom(t, next, 0)
			if r := next.Recovery(); damage.Lost() || r.Damage.Lost() || len(r.Quarantined) > 0 || !slices.Contains(got, acked[0]) {
				t.Fatalf("fsync %d, seed %d: reader %+v, recovery %+v, %d records; files:\n%s", i/200, i%200, damage, r, len(got), fs.Dump())
			}
		}
	})
}
