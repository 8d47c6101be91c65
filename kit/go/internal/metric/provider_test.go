package metric_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/clew-dev/clew/kit/go/internal/metric"
)

// TestEveryInstrumentOfTheAPI records one value with each.
func TestEveryInstrumentOfTheAPI(t *testing.T) {
	e, c, _ := newEngine()
	meter := metric.NewProvider(e, 6, 2).Meter("lib", otelmetric.WithInstrumentationVersion("1.2"), otelmetric.WithSchemaURL("s"))
	ctx, with := t.Context(), otelmetric.WithAttributes(attribute.String("k", "v"))
	fine := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	ic, err := meter.Int64Counter("ic", otelmetric.WithUnit("By"), otelmetric.WithDescription("d"))
	fine(err)
	ic.Add(ctx, 1, with)
	ic.Add(ctx, 2)
	ic.Add(ctx, -1, with)
	iu, err := meter.Int64UpDownCounter("iu")
	fine(err)
	iu.Add(ctx, -2, with)
	ig, err := meter.Int64Gauge("ig")
	fine(err)
	ig.Record(ctx, 3, with)
	ih, err := meter.Int64Histogram("ih", otelmetric.WithExplicitBucketBoundaries(5))
	fine(err)
	ih.Record(ctx, 4, with)
	fc, err := meter.Float64Counter("fc")
	fine(err)
	fc.Add(ctx, 1.5, with)
	fu, err := meter.Float64UpDownCounter("fu")
	fine(err)
	fu.Add(ctx, -2.5, with)
	fg, err := meter.Float64Gauge("fg")
	fine(err)
	fg.Record(ctx, 3.5, with)
	fh, err := meter.Float64Histogram("fh", otelmetric.WithExplicitBucketBoundaries(5))
	fine(err)
	fh.Record(ctx, 4.5, with)

	_, err = meter.Int64ObservableCounter("oic", otelmetric.WithInt64Callback(func(_ context.Context, o otelmetric.Int64Observer) error {
		o.Observe(5, with)
		return nil
	}))
	fine(err)
	oiu, err := meter.Int64ObservableUpDownCounter("oiu")
	fine(err)
	oig, err := meter.Int64ObservableGauge("oig")
	fine(err)
	_, err = meter.Float64ObservableCounter("ofc", otelmetric.WithFloat64Callback(func(_ context.Context, o otelmetric.Float64Observer) error {
		o.Observe(5.5, with)
		return errors.New("said for the count")
	}))
	fine(err)
	ofu, err := meter.Float64ObservableUpDownCounter("ofu")
	fine(err)
	ofg, err := meter.Float64ObservableGauge("ofg")
	fine(err)
	registration, err := meter.RegisterCallback(func(_ context.Context, o otelmetric.Observer) error {
		o.ObserveInt64(oiu, 6, with)
		o.ObserveInt64(oig, 7, with)
		o.ObserveFloat64(ofu, 6.5, with)
		// Not registered for.
		o.ObserveFloat64(ofg, 7.5, with)
		return nil
	}, oiu, oig, ofu)
	fine(err)

	want := map[string]string{
		`ic By counter int  k="v"`: "1", `ic By counter int`: "2", `iu - up_down int  k="v"`: "-2", `ig - gauge int  k="v"`: "3",
		`ih - histogram double  k="v"`: "count=1 sum=4 bounds=[5] buckets=[1 0]",
		`fc - counter double  k="v"`:   "1.5", `fu - up_down double  k="v"`: "-2.5", `fg - gauge double  k="v"`: "3.5",
		`fh - histogram double  k="v"`: "count=1 sum=4.5 bounds=[5] buckets=[1 0]",
		`oic - counter int  k="v"`:     "5", `oiu - up_down int  k="v"`: "6", `oig - gauge int  k="v"`: "7",
		`ofc - counter double  k="v"`: "5.5", `ofu - up_down double  k="v"`: "6.5",
	}
	if got := collect(t, e); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	// The negative one, the callback's error and the one that was not registered for.
	if n := c.MetricInvalid.Load(); n != 3 {
		t.Errorf("invalid is %d", n)
	}
	fine(registration.Unregister())
	fine(registration.Unregister())
	for _, key := range []string{`oiu - up_down int  k="v"`, `oig - gauge int  k="v"`, `ofu - up_down double  k="v"`} {
		delete(want, key)
	}
	if got := collect(t, e); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if _, err := meter.RegisterCallback(func(context.Context, otelmetric.Observer) error { return nil }, noop.Int64ObservableGauge{}); err == nil {
		t.Error("an instrument of another provider was taken")
	}
	if _, err := meter.RegisterCallback(nil); err == nil {
		t.Error("nil was taken as a callback")
	}
	if _, err := meter.Int64Counter("no good"); err == nil {
		t.Error("a bad name was taken")
	}
}

// TestTheGateShutsTheAPI: enabled is asked by callers that build attributes.
func TestTheGateShutsTheAPI(t *testing.T) {
	e, _, _ := newEngine()
	counter, err := metric.NewProvider(e, 6, 2).Meter("lib").Int64Counter("c")
	if err != nil {
		t.Fatal(err)
	}
	enabled := counter.(interface{ Enabled(context.Context) bool })
	if !enabled.Enabled(t.Context()) {
		t.Error("not enabled")
	}
	e.SetGate(func(component, need uint8) bool { return component != 6 })
	counter.Add(t.Context(), 1)
	if enabled.Enabled(t.Context()) || len(collect(t, e)) != 0 {
		t.Error("enabled below the level")
	}
}
