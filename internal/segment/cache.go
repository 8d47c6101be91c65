package segment

import (
	"container/list"
	"sync"
)

// DefaultCacheBytes is what a Cache holds unless told otherwise.
const DefaultCacheBytes = 32 << 20

// Cache keeps what reads of many segments would decode again and again. It forgets
// what was not used for longest, in two classes: the filters and layouts of files,
// which are small and lead each look-up of a trace, yield to what they lead to, row
// groups, dictionaries and resources, only where they fill more than half of it.
// One Cache serves all segments of a store, from any goroutine.
type Cache struct {
	mu    sync.Mutex
	max   int64
	items map[cacheKey]*list.Element
	class [2]cacheClass
}

// cacheClass is things that are forgotten in the order of their last use.
type cacheClass struct {
	used  int64
	order list.List // of *cacheItem, the latest used in front
}

type cacheKind uint8

const (
	cacheFilter cacheKind = iota
	cacheLayout
	cacheGroup
	cacheDict
	cacheRows
)

// cacheKey names a thing of one open segment.
type cacheKey struct {
	serial uint64
	kind   cacheKind
	table  byte
	group  int32
	col    int32
}

type cacheItem struct {
	key  cacheKey
	v    any
	size int64
}

const (
	leading = iota
	led
)

// class gives the class of a kind of things.
func (k cacheKind) class() int {
	if k <= cacheLayout {
		return leading
	}
	return led
}

// NewCache returns a Cache of about maxBytes; 0 means DefaultCacheBytes.
func NewCache(maxBytes int64) *Cache {
	if maxBytes <= 0 {
		maxBytes = DefaultCacheBytes
	}
	return &Cache{max: maxBytes, items: map[cacheKey]*list.Element{}}
}

// Bytes tells how much the cache holds, by estimate.
func (c *Cache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used()
}

func (c *Cache) used() int64 { return c.class[leading].used + c.class[led].used }

func (c *Cache) get(key cacheKey) any {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return nil
	}
	c.class[key.kind.class()].order.MoveToFront(e)
	return e.Value.(*cacheItem).v
}

// put enters v. A thing larger than a third of the cache is not kept, so that
// one strange segment cannot push out all others.
func (c *Cache) put(key cacheKey, v any, size int64) {
	if c == nil || size > c.max/3 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[key] != nil {
		return
	}
	class := &c.class[key.kind.class()]
	c.items[key] = class.order.PushFront(&cacheItem{key, v, size})
	class.used += size
	for c.used() > c.max {
		from := led
		if c.class[leading].used > c.max/2 || c.class[led].order.Len() == 0 {
			from = leading
		}
		c.remove(c.class[from].order.Back())
	}
}

func (c *Cache) remove(e *list.Element) {
	item := e.Value.(*cacheItem)
	class := &c.class[item.key.kind.class()]
	class.order.Remove(e)
	delete(c.items, item.key)
	class.used -= item.size
}

// forget drops everything of a closed segment.
func (c *Cache) forget(serial uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.items {
		if key.serial == serial {
			c.remove(e)
		}
	}
}
