package bus

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// stock writes spans and durations out by hand on the OpenTelemetry API.
type stock struct {
	tracer       trace.Tracer
	sent, worked metric.Float64Histogram
}

func newStock() stock {
	const name = "shop/bus"
	return stock{otel.Tracer(name), duration(otel.Meter(name), "messaging.client.operation.duration"), duration(otel.Meter(name), "messaging.process.duration")}
}

func duration(meter metric.Meter, name string) metric.Float64Histogram {
	// The bounds are those that the conventions recommend.
	h, err := meter.Float64Histogram(name, metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	if err != nil {
		otel.Handle(err) // h measures nothing
	}
	return h
}

// record measures what has passed since began.
func record(ctx context.Context, h metric.Float64Histogram, began time.Time, about []attribute.KeyValue, err error) {
	if err != nil {
		about = append(about, semconv.ErrorType(err))
	}
	h.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(about...))
}

func (s stock) publish(ctx context.Context, stream jetstream.JetStream, message *nats.Msg, id string) error {
	about := describe(message.Subject, "send")
	ctx, span := s.tracer.Start(ctx, "send "+message.Subject, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(about...),
		trace.WithAttributes(semconv.MessagingMessageID(id), semconv.MessagingMessageBodySize(len(message.Data))))
	defer span.End()
	otel.GetTextMapPropagator().Inject(ctx, carrier(message.Header))
	began := time.Now()
	_, err := stream.PublishMsg(ctx, message, jetstream.WithMsgID(id))
	record(ctx, s.sent, began, about, err)
	if err != nil {
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
	about := append(describe(subject, "process"), semconv.MessagingConsumerGroupName(group))
	ctx, span := s.tracer.Start(ctx, "process "+subject, trace.WithNewRoot(),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...), trace.WithAttributes(about...))
	defer span.End()
	if len(messages) > 1 {
		span.SetAttributes(semconv.MessagingBatchMessageCount(len(messages)))
	} else {
		span.SetAttributes(semconv.MessagingMessageID(messages[0].Headers().Get(jetstream.MsgIDHeader)))
	}
	began := time.Now()
	err := handle(ctx)
	record(ctx, s.worked, began, about, err)
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
