package bus_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/examples/shop/internal/bus"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

// The same order goes to a consumer that refuses it the first time: each try is a
// new trace that links to the producer, and the second one settles the message.

func TestFailedMessageComesAgainWithTheKit(t *testing.T) {
	t.Setenv(fleet.StackVariable, "kit")
	recorder := clewtest.Start(t, clew.PropagateTo("*"))
	ctx, request := clew.Span(clew.WithBaggage(recorder.Context(), fleet.SessionKey, "s-1"), "request")
	twice(ctx, t, serve(t))
	request.End()
	recorder.Golden("testdata/kit.txt", "messaging.message.id", "messaging.consumer.group.name", fleet.SessionKey)
}

func TestFailedMessageComesAgainWithStock(t *testing.T) {
	t.Setenv(fleet.StackVariable, "stock")
	recorder := record()
	ctx, request := otel.Tracer("test").Start(withSession(t, "s-1"), "request")
	twice(ctx, t, serve(t))
	request.End()
	var producer trace.SpanContext
	seen := make(map[trace.TraceID]bool)
	for _, span := range recorder.Ended() {
		switch span.Name() {
		case "send " + bus.OrderPlaced:
			producer = span.SpanContext()
		case "process " + bus.OrderPlaced:
			if span.Parent().IsValid() || len(span.Links()) != 1 || span.Links()[0].SpanContext.SpanID() != producer.SpanID() {
				t.Errorf("a try has parent %v and links %v; want none and one to %v", span.Parent(), span.Links(), producer)
			}
			seen[span.SpanContext().TraceID()] = true
		}
	}
	if len(seen) != 2 || seen[producer.TraceID()] {
		t.Errorf("the tries are in %d traces; want 2 beside the producer's", len(seen))
	}
}

// twice sends an order and consumes it until it is taken.
func twice(ctx context.Context, t *testing.T, messages *bus.Bus) {
	t.Helper()
	if err := messages.Send(ctx, bus.OrderPlaced, bus.Order{ID: "o-1"}); err != nil {
		t.Fatal(err)
	}
	consuming, stop := context.WithCancel(t.Context())
	defer stop()
	tries := 0
	err := messages.Consume(consuming, "test", bus.OrderPlaced, func(ctx context.Context, order bus.Order) error {
		tries++
		if order.ID != "o-1" || fleet.Session(ctx) != "s-1" {
			t.Errorf("try %d has order %q of session %q; want o-1 of s-1", tries, order.ID, fleet.Session(ctx))
		}
		if tries == 1 {
			return errors.New("not today")
		}
		stop()
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if tries != 2 {
		t.Errorf("%d tries; want 2", tries)
	}
}

func record() *tracetest.SpanRecorder {
	recorder := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return recorder
}

func withSession(t *testing.T, session string) context.Context {
	t.Helper()
	member, err := baggage.NewMember(fleet.SessionKey, session)
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	return baggage.ContextWithBaggage(t.Context(), bag)
}

// serve runs a bus on a free port and returns a connection to it.
func serve(t *testing.T) *bus.Bus {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(fleet.AddressVariable("bus"), listener.Addr().String())
	t.Setenv("SHOP_DATA", t.TempDir())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	ready := make(chan struct{})
	go func() { served <- bus.Serve(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-served:
		t.Fatal(err)
	}
	messages, err := bus.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		messages.Close()
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve the bus: %v", err)
		}
	})
	return messages
}
