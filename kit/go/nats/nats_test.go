package clewnats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	clewnats "github.com/clew-dev/clew/kit/go/nats"
)

// connect starts a server in this process and connects to it.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func bounded(t *testing.T, rec *clewtest.Recorder) context.Context {
	ctx, cancel := context.WithTimeout(rec.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wait(t *testing.T, rec *clewtest.Recorder, ended int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := rec.WaitFor(ctx, ended); err != nil {
		t.Fatal(err)
	}
}

func TestCore(t *testing.T) {
	rec := clewtest.Start(t)
	conn := connect(t)
	failed := errors.New("no such order")
	handle := func(ctx context.Context, m *nats.Msg) error {
		_, span := clew.Span(ctx, "inside")
		span.End()
		if m.Reply != "" {
			return m.Respond([]byte("yes"))
		}
		return failed
	}
	if _, err := conn.QueueSubscribe("orders.*", "mail", clewnats.Handle(handle)); err != nil {
		t.Fatal(err)
	}
	ctx, root := clew.Span(bounded(t, rec), "place")
	original := &nats.Msg{Subject: "orders.placed", Data: []byte("12345")}
	if err := clewnats.PublishMsg(ctx, conn, original); err != nil {
		t.Fatal(err)
	}
	if len(original.Header) != 0 {
		t.Errorf("the caller's message was changed: %v", original.Header)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	reply, err := clewnats.Request(ctx, conn, &nats.Msg{Subject: "orders.asked"})
	if err != nil || string(reply.Data) != "yes" {
		t.Fatalf("got %v, %v", reply, err)
	}
	root.End()
	wait(t, rec, 7)
	want := `trace 1
└─ INTERNAL place (test)
   ├─ PRODUCER send orders.placed messaging.destination.name=orders.placed messaging.message.body.size=5 messaging.operation.type=send messaging.system.name=nats
   └─ PRODUCER send orders.asked messaging.destination.name=orders.asked messaging.message.body.size=0 messaging.operation.type=send messaging.system.name=nats
trace 2
└─ CONSUMER process orders.* (test) messaging.consumer.group.name=mail messaging.destination.name=orders.* messaging.message.body.size=5 messaging.operation.type=process messaging.system.name=nats ERROR "no such order"
   ├─ link trace 1 "send orders.placed"
   └─ INTERNAL inside
trace 3
└─ CONSUMER process orders.* (test) messaging.consumer.group.name=mail messaging.destination.name=orders.* messaging.message.body.size=0 messaging.operation.type=process messaging.system.name=nats
   ├─ link trace 1 "send orders.asked"
   └─ INTERNAL inside
`
	if got := rec.Tree("messaging.system.name", "messaging.destination.name", "messaging.operation.type", "messaging.consumer.group.name", "messaging.message.body.size"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestJetStream(t *testing.T) {
	rec := clewtest.Start(t)
	js, err := jetstream.New(connect(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := bounded(t, rec)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "mail", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	consumption, err := consumer.Consume(clewnats.HandleStream("mail", func(_ context.Context, m jetstream.Msg) error { return m.Ack() }))
	if err != nil {
		t.Fatal(err)
	}
	defer consumption.Stop()
	m := &nats.Msg{Subject: "orders.placed", Data: []byte("1"), Header: nats.Header{jetstream.MsgIDHeader: {"id-7"}}}
	if _, err := clewnats.PublishStream(ctx, js, m); err != nil {
		t.Fatal(err)
	}
	wait(t, rec, 2)
	want := `trace 1
└─ PRODUCER send orders.placed (test) messaging.message.id=id-7
trace 2
└─ CONSUMER process orders.placed (test) messaging.consumer.group.name=mail messaging.message.id=id-7
   └─ link trace 1 "send orders.placed"
`
	if got := rec.Tree("messaging.consumer.group.name", "messaging.message.id"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestBatch(t *testing.T) {
	rec := clewtest.Start(t)
	js, err := jetstream.New(connect(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := bounded(t, rec)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	const count = 130
	for range count {
		if _, err := clewnats.PublishStream(ctx, js, &nats.Msg{Subject: "orders.placed"}); err != nil {
			t.Fatal(err)
		}
	}
	fetched, err := consumer.Fetch(count)
	if err != nil {
		t.Fatal(err)
	}
	var batch []jetstream.Msg
	for m := range fetched.Messages() {
		batch = append(batch, m)
	}
	failed := errors.New("mail server away")
	if err := clewnats.HandleBatch(ctx, "orders.placed", "mail", batch, func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	wait(t, rec, count+1)
	for _, s := range rec.Spans() {
		if s.Kind != "CONSUMER" {
			continue
		}
		if len(s.Links) != 128 || s.Attributes["messaging.batch.message_count"] != int64(count) || s.Status != clewtest.Error {
			t.Errorf("got %d links, %v messages, status %v", len(s.Links), s.Attributes["messaging.batch.message_count"], s.Status)
		}
	}
}

func TestReplySubjectsShareOneName(t *testing.T) {
	rec := clewtest.Start(t)
	conn := connect(t)
	for range 2 {
		if err := clewnats.Publish(bounded(t, rec), conn, nats.NewInbox(), nil); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, rec, 2)
	if got, want := rec.Tree(), "trace 1\n└─ PRODUCER send _INBOX (test)\ntrace 2\n└─ PRODUCER send _INBOX (test)\n"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestPanicIsRecordedAndGoesOn(t *testing.T) {
	rec := clewtest.Start(t)
	handler := clewnats.Handle(func(context.Context, *nats.Msg) error { panic("boom") })
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not go on")
			}
		}()
		handler(&nats.Msg{Subject: "orders.placed"})
	}()
	wait(t, rec, 1)
	want := "trace 1\n└─ CONSUMER process orders.placed (test) error.type=panic ERROR \"panic: boom\"\n   └─ event exception\n"
	if got := rec.Tree("error.type"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestPanicInABatchIsRecordedAndGoesOn(t *testing.T) {
	rec := clewtest.Start(t)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not go on")
			}
		}()
		_ = clewnats.HandleBatch(rec.Context(), "orders.placed", "mail", nil, func(context.Context) error { panic("boom") })
	}()
	want := "trace 1\n└─ CONSUMER process orders.placed (test) error.type=panic ERROR \"panic: boom\"\n   └─ event exception\n"
	if got := rec.Tree("error.type"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestHeadersInAnyCase(t *testing.T) {
	rec := clewtest.Start(t)
	m := &nats.Msg{Subject: "orders.placed", Header: nats.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}
	clewnats.Handle(func(context.Context, *nats.Msg) error { return nil })(m)
	spans := rec.Spans()
	if len(spans) != 1 || len(spans[0].Links) != 1 || spans[0].Links[0].Trace != "0af7651916cd43dd8448eb211c80319c" {
		t.Fatalf("got %+v, want a link to the producer", spans)
	}
	conn := connect(t)
	sub, err := conn.SubscribeSync("orders.placed")
	if err != nil {
		t.Fatal(err)
	}
	if err := clewnats.PublishMsg(bounded(t, rec), conn, m); err != nil {
		t.Fatal(err)
	}
	got, err := sub.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Header["Traceparent"]) != 0 || len(got.Header["traceparent"]) != 1 {
		t.Errorf("got %v, want the new context in place of the old", got.Header)
	}
}
