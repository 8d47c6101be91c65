package node

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memory is how --memory is shared out. The parts are bounds of what each keeps;
// what is left is for requests, queries and the collector's head room.
type memory struct {
	fresh    int64 // rows in memory before they are flushed; three times as much may wait behind them
	inflight int64 // bytes of requests being received
	query    int64 // DuckDB
	traces   int64 // whole traces that are being sent; one alone may be longer
	cache    int64 // dictionaries, pages and filters for look-ups
	heap     int64 // soft limit of the Go heap, which does not see DuckDB's memory
	heapMost int64 // what that limit may become where more of the heap is in use than leaves the collector room
}

// MinMemory is the least that a node runs in.
const MinMemory = 128 << 20

// DefaultMemory is --memory when it is not given.
const DefaultMemory = 450 << 20

// shareOut divides total, of which limits.inflight_bytes of the charter may take
// no more than an eighth.
func shareOut(total, inflight int64) memory {
	return memory{
		fresh:    total / 13,
		inflight: min(inflight, total/8),
		query:    total / 4,
		traces:   total / 8,
		cache:    total / 16,
		heap:     total * 2 / 3,
		heapMost: total - total/4,
	}
}

// apply sets the soft limit of the Go heap for this process.
func (m memory) apply() { debug.SetMemoryLimit(m.heap) }

// limit is the soft limit of the heap when live bytes of it were in use after the last
// collection. Questions hold the rows that were fresh when they began, also when
// these have been flushed since. With a limit that this comes near to, the collector
// runs without a pause: 46 times a second where twice would do, acknowledgements took
// seconds, and questions, which stand back for them, held their rows for longer still.
func (m memory) limit(live int64) int64 { return min(max(m.heap, live+live/2), m.heapMost) }

// watchEvery is how often the limit follows what is in use, about that long after a collection.
const watchEvery = 100 * time.Millisecond

// watch has the limit of the heap follow what is in use until ctx ends.
func (m memory) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for set := m.heap; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		if l := m.limit(int64(live[0].Value.Uint64())); l != set {
			debug.SetMemoryLimit(l)
			set = l
		}
	}
}
