package clew

import (
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

// startMetrics lets the exporter's worker of metrics collect once an interval (zero:
// 15 s) and when it stops, and puts the policy before all instruments. A collection
// besides, for a flush, is the reader's Collect.
func startMetrics(holder *policy.Holder, exporter *export.Exporter, counters *self.Counters, interval time.Duration) *metric.Reader {
	measures.SetCounters(counters)
	measures.SetGate(func(component, need uint8) bool {
		snapshot, level := holder.Load(), policy.Level(need)
		return snapshot.On(policy.Metrics, level) && snapshot.On(policy.Component(component), level)
	})
	reader := metric.NewReader(measures, exporter, interval)
	exporter.Tick(self.Metrics, reader.Tick)
	return reader
}
