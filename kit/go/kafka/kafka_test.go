package clewkafka_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	clewkafka "github.com/clew-dev/clew/kit/go/kafka"
)

// dial starts a broker in this process, with the topic orders.placed, and connects an instrumented client to it.
func dial(t *testing.T) *kgo.Client {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders.placed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("orders.placed"), kgo.ConsumerGroup("mail"), clewkafka.Produce())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func bounded(t *testing.T, rec *clewtest.Recorder) context.Context {
	ctx, cancel := context.WithTimeout(rec.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// poll returns n records.
func poll(ctx context.Context, t *testing.T, client *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func TestRecords(t *testing.T) {
	rec := clewtest.Start(t)
	client := dial(t)
	ctx, root := clew.Span(bounded(t, rec), "place")
	for _, value := range []string{"12345", "1"} {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders.placed", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	root.End()
	failed := errors.New("mail server away")
	records := poll(ctx, t, client, 2)
	consuming := context.WithoutCancel(rec.Context())
	err := clewkafka.Handle(consuming, "mail", records[0], func(ctx context.Context) error {
		_, span := clew.Span(ctx, "inside")
		span.End()
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if err := clewkafka.HandleBatch(consuming, "mail", records, func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	want := `trace 1
└─ INTERNAL place (test)
   ├─ PRODUCER send orders.placed messaging.destination.name=orders.placed messaging.message.body.size=5 messaging.operation.type=send messaging.system.name=kafka
   └─ PRODUCER send orders.placed messaging.destination.name=orders.placed messaging.message.body.size=1 messaging.operation.type=send messaging.system.name=kafka
trace 2
└─ CONSUMER process orders.placed (test) messaging.consumer.group.name=mail messaging.destination.name=orders.placed messaging.message.body.size=5 messaging.operation.type=process messaging.system.name=kafka ERROR "mail server away"
   ├─ link trace 1 "send orders.placed"
   └─ INTERNAL inside
trace 3
└─ CONSUMER process orders.placed (test) messaging.batch.message_count=2 messaging.consumer.group.name=mail messaging.destination.name=orders.placed messaging.operation.type=process messaging.system.name=kafka
   ├─ link trace 1 "send orders.placed"
   └─ link trace 1 "send orders.placed"
`
	if got := rec.Tree("messaging.system.name", "messaging.destination.name", "messaging.operation.type", "messaging.consumer.group.name", "messaging.message.body.size", "messaging.batch.message_count"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRecordProducedAgainCarriesOneContext(t *testing.T) {
	rec := clewtest.Start(t)
	client := dial(t)
	ctx := bounded(t, rec)
	r := &kgo.Record{Topic: "orders.placed", Headers: []kgo.RecordHeader{{Key: "mine", Value: []byte("1")}}}
	for range 2 {
		r.Context = nil
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for _, h := range r.Headers {
		seen[h.Key]++
	}
	if seen["traceparent"] != 1 || seen["mine"] != 1 {
		t.Errorf("got headers %v, want one traceparent beside what was there", seen)
	}
}

func TestFailedProduceIsAnError(t *testing.T) {
	rec := clewtest.Start(t)
	client := dial(t)
	ctx, cancel := context.WithCancel(rec.Context())
	cancel()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders.placed"}).FirstErr(); err == nil {
		t.Fatal("got no error")
	}
	want := "trace 1\n└─ PRODUCER send orders.placed (test) error.type=canceled ERROR \"context canceled\"\n"
	if err := rec.WaitFor(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := rec.Tree("error.type"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Records share a slice of headers, and what was consumed is produced again: each keeps the context that is its own.
func TestHeadersAreNotShared(t *testing.T) {
	rec := clewtest.Start(t)
	ctx, root := clew.Span(rec.Context(), "place")
	shared := append(make([]kgo.RecordHeader, 0, 8), kgo.RecordHeader{Key: "shop", Value: []byte("1")}, kgo.RecordHeader{Key: "traceparent", Value: []byte("old")})
	records := []*kgo.Record{{Topic: "a", Headers: shared[:1]}, {Topic: "b", Headers: shared[:1]}, {Topic: "c", Headers: shared}}
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), clewkafka.Produce(), kgo.RecordDeliveryTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		client.Produce(ctx, r, func(*kgo.Record, error) {})
	}
	client.Close()
	root.End()
	seen := map[string]bool{}
	for _, r := range records {
		for _, h := range r.Headers {
			if h.Key == "traceparent" {
				seen[string(h.Value)] = true
			}
		}
	}
	if len(seen) != len(records) || string(shared[1].Value) != "old" {
		t.Errorf("got %d contexts for %d records, and %q in the caller's headers", len(seen), len(records), shared[1].Value)
	}
	rec.AllowLeaks()
}
