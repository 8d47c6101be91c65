package clew

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/metric"
)

// measures is the process's one engine for metrics. It is there before Start, so
// that instruments may be package variables; they count from Start to Stop. Sums go
// on over a Stop and a new Start.
var measures = func() *metric.Engine {
	e := metric.New(nil, nil)
	e.SetGate(shut)
	return e
}()

func shut(component, need uint8) bool { return false }

// kitScope is the instrumentation scope of the kit's own instruments and of those
// made with this package.
var kitScope = measures.Scope(metric.Scope{Name: scopeName, Version: Version})

// MetricOption says more about an instrument.
type MetricOption func(*metric.Desc)

// Description is the sentence that explains an instrument to who reads a graph.
func Description(text string) MetricOption {
	return func(d *metric.Desc) { d.Description = text }
}

// Buckets are the upper bounds of a histogram's buckets, ascending, at most 256. A
// bucket includes its bound. Without this option they are those of OpenTelemetry:
// 0, 5, 10, 25 … 10000.
func Buckets(bounds ...float64) MetricOption {
	return func(d *metric.Desc) { d.Bounds = bounds }
}

// Needs makes an instrument part of a component: it is on when the component's
// level and that of ComponentMetrics are the needed one or higher. Without this
// option an instrument is part of ComponentMetrics and needs Standard.
func Needs(c Component, level Level) MetricOption {
	return func(d *metric.Desc) { d.Component, d.Need = uint8(c), uint8(level) }
}

// instrument makes an instrument. A name or option that cannot be gives one that
// keeps nothing, counted as clew.kit.metric.invalid.
func instrument(d metric.Desc, options []MetricOption) *metric.Instrument {
	d.Component, d.Need = uint8(ComponentMetrics), uint8(Standard)
	for _, option := range options {
		option(&d)
	}
	in, _ := measures.Instrument(kitScope, d)
	return in
}

// series finds the series of the attributes. The kit's own attributes are cut and
// counted as the contract says for labels.
func series(in *metric.Instrument, attrs []Attr) *metric.Series {
	list := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		if a.key != "" {
			list = append(list, a.KeyValue())
		}
	}
	return in.Series(attribute.NewSet(list...))
}

// CounterFamily is a counter for any attributes.
type CounterFamily struct{ in *metric.Instrument }

// Counter makes an instrument that adds up how often something happened: its sum
// only grows. The unit is a UCUM code or a word in braces, such as "{order}" or
// "By". The same name and unit give the same instrument.
//
//	var placed = clew.Counter("shop.orders.placed", "{order}").With()
//
//	placed.Add(1)
func Counter(name, unit string, options ...MetricOption) CounterFamily {
	return CounterFamily{instrument(metric.Desc{Name: name, Unit: unit, Kind: metric.Counter}, options)}
}

// With binds the counter to attributes. Bind once and keep the result: With looks up
// and allocates, Add does not. Attributes must have few different values; at most
// 2,000 sets are kept apart for an instrument, the rest are added up under
// otel.metric.overflow=true. The series is there, zero, from now on. Redactions of
// the policy hold for attributes whenever they are read; sets that become the same
// are sent as one.
func (f CounterFamily) With(attrs ...Attr) BoundCounter { return BoundCounter{series(f.in, attrs)} }

// BoundCounter is a counter for one set of attributes.
type BoundCounter struct{ s *metric.Series }

// Add adds n. Less than zero is not taken and counted as clew.kit.metric.invalid.
func (b BoundCounter) Add(n int64) { b.s.AddInt(n) }

// UpDownFamily is an up-down counter for any attributes.
type UpDownFamily struct{ in *metric.Instrument }

// UpDown makes an instrument that adds up what comes and goes, such as requests
// under way.
func UpDown(name, unit string, options ...MetricOption) UpDownFamily {
	return UpDownFamily{instrument(metric.Desc{Name: name, Unit: unit, Kind: metric.UpDown}, options)}
}

// With binds the instrument to attributes; see CounterFamily.With.
func (f UpDownFamily) With(attrs ...Attr) BoundUpDown { return BoundUpDown{series(f.in, attrs)} }

// BoundUpDown is an up-down counter for one set of attributes.
type BoundUpDown struct{ s *metric.Series }

// Add adds n, which may be less than zero.
//
// While its level shuts the instrument nothing is added: what begins before a
// switch and ends after it leaves the sum off by one. Ask Enabled when something
// begins, and keep to the answer with Always when it ends.
func (b BoundUpDown) Add(n int64) { b.s.AddInt(n) }

// Enabled reports whether Add would count now.
func (b BoundUpDown) Enabled() bool { return b.s.Enabled() }

// Always adds n whatever the level is.
func (b BoundUpDown) Always(n int64) { b.s.ForceInt(n) }

// GaugeFamily is a gauge for any attributes.
type GaugeFamily struct{ in *metric.Instrument }

// Gauge makes an instrument whose last value counts.
func Gauge(name, unit string, options ...MetricOption) GaugeFamily {
	return GaugeFamily{instrument(metric.Desc{Name: name, Unit: unit, Kind: metric.Gauge, Float: true}, options)}
}

// With binds the gauge to attributes; see CounterFamily.With. A gauge is sent from
// its first value on.
func (f GaugeFamily) With(attrs ...Attr) BoundGauge { return BoundGauge{series(f.in, attrs)} }

// BoundGauge is a gauge for one set of attributes.
type BoundGauge struct{ s *metric.Series }

// Set sets the value. NaN and infinities are not taken and counted as
// clew.kit.metric.invalid.
func (b BoundGauge) Set(v float64) { b.s.SetFloat(v) }

// HistogramFamily is a histogram for any attributes.
type HistogramFamily struct{ in *metric.Instrument }

// Histogram makes an instrument that counts values by buckets.
func Histogram(name, unit string, options ...MetricOption) HistogramFamily {
	return HistogramFamily{instrument(metric.Desc{Name: name, Unit: unit, Kind: metric.Histogram, Float: true}, options)}
}

// DurationHistogram is a histogram in seconds with the bounds of semantic
// conventions, 5 ms to 10 s, as part of a component from level Edges on: the
// duration of calls and requests.
func DurationHistogram(name string, c Component, options ...MetricOption) HistogramFamily {
	all := append([]MetricOption{Needs(c, Edges), Buckets(metric.DurationBounds...)}, options...)
	return Histogram(name, "s", all...)
}

// With binds the histogram to attributes; see CounterFamily.With.
func (f HistogramFamily) With(attrs ...Attr) BoundHistogram {
	return BoundHistogram{series(f.in, attrs)}
}

// BoundHistogram is a histogram for one set of attributes.
type BoundHistogram struct{ s *metric.Series }

// Record counts a value. The span in ctx, when it is sampled, becomes the exemplar
// of the value's bucket unless the bucket has one in this interval: its ids, the
// value and the time, nothing else. NaN and infinities are not taken and counted as
// clew.kit.metric.invalid.
func (b BoundHistogram) Record(ctx context.Context, v float64) { b.s.Record(ctx, v) }

// RecordDuration counts a time span in seconds.
func (b BoundHistogram) RecordDuration(ctx context.Context, d time.Duration) {
	b.s.Record(ctx, d.Seconds())
}

// Enabled reports whether Record would count now.
func (b BoundHistogram) Enabled() bool { return b.s.Enabled() }

// GaugeFunc has read called at each collection for the value of a gauge. read has a
// second; a panic in it is caught. remove ends it.
func GaugeFunc(name, unit string, read func(context.Context) float64, attrs []Attr, options ...MetricOption) (remove func()) {
	return observe(metric.Desc{Name: name, Unit: unit, Kind: metric.Gauge, Float: true, Observable: true}, read, attrs, options)
}

// CounterFunc has read called at each collection for the sum of a counter so far.
// read has a second; a panic in it is caught. remove ends it.
func CounterFunc(name, unit string, read func(context.Context) float64, attrs []Attr, options ...MetricOption) (remove func()) {
	return observe(metric.Desc{Name: name, Unit: unit, Kind: metric.Counter, Float: true, Observable: true}, read, attrs, options)
}

func observe(d metric.Desc, read func(context.Context) float64, attrs []Attr, options []MetricOption) (remove func()) {
	in := instrument(d, options)
	list := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		list = append(list, a.KeyValue())
	}
	set := attribute.NewSet(list...)
	return measures.OnCollect(func(ctx context.Context) {
		if in.Enabled() {
			in.ObserveFloat(set, read(ctx))
		}
	})
}
