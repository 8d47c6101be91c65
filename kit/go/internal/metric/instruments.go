package metric

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// These are the instruments of OpenTelemetry's API. Each looks up its series by the
// attributes of the call; a level that shuts the instrument spares that. Enabled
// exists from API 1.40 on.

type (
	int64Counter struct {
		noop.Int64Counter
		in *Instrument
	}
	int64UpDownCounter struct {
		noop.Int64UpDownCounter
		in *Instrument
	}
	int64Gauge struct {
		noop.Int64Gauge
		in *Instrument
	}
	int64Histogram struct {
		noop.Int64Histogram
		in *Instrument
	}
	float64Counter struct {
		noop.Float64Counter
		in *Instrument
	}
	float64UpDownCounter struct {
		noop.Float64UpDownCounter
		in *Instrument
	}
	float64Gauge struct {
		noop.Float64Gauge
		in *Instrument
	}
	float64Histogram struct {
		noop.Float64Histogram
		in *Instrument
	}
)

func addSet(options []metric.AddOption) attribute.Set {
	if len(options) == 0 {
		return *attribute.EmptySet()
	}
	return metric.NewAddConfig(options).Attributes()
}

func recordSet(options []metric.RecordOption) attribute.Set {
	if len(options) == 0 {
		return *attribute.EmptySet()
	}
	return metric.NewRecordConfig(options).Attributes()
}

func observeSet(options []metric.ObserveOption) attribute.Set {
	if len(options) == 0 {
		return *attribute.EmptySet()
	}
	return metric.NewObserveConfig(options).Attributes()
}

func (i int64Counter) Enabled(context.Context) bool { return i.in.Enabled() }
func (i int64Counter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	if i.in.Enabled() {
		i.in.Series(addSet(options)).AddInt(n)
	}
}

func (i int64UpDownCounter) Enabled(context.Context) bool { return i.in.Enabled() }
func (i int64UpDownCounter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	if i.in.Enabled() {
		i.in.Series(addSet(options)).AddInt(n)
	}
}

func (i int64Gauge) Enabled(context.Context) bool { return i.in.Enabled() }
func (i int64Gauge) Record(_ context.Context, n int64, options ...metric.RecordOption) {
	if i.in.Enabled() {
		i.in.Series(recordSet(options)).SetInt(n)
	}
}

func (i int64Histogram) Enabled(context.Context) bool { return i.in.Enabled() }
func (i int64Histogram) Record(ctx context.Context, n int64, options ...metric.RecordOption) {
	if i.in.Enabled() {
		i.in.Series(recordSet(options)).Record(ctx, float64(n))
	}
}

func (i float64Counter) Enabled(context.Context) bool { return i.in.Enabled() }
func (i float64Counter) Add(_ context.Context, v float64, options ...metric.AddOption) {
	if i.in.Enabled() {
		i.in.Series(addSet(options)).AddFloat(v)
	}
}

func (i float64UpDownCounter) Enabled(context.Context) bool { return i.in.Enabled() }
func (i float64UpDownCounter) Add(_ context.Context, v float64, options ...metric.AddOption) {
	if i.in.Enabled() {
		i.in.Series(addSet(options)).AddFloat(v)
	}
}

func (i float64Gauge) Enabled(context.Context) bool { return i.in.Enabled() }
func (i float64Gauge) Record(_ context.Context, v float64, options ...metric.RecordOption) {
	if i.in.Enabled() {
		i.in.Series(recordSet(options)).SetFloat(v)
	}
}

func (i float64Histogram) Enabled(context.Context) bool { return i.in.Enabled() }
func (i float64Histogram) Record(ctx context.Context, v float64, options ...metric.RecordOption) {
	if i.in.Enabled() {
		i.in.Series(recordSet(options)).Record(ctx, v)
	}
}

// An observable instrument is all three kinds at once: the kind it has is in in. The
// outer marker keeps those of the no-op types from being ambiguous; it is never called.
type int64Observable struct {
	metric.Int64Observable
	noop.Int64ObservableCounter
	noop.Int64ObservableUpDownCounter
	noop.Int64ObservableGauge
	in *Instrument
}

type float64Observable struct {
	metric.Float64Observable
	noop.Float64ObservableCounter
	noop.Float64ObservableUpDownCounter
	noop.Float64ObservableGauge
	in *Instrument
}

// instrumentOf is nil when the observable is not of this package.
func instrumentOf(observable metric.Observable) *Instrument {
	switch o := observable.(type) {
	case int64Observable:
		return o.in
	case float64Observable:
		return o.in
	}
	return nil
}

type int64Observer struct {
	noop.Int64Observer
	in *Instrument
}

func (o int64Observer) Observe(n int64, options ...metric.ObserveOption) {
	o.in.ObserveInt(observeSet(options), n)
}

type float64Observer struct {
	noop.Float64Observer
	in *Instrument
}

func (o float64Observer) Observe(v float64, options ...metric.ObserveOption) {
	o.in.ObserveFloat(observeSet(options), v)
}

// observer takes the values of the instruments that a callback was registered for.
// A value of another one is counted as invalid.
type observer struct {
	noop.Observer
	engine *Engine
	known  map[*Instrument]bool
}

func (o observer) ObserveInt64(observable metric.Int64Observable, n int64, options ...metric.ObserveOption) {
	if in := instrumentOf(observable); in != nil && o.known[in] {
		in.ObserveInt(observeSet(options), n)
		return
	}
	o.engine.counters.Load().MetricInvalid.Add(1)
}

func (o observer) ObserveFloat64(observable metric.Float64Observable, v float64, options ...metric.ObserveOption) {
	if in := instrumentOf(observable); in != nil && o.known[in] {
		in.ObserveFloat(observeSet(options), v)
		return
	}
	o.engine.counters.Load().MetricInvalid.Add(1)
}
