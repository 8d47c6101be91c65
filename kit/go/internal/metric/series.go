package metric

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// Series is the state of an instrument for one set of labels. It is found once
// with Instrument.Series and may then be used for ever.
type Series struct {
	in     *Instrument
	labels *Labels
	spill  bool // the instrument's overflow: what is recorded here is counted as such

	// What a record asks of the instrument stands here too: each look elsewhere is memory that a process that sleeps between
	// requests has to fetch anew.
	engine          *Engine
	dead            bool
	component, need uint8
	bounds          []float64

	bits  atomic.Uint64 // sum or last value: an int64, or the bits of a float64
	round atomic.Uint64 // collection of an observed value, else the one before it and 1; 0: there is none yet
	dist  *distribution // histograms only
	base  uint64        // what bits, or a histogram's sum, was at Instrument.start; guarded by Engine.collecting
}

// table finds the series of a set of labels. Readers take the published map and
// no lock. New series go to a private copy, which is published once it was asked
// for as often as it is long, so that n series cost O(n) copying.
type table struct {
	read atomic.Pointer[map[attribute.Distinct]*Series]
	full atomic.Bool // read holds all there will be

	mu       sync.Mutex
	dirty    map[attribute.Distinct]*Series // all of read and more; nil: nothing is new
	misses   int
	list     []*Series // as they were made
	overflow *Series
}

// Series is the series of the labels, made at its first mention. Over a limit it
// is the instrument's overflow.
func (in *Instrument) Series(set attribute.Set) *Series {
	key := set.Equivalent()
	if read := in.table.read.Load(); read != nil {
		if s := (*read)[key]; s != nil {
			return s
		}
	}
	return in.slow(key, set)
}

func (in *Instrument) slow(key attribute.Distinct, set attribute.Set) *Series {
	t := &in.table
	if limited, changed, cut := limit(set); changed {
		// The full set is not remembered: its texts may be as long as they like.
		in.engine.counters.Load().MetricInvalid.Add(int64(cut))
		set, key = limited, limited.Equivalent()
		if read := t.read.Load(); read != nil && (*read)[key] != nil {
			return (*read)[key]
		}
	}
	if t.full.Load() {
		return t.overflow
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.dirty[key]; s != nil {
		if t.misses++; t.misses >= len(t.dirty) {
			t.publish()
		}
		return s
	}
	if read := t.read.Load(); read != nil && t.dirty == nil {
		if s := (*read)[key]; s != nil {
			return s
		}
	}
	if in.dead || len(t.list) >= MaxSeries || in.engine.series.Add(1) > MaxTotalSeries {
		return t.spill(in)
	}
	s := in.series(NewLabels(in.desc.Kind, set))
	if t.dirty == nil {
		t.dirty = make(map[attribute.Distinct]*Series, len(t.list)+1)
		if read := t.read.Load(); read != nil {
			for k, v := range *read {
				t.dirty[k] = v
			}
		}
	}
	t.dirty[key] = s
	t.list = append(t.list, s)
	return s
}

// spill closes the table and gives its overflow.
func (t *table) spill(in *Instrument) *Series {
	if t.overflow == nil {
		t.overflow = in.series(ownLabels(in.desc.Kind, attribute.Bool("otel.metric.overflow", true)))
		t.overflow.spill = true
		t.publish()
		t.full.Store(true)
	}
	return t.overflow
}

func (t *table) publish() {
	if t.dirty != nil {
		dirty := t.dirty
		t.read.Store(&dirty)
		t.dirty, t.misses = nil, 0
	}
}

// all is the series in the order in which they were made, the overflow last.
func (t *table) all(into []*Series) []*Series {
	t.mu.Lock()
	defer t.mu.Unlock()
	into = append(into, t.list...)
	if t.overflow != nil {
		into = append(into, t.overflow)
	}
	return into
}

func (in *Instrument) series(labels *Labels) *Series {
	s := &Series{
		in: in, labels: labels, engine: in.engine, dead: in.dead,
		component: in.desc.Component, need: in.desc.Need, bounds: in.desc.Bounds,
	}
	if in.desc.Kind == Histogram {
		s.dist = newDistribution(len(in.desc.Bounds))
	}
	return s
}

// Enabled reports whether a record would be kept now.
func (s *Series) Enabled() bool { return !s.dead && s.engine.on(s.component, s.need) }

// AddInt adds to a counter or up-down counter of int64. A counter does not take
// less than zero: it is counted as invalid.
func (s *Series) AddInt(n int64) {
	if !s.Enabled() {
		return
	}
	if n < 0 && s.in.desc.Kind == Counter {
		s.in.invalid()
		return
	}
	s.bits.Add(uint64(n))
	s.spilled()
}

// ForceInt adds to an up-down counter even while its gate is shut, for the end of
// what was counted when it began.
func (s *Series) ForceInt(n int64) {
	s.bits.Add(uint64(n))
	s.spilled()
}

// AddFloat is AddInt for float64. What is not finite, or would make the sum so, is
// counted as invalid.
func (s *Series) AddFloat(v float64) {
	if !s.Enabled() {
		return
	}
	if v < 0 && s.in.desc.Kind == Counter || !addFloat(&s.bits, v) {
		s.in.invalid()
		return
	}
	s.spilled()
}

// SetInt sets a gauge of int64.
func (s *Series) SetInt(n int64) {
	if s.Enabled() {
		s.bits.Store(uint64(n))
		s.round.Store(s.engine.round.Load() + 1)
		s.spilled()
	}
}

// SetFloat sets a gauge of float64. What is not finite is counted as invalid.
func (s *Series) SetFloat(v float64) {
	if !s.Enabled() {
		return
	}
	if !finite(v) {
		s.in.invalid()
		return
	}
	s.bits.Store(math.Float64bits(v))
	s.round.Store(s.engine.round.Load() + 1)
	s.spilled()
}

// Record adds a value to a histogram. The span of ctx becomes the exemplar of the
// value's bucket when it is sampled and the bucket has none in this interval.
func (s *Series) Record(ctx context.Context, v float64) {
	if !s.Enabled() {
		return
	}
	d := s.dist
	// The sum comes first: it alone can refuse, and then no bucket may count.
	if !addFloat(&d.sum, v) {
		s.in.invalid()
		return
	}
	i := bucketOf(s.bounds, v)
	b := &d.buckets[i]
	b.count.Add(1)
	if interval := s.engine.interval.Load(); b.interval.Load() != interval {
		d.exemplify(ctx, s.engine, i, v)
	}
	s.spilled()
}

func (s *Series) spilled() {
	if s.spill {
		s.engine.counters.Load().MetricOverflow.Add(1)
	}
}

// addFloat adds v to the float64 whose bits are in sum, unless the sum would not
// be finite: one such value would spoil it for ever.
func addFloat(sum *atomic.Uint64, v float64) bool {
	for {
		old := sum.Load()
		grown := math.Float64frombits(old) + v
		if !finite(grown) {
			return false
		}
		if sum.CompareAndSwap(old, math.Float64bits(grown)) {
			return true
		}
	}
}

// finite reports whether v is a number: the difference of an infinity or NaN with
// itself is NaN.
func finite(v float64) bool { return v-v == 0 }
