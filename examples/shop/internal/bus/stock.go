package bus

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// stock writes the spans out by hand on the OpenTelemetry API.
type stock struct{ tracer trace.Tracer }

func (s stock) publish(ctx context.Context, stream jetstream.JetStream, message *nats.Msg, id string) error {
	ctx, span := s.tracer.Start(ctx, "send "+message.Subject, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(describe(message.Subject, "send")...),
		trace.WithAttributes(semconv.MessagingMessageID(id), semconv.MessagingMessageBodySize(len(message.Data))))
	defer span.End()
	otel.GetTextMapPropagator().Inject(ctx, carrier(message.Header))
	if _, err := stream.PublishMsg(ctx, message, jetstream.WithMsgID(id)); err != nil {
		fleet.Fail(ctx, err)
		return err
	}
	return nil
}

func (s stock) process(ctx context.Context, group, subject string, messages []jetstream.Msg, handle func(context.Context) error) error {
	links := make([]trace.Link, 0, len(messages))
	for _, message := range messages {
		cause := otel.GetTextMapPropagator().Extract(ctx, carrier(message.Headers()))
		links = append(links, trace.LinkFromContext(cause))
		if len(messages) == 1 {
			// A batch has many sessions, so only a single message's baggage
			// goes on.
			ctx = cause
		}
	}
	ctx, span := s.tracer.Start(ctx, "process "+subject, trace.WithNewRoot(),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...),
		trace.WithAttributes(describe(subject, "process")...),
		trace.WithAttributes(semconv.MessagingConsumerGroupName(group)))
	defer span.End()
	if len(messages) > 1 {
		span.SetAttributes(semconv.MessagingBatchMessageCount(len(messages)))
	} else {
		span.SetAttributes(semconv.MessagingMessageID(messages[0].Headers().Get(jetstream.MsgIDHeader)))
	}
	err := handle(ctx)
	if err != nil {
		fleet.Fail(ctx, err)
	}
	return err
}

func describe(subject, operation string) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String("nats"),
		semconv.MessagingDestinationName(subject),
		semconv.MessagingOperationName(operation),
		semconv.MessagingOperationTypeKey.String(operation),
	}
}

// carrier is a message's headers for a propagator. NATS keeps the case of
// names, and clients differ in what they write.
type carrier nats.Header

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	for name, values := range c {
		if strings.EqualFold(name, key) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(key, value string) { nats.Header(c).Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string { return slices.Collect(maps.Keys(c)) }
