package bound_test

import (
	"strings"
	"sync"
	"testing"
	"time"

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

// TestFindAtIsFind: where a text lies says nothing about what is found.
func TestFindAtIsFind(t *testing.T) {
	var c bound.Cache[string, int]
	whole := strings.Repeat("abcdefgh", 40)
	find := func(key string, want int, known bool) {
		t.Helper()
		for range 2 {
			if got, ok := c.FindAt(key, key); ok != known || got != want {
				t.Errorf("%q: got %d, %v, want %d, %v", key, got, ok, want, known)
			}
		}
	}
	find("", 0, false)
	find(whole, 0, false)
	// Texts of one address and different lengths, more of them than there are places.
	for n := range len(whole) {
		c.Get(strings.Clone(whole[:n]), func(key string) int { return len(key) + 1 })
	}
	for n := range len(whole) {
		find(whole[:n], n+1, true)
		find(strings.Clone(whole[:n]), n+1, true)
	}
	find(whole, 0, false)
	find(whole[1:9], 0, false)
	if n := testing.AllocsPerRun(100, func() { c.FindAt(whole[:7], whole[:7]); c.FindAt(whole[8:9], whole[8:9]) }); n != 0 {
		t.Errorf("a look-up allocates %v times, want 0", n)
	}
}

// BenchmarkFind is what it costs to find one of a program's statements.
func BenchmarkFind(b *testing.B) {
	const statement = "SELECT id, name, price_cents, currency FROM products WHERE category = ? AND active ORDER BY name LIMIT ?"
	var c bound.Cache[string, *int]
	for _, key := range []string{"BEGIN", "COMMIT", statement, "SELECT 1"} {
		c.Get(strings.Clone(key), func(string) *int { return new(int) })
	}
	b.Run("by hash", func(b *testing.B) {
		for b.Loop() {
			c.Find(statement)
		}
	})
	b.Run("by address", func(b *testing.B) {
		for b.Loop() {
			c.FindAt(statement, statement)
		}
	})
}

// Statements with literals in them soon fill the cache. What each of them costs then must not be paid one after another.
func TestAFullCacheHoldsUpNobody(t *testing.T) {
	var c bound.Cache[int, int]
	for key := range bound.Max {
		c.Get(key, func(k int) int { return k })
	}
	within, other := make(chan struct{}), make(chan struct{})
	go func() {
		<-within
		c.Get(bound.Max+1, func(k int) int { return k })
		close(other)
	}()
	c.Get(bound.Max, func(k int) int {
		close(within)
		select {
		case <-other:
		case <-time.After(5 * time.Second):
			t.Error("a key that is not remembered waits for another one")
		}
		return k
	})
}

func TestFind(t *testing.T) {
	var c bound.Cache[string, int]
	for _, key := range []string{"", "first", "second"} {
		if _, ok := c.Find(key); ok {
			t.Errorf("an empty cache has %q", key)
		}
	}
	for value, key := range []string{"first", "second", ""} {
		c.Get(key, func(string) int { return value })
	}
	for want, key := range []string{"first", "second", ""} {
		if got, ok := c.Find(key); !ok || got != want {
			t.Errorf("%q is %d, %v; want %d", key, got, ok, want)
		}
	}
	if _, ok := c.Find("third"); ok {
		t.Error("the cache has what was not put in")
	}
}
