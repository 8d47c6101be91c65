package store_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

var seeds = flag.Int("seeds", 500, "seeds of the power-loss test")

// Stores live several lives on one disk, each of which does what chance says and
// ends when the power goes, also in the middle of a start, of a write or of a good
// end. What was not fsynced is gone, or there in part: torn at 512 bytes, writes and
// renames in another order, names without an fsync of their folder undone. In each
// life all that was ever acknowledged or seen is there, once and whole.
func TestPowerLoss(t *testing.T) {
	dir := t.TempDir()
	n := *seeds
	if testing.Short() {
		n = min(n, 50)
	}
	lives, cut := 0, 0
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newScripted(t, dir, int64(seed))
		s.rough = true
		var sent []*telemetry.Batch
		for life := range 3 + r.IntN(4) {
			when := fmt.Sprintf("seed %d, life %d", seed, life)
			lives++
			if r.IntN(4) == 0 { // the power goes again soon
				s.fs.CutPowerIn(r.IntN(60), r.IntN(700))
			}
			if err := s.start(); err != nil && !s.fs.Off() {
				t.Fatalf("%s: start: %v\nfiles:\n%s", when, err, s.fs.Dump())
			}
			if !s.fs.Off() {
				found := s.w.faults(s.e)
				if !s.fs.Off() {
					report(t, when, s.fs, append(found, leftovers(s.fs, dir, s.e, true)...))
				}
			}
			if r.IntN(3) > 0 {
				s.fs.CutPowerIn(r.IntN(400), r.IntN(700))
			}
			for range 3 + r.IntN(12) {
				sent = s.chance(r, sent)
			}
			if s.e != nil && r.IntN(5) == 0 {
				s.close()
			}
			if s.fs.Off() {
				cut++
			}
			var next *testkit.FS
			if r.IntN(5) == 0 {
				next = s.fs.Kill()
			} else {
				next = s.fs.Crash(r.Uint64())
			}
			s.stop()
			s.fs = next
		}
	}
	t.Logf("%d seeds, %d lives, the power went in the middle of %d", n, lives, cut)
}

// chance does one thing to a store.
func (s *scripted) chance(r *rand.Rand, sent []*telemetry.Batch) []*telemetry.Batch {
	tenant := tenantLong
	if r.IntN(3) == 0 {
		tenant = tenantShort
	}
	switch r.IntN(10) {
	case 0, 1:
		s.flush()
	case 2:
		s.look()
		if r.IntN(2) == 0 {
			s.compact()
		}
	case 3:
		s.clock.Advance(time.Duration(r.IntN(90)) * time.Minute)
	case 4:
		if len(sent) > 0 { // a repeat, or a second try
			s.send(sent[r.IntN(len(sent))])
		}
	default:
		after := time.Duration(0)
		if r.IntN(3) == 0 {
			after = -time.Duration(1+r.IntN(4)) * 24 * time.Hour
		}
		batches := s.trace(tenant, after, 1+r.IntN(30))
		s.each(batches)
		sent = append(sent, batches...)
	}
	return sent
}
