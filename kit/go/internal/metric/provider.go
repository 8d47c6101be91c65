package metric

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// Provider is an engine as OpenTelemetry's MeterProvider. Methods that a newer API
// adds do nothing until they are written here, because the no-op types are embedded.
type Provider struct {
	noop.MeterProvider
	engine    *Engine
	component uint8
	need      uint8
}

// NewProvider makes instruments of e that need the level in the component.
func NewProvider(e *Engine, component, need uint8) *Provider {
	return &Provider{engine: e, component: component, need: need}
}

// Meter is the meter of a library. Attributes of the scope are not kept: they would
// be labels that nothing can ask for.
func (p *Provider) Meter(name string, options ...metric.MeterOption) metric.Meter {
	c := metric.NewMeterConfig(options...)
	scope := p.engine.Scope(Scope{Name: name, Version: c.InstrumentationVersion(), Schema: c.SchemaURL()})
	return &meter{provider: p, scope: scope}
}

type meter struct {
	noop.Meter
	provider *Provider
	scope    *Scope
}

// config is what the configurations of all instruments have in common.
type config interface {
	Description() string
	Unit() string
}

func (m *meter) instrument(name string, c config, kind Kind, float bool) (*Instrument, error) {
	return m.make(name, c, Desc{Kind: kind, Float: float})
}

func (m *meter) observable(name string, c config, kind Kind, float bool) (*Instrument, error) {
	return m.make(name, c, Desc{Kind: kind, Float: float, Observable: true})
}

func (m *meter) make(name string, c config, d Desc) (*Instrument, error) {
	d.Name, d.Unit, d.Description = name, c.Unit(), c.Description()
	d.Component, d.Need = m.provider.component, m.provider.need
	return m.provider.engine.Instrument(m.scope, d)
}

func (m *meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	in, err := m.instrument(name, metric.NewInt64CounterConfig(options...), Counter, false)
	return int64Counter{in: in}, err
}

func (m *meter) Int64UpDownCounter(name string, options ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	in, err := m.instrument(name, metric.NewInt64UpDownCounterConfig(options...), UpDown, false)
	return int64UpDownCounter{in: in}, err
}

func (m *meter) Int64Gauge(name string, options ...metric.Int64GaugeOption) (metric.Int64Gauge, error) {
	in, err := m.instrument(name, metric.NewInt64GaugeConfig(options...), Gauge, false)
	return int64Gauge{in: in}, err
}

func (m *meter) Int64Histogram(name string, options ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	c := metric.NewInt64HistogramConfig(options...)
	in, err := m.make(name, c, Desc{Kind: Histogram, Bounds: c.ExplicitBucketBoundaries()})
	return int64Histogram{in: in}, err
}

func (m *meter) Float64Counter(name string, options ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	in, err := m.instrument(name, metric.NewFloat64CounterConfig(options...), Counter, true)
	return float64Counter{in: in}, err
}

func (m *meter) Float64UpDownCounter(name string, options ...metric.Float64UpDownCounterOption) (metric.Float64UpDownCounter, error) {
	in, err := m.instrument(name, metric.NewFloat64UpDownCounterConfig(options...), UpDown, true)
	return float64UpDownCounter{in: in}, err
}

func (m *meter) Float64Gauge(name string, options ...metric.Float64GaugeOption) (metric.Float64Gauge, error) {
	in, err := m.instrument(name, metric.NewFloat64GaugeConfig(options...), Gauge, true)
	return float64Gauge{in: in}, err
}

func (m *meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	c := metric.NewFloat64HistogramConfig(options...)
	in, err := m.make(name, c, Desc{Kind: Histogram, Float: true, Bounds: c.ExplicitBucketBoundaries()})
	return float64Histogram{in: in}, err
}

func (m *meter) Int64ObservableCounter(name string, options ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	c := metric.NewInt64ObservableCounterConfig(options...)
	in, err := m.observable(name, c, Counter, false)
	m.observeInts(in, c.Callbacks())
	return int64Observable{in: in}, err
}

func (m *meter) Int64ObservableUpDownCounter(name string, options ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	c := metric.NewInt64ObservableUpDownCounterConfig(options...)
	in, err := m.observable(name, c, UpDown, false)
	m.observeInts(in, c.Callbacks())
	return int64Observable{in: in}, err
}

func (m *meter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	c := metric.NewInt64ObservableGaugeConfig(options...)
	in, err := m.observable(name, c, Gauge, false)
	m.observeInts(in, c.Callbacks())
	return int64Observable{in: in}, err
}

func (m *meter) Float64ObservableCounter(name string, options ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	c := metric.NewFloat64ObservableCounterConfig(options...)
	in, err := m.observable(name, c, Counter, true)
	m.observeFloats(in, c.Callbacks())
	return float64Observable{in: in}, err
}

func (m *meter) Float64ObservableUpDownCounter(name string, options ...metric.Float64ObservableUpDownCounterOption) (metric.Float64ObservableUpDownCounter, error) {
	c := metric.NewFloat64ObservableUpDownCounterConfig(options...)
	in, err := m.observable(name, c, UpDown, true)
	m.observeFloats(in, c.Callbacks())
	return float64Observable{in: in}, err
}

func (m *meter) Float64ObservableGauge(name string, options ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	c := metric.NewFloat64ObservableGaugeConfig(options...)
	in, err := m.observable(name, c, Gauge, true)
	m.observeFloats(in, c.Callbacks())
	return float64Observable{in: in}, err
}

func (m *meter) observeInts(in *Instrument, callbacks []metric.Int64Callback) {
	for _, f := range callbacks {
		m.onCollect(in, func(ctx context.Context) error { return f(ctx, int64Observer{in: in}) })
	}
}

func (m *meter) observeFloats(in *Instrument, callbacks []metric.Float64Callback) {
	for _, f := range callbacks {
		m.onCollect(in, func(ctx context.Context) error { return f(ctx, float64Observer{in: in}) })
	}
}

func (m *meter) onCollect(in *Instrument, observe func(context.Context) error) {
	m.provider.engine.OnCollect(func(ctx context.Context) {
		if in.Enabled() && observe(ctx) != nil {
			in.invalid()
		}
	})
}

// RegisterCallback has f called at each collection to observe the instruments,
// which must be observable ones of this kit.
func (m *meter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	if f == nil {
		return noop.Registration{}, fmt.Errorf("register callback: it is nil; give a function")
	}
	known := make(map[*Instrument]bool, len(instruments))
	for _, observable := range instruments {
		in := instrumentOf(observable)
		if in == nil {
			return noop.Registration{}, fmt.Errorf("register callback: %T is no observable instrument of this provider; make it with one of its meters", observable)
		}
		known[in] = true
	}
	if len(known) == 0 {
		return noop.Registration{}, nil
	}
	e := m.provider.engine
	remove := e.OnCollect(func(ctx context.Context) {
		if err := f(ctx, observer{engine: e, known: known}); err != nil {
			e.counters.Load().MetricInvalid.Add(1)
		}
	})
	return registration{remove: remove}, nil
}

type registration struct {
	noop.Registration
	remove func()
}

// Unregister stops the calls. It may be called again.
func (r registration) Unregister() error {
	r.remove()
	return nil
}
