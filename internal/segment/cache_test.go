package segment

import (
	"fmt"
	"testing"
)

func inCache(c *Cache, kind cacheKind, n int) bool {
	return c.get(cacheKey{serial: uint64(n), kind: kind}) != nil
}

// What leads a look-up stays while what it leads to comes and goes, up to half of
// the cache; beyond that, the one not used for longest goes.
func TestCacheClasses(t *testing.T) {
	c := NewCache(1000)
	put := func(kind cacheKind, n int, size int64) {
		c.put(cacheKey{serial: uint64(n), kind: kind}, n, size)
		if c.Bytes() > 1000 {
			t.Fatalf("the cache holds %d bytes", c.Bytes())
		}
	}
	for n := range 5 {
		put(cacheLayout, n, 100)
	}
	for n := range 100 {
		put(cacheDict, n, 100)
	}
	for n := range 5 {
		if !inCache(c, cacheLayout, n) {
			t.Errorf("dictionaries pushed layout %d out", n)
		}
	}
	if c.Bytes() != 1000 || inCache(c, cacheDict, 94) || !inCache(c, cacheDict, 95) {
		t.Errorf("%d bytes; dictionaries %v, %v", c.Bytes(), inCache(c, cacheDict, 94), inCache(c, cacheDict, 95))
	}
	put(cacheFilter, 5, 100) // over the half: the oldest of its class goes
	if inCache(c, cacheLayout, 0) || !inCache(c, cacheLayout, 1) || !inCache(c, cacheDict, 95) {
		t.Error("layouts over half of the cache pushed a dictionary out")
	}
	empty := NewCache(1000)
	for n := range 10 {
		empty.put(cacheKey{serial: uint64(n), kind: cacheFilter}, n, 100)
	}
	if empty.Bytes() != 1000 {
		t.Errorf("filters alone fill %d bytes of an empty cache", empty.Bytes())
	}
}

// A thing of more than a third of the cache is not kept, one of a third is.
func TestCacheRefusesLarge(t *testing.T) {
	for size, kept := range map[int64]bool{333: true, 334: false} {
		c := NewCache(1000)
		c.put(cacheKey{kind: cacheDict}, fmt.Sprint(size), size)
		if inCache(c, cacheDict, 0) != kept {
			t.Errorf("a thing of %d bytes of 1000: kept is not %v", size, kept)
		}
	}
}
