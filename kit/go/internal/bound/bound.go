// Package bound remembers what an integration makes once for each set of labels (a bound histogram, the name of a span), so that a request
// costs a look-up and no allocation. It forgets nothing and replaces nothing: a full Cache stays as it is. Any number of goroutines may use one
// at once.
package bound

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Max bounds the keys of a Cache: the contract's 2,000 series an instrument.
const Max = 2_000

// LongestHost is the length of the longest name of DNS with a port. Whoever calls a server may send longer ones, which are no keys of a Cache.
const LongestHost = 253 + len(":65535")

// Cache remembers a value for each key. The zero Cache is empty and ready. Reading takes no lock; a new key copies the map, so keys must be
// few. From Max keys on, values of new keys are built each time, without the lock, and not remembered.
type Cache[K comparable, V any] struct {
	first atomic.Pointer[entry[K, V]] // the first key, which is the usual one where there are few: it costs no look-up
	all   atomic.Pointer[map[K]V]
	mu    sync.Mutex
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// Find returns the value of key when it is remembered.
func (c *Cache[K, V]) Find(key K) (v V, ok bool) {
	if first := c.first.Load(); first != nil && first.key == key {
		return first.value, true
	}
	if m := c.all.Load(); m != nil {
		v, ok = (*m)[key]
	}
	return v, ok
}

// Full says that no new keys are remembered: what is built for one is used once.
func (c *Cache[K, V]) Full() bool {
	m := c.all.Load()
	return m != nil && len(*m) >= Max
}

// Get returns the value of key, which build makes when it is new. build may run under the cache's lock and must not use the cache.
func (c *Cache[K, V]) Get(key K, build func(K) V) V {
	if v, ok := c.Find(key); ok {
		return v
	}
	if c.Full() {
		return build(key) // who comes with ever new keys must not hold up the others
	}
	if v, ok := c.grow(key, build); ok {
		return v
	}
	return build(key)
}

// grow remembers a new key, unless the cache is full.
func (c *Cache[K, V]) grow(key K, build func(K) V) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.all.Load()
	if old != nil {
		if v, ok := (*old)[key]; ok {
			return v, true
		}
		if len(*old) >= Max {
			return v, false
		}
	}
	next := make(map[K]V, 1)
	if old != nil {
		next = make(map[K]V, len(*old)+1)
		maps.Copy(next, *old)
	}
	v = build(key)
	next[key] = v
	if old == nil {
		c.first.Store(&entry[K, V]{key, v})
	}
	c.all.Store(&next)
	return v, true
}
