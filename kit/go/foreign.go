package clew

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// WithProvider makes all spans with the tracers of another provider, such as that of the stock SDK, and makes it the API's global one: the
// way back for who must not depend on the kit's engine. The kit's handles, middleware, integrations, levels, propagation, metrics and logs
// work as before, and attributes, events and links are limited and redacted as before when they are set by way of the kit.
//
// What an engine does is the provider's: sampling (Sample, sampling rules of policies, ForceKeep and Keep say nothing, unsampled failures send
// no summary), span limits, processors, exporting. OnEnd, the leak watch, clew.late and the kit's own counts of spans see nothing of it. Spans that
// libraries start with the global API go to the provider directly, so that neither levels nor redaction hold for them; tracers that they took
// while an earlier kit without a provider ran stay with that kit's, which makes nothing any more. Stop and Flush do not reach the provider:
// who has made it stops it.
//
// nil is no provider; one whose tracers are the kit's own is refused, and so is one that panics when it is asked for a tracer.
func WithProvider(p trace.TracerProvider) Option { return func(c *config) { c.provider = p } }

// foreign is a span of the provider that WithProvider has named, behind the kit's handle. In the context is the provider's span itself.
type foreign struct {
	kit  *Kit
	span trace.Span
}

// provide takes the provider of WithProvider, unless its tracers are ours, which would call themselves without end. A nil pointer in the
// interface, which is what ignoring an error leaves, panics in the provider and must not end the program's start.
func (k *Kit) provide(p trace.TracerProvider) {
	if p == nil {
		return
	}
	defer func() {
		if recover() != nil {
			k.refused("WithProvider: the provider panics when it is asked for a tracer; spans are made by the kit")
		}
	}()
	t := p.Tracer(scopeName, trace.WithInstrumentationVersion(Version))
	if _, own := t.(*tracer); own {
		k.refused("WithProvider: the provider is the kit's own; spans are made by the kit")
		return
	}
	k.provider, k.tracer = p, t
}

// startForeign is start with the provider's tracer.
func (k *Kit) startForeign(ctx context.Context, kind Kind, name string, o *SpanOptions, attrs []Attr) (context.Context, Active) {
	if o != nil {
		attrs = slices.Concat(o.Fixed.list(), attrs)
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKind(kind)), trace.WithAttributes(k.keyValues(attrs)...)}
	t := k.tracer
	if o != nil {
		var from origin
		ctx = k.readParent(ctx, o, &from)
		if apart(o) {
			o.linkCause(&from)
		}
		if apart(o) || !from.IsValid() {
			options = append(options, trace.WithNewRoot())
		}
		for i := range o.Links {
			if o.Links[i].IsValid() {
				options = append(options, trace.WithLinks(k.link(&o.Links[i])))
			}
		}
		if !o.Start.IsZero() {
			options = append(options, trace.WithTimestamp(o.Start))
		}
		// What only our own sampling rules get as options, other samplers look for among the attributes.
		if o.method != "" {
			options = append(options, trace.WithAttributes(k.keyValues([]Attr{String("http.request.method", o.method)})...))
		}
		if o.route != "" {
			options = append(options, trace.WithAttributes(k.keyValues([]Attr{String("http.route", o.route)})...))
		}
		if o.Scope != nil {
			t = o.Scope.tracer(k)
		}
	}
	ctx, span := t.Start(ctx, name, options...)
	return ctx, Active{f: &foreign{k, span}}
}

// readParent finds what a span with options comes from, and returns the context under which the provider finds the same.
func (k *Kit) readParent(ctx context.Context, o *SpanOptions, from *origin) context.Context {
	if o.From == nil {
		from.SpanContext = SpanContextOf(ctx)
		if o.Public {
			ctx = withoutCaller(ctx)
		}
		return ctx
	}
	ctx = k.readRemote(ctx, o, from)
	return trace.ContextWithRemoteSpanContext(ctx, from.OTel())
}

// tracer is the scope's tracer of the provider.
func (s *Scope) tracer(k *Kit) trace.Tracer {
	return k.provider.Tracer(s.name, trace.WithInstrumentationVersion(s.version), trace.WithSchemaURL(s.schema))
}

// keyValues are the attributes as the kit's own engine would send them: redacted, and within the limits. They are encoded and decoded for it,
// which copies them and keeps this rare way out of the usual one.
func (k *Kit) keyValues(attrs []Attr) []attribute.KeyValue {
	if len(attrs) == 0 {
		return nil
	}
	encoded := k.appendAttributes(nil, spanAttributes, spanDroppedAttributes, k.limits.attributes, attrs)
	decoded := decodeAttrs(encoded, spanAttributes)
	kvs := make([]attribute.KeyValue, len(decoded))
	for i := range decoded {
		kvs[i] = decoded[i].KeyValue()
	}
	return kvs
}

func (k *Kit) link(l *Link) trace.Link {
	return trace.Link{SpanContext: l.OTel(), Attributes: k.keyValues(l.Attrs)}
}

func (f *foreign) set(attrs []Attr) {
	if f.span.IsRecording() {
		f.span.SetAttributes(f.kit.keyValues(attrs)...)
	}
}

func (f *foreign) event(name string, attrs []Attr) {
	if f.span.IsRecording() {
		f.span.AddEvent(name, trace.WithAttributes(f.kit.keyValues(attrs)...))
	}
}

func (f *foreign) fail(err error) {
	if !f.span.IsRecording() {
		return
	}
	message, kind := describe(err)
	f.span.SetStatus(codes.Error, f.text(message))
	// The SDK's spans can be read, which the API does not promise.
	readable, ok := f.span.(interface{ Attributes() []attribute.KeyValue })
	if ok && slices.ContainsFunc(readable.Attributes(), func(kv attribute.KeyValue) bool { return kv.Key == "error.type" }) {
		return
	}
	f.set([]Attr{String("error.type", kind)})
}

// text is a status text within the limit of the kit's own.
func (f *foreign) text(message string) string { return wire.Text(message, f.kit.limits.value) }

func (f *foreign) panicked(thrown any) {
	if !f.span.IsRecording() {
		return
	}
	if text, attrs, ok := exception(thrown); ok {
		f.event("exception", attrs)
		f.span.SetStatus(codes.Error, f.text("panic: "+text))
	}
}

// end ends the span; the zero time is now.
func (f *foreign) end(at time.Time) {
	if at.IsZero() {
		f.span.End()
	} else {
		f.span.End(trace.WithTimestamp(at))
	}
}
