package metric

import (
	"math"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// recordBytes is the size from which the points of an instrument go on in another
// record, so that many series never make a record that no batch can take.
const recordBytes = 64 << 10

// OTLP is a Sink that encodes points as elements of ScopeMetrics.metrics. Emit gets
// each element with its tag and length; it must not keep it. Close ends the last.
// The buffers are kept for the next collection.
type OTLP struct {
	Emit func(scope *Scope, record []byte)

	scope  *Scope
	desc   *Desc
	points []byte
	record []byte
}

// Fields of metrics.proto.
const (
	scopeMetricsMetrics = 2

	metricName        = 1
	metricDescription = 2
	metricUnit        = 3
	metricGauge       = 5
	metricSum         = 7
	metricHistogram   = 9

	dataPoints     = 1
	temporality    = 2
	monotonic      = 3
	cumulative     = 2
	pointStart     = 2
	pointTime      = 3
	numberDouble   = 4
	numberInt      = 6
	histogramCount = 4
	histogramSum   = 5
	bucketCounts   = 6
	explicitBounds = 7
	exemplars      = 8

	exemplarTime   = 2
	exemplarDouble = 3
	exemplarSpan   = 4
	exemplarTrace  = 5
)

// Point appends a point.
func (o *OTLP) Point(scope *Scope, desc *Desc, p *Point) {
	if o.desc != desc || o.scope != scope || len(o.points) >= recordBytes {
		o.Close()
		o.scope, o.desc = scope, desc
	}
	b, mark := wire.Begin(o.points, dataPoints)
	b = append(b, p.Labels.otlp...)
	if desc.Kind != Gauge {
		b = wire.AppendFixed64(b, pointStart, uint64(p.Start))
	}
	b = wire.AppendFixed64(b, pointTime, uint64(p.Time))
	switch {
	case desc.Kind == Histogram:
		b = o.histogram(b, desc, p)
	case desc.Float:
		b = wire.AppendFixed64(b, numberDouble, p.Bits)
	default:
		b = wire.AppendFixed64(b, numberInt, p.Bits)
	}
	o.points = wire.End(b, mark)
}

func (o *OTLP) histogram(b []byte, desc *Desc, p *Point) []byte {
	b = wire.AppendFixed64(b, histogramCount, p.Count)
	b = wire.AppendFixed64(b, histogramSum, p.Bits)
	b = appendPacked(b, bucketCounts, len(p.Counts))
	for _, n := range p.Counts {
		b = appendWord(b, n)
	}
	if len(desc.Bounds) > 0 {
		b = appendPacked(b, explicitBounds, len(desc.Bounds))
		for _, bound := range desc.Bounds {
			b = appendWord(b, math.Float64bits(bound))
		}
	}
	for i := range p.Exemplars {
		ex := &p.Exemplars[i]
		var mark int
		b, mark = wire.Begin(b, exemplars)
		b = wire.AppendFixed64(b, exemplarTime, uint64(ex.Time))
		b = wire.AppendDouble(b, exemplarDouble, ex.Value)
		b = wire.AppendBytes(b, exemplarSpan, ex.SpanID[:])
		b = wire.AppendBytes(b, exemplarTrace, ex.TraceID[:])
		b = wire.End(b, mark)
	}
	return b
}

// Close emits the record under way.
func (o *OTLP) Close() {
	if o.desc == nil {
		return
	}
	desc := o.desc
	b, whole := wire.Begin(o.record[:0], scopeMetricsMetrics)
	b = wire.AppendString(b, metricName, desc.Name)
	if desc.Description != "" {
		b = wire.AppendString(b, metricDescription, desc.Description)
	}
	if desc.Unit != "" {
		b = wire.AppendString(b, metricUnit, desc.Unit)
	}
	field := metricSum
	switch desc.Kind {
	case Gauge:
		field = metricGauge
	case Histogram:
		field = metricHistogram
	}
	b, data := wire.Begin(b, field)
	b = append(b, o.points...)
	if desc.Kind != Gauge {
		b = wire.AppendUint(b, temporality, cumulative)
	}
	if desc.Kind == Counter {
		b = wire.AppendUint(b, monotonic, 1)
	}
	o.record = wire.End(wire.End(b, data), whole)
	scope := o.scope
	o.scope, o.desc, o.points = nil, nil, o.points[:0]
	o.Emit(scope, o.record)
}

func appendPacked(b []byte, field, words int) []byte {
	return wire.AppendVarint(wire.AppendTag(b, field, wire.Bytes), uint64(words)*8)
}

func appendWord(b []byte, w uint64) []byte {
	return append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24), byte(w>>32), byte(w>>40), byte(w>>48), byte(w>>56))
}
