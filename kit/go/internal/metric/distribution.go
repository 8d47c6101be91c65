package metric

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// distribution is the state of a histogram's series.
type distribution struct {
	sum     atomic.Uint64 // bits of a float64
	buckets []bucket      // one more than bounds
	base    []uint64      // the counts at Instrument.start, nil: zeros; guarded by Engine.collecting

	mu        sync.Mutex
	exemplars []Exemplar // as long as buckets; nil until the first
}

type bucket struct {
	count    atomic.Uint64
	interval atomic.Uint64 // in which the bucket's exemplar was taken; 0: there is none
}

// Exemplar is a value that was recorded within a sampled span. It carries ids and
// no context, so that it keeps nothing of a request alive.
type Exemplar struct {
	Bucket  int
	Value   float64
	Time    int64 // Unix nanoseconds
	TraceID trace.TraceID
	SpanID  trace.SpanID
}

func newDistribution(bounds int) *distribution {
	return &distribution{buckets: make([]bucket, bounds+1)}
}

// bucketOf is the index of the first bound that is at least v, or their number:
// buckets include their upper bound.
func bucketOf(bounds []float64, v float64) int {
	low, high := 0, len(bounds)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if bounds[mid] < v {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// exemplify keeps the first sampled value of the interval. It runs once a bucket
// and interval where spans are sampled, else for every record, so the look into
// the context comes before the lock.
func (d *distribution) exemplify(ctx context.Context, e *Engine, i int, v float64) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsSampled() || !span.IsValid() {
		return
	}
	now := e.now().UnixNano()
	d.mu.Lock()
	defer d.mu.Unlock()
	interval := e.interval.Load()
	if d.buckets[i].interval.Load() == interval {
		return
	}
	if d.exemplars == nil {
		d.exemplars = make([]Exemplar, len(d.buckets))
	}
	d.exemplars[i] = Exemplar{Bucket: i, Value: v, Time: now, TraceID: span.TraceID(), SpanID: span.SpanID()}
	d.buckets[i].interval.Store(interval)
}

// read copies the counts less base, the whole sum, and the exemplars of the interval, and
// of all earlier ones when older is set.
func (d *distribution) read(p *Point, interval uint64, older bool) {
	p.Counts, p.Exemplars = p.Counts[:0], p.Exemplars[:0]
	p.Count = 0
	for i := range d.buckets {
		n := d.buckets[i].count.Load()
		if d.base != nil {
			n -= d.base[i]
		}
		p.Counts = append(p.Counts, n)
		p.Count += n
	}
	p.Bits = d.sum.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.exemplars == nil {
		return
	}
	for i := range d.buckets {
		if at := d.buckets[i].interval.Load(); at == interval || older && at != 0 {
			p.Exemplars = append(p.Exemplars, d.exemplars[i])
		}
	}
}
