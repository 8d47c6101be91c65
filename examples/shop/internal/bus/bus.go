// Package bus is the message wire of the Go services: NATS with JetStream. Its
// spans are the kit's, or those of stock.go, since stock OpenTelemetry has no
// instrumentation of NATS. rust/fleet's module bus is its twin.
//
// A message's trace context and baggage travel in its headers. Sending is a
// producer span inside the trace of its cause. Processing is a consumer span
// that starts a NEW trace and links to the producer: work that nobody waits for
// must not stretch the request's trace.
//
//	trace 1   … ── POST /checkout ── send orders.placed
//	                                      ▲ link
//	trace 2               process orders.placed ── shop.v1.Inventory/Ship …
//
// A message that fails is tried again, at most maxDeliveries times, then given
// up with an error in the log.
package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// The subjects of the shop.
const (
	OrderPlaced      = "orders.placed"
	ShipmentCreated  = "shipments.created"
	NotificationSent = "notifications.sent"
)

const (
	streamName    = "SHOP"
	maxDeliveries = 5
	retryAfter    = 500 * time.Millisecond
	gatherWithin  = time.Second
	finishWithin  = 5 * time.Second
)

// Order is what the messages are about.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Session  string `json:"session"`
	// Cents is the order's total.
	Cents int64 `json:"cents"`
}

// Bus is a connection to the fleet's stream. It reconnects by itself.
type Bus struct {
	connection *nats.Conn
	stream     jetstream.JetStream
	spans      spans
}

// spans is what an instrumentation makes of sending and processing.
type spans interface {
	publish(ctx context.Context, stream jetstream.JetStream, message *nats.Msg, id string) error
	// process runs handle for messages with one span in a trace of its own.
	process(ctx context.Context, group, subject string, messages []jetstream.Msg, handle func(context.Context) error) error
}

func spansOf(stack fleet.Stack) spans {
	switch stack {
	case fleet.Kit:
		return kit{}
	case fleet.Stock:
		return newStock()
	}
	return bare{}
}

// bare makes no spans.
type bare struct{}

func (bare) publish(ctx context.Context, stream jetstream.JetStream, message *nats.Msg, id string) error {
	_, err := stream.PublishMsg(ctx, message, jetstream.WithMsgID(id))
	return err
}

func (bare) process(ctx context.Context, _, _ string, _ []jetstream.Msg, handle func(context.Context) error) error {
	return handle(ctx)
}

// Open connects to the bus.
func Open(service string) (*Bus, error) {
	address, err := fleet.Address("bus")
	if err != nil {
		return nil, err
	}
	connection, err := nats.Connect("nats://"+address,
		nats.Name(service), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connect to the bus at %s: %w", address, err)
	}
	stream, err := jetstream.New(connection)
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	return &Bus{connection: connection, stream: stream, spans: spansOf(fleet.Running())}, nil
}

// Close ends the connection.
func (b *Bus) Close() { b.connection.Close() }

// Send publishes an order and waits until the stream has stored it.
func (b *Bus) Send(ctx context.Context, subject string, order Order) error {
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("send %s: %w", subject, err)
	}
	message := nats.NewMsg(subject)
	message.Data = body
	if err := b.spans.publish(ctx, b.stream, message, order.ID+"/"+subject); err != nil {
		return fmt.Errorf("send %s: %w", subject, err)
	}
	return nil
}

// Consume hands each message of a subject to handle until ctx ends, one at a
// time. group names the durable consumer: what arrives while the service is
// down waits for it.
func (b *Bus) Consume(ctx context.Context, group, subject string, handle func(context.Context, Order) error) error {
	return b.consume(ctx, group, subject, 1, func(messages []jetstream.Msg) {
		b.process(ctx, group, subject, messages, func(ctx context.Context, orders []Order) error {
			return handle(ctx, orders[0])
		})
	})
}

// ConsumeBatch hands the messages of a second, up to size, at once to handle
// until ctx ends. The span of a batch links to every producer.
func (b *Bus) ConsumeBatch(ctx context.Context, group, subject string, size int, handle func(context.Context, []Order) error) error {
	return b.consume(ctx, group, subject, size, func(messages []jetstream.Msg) {
		b.process(ctx, group, subject, messages, handle)
	})
}

func (b *Bus) consume(ctx context.Context, group, subject string, size int, work func([]jetstream.Msg)) error {
	consumer, err := b.stream.CreateOrUpdateConsumer(ctx, streamName, jetstream.ConsumerConfig{
		Durable:       group,
		FilterSubject: subject,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       10 * time.Second,
		MaxDeliver:    maxDeliveries,
	})
	if err != nil {
		return fmt.Errorf("make the consumer %s of %s: %w", group, subject, err)
	}
	for ctx.Err() == nil {
		messages, err := fetch(ctx, consumer, size)
		if err != nil {
			slog.Warn("bus is away", "subject", subject, "error", err)
			pause(ctx, retryAfter)
			continue
		}
		if len(messages) > 0 {
			work(messages)
		}
	}
	return nil
}

// fetch waits for size messages, but at most gatherWithin, and returns what has
// come by then.
func fetch(ctx context.Context, consumer jetstream.Consumer, size int) ([]jetstream.Msg, error) {
	gather, cancel := context.WithTimeout(ctx, gatherWithin)
	defer cancel()
	batch, err := consumer.Fetch(size, jetstream.FetchContext(gather))
	if err != nil {
		return nil, err
	}
	var messages []jetstream.Msg
	for message := range batch.Messages() {
		messages = append(messages, message)
	}
	return messages, nil
}

// process runs handle for messages in one span and one new trace. What has begun
// is finished although the service is told to stop.
func (b *Bus) process(ctx context.Context, group, subject string, messages []jetstream.Msg, handle func(context.Context, []Order) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	orders := make([]Order, 0, len(messages))
	good := messages[:0]
	for _, message := range messages {
		var order Order
		if err := json.Unmarshal(message.Data(), &order); err != nil {
			slog.Error("message is not an order and is given up", "subject", subject, "error", err)
			_ = message.Term()
			continue
		}
		good, orders = append(good, message), append(orders, order)
	}
	if len(good) == 0 {
		return
	}
	err := b.spans.process(ctx, group, subject, good, func(ctx context.Context) error {
		fleet.NoteSession(ctx)
		return handle(ctx, orders)
	})
	for _, message := range good {
		settle(message, subject, err)
	}
}

// settle answers the stream: done, later, or never.
func settle(message jetstream.Msg, subject string, failure error) {
	if failure == nil {
		if err := message.Ack(); err != nil {
			slog.Warn("message may come again", "subject", subject, "error", err)
		}
		return
	}
	about, err := message.Metadata()
	if err == nil && about.NumDelivered >= maxDeliveries {
		slog.Error("message is given up", "subject", subject, "deliveries", about.NumDelivered, "error", failure)
		_ = message.Term()
		return
	}
	slog.Warn("message will be tried again", "subject", subject, "error", failure)
	_ = message.NakWithDelay(retryAfter)
}

func pause(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}
