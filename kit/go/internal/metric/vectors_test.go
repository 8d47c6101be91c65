package metric_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// step is one line of a case in kit/contract/metrics.json; the field that is set
// says what it does.
type step struct {
	Make        string
	Observe     string
	Kind        string
	Name        string
	Unit        string
	Description string
	Bounds      []float64
	Component   string
	Need        string
	Value       json.RawMessage

	Bind   string
	To     string
	Labels [][2]any

	Record string
	Span   *struct {
		Trace, Span string
		Sampled     bool
	}

	Fill  string
	Label string
	Count int

	Is     json.RawMessage
	Time   *int64
	Levels map[string]string
	Redact json.RawMessage

	Collect      *[]string
	CollectCount *int    `json:"collect_count"`
	CollectLast  *string `json:"collect_last"`
	Text         []string
	Counters     *struct{ Overflow, Invalid int64 }
}

// run is a case under way.
type run struct {
	t           *testing.T
	now         int64
	counters    self.Counters
	engine      *metric.Engine
	scope       *metric.Scope
	levels      map[string]string
	instruments map[string]*metric.Instrument
	series      map[string]*metric.Series
	kinds       map[string]string
	observed    map[string]json.RawMessage
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../../contract/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Name  string
			Steps []json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			r := &run{
				t: t, now: 1000,
				instruments: map[string]*metric.Instrument{}, series: map[string]*metric.Series{},
				kinds: map[string]string{}, observed: map[string]json.RawMessage{},
			}
			r.engine = metric.New(func() time.Time { return time.Unix(0, r.now) }, &r.counters)
			r.scope = r.engine.Scope(metric.Scope{Name: "test"})
			r.engine.SetGate(r.on)
			for i, raw := range c.Steps {
				var s step
				d := json.NewDecoder(strings.NewReader(string(raw)))
				d.DisallowUnknownFields()
				if err := d.Decode(&s); err != nil {
					t.Fatalf("step %d %s: %v", i, raw, err)
				}
				r.step(s)
				if t.Failed() {
					t.Fatalf("after step %d %s", i, raw)
				}
			}
		})
	}
}

func (r *run) on(component, need uint8) bool {
	if r.levels == nil {
		return true
	}
	own, _ := policy.ParseLevel(r.levels[policy.Component(component).String()])
	all, _ := policy.ParseLevel(r.levels["metrics"])
	return uint8(own) >= need && uint8(all) >= need
}

func (r *run) step(s step) {
	switch {
	case s.Make != "" || s.Observe != "":
		r.make(s)
	case s.Bind != "":
		r.series[s.Bind] = r.instruments[s.To].Series(set(s.Labels))
		r.kinds[s.Bind] = r.kinds[s.To]
	case s.Record != "":
		r.record(s)
	case s.Fill != "":
		for i := range s.Count {
			r.instruments[s.Fill].Series(attribute.NewSet(attribute.Int(s.Label, i))).AddInt(1)
		}
	case s.Is != nil:
		var name string
		_ = json.Unmarshal(s.Value, &name)
		r.observed[name] = s.Is
	case s.Time != nil:
		r.now = *s.Time
	case s.Levels != nil:
		r.levels = s.Levels
	case s.Redact != nil:
		redact(r.t, r.engine, s.Redact)
	case s.Collect != nil:
		r.equal(r.collect(), *s.Collect)
	case s.CollectCount != nil:
		got := 0
		for _, line := range r.collect() {
			if strings.HasPrefix(line, "  ") {
				got++
			}
		}
		if got != *s.CollectCount {
			r.t.Errorf("%d points, want %d", got, *s.CollectCount)
		}
	case s.CollectLast != nil:
		lines := r.collect()
		r.equal(lines[len(lines)-1:], []string{*s.CollectLast})
	case s.Text != nil:
		var text metric.Text
		r.engine.Collect(r.t.Context(), &text, false)
		r.equal(strings.Split(strings.TrimSuffix(string(text.Bytes()), "\n"), "\n"), s.Text)
	case s.Counters != nil:
		if got := r.counters.MetricOverflow.Load(); got != s.Counters.Overflow {
			r.t.Errorf("overflow is %d, want %d", got, s.Counters.Overflow)
		}
		if got := r.counters.MetricInvalid.Load(); got != s.Counters.Invalid {
			r.t.Errorf("invalid is %d, want %d", got, s.Counters.Invalid)
		}
	default:
		r.t.Errorf("an empty step")
	}
}

func (r *run) make(s step) {
	desc := metric.Desc{Name: s.Name, Unit: s.Unit, Description: s.Description, Bounds: s.Bounds}
	kind, float := s.Kind, s.Observe != ""
	switch kind {
	case "float_counter":
		float = true
	case "up_down":
		desc.Kind = metric.UpDown
	case "gauge":
		desc.Kind, float = metric.Gauge, true
	case "histogram":
		desc.Kind, float = metric.Histogram, true
	}
	desc.Float = float
	if s.Component != "" {
		component, _ := policy.ParseComponent(s.Component)
		need, _ := policy.ParseLevel(s.Need)
		desc.Component, desc.Need = uint8(component), uint8(need)
	}
	if s.Observe == "" {
		r.instruments[s.Make], _ = r.engine.Instrument(r.scope, desc)
		r.kinds[s.Make] = kind
		return
	}
	desc.Observable = true
	in, err := r.engine.Instrument(r.scope, desc)
	if err != nil {
		r.t.Error(err)
	}
	r.observed[s.Observe] = s.Value
	r.engine.OnCollect(func(context.Context) {
		value := r.observed[s.Observe]
		if string(value) == `"panic"` {
			panic("by the vector")
		}
		in.ObserveFloat(set(s.Labels), number(value))
	})
}

func (r *run) record(s step) {
	ctx := r.t.Context()
	if s.Span != nil {
		var config trace.SpanContextConfig
		_, _ = hex.Decode(config.TraceID[:], []byte(s.Span.Trace))
		_, _ = hex.Decode(config.SpanID[:], []byte(s.Span.Span))
		config.TraceFlags = config.TraceFlags.WithSampled(s.Span.Sampled)
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(config))
	}
	series := r.series[s.Record]
	switch r.kinds[s.Record] {
	case "counter", "up_down":
		var n int64
		if err := json.Unmarshal(s.Value, &n); err != nil {
			r.t.Error(err)
		}
		series.AddInt(n)
	case "float_counter":
		series.AddFloat(number(s.Value))
	case "gauge":
		series.SetFloat(number(s.Value))
	case "histogram":
		series.Record(ctx, number(s.Value))
	default:
		r.t.Errorf("kind %q", r.kinds[s.Record])
	}
}

// redact makes the redactions those of the policy that holds.
func redact(t *testing.T, e *metric.Engine, redactions json.RawMessage) {
	t.Helper()
	document, err := policy.Parse(fmt.Appendf(nil, `{"version":"1","redact":%s}`, redactions))
	if err != nil || document.Skipped != 0 {
		t.Fatalf("redactions %s: %v, %d skipped", redactions, err, document.Skipped)
	}
	e.SetRedaction(policy.NewHolder(*document).Load)
}

func number(raw json.RawMessage) float64 {
	switch string(raw) {
	case `"NaN"`:
		return math.NaN()
	case `"Infinity"`:
		return math.Inf(1)
	case `"-Infinity"`:
		return math.Inf(-1)
	}
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(err)
	}
	return v
}

func set(labels [][2]any) attribute.Set {
	list := make([]attribute.KeyValue, len(labels))
	for i, l := range labels {
		key := l[0].(string)
		switch v := l[1].(type) {
		case string:
			list[i] = attribute.String(key, v)
		case bool:
			list[i] = attribute.Bool(key, v)
		case float64:
			list[i] = attribute.Int64(key, int64(v))
		case []any:
			texts := make([]string, len(v))
			for i := range v {
				texts[i] = v[i].(string)
			}
			list[i] = attribute.StringSlice(key, texts)
		default:
			panic(fmt.Sprintf("label %v", l))
		}
	}
	return attribute.NewSet(list...)
}

// collect is the lines of the records of a collection.
func (r *run) collect() []string {
	lines := []string{}
	otlp := metric.OTLP{Emit: func(_ *metric.Scope, record []byte) { lines = append(lines, dump(r.t, record)...) }}
	r.engine.Collect(r.t.Context(), &otlp, true)
	otlp.Close()
	return lines
}

func (r *run) equal(got, want []string) {
	if !slices.Equal(got, want) {
		r.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
