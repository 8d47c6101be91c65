package clew

import "go.opentelemetry.io/otel/trace"

// Component is a part of the instrumentation that can be switched on its own.
type Component uint8

// The components, in the order in which policies and self-metrics name them.
const (
	ComponentHTTP Component = iota
	ComponentGRPC
	ComponentSQL
	ComponentMessaging
	ComponentApp
	ComponentLogs
	ComponentMetrics
	components
)

var componentNames = [components]string{"http", "grpc", "sql", "messaging", "app", "logs", "metrics"}

// String is the component's name in a policy.
func (c Component) String() string {
	if c < components {
		return componentNames[c]
	}
	return "unknown"
}

// Level says how much a component records. A span or metric names the level it needs; it is made when the component's level is that or
// higher.
type Level uint8

const (
	// Off makes no span, no metric and no OTLP log. Context, flags and baggage still pass through.
	Off Level = iota
	// Edges are what enters and leaves the process: server, consumer, client and producer spans of HTTP, gRPC and messaging, and the
	// duration and error metrics of those.
	Edges
	// Standard, the default, adds database and cache calls, the user's own spans, runtime and process metrics and OTLP logs.
	Standard
	// Detailed adds events and spans of phases: connect, wait for a pool, read rows.
	Detailed
)

var levelNames = [...]string{"off", "edges", "standard", "detailed"}

// String is the level's name in a policy.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "unknown"
}

// Kind is the role of a span, with the numbers of OTLP.
type Kind uint8

// The kinds of spans.
const (
	Internal = Kind(trace.SpanKindInternal)
	Server   = Kind(trace.SpanKindServer)
	Client   = Kind(trace.SpanKindClient)
	Producer = Kind(trace.SpanKindProducer)
	Consumer = Kind(trace.SpanKindConsumer)
)

// String is the kind's name in upper case, as a drawn tree shows it.
func (k Kind) String() string {
	switch k {
	case Server:
		return "SERVER"
	case Client:
		return "CLIENT"
	case Producer:
		return "PRODUCER"
	case Consumer:
		return "CONSUMER"
	}
	return "INTERNAL"
}
