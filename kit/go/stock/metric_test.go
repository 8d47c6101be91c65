package stock

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/kit/go/internal/metric"
)

// points are the values of a collection, by instrument and attributes.
type points map[string]string

// TestRandomMetricsAreThoseOfTheStockSDK makes the same random instruments and
// records with the kit's engine and the stock SDK. The kit's bytes, read by the
// generated code, say what the SDK says. Its minimum and maximum the kit does not have.
func TestRandomMetricsAreThoseOfTheStockSDK(t *testing.T) {
	for seed := range uint64(300) {
		engine := metric.New(nil, nil)
		reader := sdk.NewManualReader()
		ours := &player{meter: metric.NewProvider(engine, 6, 2).Meter("m"), r: rand.New(rand.NewPCG(seed, 1))}
		stock := &player{meter: sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("m"), r: rand.New(rand.NewPCG(seed, 1))}
		for range 3 {
			ours.play(t)
			stock.play(t)
			got, want := ourPoints(t, engine), stockPoints(t, reader)
			if !maps.Equal(got, want) {
				t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
			}
		}
	}
}

func (p points) String() string {
	lines := make([]string, 0, len(p))
	for k, v := range p {
		lines = append(lines, k+" = "+v)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// player makes random calls of the API; two with the same seed make the same.
type player struct {
	meter  otelmetric.Meter
	r      *rand.Rand
	rounds int
}

var units = []string{"", "s", "By", "{item}"}

func (p *player) play(t *testing.T) {
	r, ctx := p.r, t.Context()
	for range 1 + r.IntN(40) {
		name, unit := fmt.Sprintf("m%d", r.IntN(4)), otelmetric.WithUnit(units[r.IntN(len(units))])
		with := otelmetric.WithAttributeSet(attribute.NewSet(p.attributes()...))
		n, v := r.Int64N(1000), math.Round(r.NormFloat64()*1e6)/1e3
		var err error
		switch r.IntN(7) {
		case 0:
			var c otelmetric.Int64Counter
			c, err = p.meter.Int64Counter("ic."+name, unit)
			c.Add(ctx, n, with)
		case 1:
			var c otelmetric.Float64Counter
			c, err = p.meter.Float64Counter("fc."+name, unit)
			c.Add(ctx, math.Abs(v), with)
		case 2:
			var c otelmetric.Int64UpDownCounter
			c, err = p.meter.Int64UpDownCounter("iu."+name, unit)
			c.Add(ctx, n-500, with)
		case 3:
			var g otelmetric.Float64Gauge
			g, err = p.meter.Float64Gauge("fg."+name, unit)
			g.Record(ctx, v, with)
		case 4:
			var h otelmetric.Float64Histogram
			h, err = p.meter.Float64Histogram("fh."+name, unit, otelmetric.WithExplicitBucketBoundaries(-1, 0, 0.5, 100))
			h.Record(ctx, v, with)
		case 5:
			var h otelmetric.Int64Histogram
			h, err = p.meter.Int64Histogram("ih."+name, unit)
			h.Record(ctx, n, with)
		case 6:
			var g otelmetric.Int64Gauge
			g, err = p.meter.Int64Gauge("ig."+name, unit)
			g.Record(ctx, n, with)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if p.rounds++; p.rounds == 1 {
		_, err := p.meter.Float64ObservableCounter("oc", otelmetric.WithFloat64Callback(func(_ context.Context, o otelmetric.Float64Observer) error {
			o.Observe(float64(p.rounds), otelmetric.WithAttributes(attribute.Int("round", p.rounds)))
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (p *player) attributes() []attribute.KeyValue {
	r := p.r
	list := make([]attribute.KeyValue, 0, 4)
	for range r.IntN(4) {
		key := string(rune('a' + r.IntN(3)))
		switch r.IntN(6) {
		case 0:
			list = append(list, attribute.String(key, strings.Repeat("é", r.IntN(3))))
		case 1:
			list = append(list, attribute.Int(key, r.IntN(3)-1))
		case 2:
			list = append(list, attribute.Bool(key, r.IntN(2) == 0))
		case 3:
			list = append(list, attribute.Float64(key, float64(r.IntN(3))/2))
		case 4:
			list = append(list, attribute.StringSlice(key, []string{"x", "y"}[:1+r.IntN(2)]))
		case 5:
			list = append(list, attribute.Int64Slice(key, []int64{1, -2}[:1+r.IntN(2)]))
		}
	}
	return list
}

// ourPoints reads the kit's records with the generated code.
func ourPoints(t *testing.T, engine *metric.Engine) points {
	t.Helper()
	all := points{}
	otlp := metric.OTLP{Emit: func(_ *metric.Scope, record []byte) {
		// A record is an element of ScopeMetrics with its tag.
		var scope metricspb.ScopeMetrics
		if err := proto.Unmarshal(record, &scope); err != nil || len(scope.Metrics) != 1 {
			t.Fatalf("%v, %d metrics", err, len(scope.Metrics))
		}
		if len(scope.ProtoReflect().GetUnknown()) > 0 || len(scope.Metrics[0].ProtoReflect().GetUnknown()) > 0 {
			t.Fatal("there are fields that the generated code does not know")
		}
		m := scope.Metrics[0]
		key := func(set []*commonpb.KeyValue) string { return m.Name + " " + m.Unit + " " + protoText(set) }
		number := func(p *metricspb.NumberDataPoint) string {
			if p.TimeUnixNano < p.StartTimeUnixNano || p.TimeUnixNano == 0 {
				t.Errorf("a point from %d to %d", p.StartTimeUnixNano, p.TimeUnixNano)
			}
			if d, ok := p.Value.(*metricspb.NumberDataPoint_AsDouble); ok {
				return fmt.Sprintf("double %v", d.AsDouble)
			}
			return fmt.Sprintf("int %d", p.GetAsInt())
		}
		switch d := m.Data.(type) {
		case *metricspb.Metric_Sum:
			for _, p := range d.Sum.DataPoints {
				all[key(p.Attributes)] = fmt.Sprintf("sum %v %v %s", d.Sum.AggregationTemporality, d.Sum.IsMonotonic, number(p))
			}
		case *metricspb.Metric_Gauge:
			for _, p := range d.Gauge.DataPoints {
				all[key(p.Attributes)] = "gauge " + number(p)
			}
		case *metricspb.Metric_Histogram:
			for _, p := range d.Histogram.DataPoints {
				all[key(p.Attributes)] = fmt.Sprintf("histogram %v %d %.6g %v %v", d.Histogram.AggregationTemporality, p.Count, p.GetSum(), p.ExplicitBounds, p.BucketCounts)
			}
		default:
			t.Fatalf("data %T", d)
		}
	}}
	engine.Collect(t.Context(), &otlp, true)
	otlp.Close()
	return all
}

const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

func stockPoints(t *testing.T, reader sdk.Reader) points {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	all := points{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			key := func(set attribute.Set) string { return m.Name + " " + m.Unit + " " + setText(set) }
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					all[key(p.Attributes)] = fmt.Sprintf("sum %v %v int %d", cumulative, d.IsMonotonic, p.Value)
				}
			case metricdata.Sum[float64]:
				for _, p := range d.DataPoints {
					all[key(p.Attributes)] = fmt.Sprintf("sum %v %v double %v", cumulative, d.IsMonotonic, p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					all[key(p.Attributes)] = fmt.Sprintf("gauge int %d", p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					all[key(p.Attributes)] = fmt.Sprintf("gauge double %v", p.Value)
				}
			case metricdata.Histogram[int64]:
				for _, p := range d.DataPoints {
					all[key(p.Attributes)] = fmt.Sprintf("histogram %v %d %.6g %v %v", cumulative, p.Count, float64(p.Sum), p.Bounds, p.BucketCounts)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					all[key(p.Attributes)] = fmt.Sprintf("histogram %v %d %.6g %v %v", cumulative, p.Count, p.Sum, p.Bounds, p.BucketCounts)
				}
			default:
				t.Fatalf("data %T", d)
			}
		}
	}
	return all
}

func setText(set attribute.Set) string {
	var b strings.Builder
	for _, kv := range set.ToSlice() {
		switch kv.Value.Type() {
		case attribute.STRINGSLICE, attribute.INT64SLICE:
			kv.Value = attribute.StringValue(fmt.Sprint(kv.Value.AsInterface()))
		}
		fmt.Fprintf(&b, "%s=%v:%v,", kv.Key, kv.Value.Type(), kv.Value.AsInterface())
	}
	return b.String()
}

func protoText(set []*commonpb.KeyValue) string {
	list := make([]attribute.KeyValue, 0, len(set))
	for _, kv := range set {
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			list = append(list, attribute.String(kv.Key, v.StringValue))
		case *commonpb.AnyValue_IntValue:
			list = append(list, attribute.Int64(kv.Key, v.IntValue))
		case *commonpb.AnyValue_BoolValue:
			list = append(list, attribute.Bool(kv.Key, v.BoolValue))
		case *commonpb.AnyValue_DoubleValue:
			list = append(list, attribute.Float64(kv.Key, v.DoubleValue))
		case *commonpb.AnyValue_ArrayValue:
			var b strings.Builder
			for i, e := range v.ArrayValue.Values {
				if i > 0 {
					b.WriteByte(' ')
				}
				switch e := e.Value.(type) {
				case *commonpb.AnyValue_StringValue:
					b.WriteString(e.StringValue)
				case *commonpb.AnyValue_IntValue:
					fmt.Fprint(&b, e.IntValue)
				}
			}
			list = append(list, attribute.String(kv.Key, "["+b.String()+"]"))
		}
	}
	var b strings.Builder
	for _, kv := range list {
		fmt.Fprintf(&b, "%s=%v:%v,", kv.Key, kv.Value.Type(), kv.Value.AsInterface())
	}
	return b.String()
}
