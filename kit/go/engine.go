package clew

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
	"github.com/clew-dev/clew/kit/go/internal/watch"
	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// current is the kit that runs in this process, nil before Start and after Stop. It is written under handover, which also orders whose logs
// and whose policy of metrics are in force.
var (
	current  atomic.Pointer[Kit]
	handover sync.Mutex
)

// Span starts a span of the program's own (component app, level standard) as a child of the span in ctx. End it, also when the function
// panics:
//
//	ctx, span := clew.Span(ctx, "reserve", clew.Int("items", 3))
//	defer span.End()
//
// Use a name of few different values; what varies belongs into attributes. When the component is off, or the trace is not sampled, ctx
// comes back unchanged and nothing is allocated.
func Span(ctx context.Context, name string, attrs ...Attr) (context.Context, Active) {
	k := current.Load()
	if k == nil {
		return ctx, Active{}
	}
	snapshot := k.policy.Load()
	if !snapshot.On(policy.App, policy.Standard) {
		return ctx, Active{}
	}
	return k.start(ctx, snapshot, k.scope, Internal, name, nil, attrs)
}

// StartSpan starts a span for an integration: of a component, needing a level, of a kind.
func StartSpan(ctx context.Context, c Component, need Level, kind Kind, name string, attrs ...Attr) (context.Context, Active) {
	k := current.Load()
	if k == nil {
		return ctx, Active{}
	}
	snapshot := k.policy.Load()
	if !snapshot.On(policy.Component(c), policy.Level(need)) {
		return ctx, Active{}
	}
	return k.start(ctx, snapshot, k.scope, kind, name, nil, attrs)
}

// SpanOptions is what StartWith can be told beside name and attributes. The zero value is an internal span of component HTTP that needs
// nothing; set Component, Need and Kind.
type SpanOptions struct {
	Component Component
	Need      Level
	Kind      Kind
	// NewRoot starts a new trace. It shares the randomness of the first link, or of the span in ctx when there are no links, which then
	// becomes the link: the same threshold decides alike about both.
	NewRoot bool
	// Public starts a new trace that is linked to the remote parent in From, or in ctx. Its flags, its ot and its baggage are not taken.
	Public bool
	// Keep records the trace whatever the sampler would say. A local child goes with its parent.
	Keep bool
	// Fixed are attributes that come before the others.
	Fixed *Fixed
	// Links of the span.
	Links []Link
	// From has the headers of the remote parent. It takes the place of the span in ctx, and of its baggage.
	From Carrier
	// Start is when the span started, the zero time is now.
	Start time.Time
	// Scope is the instrumentation scope, nil is the kit's own.
	Scope *Scope

	// leaf says that nothing runs within the span: there is no context for it.
	leaf bool
	// route and method are for the sampling rules, when attributes are set only after the start.
	route, method string
}

// StartWith starts a span with options.
func StartWith(ctx context.Context, name string, o SpanOptions, attrs ...Attr) (context.Context, Active) {
	k := current.Load()
	if k == nil || !k.policy.Load().On(policy.Component(o.Component), policy.Level(o.Need)) {
		switch {
		case o.Public:
			ctx = withoutCaller(ctx)
		case o.From != nil:
			ctx = Extract(ctx, o.From)
		}
		return ctx, Active{}
	}
	scope := k.scope
	if o.Scope != nil {
		scope = o.Scope.number(k)
	}
	return k.start(ctx, k.policy.Load(), scope, o.Kind, name, &o, attrs)
}

// StartLinked starts a new trace that points to others, as a consumer does for the producers of its messages.
func StartLinked(ctx context.Context, c Component, need Level, kind Kind, name string, links []Link, attrs ...Attr) (context.Context, Active) {
	return StartWith(ctx, name, SpanOptions{Component: c, Need: need, Kind: kind, NewRoot: true, Links: links}, attrs...)
}

// On says whether a component records what needs this level.
func On(c Component, need Level) bool {
	k := current.Load()
	return k != nil && k.policy.Load().On(policy.Component(c), policy.Level(need))
}

// origin is where a new span comes from.
type origin struct {
	SpanContext
	local    *span // the recorded parent in this process
	deferred bool  // B3 left the decision to us
}

// start makes a span under whatever ctx holds.
func (k *Kit) start(ctx context.Context, snapshot *policy.Snapshot, scope uint32, kind Kind, name string, o *SpanOptions, attrs []Attr) (context.Context, Active) {
	if ctx == nil {
		ctx = context.Background()
	}
	if k.tracer != nil {
		return k.startForeign(ctx, kind, name, o, attrs)
	}
	var from origin
	if o != nil && o.From != nil {
		ctx = k.readRemote(ctx, o, &from)
	} else {
		switch p := trace.SpanFromContext(ctx).(type) {
		case *span:
			// Who started an unsampled root may have put its own handle into ctx.
			if p.mode != recording && !apart(o) {
				return ctx, Active{s: p}
			}
			from.local = p
		case *interior:
			if !apart(o) {
				return ctx, Active{s: (*span)(p)}
			}
			from.SpanContext = (*span)(p).identity()
		case *remote:
			from.SpanContext, from.deferred = p.context, p.deferred
		default:
			if c := p.SpanContext(); c.IsValid() {
				from.SpanContext = fromOTel(c)
			}
		}
	}
	s := &span{Span: &sharedNoop, kit: k, scope: scope, kind: kind, name: spanNameText(name)}
	if p := from.local; p != nil && !apart(o) {
		s.trace, s.parent, s.state, s.flags, s.over = p.trace, p.id, p.state, p.flags, p
	} else {
		k.decide(ctx, s, snapshot, &from, o, attrs)
	}
	switch {
	case o != nil && !o.Start.IsZero():
		s.start = o.Start
	case s.mode == recording:
		s.start = time.Now()
	default:
		// The time of day costs as much again, and is needed only if the root fails.
		s.start = k.began.Add(time.Since(k.began))
	}
	binary.NativeEndian.PutUint64(s.id[:], randomID())
	if s.mode != silent {
		if o != nil {
			s.setFixed(o.Fixed)
		}
		s.set(attrs)
		if o != nil {
			for i := range o.Links {
				s.addLink(&o.Links[i])
			}
		}
	}
	if o != nil && o.Public && o.From == nil {
		ctx = withoutCaller(ctx)
	}
	if s.mode != recording {
		k.counters.SpanDropped.Add(1, s.id[0])
		// The handle in the context is the interior one: only who started the root ends it.
		return trace.ContextWithSpan(ctx, (*interior)(s)), Active{s: s, own: true}
	}
	k.counters.SpanSampled.Add(1, s.id[0])
	k.counters.SpanLive.Add(1, s.id[0])
	if w := watch.Current(); w != nil {
		s.showTo(w, ctx, o)
	}
	if o != nil && o.leaf {
		return ctx, Active{s: s, own: true}
	}
	return trace.ContextWithSpan(ctx, s), Active{s: s, own: true}
}

// apart says that a span starts a trace of its own, whatever is in its context.
func apart(o *SpanOptions) bool { return o != nil && (o.NewRoot || o.Public) }

// decide gives a span without a recorded local parent its trace and its decision.
func (k *Kit) decide(ctx context.Context, s *span, snapshot *policy.Snapshot, from *origin, o *SpanOptions, attrs []Attr) {
	if from.local != nil {
		from.SpanContext = from.local.identity()
	}
	keep := o != nil && o.Keep || kept(ctx)
	var d sampling.Decision
	switch {
	case apart(o):
		d = k.decideLinked(s, snapshot, from, o, attrs)
	case !from.IsValid():
		s.trace = newTraceID()
		d = k.sampler(s, snapshot, o, attrs).Root(s.trace)
	case from.deferred:
		s.trace, s.parent, s.remote = from.TraceID, from.SpanID, true
		d = k.sampler(s, snapshot, o, attrs).Deferred(s.trace)
	default:
		s.trace, s.parent, s.remote = from.TraceID, from.SpanID, from.Remote
		d = sampling.Child(s.trace, byte(from.Flags), from.State)
	}
	if keep {
		d = sampling.Forced(d.Random, d.State)
	}
	s.state, s.flags = d.State, trace.TraceFlags(d.Flags(k.flagsLevel))
	if !d.Sampled {
		s.mode = silent
		if snapshot.SummaryOnError() && k.summaries.left() {
			s.mode = summarised
		}
	}
}

// linkCause links a span that starts a trace of its own to what it comes from.
func (o *SpanOptions) linkCause(from *origin) {
	if from.IsValid() && (o.Public || len(o.Links) == 0) {
		o.Links = append([]Link{{SpanContext: from.SpanContext}}, o.Links...)
	}
}

// decideLinked starts a new trace for a span that has a cause.
func (k *Kit) decideLinked(s *span, snapshot *policy.Snapshot, from *origin, o *SpanOptions, attrs []Attr) sampling.Decision {
	s.trace = newTraceID()
	sampler := k.sampler(s, snapshot, o, attrs)
	o.linkCause(from)
	if o.Public {
		return sampler.Root(s.trace)
	}
	for i := range o.Links {
		if l := &o.Links[i]; l.IsValid() {
			return sampler.Linked(sampling.CauseRandomness(l.TraceID, l.State))
		}
	}
	return sampler.Root(s.trace)
}

// sampler finds the rule for a root.
func (k *Kit) sampler(s *span, snapshot *policy.Snapshot, o *SpanOptions, attrs []Attr) *sampling.Sampler {
	f := policy.Facts{Kind: kindNames[min(s.kind, Consumer)], Name: s.name}
	if o != nil {
		f.Route, f.Method = o.route, o.method
		lookFor(&f, o.Fixed.list())
	}
	lookFor(&f, attrs)
	var second int64
	if snapshot.Limited() {
		second = int64(time.Since(k.began) / time.Second)
	}
	return snapshot.Sampler(f, second)
}

// lookFor takes what rules decide by out of attributes.
func lookFor(f *policy.Facts, attrs []Attr) {
	for i := range attrs {
		switch attrs[i].key {
		case "http.route":
			f.Route = attrs[i].text()
		case "http.request.method":
			f.Method = attrs[i].text()
		}
	}
}

var kindNames = [...]string{"internal", "internal", "server", "client", "producer", "consumer"}

// showTo tells the watch of leaks that the span has started. It is a function of its own because room for what it tells would be in every
// caller's stack, which grows at a cost when a goroutine serves one call.
//
//go:noinline
func (s *span) showTo(w *watch.Registry, ctx context.Context, o *SpanOptions) {
	w.Started(ctx, s.watched(o, w.Keeps(s.id)))
}

func (s *span) watched(o *SpanOptions, keep bool) watch.Span {
	w := watch.Span{
		Trace: s.trace, ID: s.id, Parent: s.parent, Remote: s.remote, Kind: uint8(s.kind), Name: s.name, Start: s.start.UnixNano(),
	}
	if o != nil {
		w.Intended = o.NewRoot || o.Public
	}
	if o != nil && keep {
		for i := range o.Links {
			w.Links = append(w.Links, o.Links[i].TraceID)
		}
	}
	return w
}

func spanNameText(name string) string { return wire.Text(name, maxName) }

// newTraceID is 16 bytes of the runtime's generator, which is ChaCha8, seeded by the operating system and one for each thread.
func newTraceID() (id trace.TraceID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], randomID())
	return id
}

// randomID is never zero.
func randomID() uint64 {
	for {
		if n := rand.Uint64(); n != 0 {
			return n
		}
	}
}

type keepKey struct{}

// ForceKeep returns a context in which the next root is recorded whatever the sampler would say, and everything below it. It says so to
// other services by the sampled flag alone, without a probability, and so stands outside all estimates. A trace that has begun already is
// not changed.
func ForceKeep(ctx context.Context) context.Context { return context.WithValue(ctx, keepKey{}, true) }

func kept(ctx context.Context) bool { return ctx.Value(keepKey{}) != nil }

// stateCache keeps the last tracestate that was parsed for the OpenTelemetry API: nearly all spans of a process share one.
type stateCache struct{ last atomic.Pointer[parsedState] }

type parsedState struct {
	text  string
	state trace.TraceState
}

var states stateCache

func (c *stateCache) parse(text string) trace.TraceState {
	if text == "" {
		return trace.TraceState{}
	}
	if p := c.last.Load(); p != nil && p.text == text {
		return p.state
	}
	state, err := trace.ParseTraceState(text)
	if err != nil {
		return trace.TraceState{}
	}
	c.last.Store(&parsedState{strings.Clone(text), state})
	return state
}
