package clew

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// tracerProvider is the kit behind the OpenTelemetry trace API. There is one for the process, whatever kit runs: libraries keep their
// tracers for ever, and the API's global provider can be set for them only once.
type tracerProvider struct {
	noop.TracerProvider

	mu      sync.Mutex
	tracers map[scopeID]*tracer
}

var provider = &tracerProvider{tracers: map[scopeID]*tracer{}}

// maxTracers bounds the tracers that are kept. A library that asks under ever new names gets new ones that are not kept.
const maxTracers = 1024

// Tracer implements trace.TracerProvider. Attributes of the scope are not supported.
func (p *tracerProvider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	c := trace.NewTracerConfig(options...)
	key := scopeID{name, c.InstrumentationVersion(), c.SchemaURL()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tracers[key]; t != nil {
		return t
	}
	component, edge := componentOf(name)
	t := &tracer{scope: &Scope{scopeID: key}, component: component, edge: edge}
	if len(p.tracers) < maxTracers {
		p.tracers[key] = t
	}
	return t
}

// tracer makes spans for the OpenTelemetry API.
type tracer struct {
	noop.Tracer
	scope     *Scope
	component policy.Component
	edge      bool // its server, client, consumer and producer spans are edges
}

// componentOf guesses the component of a library's spans from its name, so that policies govern them like the kit's own.
func componentOf(scope string) (c policy.Component, edge bool) {
	name := strings.ToLower(scope[strings.LastIndexByte(scope, '/')+1:])
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(name, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("grpc"):
		return policy.GRPC, true
	case has("http", "otelgin", "otelmux", "otelecho", "otelchi", "fiber", "connect"):
		return policy.HTTP, true
	case has("sql", "pgx", "redis", "mongo", "gorm", "memcache", "cassandra"):
		return policy.SQL, false
	case has("kotel", "kafka", "nats", "amqp", "rabbit", "sarama", "pulsar", "pubsub"):
		return policy.Messaging, true
	}
	return policy.App, false
}

// Start implements trace.Tracer.
func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	k := current.Load()
	if k == nil || k.tracer != nil {
		// A provider that WithProvider names may come back to us by way of the global one.
		return ctx, passing(ctx)
	}
	snapshot := k.policy.Load()
	if !snapshot.On(t.component, policy.Edges) {
		return ctx, passing(ctx)
	}
	c := trace.NewSpanStartConfig(options...)
	kind := Kind(trace.ValidateSpanKind(c.SpanKind()))
	need := policy.Standard
	if t.edge && kind != Internal {
		need = policy.Edges
	}
	if !snapshot.On(t.component, need) {
		return ctx, passing(ctx)
	}
	kvs := c.Attributes()
	o := SpanOptions{NewRoot: c.NewRoot(), Start: c.Timestamp()}
	for i := range kvs {
		switch kvs[i].Key {
		case "http.route":
			o.route = kvs[i].Value.AsString()
		case "http.request.method":
			o.method = kvs[i].Value.AsString()
		}
	}
	for _, l := range c.Links() {
		o.Links = append(o.Links, linkFromOTel(l))
	}
	ctx, a := k.start(ctx, snapshot, t.scope.number(k), kind, name, &o, nil)
	if a.own && a.s.mode != silent {
		// Nobody else knows the span yet.
		for i := range kvs {
			one := Attribute(kvs[i])
			a.s.setOne(&one)
		}
	}
	return t.started(ctx, a)
}

// started gives the API its handle: the span for its creator, the interior one for everything under an unsampled root.
func (t *tracer) started(ctx context.Context, a Active) (context.Context, trace.Span) {
	if a.own {
		return ctx, a.s
	}
	return ctx, (*interior)(a.s)
}

// passing is what a tracer returns when no span is made: the identity in ctx, and nothing that can be done to it.
func passing(ctx context.Context) trace.Span {
	switch s := trace.SpanFromContext(ctx).(type) {
	case *span:
		return (*interior)(s)
	case *interior, *remote:
		return s
	default:
		return &remote{Span: &sharedNoop, context: fromOTel(s.SpanContext())}
	}
}

func linkFromOTel(l trace.Link) Link {
	link := Link{SpanContext: fromOTel(l.SpanContext)}
	for _, kv := range l.Attributes {
		link.Attrs = append(link.Attrs, Attribute(kv))
	}
	return link
}

// Scope is the name and version of an instrumentation, under which its spans are sent.
type Scope struct {
	scopeID
	cached atomic.Pointer[numbered]
}

type scopeID struct{ name, version, schema string }

type numbered struct {
	kit    *Kit
	number uint32
}

// ScopeOf makes a scope. Make it once, in a variable of the package.
func ScopeOf(name, version string) *Scope {
	return &Scope{scopeID: scopeID{name: name, version: version}}
}

// number is the scope's number in the exporter of a kit.
func (s *Scope) number(k *Kit) uint32 {
	if n := s.cached.Load(); n != nil && n.kit == k {
		return n.number
	}
	n := k.exporter.Scope(s.name, s.version, s.schema)
	s.cached.Store(&numbered{k, n})
	return n
}

// The methods below implement trace.Span for who started the span.

// End implements trace.Span.
func (s *span) End(options ...trace.SpanEndOption) {
	if p := recover(); p != nil {
		s.panicked(p)
		defer panic(p)
	}
	if len(options) > 0 {
		c := trace.NewSpanEndConfig(options...)
		if at := c.Timestamp(); !at.IsZero() {
			s.finish(at)
			return
		}
	}
	s.finish(time.Time{})
}

// AddEvent implements trace.Span.
func (s *span) AddEvent(name string, options ...trace.EventOption) {
	if !s.keeps() {
		return
	}
	c := trace.NewEventConfig(options...)
	s.event(name, c.Timestamp(), fromKeyValues(c.Attributes()))
}

// AddLink implements trace.Span.
func (s *span) AddLink(l trace.Link) {
	link := linkFromOTel(l)
	s.link(&link)
}

// IsRecording implements trace.Span. An unsampled root does not record, though it keeps what its summary may need.
func (s *span) IsRecording() bool { return s.mode == recording && !s.ended.Load() }

// RecordError implements trace.Span.
func (s *span) RecordError(err error, options ...trace.EventOption) {
	if err == nil || !s.keeps() {
		return
	}
	c := trace.NewEventConfig(options...)
	message, kind := describe(err)
	attrs := append(make([]Attr, 0, 4), String("exception.type", kind), String("exception.message", message))
	if c.StackTrace() {
		attrs = append(attrs, String("exception.stacktrace", stack()))
	}
	s.event("exception", c.Timestamp(), append(attrs, fromKeyValues(c.Attributes())...))
}

// SpanContext implements trace.Span.
func (s *span) SpanContext() trace.SpanContext { return s.identity().OTel() }

// SetStatus implements trace.Span.
func (s *span) SetStatus(code codes.Code, description string) { s.statusTo(code, description) }

// SetName implements trace.Span.
func (s *span) SetName(name string) { s.rename(name) }

// SetAttributes implements trace.Span.
func (s *span) SetAttributes(kv ...attribute.KeyValue) {
	if !s.keeps() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return
	}
	for i := range kv {
		a := Attribute(kv[i])
		s.setOne(&a)
	}
}

// TracerProvider implements trace.Span.
func (s *span) TracerProvider() trace.TracerProvider { return provider }

func fromKeyValues(kvs []attribute.KeyValue) []Attr {
	if len(kvs) == 0 {
		return nil
	}
	attrs := make([]Attr, len(kvs))
	for i := range kvs {
		attrs[i] = Attribute(kvs[i])
	}
	return attrs
}
