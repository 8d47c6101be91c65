package clew

import "go.opentelemetry.io/otel/metric"

// MeterProvider is the kit behind the metric API.
func MeterProvider() metric.MeterProvider { return meterProvider() }
