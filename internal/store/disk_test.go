package store_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// Every fsync of the script fails, and of the other changes, and of all from one on,
// every fourth. The process goes on: what it has acknowledged it still
// shows; after a failed fsync of the log it acknowledges nothing more. The next
// process, also after a loss of power, finds all that was acknowledged.
func TestInputOutputErrorAtEveryChangeOfTheDisk(t *testing.T) {
	dir := t.TempDir()
	changes := played(t, dir, nil, nil).fs.Changes()
	nth := map[testkit.Op]int{}
	readOnly, tried := 0, 0
	for i, c := range changes {
		nth[c.Op]++
		for _, times := range []int{1, -1} {
			always := times == 1 && (c.Op == testkit.OpSync || c.Op == testkit.OpSyncDir)
			if !always && (testing.Short() || (i+times)%4 > 0) {
				continue
			}
			when := fmt.Sprintf("EIO at change %d of %d, %s of %s, %d times", i, len(changes), c.Op, c.Path, times)
			s := played(t, dir, func(s *scripted) {
				s.rough, s.open = true, true
				s.fs.Inject(testkit.Fault{Op: c.Op, Nth: nth[c.Op], Times: times, Err: syscall.EIO, Short: i % 600})
			}, func(s *scripted) {
				s.fs.Heal()
				if s.e == nil {
					return
				}
				found := s.w.lost(s.e)
				if why := s.e.ReadOnly(); why != "" || s.e.Log().Err() != nil {
					readOnly++
					if s.rough = true; s.send(s.trace(tenantLong, 0, 1)[0]) {
						found = append(found, "a store that is read-only acknowledges: "+why)
					}
				}
				report(s.t, when+", in the same process", s.fs, found)
			})
			tried++
			s.proveNext(t, when+", killed", s.fs.Kill(), false)
			s.proveNext(t, when+", power lost, all forgotten", s.fs.Forget(), i%4 == 0)
			s.proveNext(t, when+", power lost", s.fs.Crash(uint64(i)), i%4 == 1)
		}
	}
	t.Logf("%d faults, %d made the store read-only", tried, readOnly)
	if readOnly == 0 {
		t.Error("no fault made the store read-only: the faults hit nothing that matters")
	}
}

// The disk runs full at every size between an empty folder and all that the script
// needs, and has space again at its end. Without a restart everything works again,
// and nothing of what failed is left behind; what is refused is refused as a full disk.
func TestFullDiskAndOn(t *testing.T) {
	dir := t.TempDir()
	whole := newScripted(t, dir, 1)
	most := int64(0)
	whole.stepped = func() { most = max(most, whole.fs.Used()) }
	whole.begin()
	empty := whole.fs.Used()
	whole.play()
	whole.stop()
	tried, refused := 0, 0
	for capacity := empty; capacity < most; capacity += (most - empty) / 120 {
		tried++
		when := fmt.Sprintf("a disk of %d bytes, %d needed", capacity, most)
		s := played(t, dir, func(s *scripted) {
			s.rough, s.open = true, true
			s.refused = func(err error) {
				refused++
				if k := telemetry.KindOf(err); k != telemetry.KindExhausted {
					t.Errorf("%s: a batch is refused with %v: %v", when, k, err)
				}
			}
			s.fs.SetCapacity(capacity)
		}, func(s *scripted) {
			s.fs.SetCapacity(0)
			s.rough = false
			if s.e == nil {
				s.begin()
			}
			s.each(s.trace(tenantLong, 0, 9))
			s.flush()
			s.look()
			s.each(s.trace(tenantLong, 0, 9))
			report(s.t, when+", with space again", s.fs, append(s.w.faults(s.e), leftovers(s.fs, dir, s.e, false)...))
		})
		s.proveNext(t, when+", killed", s.fs.Kill(), true)
		s.proveNext(t, when+", power lost", s.fs.Crash(uint64(tried)), false)
	}
	t.Logf("%d sizes, %d batches refused", tried, refused)
	if refused == 0 {
		t.Error("no batch was refused: the disk was never full")
	}
}
