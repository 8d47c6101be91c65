// Package bound remembers what an integration makes once for each set of labels (a bound histogram, the name of a span), so that a request
// costs a look-up and no allocation.
package bound

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Max bounds the keys of a Cache: the contract's 2,000 series an instrument.
const Max = 2_000

// Cache remembers a value for each key. The zero Cache is empty and ready. Reading takes no lock; a new key copies the map, so keys must be
// few. From Max keys on, values of new keys are built each time and not remembered.
type Cache[K comparable, V any] struct {
	all atomic.Pointer[map[K]V]
	mu  sync.Mutex
}

// Get returns the value of key, which build makes when it is new. build runs under the cache's lock and must not use the cache.
func (c *Cache[K, V]) Get(key K, build func(K) V) V {
	if m := c.all.Load(); m != nil {
		if v, ok := (*m)[key]; ok {
			return v
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.all.Load()
	if old != nil {
		if v, ok := (*old)[key]; ok {
			return v
		}
		if len(*old) >= Max {
			return build(key)
		}
	}
	next := make(map[K]V, 1)
	if old != nil {
		next = make(map[K]V, len(*old)+1)
		maps.Copy(next, *old)
	}
	v := build(key)
	next[key] = v
	c.all.Store(&next)
	return v
}
