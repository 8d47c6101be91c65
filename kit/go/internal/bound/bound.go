// Package bound remembers what an integration makes once for each set of labels (a bound histogram, the name of a span), so that a request
// costs a look-up and no allocation. It forgets nothing and replaces nothing: a full Cache stays as it is. Any number of goroutines may use one
// at once.
package bound

import (
	"maps"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Max bounds the keys of a Cache: the contract's 2,000 series an instrument.
const Max = 2_000

// LongestHost is the length of the longest name of DNS with a port. Whoever calls a server may send longer ones, which are no keys of a Cache.
const LongestHost = 253 + len(":65535")

// Cache remembers a value for each key. The zero Cache is empty and ready. Reading takes no lock; a new key copies the map, so keys must be
// few. From Max keys on, values of new keys are built each time, without the lock, and not remembered.
type Cache[K comparable, V any] struct {
	first atomic.Pointer[entry[K, V]] // the first key, which is the usual one where there are few: it costs no look-up
	near  [nearby]atomic.Pointer[entry[K, V]]
	all   atomic.Pointer[map[K]*entry[K, V]]
	mu    sync.Mutex
}

// nearby is how many keys FindAt finds without a look-up.
const (
	nearbyBits = 4
	nearby     = 1 << nearbyBits
)

type entry[K comparable, V any] struct {
	key   K
	value V
}

// Find returns the value of key when it is remembered.
func (c *Cache[K, V]) Find(key K) (v V, ok bool) {
	if first := c.first.Load(); first != nil && first.key == key {
		return first.value, true
	}
	if e := c.find(key); e != nil {
		return e.value, true
	}
	return v, false
}

func (c *Cache[K, V]) find(key K) *entry[K, V] {
	if m := c.all.Load(); m != nil {
		return (*m)[key]
	}
	return nil
}

// FindAt is Find for a key of which text is a part that mostly lies at the same address, as constants do, the patterns of routes, and headers
// that a connection has seen before. Such a key is compared and not hashed, which takes a quarter of the time. The address only says where to
// look first: another text there, or the same one elsewhere, is found as Find does.
func (c *Cache[K, V]) FindAt(text string, key K) (v V, ok bool) {
	slot := &c.near[uint64(uintptr(unsafe.Pointer(unsafe.StringData(text))))*0x9e3779b97f4a7c15>>(64-nearbyBits)]
	near := slot.Load()
	if near != nil && near.key == key {
		return near.value, true
	}
	e := c.find(key)
	if e == nil {
		return v, false
	}
	if near == nil {
		// Who comes first stays, so that two keys with one place do not drive each other out for ever.
		slot.CompareAndSwap(nil, e)
	}
	return e.value, true
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
		if e := (*old)[key]; e != nil {
			return e.value, true
		}
		if len(*old) >= Max {
			return v, false
		}
	}
	next := make(map[K]*entry[K, V], 1)
	if old != nil {
		next = make(map[K]*entry[K, V], len(*old)+1)
		maps.Copy(next, *old)
	}
	e := &entry[K, V]{key, build(key)}
	next[key] = e
	if old == nil {
		c.first.Store(e)
	}
	c.all.Store(&next)
	return e.value, true
}
