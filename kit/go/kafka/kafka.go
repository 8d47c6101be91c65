// Package clewkafka instruments franz-go for Clew: a PRODUCER span for each record that is produced, a CONSUMER span, the root of a trace
// that links to the producers, for each record or batch that is processed. The context travels in the records' headers.
//
//	client, err := kgo.NewClient(kgo.SeedBrokers(…), clewkafka.Produce())
//	client.Produce(ctx, &kgo.Record{Topic: "orders.placed", Value: data}, nil)
//
//	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
//		err := clewkafka.Handle(ctx, "mail", r, func(ctx context.Context) error { … })
//	})
//
// What it records is section 8 of kit/contract.
package clewkafka

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	clew "github.com/clew-dev/clew/kit/go"
)

var messages = clew.NewMessages("kafka")

// Produce makes a client record what it produces. The span lasts from Produce until the broker has acknowledged the record or it is given
// up; the record's headers get the context.
func Produce() kgo.Opt { return kgo.WithHooks(hook{}) }

type hook struct{}

var (
	_ kgo.HookProduceRecordBuffered   = hook{}
	_ kgo.HookProduceRecordUnbuffered = hook{}
)

type callKey struct{}

// OnProduceRecordBuffered starts the span.
func (hook) OnProduceRecordBuffered(r *kgo.Record) {
	ctx := r.Context
	if ctx == nil {
		ctx = context.Background()
	}
	// The slice may be shared with other records, and with one that was consumed.
	r.Headers = append(make([]kgo.RecordHeader, 0, len(r.Headers)+2), r.Headers...)
	ctx, call := messages.Send(ctx, r.Topic, headers{r}, clew.Int("messaging.message.body.size", len(r.Value)))
	r.Context = context.WithValue(ctx, callKey{}, call)
}

// OnProduceRecordUnbuffered ends the span.
func (hook) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	if call, ok := r.Context.Value(callKey{}).(clew.MessageCall); ok {
		call.End(err)
	}
}

// Handle runs handle for one record of a consumer group, and returns what it does. A panic is recorded and goes on.
func Handle(ctx context.Context, group string, r *kgo.Record, handle func(ctx context.Context) error) error {
	ctx, call := messages.Process(ctx, r.Topic, group, headers{r}, clew.Int("messaging.message.body.size", len(r.Value)))
	return run(ctx, call, handle)
}

// HandleBatch runs handle once for several records of one topic: one CONSUMER span that links to every producer, at most 128.
func HandleBatch(ctx context.Context, group string, records []*kgo.Record, handle func(ctx context.Context) error) error {
	if len(records) == 0 {
		return handle(ctx)
	}
	ctx, call := messages.ProcessBatch(ctx, records[0].Topic, group, len(records), func(i int) clew.Carrier { return headers{records[i]} })
	return run(ctx, call, handle)
}

func run(ctx context.Context, call clew.MessageCall, handle func(context.Context) error) error {
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

// headers are those of a record. Setting a key replaces it, so that a record that is produced again does not carry two contexts.
type headers struct{ r *kgo.Record }

func (h headers) Get(key string) string {
	for _, x := range h.r.Headers {
		if strings.EqualFold(x.Key, key) {
			return string(x.Value)
		}
	}
	return ""
}

func (h headers) Set(key, value string) {
	for i := range h.r.Headers {
		if strings.EqualFold(h.r.Headers[i].Key, key) {
			h.r.Headers[i].Value = []byte(value)
			return
		}
	}
	h.r.Headers = append(h.r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

func (h headers) Keys() []string {
	keys := make([]string, len(h.r.Headers))
	for i, x := range h.r.Headers {
		keys[i] = x.Key
	}
	return keys
}
