package bound_test

import (
	"sync"
	"testing"

	"github.com/clew-dev/clew/kit/go/internal/bound"
)

func TestCacheBuildsOnce(t *testing.T) {
	var c bound.Cache[int, int]
	var built [10]int
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for key := range built {
				if got := c.Get(key, func(k int) int { built[k]++; return k * 2 }); got != key*2 {
					t.Errorf("got %d for %d", got, key)
				}
			}
		})
	}
	wait.Wait()
	for key, n := range built {
		if n != 1 {
			t.Errorf("key %d was built %d times, want once", key, n)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c bound.Cache[int, int]
	built := 0
	build := func(k int) int { built++; return k }
	for key := range bound.Max + 1 {
		c.Get(key, build)
	}
	built = 0
	c.Get(bound.Max-1, build)
	if built != 0 {
		t.Error("the last key within the limit was not remembered")
	}
	c.Get(bound.Max, build)
	if built != 1 {
		t.Error("the first key over the limit was remembered")
	}
	if n := testing.AllocsPerRun(100, func() { c.Get(7, build) }); n != 0 {
		t.Errorf("a look-up allocates %v times, want 0", n)
	}
}
