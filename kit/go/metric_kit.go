package clew

import (
	"context"
	"net/http"
	"sync"
	"time"

	otelmetric "go.opentelemetry.io/otel/metric"

	"github.com/clew-dev/clew/kit/go/internal/export"
	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// meterProvider is the kit's engine behind the OpenTelemetry API. Instruments of
// other libraries are part of ComponentMetrics and need Standard.
func meterProvider() otelmetric.MeterProvider {
	return metric.NewProvider(measures, uint8(ComponentMetrics), uint8(Standard))
}

// standardMetrics adds the metrics of runtime and process and the kit's own to the
// process's engine, once.
var standardMetrics = sync.OnceFunc(func() {
	const component, need = uint8(ComponentMetrics), uint8(Standard)
	measures.Produce(metric.Runtime(kitScope, component, need))
	measures.Produce(metric.Process(kitScope, component, need, measures.Start()))
	measures.Produce(metric.Own(kitScope, measures.Counters, componentNames))
})

// startMetrics lets the exporter's worker of metrics collect once an interval (zero:
// 15 s), for a flush and when it stops.
func startMetrics(exporter *export.Exporter, interval time.Duration) {
	standardMetrics()
	reader := metric.NewReader(measures, exporter, interval)
	exporter.Tick(self.Metrics, reader.Interval(), reader.Tick)
}

// gateMetrics puts the policy of a kit before all instruments, and counts with it. Its
// redactions stay when the kit stops.
func gateMetrics(holder *policy.Holder, counters *self.Counters) {
	measures.SetCounters(counters)
	measures.SetRedaction(holder.Load)
	measures.SetGate(func(component, need uint8) bool {
		snapshot, level := holder.Load(), policy.Level(need)
		return snapshot.On(policy.Metrics, level) && snapshot.On(policy.Component(component), level)
	})
}

// stopMetrics makes instruments record nothing, until the next Start.
func stopMetrics() { measures.SetGate(shut) }

// Metrics is a handler that writes all metrics as OpenMetrics text, with exemplars,
// for people and for scrapes. What the kit sends over OTLP is the same and goes on.
// Callbacks have two seconds together. Runtime, process and the kit's own metrics
// are among them, so do not show it to the world.
func (k *Kit) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		var text metric.Text
		measures.Collect(ctx, &text, false)
		w.Header().Set("Content-Type", metric.TextType)
		_, _ = w.Write(text.Bytes())
	})
}
