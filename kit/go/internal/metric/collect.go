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
	round := e.round.Add(1)
	e.runCallbacks(ctx)

	e.mu.Lock()
	order, producers := e.order, e.producers
	e.mu.Unlock()
	interval := e.interval.Load()
	if next {
		// Records from here on belong to the next interval, even for series that
		// are not read yet.
		e.interval.Add(1)
	}
	redact := e.newRedactor(sink)
	emitter := Emitter{engine: e, sink: sink, point: Point{Start: e.start, Time: e.now().UnixNano()}}
	var all []*Series
	for _, in := range order {
		if !in.Enabled() {
			continue
		}
		all = in.table.all(all[:0])
		to := sink
		if redact != nil && redact.touches(all) {
			to = redact
		}
		for _, s := range all {
			if !s.has(round) {
				continue
			}
			p := &emitter.point
			p.Labels = s.labels
			if s.dist != nil {
				s.dist.read(p, interval, !next)
			} else {
				p.Bits, p.Set = s.bits.Load(), s.round.Load()
			}
			to.Point(in.scope, &in.desc, p)
		}
		if to != sink {
			redact.flush()
		}
	}
	if redact != nil {
		emitter.sink = redact
		defer redact.flush()
	}
	for _, produce := range producers {
		produce(&emitter)
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
