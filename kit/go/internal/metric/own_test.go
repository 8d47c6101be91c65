package metric_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// TestOwn runs kit/contract/self.json.
func TestOwn(t *testing.T) {
	text, err := os.ReadFile("../../../contract/self.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Redact   json.RawMessage
		Counters map[string]json.RawMessage
		Lines    []string
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var c self.Counters
	read := func(name string, into any) {
		raw, known := file.Counters[name]
		if !known {
			t.Fatalf("%s is not in the vector", name)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		delete(file.Counters, name)
	}
	for name, cell := range map[string]*self.Striped{"span_sampled": &c.SpanSampled, "span_dropped": &c.SpanDropped, "span_live": &c.SpanLive} {
		var n int64
		read(name, &n)
		cell.Add(n, byte(n))
	}
	for name, cell := range map[string]*atomic.Int64{
		"policy_refused": &c.PolicyRefused, "policy_skipped": &c.PolicySkipped, "span_leaked": &c.SpanLeaked, "span_late": &c.SpanLate,
		"context_lost": &c.ContextLost, "span_limited": &c.SpanLimited, "config_refused": &c.ConfigRefused, "log_suppressed": &c.LogSuppressed,
		"log_lost": &c.LogLost, "metric_overflow": &c.MetricOverflow, "metric_invalid": &c.MetricInvalid, "baggage_dropped": &c.BaggageDropped,
	} {
		var n int64
		read(name, &n)
		cell.Store(n)
	}
	var version string
	read("policy_version", &version)
	c.PolicyVersion.Store(&version)
	var levels [self.Components]int64
	read("level", &levels)
	for i, l := range levels {
		c.Level[i].Store(l)
	}
	var traces struct {
		QueueSize     int64 `json:"queue_size"`
		QueueCapacity int64 `json:"queue_capacity"`
		Exported      int64
		Inflight      int64
		Breaker       int64
		Dropped       [][3]any
		Durations     [][2]any
	}
	read("traces", &traces)
	s := &c.Signal[self.Traces]
	s.QueueSize.Store(traces.QueueSize)
	s.QueueCapacity.Store(traces.QueueCapacity)
	s.Exported.Store(traces.Exported)
	s.Inflight.Store(traces.Inflight)
	s.Breaker.Store(traces.Breaker)
	for _, d := range traces.Dropped {
		for r := range self.Reasons {
			if r.String() == d[0] {
				s.Drop(r, int64(d[1].(float64)), int64(d[2].(float64)))
			}
		}
	}
	for _, d := range traces.Durations {
		s.Durations.Record(d[0].(string), time.Duration(d[1].(float64)*float64(time.Second)))
	}
	if len(file.Counters) > 0 {
		t.Fatalf("the vector has %v besides", file.Counters)
	}

	var components [self.Components]string
	for i := range components {
		components[i] = policy.Component(i).String()
	}
	engine := metric.New(func() time.Time { return time.Unix(0, 1000) }, &c)
	engine.SetGate(func(uint8, uint8) bool { return false })
	redact(t, engine, file.Redact)
	engine.Produce(metric.Own(engine.Scope(metric.Scope{Name: "kit"}), func() *self.Counters { return &c }, components))
	lines := []string{}
	otlp := metric.OTLP{Emit: func(_ *metric.Scope, record []byte) { lines = append(lines, dump(t, record)...) }}
	engine.Collect(t.Context(), &otlp, true)
	otlp.Close()
	if !slices.Equal(lines, file.Lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(file.Lines, "\n"))
	}
}
