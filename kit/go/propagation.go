package clew

import (
	"context"
	"net/http"
	"slices"
	"strings"

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

// The names of the headers, as http.Header has them, so that looking them up copies nothing.
const (
	traceparentHeader = "Traceparent"
	tracestateHeader  = "Tracestate"
	baggageHeader     = "Baggage"
)

// header reads one header. Carriers that know upper from lower case, such as a map, have the names in lower case.
func header(c Carrier, name string) string {
	if h, ok := c.(HeaderCarrier); ok {
		if v := h[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	return c.Get(strings.ToLower(name))
}

// headers reads all lines of one header.
func headers(c Carrier, name string, room []string) []string {
	if h, ok := c.(HeaderCarrier); ok {
		return h[name]
	}
	if m, ok := c.(interface{ Values(string) []string }); ok {
		return m.Values(strings.ToLower(name))
	}
	if v := c.Get(strings.ToLower(name)); v != "" {
		return append(room, v)
	}
	return nil
}

// readContext reads traceparent and tracestate, or B3 when there is no valid traceparent.
func readContext(c Carrier) (sc SpanContext, deferred, ok bool) {
	if p, ok := propagate.ParseTraceparent(header(c, traceparentHeader)); ok {
		var room [1]string
		return SpanContext{
			TraceID: p.TraceID, SpanID: p.SpanID, Flags: trace.TraceFlags(p.Flags), Remote: true,
			State: propagate.ParseTracestate(headers(c, tracestateHeader, room[:0])...),
		}, false, true
	}
	b3, ok := propagate.ParseB3(header(c, "B3"))
	if !ok {
		id := header(c, "X-B3-Traceid")
		if id == "" {
			return SpanContext{}, false, false
		}
		b3, ok = propagate.ParseB3Multi(id, header(c, "X-B3-Spanid"), header(c, "X-B3-Sampled"), header(c, "X-B3-Flags"))
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
	if !SpanContextOf(ctx).Remote {
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
			set(carrier, traceparentHeader, text)
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
		set(c, tracestateHeader, state)
	} else if h, ok := c.(HeaderCarrier); ok {
		delete(h, tracestateHeader)
	} else if header(c, tracestateHeader) != "" {
		set(c, tracestateHeader, "")
	}
}

func set(c Carrier, name, value string) {
	if h, ok := c.(HeaderCarrier); ok {
		h[name] = []string{value}
		return
	}
	c.Set(strings.ToLower(name), value)
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

type baggageKey struct{}

// readBaggage puts the baggage of the headers into ctx: for the OpenTelemetry API, which keeps it in a map, and for ourselves in its order.
func readBaggage(ctx context.Context, c Carrier) context.Context {
	var room [1]string
	lines := headers(c, baggageHeader, room[:0])
	if len(lines) == 0 {
		return ctx
	}
	members, dropped := propagate.ParseBaggage(lines...)
	countBaggage(dropped)
	if len(members) == 0 {
		return ctx
	}
	return withMembers(ctx, members)
}

func countBaggage(dropped int) {
	if dropped == 0 {
		return
	}
	if k := current.Load(); k != nil {
		k.counters.BaggageDropped.Add(int64(dropped))
	}
}

func withMembers(ctx context.Context, members []propagate.Member) context.Context {
	list := make([]baggage.Member, 0, len(members))
	for _, m := range members {
		var properties []baggage.Property
		for _, p := range strings.Split(m.Properties, ";") {
			if key, value, found := strings.Cut(strings.Trim(p, " \t"), "="); found {
				if p, err := baggage.NewKeyValuePropertyRaw(strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t")); err == nil {
					properties = append(properties, p)
				}
			} else if p, err := baggage.NewKeyProperty(key); err == nil {
				properties = append(properties, p)
			}
		}
		if m, err := baggage.NewMemberRaw(m.Key, m.Value, properties...); err == nil {
			list = append(list, m)
		}
	}
	b, err := baggage.New(list...)
	for err != nil && len(list) > 0 {
		// Over the API's limit, which counts the bytes as they are written.
		countBaggage(1)
		list = list[:len(list)-1]
		b, err = baggage.New(list...)
	}
	return context.WithValue(baggage.ContextWithBaggage(ctx, b), baggageKey{}, members)
}

// membersOf is the baggage in ctx in its order. What was set by way of the OpenTelemetry API after it was read comes last, by key.
func membersOf(ctx context.Context) []propagate.Member {
	b := baggage.FromContext(ctx)
	if b.Len() == 0 {
		return nil
	}
	ordered, _ := ctx.Value(baggageKey{}).([]propagate.Member)
	members := make([]propagate.Member, 0, b.Len())
	known := func(key string) bool {
		return slices.ContainsFunc(ordered, func(m propagate.Member) bool { return m.Key == key })
	}
	for _, m := range ordered {
		if now := b.Member(m.Key); now.Key() != "" {
			if now.Value() != m.Value {
				m = propagate.Member{Key: m.Key, Value: now.Value(), Properties: propertiesText(now)}
			}
			members = append(members, m)
		}
	}
	fresh := len(members)
	for _, m := range b.Members() {
		if !known(m.Key()) {
			members = append(members, propagate.Member{Key: m.Key(), Value: m.Value(), Properties: propertiesText(m)})
		}
	}
	slices.SortFunc(members[fresh:], func(a, b propagate.Member) int { return strings.Compare(a.Key, b.Key) })
	return members
}

func propertiesText(m baggage.Member) string {
	var parts []string
	for _, p := range m.Properties() {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ";")
}

func writeBaggage(ctx context.Context, host string, c Carrier) {
	k := current.Load()
	if k == nil {
		return
	}
	snapshot := k.policy.Load()
	if !snapshot.PropagateTo(host) {
		return
	}
	members := membersOf(ctx)
	if len(members) == 0 {
		return
	}
	text, dropped := propagate.AppendBaggage(nil, members, snapshot.BaggageKey)
	countBaggage(dropped)
	if len(text) > 0 {
		set(c, baggageHeader, string(text))
	}
}

// Baggage returns the value of a key of the baggage in ctx, "" when it is not there.
func Baggage(ctx context.Context, key string) string {
	return baggage.FromContext(ctx).Member(key).Value()
}

// WithBaggage returns a context whose baggage has key with this value. Baggage travels with the trace to the hosts that propagate_to
// lets have it, none by default. A key that is no token (RFC 9110), and a member that would go over 64 or 8,192 bytes, is dropped and
// counted.
func WithBaggage(ctx context.Context, key, value string) context.Context {
	m := propagate.Member{Key: key, Value: value}
	members := membersOf(ctx)
	at := slices.IndexFunc(members, func(m propagate.Member) bool { return m.Key == key })
	if at >= 0 {
		members[at] = m
	} else {
		members = append(members, m)
	}
	if !propagate.Token(key) {
		countBaggage(1)
		return ctx
	}
	if _, dropped := propagate.AppendBaggage(nil, members, nil); dropped > 0 {
		countBaggage(dropped)
		return ctx
	}
	return withMembers(ctx, members)
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
