package metric

import (
	"context"
	"math"
	"time"
)

// Sink takes the points of a collection. The points of an instrument come one
// after another. A Point is valid during the call only.
type Sink interface {
	Point(scope *Scope, desc *Desc, p *Point)
}

// Point is the value of a series at the time of a collection.
type Point struct {
	Labels *Labels
	Start  int64 // Unix nanoseconds: when the sum was zero
	Time   int64 // Unix nanoseconds

	// Set says of a gauge after which collection the value was set.
	Set uint64

	// Bits is the value: an int64, or the bits of a float64 when Desc.Float. For a
	// histogram it is the bits of the sum.
	Bits uint64

	Count     uint64     // histograms: the sum of Counts
	Counts    []uint64   // histograms: one more than there are bounds
	Exemplars []Exemplar // histograms: ascending by bucket
}

// Emitter is what producers write to.
type Emitter struct {
	engine *Engine
	sink   Sink
	point  Point
}

// On reports whether instruments of a component that need a level are on. What is
// given to the emitter is sent in any case.
func (e *Emitter) On(component, need uint8) bool { return e.engine.on(component, need) }

// Time is the time of the collection in Unix nanoseconds.
func (e *Emitter) Time() int64 { return e.point.Time }

// Int gives the value of an instrument of int64.
func (e *Emitter) Int(scope *Scope, desc *Desc, labels *Labels, n int64) {
	e.point.Labels, e.point.Bits = labels, uint64(n)
	e.sink.Point(scope, desc, &e.point)
}

// Float gives the value of an instrument of float64. What is not finite is left out.
func (e *Emitter) Float(scope *Scope, desc *Desc, labels *Labels, v float64) {
	if finite(v) {
		e.point.Labels, e.point.Bits = labels, math.Float64bits(v)
		e.sink.Point(scope, desc, &e.point)
	}
}

// Distribution gives a histogram without exemplars; counts are one more than bounds.
func (e *Emitter) Distribution(scope *Scope, desc *Desc, labels *Labels, counts []uint64, sum float64) {
	p := &e.point
	p.Labels, p.Bits, p.Exemplars = labels, math.Float64bits(sum), p.Exemplars[:0]
	p.Counts, p.Count = append(p.Counts[:0], counts...), 0
	for _, n := range counts {
		p.Count += n
	}
	e.sink.Point(scope, desc, p)
}

// Produce has producer called at each collection, after all instruments. It runs
// on the collecting goroutine: it is for the kit's own figures, which are read
// in microseconds, not for functions of the host.
func (e *Engine) Produce(producer func(*Emitter)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.producers = append(e.producers, producer)
}

// Collect runs the callbacks and hands all points, redacted, to the sink: scope by
// scope as they came, then the producers'. With next, exemplars are taken out and a new
// interval begins; without, all that are held are shown and stay. ctx bounds
// the callbacks alone. Collections wait for each other.
func (e *Engine) Collect(ctx context.Context, sink Sink, next bool) {
	e.collecting.Lock()
	defer e.collecting.Unlock()
	c := collection{Emitter: Emitter{engine: e, sink: sink}, round: e.round.Add(1), older: !next}
	e.runCallbacks(ctx)

	e.mu.Lock()
	order, producers := e.order, e.producers
	e.mu.Unlock()
	c.interval = e.interval.Load()
	if next {
		// Records from here on belong to the next interval, even for series that
		// are not read yet.
		e.interval.Add(1)
	}
	was, now := e.redactedBy, e.redactions()
	e.redactedBy = now
	if now != nil {
		c.redact = &redactor{policy: now, engine: e, sink: sink, at: make(map[string]*held)}
	}
	c.point.Time = e.now().UnixNano()
	// What no collection has read yet has nothing to contradict.
	other := was != now && c.round > 1
	for _, in := range order {
		enabled := in.Enabled()
		if !enabled && !other {
			continue
		}
		c.series = in.table.all(c.series[:0])
		if other && in.changed(c.series, was, now) {
			in.beginAnew(c.series, c.point.Time)
		} else if enabled {
			c.read(in)
		}
	}
	c.point.Start = e.start
	if c.redact != nil {
		c.sink = c.redact
		defer c.redact.flush()
	}
	for _, produce := range producers {
		produce(&c.Emitter)
	}
}

// collection is one that is under way.
type collection struct {
	Emitter

	redact   *redactor // nil where nothing is redacted
	round    uint64
	interval uint64
	older    bool      // exemplars of earlier intervals too
	series   []*Series // of the instrument that is read
}

// read hands on the points of an instrument.
func (c *collection) read(in *Instrument) {
	// An instrument without labels that are redacted need not be held.
	hold := c.redact != nil && c.redact.touches(c.series)
	// A sum that only grows must not fall because one of its series was not observed.
	stays := hold && in.desc.Observable && in.desc.Kind == Counter
	p := &c.point
	p.Start = in.start
	for _, s := range c.series {
		seen := s.has(c.round)
		if !seen && !(stays && s.round.Load() != 0) {
			continue
		}
		p.Labels = s.labels
		if s.dist != nil {
			s.dist.read(p, c.interval, c.older)
		} else {
			p.Bits, p.Set = s.bits.Load(), s.round.Load()
		}
		switch {
		case !s.less(p):
			in.invalid()
		case hold:
			c.redact.take(in.scope, &in.desc, p, seen)
		default:
			c.sink.Point(in.scope, &in.desc, p)
		}
	}
	if hold {
		c.redact.flush()
	}
}

// has reports whether the series has a value in this collection. A sum and a
// histogram have one from the start, zero; a gauge from its first; an observable
// one when it was observed.
func (s *Series) has(round uint64) bool {
	switch {
	case s.in.desc.Observable:
		return s.round.Load() == round
	case s.in.desc.Kind == Gauge:
		return s.round.Load() != 0
	}
	return true
}

// Start is the time at which all sums were zero.
func (e *Engine) Start() time.Time { return time.Unix(0, e.start) }
