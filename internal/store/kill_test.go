package store_test

import (
	"fmt"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
)

// A script of everything that a store and its log do to the disk is cut off at
// each of its writes, fsyncs, renames, removals and truncations: before it, and in
// the middle of a write. The next process finds all that was written, or only
// what was durable, or something between, and always: what was acknowledged, once,
// batches whole or not at all, no damage, and no file that belongs to nobody.
func TestKilledAtEveryChangeOfTheDisk(t *testing.T) {
	dir := t.TempDir()
	whole := played(t, dir, nil, nil)
	changes := whole.fs.Changes()
	whole.proveNext(t, "played to the end", whole.fs.Kill(), true)
	ops := map[testkit.Op]int{}
	cuts := 0
	for i, c := range changes {
		ops[c.Op]++
		shorts := []int{0}
		if c.Op == testkit.OpWrite {
			shorts = []int{0, 1 + i*37%700}
		}
		for _, short := range shorts {
			s := played(t, dir, func(s *scripted) {
				s.rough = true
				s.fs.CutPowerIn(c.Before-s.fs.Calls(""), short)
			}, nil)
			when := fmt.Sprintf("cut at change %d of %d, %s of %s, %d bytes in", i, len(changes), c.Op, c.Path, short)
			if got := s.fs.Changes(); len(got) <= i || got[i] != c {
				t.Fatalf("%s: the script went another way, so that not every change would be hit", when)
			}
			cuts++
			s.proveNext(t, when+", killed", s.fs.Kill(), i%4 == 0)
			s.proveNext(t, when+", power lost, all forgotten", s.fs.Forget(), i%4 == 1)
			s.proveNext(t, when+", power lost", s.fs.Crash(uint64(i)), i%4 == 2)
		}
	}
	t.Logf("%d cuts in %v", cuts, ops)
	for _, op := range []testkit.Op{testkit.OpWrite, testkit.OpSync, testkit.OpRename, testkit.OpRemove, testkit.OpSyncDir, testkit.OpMkdir} {
		if ops[op] == 0 {
			t.Errorf("the script never does %s", op)
		}
	}
}

// A flush fails, more comes, and the next flush is cut off at each of its calls: what
// came after the first is in neither's segments yet and must still be in the log.
func TestKilledAfterAFlushThatFailed(t *testing.T) {
	dir := t.TempDir()
	play := func(cut int) (s *scripted, calls int) {
		s = newScripted(t, dir, 1)
		s.begin()
		s.each(s.trace(tenantLong, 0, 20))
		s.rough = true
		s.fs.SetCapacity(s.fs.Used() + 100)
		s.flush()
		s.fs.SetCapacity(0)
		s.each(s.trace(tenantLong, 0, 9))
		before := s.fs.Calls("")
		if cut >= 0 {
			s.fs.CutPower(cut)
		}
		s.flush()
		calls = s.fs.Calls("") - before
		s.stop()
		return s, calls
	}
	_, calls := play(-1)
	if calls < 50 {
		t.Fatalf("%d calls: the second flush wrote nothing", calls)
	}
	for cut := range calls {
		s, _ := play(cut)
		when := fmt.Sprintf("cut at call %d of %d", cut, calls)
		s.proveNext(t, when+", killed", s.fs.Kill(), false)
		s.proveNext(t, when+", power lost, all forgotten", s.fs.Forget(), false)
	}
}
