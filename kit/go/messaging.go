package clew

import (
	"context"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/bound"
)

var (
	messagingSend = DurationHistogram("messaging.client.operation.duration", ComponentMessaging,
		Description("Duration of sending messages."))
	messagingProcess = DurationHistogram("messaging.process.duration", ComponentMessaging,
		Description("Duration of processing messages."))
)

// Messages is what integrations of message brokers record with: a PRODUCER span for what is sent, a CONSUMER span for what is processed,
// in the words of the contract. Make one for each client and keep it; all methods may be called from any goroutine.
type Messages struct {
	system    string
	places    bound.Cache[messagePlace, messageStart]
	durations bound.Cache[messageOutcome, BoundHistogram]
}

// messagePlace is what messages of one destination have alike.
type messagePlace struct{ operation, destination string }

// messageStart is what their spans begin with.
type messageStart struct {
	name  string
	about *Fixed
}

// NewMessages names the broker as the semantic conventions do: nats, kafka.
func NewMessages(system string) *Messages { return &Messages{system: system} }

type messageOutcome struct {
	send                       bool
	destination, group, failed string
}

// MessageCall is a message or batch that is being sent or processed.
type MessageCall struct {
	m     *Messages
	ctx   context.Context
	span  Active
	start time.Time
	out   messageOutcome
}

// maxLinks is how many producers the span of a batch links to.
const maxLinks = 128

// Send starts the span of sending one message and writes its context to the message's headers. headers may be nil when there is nowhere
// to write to. propagate_to is compared with the destination.
func (m *Messages) Send(ctx context.Context, destination string, headers Carrier, attrs ...Attr) (context.Context, MessageCall) {
	c := MessageCall{m: m, out: messageOutcome{send: true, destination: destination}}
	if On(ComponentMessaging, Edges) {
		c.start = time.Now()
		ctx, c.span = m.start(ctx, "send", destination, SpanOptions{Kind: Producer, Start: c.start})
		c.span.Set(attrs...)
	}
	if headers != nil {
		Inject(ctx, destination, headers)
	}
	c.ctx = ctx
	return ctx, c
}

// Process starts the span of processing one message: a new root that links to the producer, whose context is read from the headers. The
// producer's baggage goes on.
func (m *Messages) Process(ctx context.Context, destination, group string, headers Carrier, attrs ...Attr) (context.Context, MessageCall) {
	c := MessageCall{m: m, out: messageOutcome{destination: destination, group: group}}
	if !On(ComponentMessaging, Edges) {
		c.ctx = ctx
		if headers != nil {
			c.ctx = Extract(ctx, headers)
		}
		return c.ctx, c
	}
	c.start = time.Now()
	ctx, c.span = m.start(ctx, "process", destination, SpanOptions{Kind: Consumer, NewRoot: true, From: headers, Start: c.start})
	setText(c.span, "messaging.consumer.group.name", group)
	c.span.Set(attrs...)
	c.ctx = ctx
	return ctx, c
}

// ProcessBatch starts the span of processing several messages at once: a new root that links to every producer, at most 128. Baggage is not
// taken, for whose would it be.
func (m *Messages) ProcessBatch(ctx context.Context, destination, group string, count int, headers func(i int) Carrier, attrs ...Attr) (context.Context, MessageCall) {
	c := MessageCall{m: m, out: messageOutcome{destination: destination, group: group}}
	if !On(ComponentMessaging, Edges) {
		c.ctx = ctx
		return ctx, c
	}
	c.start = time.Now()
	var links []Link
	for i := 0; i < count && len(links) < maxLinks; i++ {
		if cause := SpanContextOf(Extract(context.Background(), headers(i))); cause.IsValid() {
			links = append(links, Link{SpanContext: cause})
		}
	}
	ctx, c.span = m.start(ctx, "process", destination, SpanOptions{Kind: Consumer, NewRoot: true, Links: links, Start: c.start})
	c.span.Set(Int("messaging.batch.message_count", count))
	setText(c.span, "messaging.consumer.group.name", group)
	c.span.Set(attrs...)
	c.ctx = ctx
	return ctx, c
}

func (m *Messages) start(ctx context.Context, operation, destination string, o SpanOptions) (context.Context, Active) {
	at := m.places.Get(messagePlace{operation, destination}, m.newStart)
	o.Component, o.Need, o.Fixed = ComponentMessaging, Edges, at.about
	return StartWith(ctx, at.name, o)
}

func (m *Messages) newStart(p messagePlace) messageStart {
	return messageStart{p.operation + " " + p.destination, Fix(String("messaging.system.name", m.system), String("messaging.destination.name", p.destination),
		String("messaging.operation.name", p.operation), String("messaging.operation.type", p.operation))}
}

// Span is the call's span.
func (c MessageCall) Span() Active { return c.span }

// End ends the call; an err of nil is success.
func (c MessageCall) End(err error) {
	if c.start.IsZero() {
		return
	}
	if err != nil {
		c.out.failed = errorType(err)
		c.span.Set(String("error.type", c.out.failed))
		c.span.Fail(err)
	}
	c.finish()
}

// Panicked ends the call for a panic that goes on.
func (c MessageCall) Panicked(thrown any) {
	c.span.panicked(thrown)
	c.out.failed = "panic"
	c.span.Set(String("error.type", "panic"))
	c.finish()
}

// finish ends what has begun; both ends are one reading of the clock.
func (c *MessageCall) finish() {
	if c.start.IsZero() {
		return
	}
	took := time.Since(c.start)
	c.m.durations.Get(c.out, c.m.bind).RecordDuration(c.ctx, took)
	c.span.EndAt(c.start.Add(took))
}

func (m *Messages) bind(o messageOutcome) BoundHistogram {
	operation, family := "process", messagingProcess
	if o.send {
		operation, family = "send", messagingSend
	}
	attrs := []Attr{String("messaging.system.name", m.system), String("messaging.operation.name", operation), String("messaging.destination.name", o.destination)}
	if o.group != "" {
		attrs = append(attrs, String("messaging.consumer.group.name", o.group))
	}
	if o.failed != "" {
		attrs = append(attrs, String("error.type", o.failed))
	}
	return family.With(attrs...)
}
