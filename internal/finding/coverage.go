package finding

import (
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// maxSeen bounds the contracts that are counted, of all tenants together.
const maxSeen = 20_000

// Coverage counts the spans that were seen of each contract, so that a contract of
// which none ever came is known. Its methods may be called concurrently.
type Coverage struct {
	now  func() time.Time
	mu   sync.Mutex
	seen map[[2]string]Seen // by tenant and contract
	lost uint64
}

// Seen is what came of one contract.
type Seen struct {
	Count uint64
	Last  time.Time
	Trace telemetry.TraceID
}

// NewCoverage returns one that has seen nothing. now is time.Now when nil.
func NewCoverage(now func() time.Time) *Coverage {
	if now == nil {
		now = time.Now
	}
	return &Coverage{now: now, seen: map[[2]string]Seen{}}
}

// Saw counts spans of a contract; trace is that of one of them.
func (c *Coverage) Saw(tenant, contract string, count uint64, trace telemetry.TraceID) {
	c.add(tenant, contract, Seen{count, c.now().UTC(), trace})
}

func (c *Coverage) add(tenant, contract string, s Seen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]string{tenant, contract}
	before, known := c.seen[key]
	if !known && len(c.seen) >= maxSeen {
		c.lost++
		return
	}
	s.Count += before.Count
	c.seen[key] = s
}

// Lost is how often a contract was seen that there was no place for.
func (c *Coverage) Lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// Of gives what was seen of a contract; the zero Seen when nothing was.
func (c *Coverage) Of(tenant, contract string) Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[[2]string{tenant, contract}]
}
