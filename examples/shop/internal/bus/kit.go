package bus

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	clewnats "github.com/clew-dev/clew/kit/go/nats"
)

// kit leaves the spans to Clew's.
type kit struct{}

func (kit) publish(ctx context.Context, stream jetstream.JetStream, message *nats.Msg, id string) error {
	message.Header.Set(jetstream.MsgIDHeader, id) // as jetstream.WithMsgID does, but where the span sees it
	_, err := clewnats.PublishStream(ctx, stream, message)
	return err
}

func (kit) process(ctx context.Context, group, subject string, messages []jetstream.Msg, handle func(context.Context) error) error {
	if len(messages) > 1 {
		return clewnats.HandleBatch(ctx, subject, group, messages, handle)
	}
	var err error
	clewnats.HandleStream(group, func(own context.Context, _ jetstream.Msg) error {
		// The message's span and baggage, with the time that the caller gives.
		deadline, _ := ctx.Deadline()
		own, cancel := context.WithDeadline(own, deadline)
		defer cancel()
		err = handle(own)
		return err
	})(messages[0])
	return err
}
