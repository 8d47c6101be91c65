package node

import "runtime/debug"

// memory is how --memory is shared out. The parts are bounds of what each keeps;
// what is left is for requests, queries and the collector's head room.
type memory struct {
	fresh    int64 // rows in memory before they are flushed; as much again may be in flight
	inflight int64 // bytes of requests being received
	query    int64 // DuckDB
	traces   int64 // whole traces that are being sent; one alone may be longer
	cache    int64 // dictionaries, pages and filters for look-ups
	heap     int64 // soft limit of the Go heap; DuckDB's memory is not part of it
}

// MinMemory is the least that a node runs in.
const MinMemory = 128 << 20

// DefaultMemory is --memory when it is not given.
const DefaultMemory = 450 << 20

// shareOut divides total, of which limits.inflight_bytes of the charter may take
// no more than an eighth.
func shareOut(total, inflight int64) memory {
	return memory{
		fresh:    total / 9,
		inflight: min(inflight, total/8),
		query:    total / 4,
		traces:   total / 8,
		cache:    total / 16,
		heap:     total / 2,
	}
}

// apply sets the soft limit of the Go heap for this process.
func (m memory) apply() { debug.SetMemoryLimit(m.heap) }
