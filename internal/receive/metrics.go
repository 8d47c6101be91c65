package receive

import "github.com/clew-dev/clew/internal/otlp"

// refusal is why a whole request, or a connection, was not taken.
type refusal int

// The closed list of refusals.
const (
	badRequest         refusal = iota // not HTTP, gRPC, gzip, zstd, protobuf or JSON as it says
	tooLarge                          // over MaxRequestBytes
	overBudget                        // over MaxInflightBytes
	tooSlow                           // not there within BodyTimeout
	cutOff                            // the connection ended within the body
	notAuthenticated                  // no token, or one that is not known
	notAllowed                        // a token for something else
	unknownMethod                     // a path, method or service that is not served
	unknownType                       // a content type or encoding that is not known
	sinkExhausted                     // a limit behind: send again later
	sinkUnavailable                   // a part behind cannot write now
	sinkInternal                      // an error of ours
	tooManyConnections                // over MaxConnections
	refusals           = iota
)

var refusalNames = [refusals]string{
	"invalid", "too_large", "over_budget", "too_slow", "cut_off", "unauthenticated", "forbidden",
	"unknown_method", "unknown_type", "exhausted", "unavailable", "internal", "connections",
}

// metrics are the counters of this part.
type metrics struct {
	spans    [transports]Counter
	requests [transports]Counter
	bytes    map[string]Counter // by encoding
	inflated Counter
	refused  [refusals]Counter
	reasons  [otlp.NumberOfReasons]Counter
}

// Transports.
const (
	overGRPC = iota
	overHTTP
	overZipkin
	transports
)

// Encodings of a body.
const (
	plain    = "identity"
	gzipped  = "gzip"
	zstandar = "zstd"
)

func newMetrics(counter func(name, help string, labels ...string) Counter) *metrics {
	m := &metrics{bytes: map[string]Counter{}}
	for i, t := range [transports]string{"grpc", "http", "zipkin"} {
		m.spans[i] = counter("clew_receive_spans_total", "Spans acknowledged.", "transport", t)
		m.requests[i] = counter("clew_receive_requests_total", "Requests acknowledged.", "transport", t)
	}
	for _, e := range []string{plain, gzipped, zstandar} {
		m.bytes[e] = counter("clew_receive_bytes_total", "Bytes of acknowledged requests as they were sent.", "encoding", e)
	}
	m.inflated = counter("clew_receive_inflated_bytes_total", "Bytes of acknowledged requests after decompression.")
	for i, name := range refusalNames {
		m.refused[i] = counter("clew_receive_refused_total", "Requests and connections refused as a whole.", "reason", name)
	}
	for _, c := range []struct {
		name, help string
		reasons    []otlp.Reason
	}{
		{"clew_receive_rejected_spans_total", "Spans rejected within accepted requests.", []otlp.Reason{otlp.InvalidID}},
		{"clew_receive_truncated_values_total", "Values cut at a limit.", []otlp.Reason{otlp.LongValue, otlp.LargeNested, otlp.DeepNested}},
		{"clew_receive_mended_texts_total", "Texts whose invalid UTF-8 was replaced.", []otlp.Reason{otlp.MendedText}},
		{"clew_receive_dropped_attributes_total", "Attributes dropped.", []otlp.Reason{otlp.ManyAttributes, otlp.LongKey, otlp.ManyColumns}},
		{"clew_receive_dropped_events_total", "Span events dropped.", []otlp.Reason{otlp.ManySpanEvents, otlp.ManyEvents}},
		{"clew_receive_dropped_links_total", "Span links dropped.", []otlp.Reason{otlp.ManySpanLinks, otlp.ManyLinks, otlp.InvalidLinkID}},
		{"clew_receive_marked_spans_total", "Spans with times or enums outside their range.", []otlp.Reason{otlp.ClockOff, otlp.UnknownEnum}},
	} {
		for _, r := range c.reasons {
			m.reasons[r] = counter(c.name, c.help, "reason", r.String())
		}
	}
	return m
}

func (m *metrics) accepted(transport int, encoding string, sent, inflated int, r *otlp.Report) {
	m.requests[transport].Add(1)
	m.spans[transport].Add(float64(r.Spans))
	m.bytes[encoding].Add(float64(sent))
	m.inflated.Add(float64(inflated))
	for i, n := range r.Counts {
		if n > 0 {
			m.reasons[i].Add(float64(n))
		}
	}
}
