package metric

import (
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

// Own is a producer of what the kit counts about itself: section 6 of the contract
// (kit/contract/README.md). Own metrics are sent whatever the level is, because
// they say what the level is, and not redacted, because their words are the kit's. The components are those of self.Counters.Level.
func Own(scope *Scope, counters func() *self.Counters, components [self.Components]string) func(*Emitter) {
	sampling := func(result string) *Labels {
		return ownLabels(Counter, attribute.String("otel.span.sampling_result", result))
	}
	o := &own{scope: scope, sampled: sampling("RECORD_AND_SAMPLE"), dropped: sampling("DROP")}
	for s := range self.Signals {
		signal := attribute.String("clew.signal", s.String())
		o.signal[s].plain = ownLabels(Counter, signal)
		for r := range self.Reasons {
			o.signal[s].reason[r] = ownLabels(Counter, signal, attribute.String("reason", r.String()))
			o.signal[s].errors[r] = ownLabels(Counter, signal, attribute.String("error.type", r.String()))
		}
	}
	for i, name := range components {
		o.component[i] = ownLabels(Gauge, attribute.String("component", name))
	}
	return func(e *Emitter) { o.emit(e, counters()) }
}

// own holds the labels, which never change.
type own struct {
	scope            *Scope
	sampled, dropped *Labels
	signal           [self.Signals]struct {
		plain          *Labels
		reason, errors [self.Reasons]*Labels
	}
	component [self.Components]*Labels
}

var (
	ownStarted    = Desc{Name: "otel.sdk.span.started", Unit: "{span}"}
	ownLive       = Desc{Name: "otel.sdk.span.live", Unit: "{span}", Kind: UpDown}
	ownQueueSize  = Desc{Name: "otel.sdk.processor.span.queue.size", Unit: "By", Kind: UpDown}
	ownQueueRoom  = Desc{Name: "otel.sdk.processor.span.queue.capacity", Unit: "By", Kind: UpDown}
	ownExported   = Desc{Name: "otel.sdk.exporter.span.exported", Unit: "{span}"}
	ownInflight   = Desc{Name: "otel.sdk.exporter.span.inflight", Unit: "{span}", Kind: UpDown}
	ownDuration   = Desc{Name: "otel.sdk.exporter.operation.duration", Unit: "s", Kind: Histogram, Float: true, Bounds: DurationBounds}
	ownDropped    = Desc{Name: "clew.kit.dropped", Unit: "{record}"}
	ownDroppedBy  = Desc{Name: "clew.kit.dropped.size", Unit: "By"}
	ownBreaker    = Desc{Name: "clew.kit.breaker.state", Kind: Gauge}
	ownPolicyInfo = Desc{Name: "clew.kit.policy.info", Kind: Gauge}
	ownLevel      = Desc{Name: "clew.kit.level", Kind: Gauge}
)

// ownPlain are the counters without attributes.
var ownPlain = []struct {
	desc Desc
	of   func(*self.Counters) *atomic.Int64
}{
	{Desc{Name: "clew.kit.policy.refused", Unit: "{document}"}, func(c *self.Counters) *atomic.Int64 { return &c.PolicyRefused }},
	{Desc{Name: "clew.kit.policy.skipped", Unit: "{rule}"}, func(c *self.Counters) *atomic.Int64 { return &c.PolicySkipped }},
	{Desc{Name: "clew.kit.span.leaked", Unit: "{span}"}, func(c *self.Counters) *atomic.Int64 { return &c.SpanLeaked }},
	{Desc{Name: "clew.kit.span.late", Unit: "{span}"}, func(c *self.Counters) *atomic.Int64 { return &c.SpanLate }},
	{Desc{Name: "clew.kit.context.lost", Unit: "{span}"}, func(c *self.Counters) *atomic.Int64 { return &c.ContextLost }},
	{Desc{Name: "clew.kit.span.limited", Unit: "{attribute}"}, func(c *self.Counters) *atomic.Int64 { return &c.SpanLimited }},
	{Desc{Name: "clew.kit.config.refused", Unit: "{value}"}, func(c *self.Counters) *atomic.Int64 { return &c.ConfigRefused }},
	{Desc{Name: "clew.kit.log.suppressed", Unit: "{line}"}, func(c *self.Counters) *atomic.Int64 { return &c.LogSuppressed }},
	{Desc{Name: "clew.kit.log.lost", Unit: "{line}"}, func(c *self.Counters) *atomic.Int64 { return &c.LogLost }},
	{Desc{Name: "clew.kit.metric.overflow", Unit: "{measurement}"}, func(c *self.Counters) *atomic.Int64 { return &c.MetricOverflow }},
	{Desc{Name: "clew.kit.metric.invalid", Unit: "{measurement}"}, func(c *self.Counters) *atomic.Int64 { return &c.MetricInvalid }},
	{Desc{Name: "clew.kit.baggage.dropped", Unit: "{member}"}, func(c *self.Counters) *atomic.Int64 { return &c.BaggageDropped }},
}

var noLabels = NewLabels(Counter, *attribute.EmptySet())

func oneLabel(key, value string) *Labels {
	return NewLabels(Counter, attribute.NewSet(attribute.String(key, value)))
}

func (o *own) emit(e *Emitter, c *self.Counters) {
	e.Int(o.scope, &ownStarted, o.sampled, c.SpanSampled.Load())
	e.Int(o.scope, &ownStarted, o.dropped, c.SpanDropped.Load())
	e.Int(o.scope, &ownLive, noLabels, c.SpanLive.Load())
	o.signals(e, &ownQueueSize, func(s self.Signal) int64 { return c.Signal[s].QueueSize.Load() })
	o.signals(e, &ownQueueRoom, func(s self.Signal) int64 { return c.Signal[s].QueueCapacity.Load() })
	for s := range self.Signals {
		e.Int(o.scope, &ownExported, o.signal[s].plain, c.Signal[s].Exported.Load())
		o.reasons(e, &ownExported, &o.signal[s].errors, &c.Signal[s].Dropped)
	}
	o.signals(e, &ownInflight, func(s self.Signal) int64 { return c.Signal[s].Inflight.Load() })
	for s := range self.Signals {
		o.durations(e, s, c)
	}
	for s := range self.Signals {
		o.reasons(e, &ownDropped, &o.signal[s].reason, &c.Signal[s].Dropped)
	}
	for s := range self.Signals {
		o.reasons(e, &ownDroppedBy, &o.signal[s].reason, &c.Signal[s].DroppedSize)
	}
	o.signals(e, &ownBreaker, func(s self.Signal) int64 { return c.Signal[s].Breaker.Load() })
	if version := c.PolicyVersion.Load(); version != nil {
		set, _, _ := limit(attribute.NewSet(attribute.String("version", *version)))
		e.Int(o.scope, &ownPolicyInfo, ownLabels(Gauge, set.ToSlice()...), 1)
	}
	for i := range c.Level {
		e.Int(o.scope, &ownLevel, o.component[i], c.Level[i].Load())
	}
	for i := range ownPlain {
		e.Int(o.scope, &ownPlain[i].desc, noLabels, ownPlain[i].of(c).Load())
	}
}

func (o *own) signals(e *Emitter, desc *Desc, of func(self.Signal) int64) {
	for s := range self.Signals {
		e.Int(o.scope, desc, o.signal[s].plain, of(s))
	}
}

// reasons leaves out what never happened: 27 zeros say less than their absence.
func (o *own) reasons(e *Emitter, desc *Desc, labels *[self.Reasons]*Labels, counts *[self.Reasons]atomic.Int64) {
	for r := range counts {
		if n := counts[r].Load(); n != 0 {
			e.Int(o.scope, desc, labels[r], n)
		}
	}
}

func (o *own) durations(e *Emitter, s self.Signal, c *self.Counters) {
	for _, d := range c.Signal[s].Durations.Snapshot() {
		outcome := attribute.String("error.type", d.Outcome)
		if code, err := strconv.Atoi(d.Outcome); err == nil {
			outcome = attribute.Int("http.response.status_code", code)
		}
		labels := ownLabels(Histogram, attribute.String("clew.signal", s.String()), outcome)
		e.Distribution(o.scope, &ownDuration, labels, d.Counts[:], d.Sum)
	}
}
