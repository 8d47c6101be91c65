// Package clewnats instruments NATS for Clew, core and JetStream: a PRODUCER span for each message that is published, a CONSUMER span, the
// root of a trace that links to the producer, for each that is handled. The context travels in the message's headers.
//
//	err := clewnats.Publish(ctx, conn, "orders.placed", data)
//	sub, err := conn.Subscribe("orders.*", clewnats.Handle(func(ctx context.Context, m *nats.Msg) error { … }))
//
//	ack, err := clewnats.PublishStream(ctx, stream, &nats.Msg{Subject: "orders.placed", Data: data})
//	consumption, err := consumer.Consume(clewnats.HandleStream("mail", func(ctx context.Context, m jetstream.Msg) error { … }))
//
// What it records is section 8 of kit/contract. Reply subjects (_INBOX.…) are recorded as _INBOX, and what a subscription with a wildcard gets
// under the wildcard, so that names stay few.
package clewnats

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	clew "github.com/clew-dev/clew/kit/go"
)

var messages = clew.NewMessages("nats")

// headers is a message's header. NATS keeps the case of names, and other clients write them in theirs: a name is looked up as it is, then
// in any case.
type headers nats.Header

func (h headers) Values(key string) []string {
	if v, ok := h[key]; ok {
		return v
	}
	for k, v := range h {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

func (h headers) Get(key string) string {
	if v := h.Values(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set takes the place of a name in any case, so that a message that is passed on does not carry two contexts.
func (h headers) Set(key, value string) {
	for k := range h {
		if k != key && strings.EqualFold(k, key) {
			delete(h, k)
		}
	}
	h[key] = []string{value}
}

func (h headers) Keys() []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	return keys
}

func destination(subject string) string {
	if strings.HasPrefix(subject, "_INBOX.") {
		return "_INBOX"
	}
	return subject
}

// outgoing copies a message with a header of its own: the caller's is not written to.
func outgoing(m *nats.Msg) *nats.Msg {
	out := &nats.Msg{Subject: m.Subject, Reply: m.Reply, Data: m.Data, Header: make(nats.Header, len(m.Header)+2)}
	for k, v := range m.Header {
		out.Header[k] = v
	}
	return out
}

func send(ctx context.Context, m *nats.Msg) (context.Context, *nats.Msg, clew.MessageCall) {
	out := outgoing(m)
	ctx, call := messages.Send(ctx, destination(m.Subject), headers(out.Header), clew.Int("messaging.message.body.size", len(m.Data)))
	if id := out.Header.Get(jetstream.MsgIDHeader); id != "" {
		call.Span().Set(clew.String("messaging.message.id", id))
	}
	return ctx, out, call
}

// Publish publishes data to a subject.
func Publish(ctx context.Context, conn *nats.Conn, subject string, data []byte) error {
	return PublishMsg(ctx, conn, &nats.Msg{Subject: subject, Data: data})
}

// PublishMsg publishes a message, which is not changed.
func PublishMsg(ctx context.Context, conn *nats.Conn, m *nats.Msg) error {
	_, out, call := send(ctx, m)
	err := conn.PublishMsg(out)
	call.End(err)
	return err
}

// Request publishes a message and waits for the reply until ctx is over; the span lasts as long.
func Request(ctx context.Context, conn *nats.Conn, m *nats.Msg) (*nats.Msg, error) {
	ctx, out, call := send(ctx, m)
	reply, err := conn.RequestMsgWithContext(ctx, out)
	call.End(err)
	return reply, err
}

// PublishStream publishes a message to JetStream and waits for its acknowledgement.
func PublishStream(ctx context.Context, stream jetstream.Publisher, m *nats.Msg, options ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ctx, out, call := send(ctx, m)
	ack, err := stream.PublishMsg(ctx, out, options...)
	call.End(err)
	return ack, err
}

// Handle makes a handler for conn.Subscribe and conn.QueueSubscribe. Its context belongs to the message alone. An error marks the span as
// failed; it is not answered to anybody. A panic is recorded and goes on.
func Handle(handle func(ctx context.Context, m *nats.Msg) error) nats.MsgHandler {
	return func(m *nats.Msg) {
		subject, group := m.Subject, ""
		if m.Sub != nil {
			group = m.Sub.Queue
			if strings.ContainsAny(m.Sub.Subject, "*>") {
				subject = m.Sub.Subject
			}
		}
		run(subject, group, m.Header, len(m.Data), nil, func(ctx context.Context) error { return handle(ctx, m) })
	}
}

// HandleStream makes a handler for the Consume of a JetStream consumer called name. Acknowledging is the handler's business.
func HandleStream(name string, handle func(ctx context.Context, m jetstream.Msg) error) jetstream.MessageHandler {
	return func(m jetstream.Msg) {
		var attrs []clew.Attr
		if id := m.Headers().Get(jetstream.MsgIDHeader); id != "" {
			attrs = []clew.Attr{clew.String("messaging.message.id", id)}
		}
		run(m.Subject(), name, m.Headers(), len(m.Data()), attrs, func(ctx context.Context) error { return handle(ctx, m) })
	}
}

func run(subject, group string, header nats.Header, size int, attrs []clew.Attr, handle func(context.Context) error) {
	ctx, call := messages.Process(context.Background(), destination(subject), group, headers(header), attrs...)
	call.Span().Set(clew.Int("messaging.message.body.size", size))
	_ = finish(ctx, call, handle) // It is on the span; there is nobody to answer.
}

// finish runs handle and ends the call, also when it panics.
func finish(ctx context.Context, call clew.MessageCall, handle func(context.Context) error) error {
	returned := false
	defer func() {
		if returned {
			return
		}
		thrown := recover()
		call.Panicked(thrown)
		if thrown != nil {
			panic(thrown)
		}
	}()
	err := handle(ctx)
	returned = true
	call.End(err)
	return err
}

// HandleBatch runs handle once for messages that were fetched together: one CONSUMER span that links to every producer, at most 128. It
// returns what handle does. A panic is recorded and goes on.
func HandleBatch(ctx context.Context, subject, name string, batch []jetstream.Msg, handle func(ctx context.Context) error) error {
	ctx, call := messages.ProcessBatch(ctx, destination(subject), name, len(batch), func(i int) clew.Carrier { return headers(batch[i].Headers()) })
	return finish(ctx, call, handle)
}
