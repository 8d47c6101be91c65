package self

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestOutcomesAreBoundedAndSumsAreKept(t *testing.T) {
	var d Durations
	for i := range 40 {
		d.Record(strconv.Itoa(i), 5*time.Millisecond)
	}
	all := d.Snapshot()
	if len(all) != maxOutcomes {
		t.Fatalf("%d outcomes, want %d", len(all), maxOutcomes)
	}
	for _, one := range all {
		if one.Outcome == "_OTHER" && (one.Count != 25 || one.Counts[0] != 25) {
			t.Errorf("the rest is %+v: a bound belongs to its own bucket", one)
		}
	}
	d.Record("0", 11*time.Second)
	if first := d.Snapshot()[0]; first.Outcome != "0" || first.Counts[len(Bounds)] != 1 || first.Sum != 11.005 {
		t.Errorf("the first is %+v", first)
	}
}

func TestAStripedCounterAddsUp(t *testing.T) {
	var s Striped
	var all sync.WaitGroup
	for chance := range byte(12) {
		all.Go(func() {
			for range 1000 {
				s.Add(1, chance)
			}
		})
	}
	all.Wait()
	s.Add(-500, 255)
	if got := s.Load(); got != 11_500 {
		t.Errorf("%d, want 11500", got)
	}
}

func TestWordsAreThoseOfTheContract(t *testing.T) {
	words := ""
	for s := range Signals {
		words += s.String() + " "
	}
	for r := range Reasons {
		words += r.String() + " "
	}
	const want = "traces metrics logs queue_full refused too_large unreachable partial_success not_served worker_panic stopped invalid "
	if words != want || Signals.String() != "unknown" || Reasons.String() != "unknown" {
		t.Errorf("%q, want %q", words, want)
	}
	var c SignalCounters
	c.Drop(Refused, 2, 20)
	c.Drop(QueueFull, 1, 5)
	if n, size := c.Lost(); n != 3 || size != 25 || c.Dropped[Refused].Load() != 2 {
		t.Errorf("lost %d, %d bytes", n, size)
	}
}
