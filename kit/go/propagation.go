package clew

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/propagate"
)

// Carrier is what context travels in between processes: the headers of a request or of a message. It is the OpenTelemetry API's
// TextMapCarrier by shape. A carrier that can hold a header several times may have a method Values(key string) []string too.
type Carrier interface {
	Get(key string) string
	Set(key, value string)
	Keys() []string
}

// HeaderCarrier is a Carrier over the headers of HTTP.
type HeaderCarrier http.Header

// Get implements Carrier.
func (h HeaderCarrier) Get(key string) string { return http.Header(h).Get(key) }

// Set implements Carrier.
func (h HeaderCarrier) Set(key, value string) { http.Header(h).Set(key, value) }

// Values returns all lines of a header.
func (h HeaderCarrier) Values(key string) []string { return http.Header(h).Values(key) }

// Keys implements Carrier.
func (h HeaderCarrier) Keys() []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	return keys
}

// headerName is one header's name as http.Header has it and as carriers that know upper from lower case, such as a map, have it: neither has
// to be made for each request.
type headerName struct{ canonical, lower string }

var (
	traceparentHeader = headerName{"Traceparent", "traceparent"}
	tracestateHeader  = headerName{"Tracestate", "tracestate"}
	baggageHeader     = headerName{"Baggage", "baggage"}
	b3Header          = headerName{"B3", "b3"}
	b3TraceIDHeader   = headerName{"X-B3-Traceid", "x-b3-traceid"}
	b3SpanIDHeader    = headerName{"X-B3-Spanid", "x-b3-spanid"}
	b3SampledHeader   = headerName{"X-B3-Sampled", "x-b3-sampled"}
	b3FlagsHeader     = headerName{"X-B3-Flags", "x-b3-flags"}
)

// read reads one header.
func (n *headerName) read(c Carrier) string {
	if h, ok := c.(HeaderCarrier); ok {
		if v := h[n.canonical]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	return c.Get(n.lower)
}

// lines reads all lines of one header.
func (n *headerName) lines(c Carrier, room []string) []string {
	if h, ok := c.(HeaderCarrier); ok {
		return h[n.canonical]
	}
	if m, ok := c.(interface{ Values(string) []string }); ok {
		return m.Values(n.lower)
	}
	if v := c.Get(n.lower); v != "" {
		return append(room, v)
	}
	return nil
}

// write sets a header to one line.
func (n *headerName) write(c Carrier, value string) {
	if h, ok := c.(HeaderCarrier); ok {
		h[n.canonical] = []string{value}
		return
	}
	c.Set(n.lower, value)
}

// takeOut removes a header, or empties it where a carrier can only set.
func (n *headerName) takeOut(c Carrier) {
	if h, ok := c.(HeaderCarrier); ok {
		delete(h, n.canonical)
	} else if c.Get(n.lower) != "" {
		c.Set(n.lower, "")
	}
}

// readContext reads traceparent and tracestate, or B3 when there is no valid traceparent.
func readContext(c Carrier) (sc SpanContext, deferred, ok bool) {
	if p, ok := propagate.ParseTraceparent(traceparentHeader.read(c)); ok {
		var room [1]string
		return SpanContext{
			TraceID: p.TraceID, SpanID: p.SpanID, Flags: trace.TraceFlags(p.Flags), Remote: true,
			State: propagate.ParseTracestate(tracestateHeader.lines(c, room[:0])...),
		}, false, true
	}
	b3, ok := propagate.ParseB3(b3Header.read(c))
	if !ok {
		id := b3TraceIDHeader.read(c)
		if id == "" {
			return SpanContext{}, false, false
		}
		b3, ok = propagate.ParseB3Multi(id, b3SpanIDHeader.read(c), b3SampledHeader.read(c), b3FlagsHeader.read(c))
	}
	if !ok {
		return SpanContext{}, false, false
	}
	sc = SpanContext{TraceID: b3.TraceID, SpanID: b3.SpanID, Remote: true}
	if b3.Sampled {
		sc.Flags = trace.FlagsSampled
	}
	return sc, b3.Deferred, true
}

// Extract returns ctx with the remote parent and the baggage that the carrier holds. What is malformed is as if it were not there. ctx
// comes back unchanged when there is nothing.
func Extract(ctx context.Context, carrier Carrier) context.Context {
	p := propagating()
	if p.context {
		if sc, deferred, ok := readContext(carrier); ok {
			ctx = trace.ContextWithSpan(ctx, &remote{Span: &sharedNoop, context: sc, deferred: deferred})
		}
	}
	if p.baggage {
		ctx = readBaggage(ctx, carrier)
	}
	return ctx
}

// withoutCaller takes out of ctx what came from another process: for a caller that is not trusted.
func withoutCaller(ctx context.Context) context.Context {
	if sc := SpanContextOf(ctx); !sc.Remote && (sc.IsValid() || !callersBaggage(ctx)) {
		return ctx
	}
	return baggage.ContextWithoutBaggage(trace.ContextWithSpan(ctx, &sharedNoop))
}

// readRemote reads the parent of a span right from the headers.
func (k *Kit) readRemote(ctx context.Context, o *SpanOptions, from *origin) context.Context {
	if k.propagates.context {
		if sc, deferred, ok := readContext(o.From); ok {
			from.SpanContext, from.deferred = sc, deferred
		}
	}
	if k.propagates.baggage && !o.Public {
		ctx = readBaggage(ctx, o.From)
	}
	return ctx
}

// Inject writes the identity of the span in ctx, and baggage if the host or subject may have it, into the carrier. host is the target's
// name, with or without its port; "" is none, which gets baggage only when propagate_to says *.
func Inject(ctx context.Context, host string, carrier Carrier) {
	p := propagating()
	if p.context {
		if sc := SpanContextOf(ctx); sc.IsValid() {
			var room [55]byte
			text := string(propagate.AppendTraceparent(room[:0], sc.TraceID, sc.SpanID, byte(sc.Flags)&^p.withheld))
			traceparentHeader.write(carrier, text)
			writeState(carrier, sc.State)
		}
	}
	if p.baggage {
		writeBaggage(ctx, host, carrier)
	}
}

// writeState writes tracestate. Without one it takes out that of another trace, which headers that a proxy hands on still have.
func writeState(c Carrier, state string) {
	if state != "" {
		tracestateHeader.write(c, state)
	} else {
		tracestateHeader.takeOut(c)
	}
}

// propagators say what is read and written, as OTEL_PROPAGATORS has it.
type propagators struct {
	context, baggage bool
	withheld         byte // flags that are never written
}

// propagating is in force also when no kit runs, so that context passes through.
func propagating() propagators {
	if k := current.Load(); k != nil {
		return k.propagates
	}
	return propagators{context: true, baggage: true}
}

// propagator is the kit behind the OpenTelemetry propagation API.
type propagator struct{}

var _ propagation.TextMapPropagator = propagator{}

// Inject implements propagation.TextMapPropagator. The target is not known, so baggage is written only when propagate_to says *.
func (propagator) Inject(ctx context.Context, c propagation.TextMapCarrier) { Inject(ctx, "", fold(c)) }

// Extract implements propagation.TextMapPropagator.
func (propagator) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	return Extract(ctx, fold(c))
}

// Fields implements propagation.TextMapPropagator.
func (propagator) Fields() []string { return []string{"traceparent", "tracestate", "baggage"} }

// fold recognises headers of HTTP behind the API's own carrier.
func fold(c propagation.TextMapCarrier) Carrier {
	if h, ok := c.(propagation.HeaderCarrier); ok {
		return HeaderCarrier(h)
	}
	return c
}
