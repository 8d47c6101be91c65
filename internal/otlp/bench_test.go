package otlp_test

import (
	"fmt"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

const benchSpans = 512

func str(key, v string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}}
}

func num(key string, v int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v}}}
}

// serviceRequest is one export of one service: spans of nine attributes, half of them
// server spans, half of them database calls; every fortieth has an exception event.
func serviceRequest() *tracepb.TracesData {
	g := newGen(1)
	ss := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "go.opentelemetry.io/contrib/otelhttp", Version: "0.65.0"}}
	for i := range benchSpans {
		s := &tracepb.Span{
			TraceId: g.id(16), SpanId: g.id(8), ParentSpanId: g.id(8), Flags: 0x101,
			StartTimeUnixNano: uint64(now + int64(i)*1000), EndTimeUnixNano: uint64(now + int64(i)*1000 + g.Int64N(1e8)),
		}
		if i%2 == 0 {
			s.Name, s.Kind = "GET /cart/{id}", tracepb.Span_SPAN_KIND_SERVER
			s.Attributes = []*commonpb.KeyValue{
				str("http.request.method", "GET"), num("http.response.status_code", 200), str("http.route", "/cart/{id}"),
				str("url.path", fmt.Sprintf("/cart/%d", g.IntN(1e6))), str("client.address", fmt.Sprintf("10.0.%d.%d", g.IntN(4), g.IntN(256))),
				str("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/150.0"), str("network.protocol.version", "1.1"),
				str("server.address", "cart"), num("server.port", 8080),
			}
		} else {
			s.Name, s.Kind = "SELECT items", tracepb.Span_SPAN_KIND_CLIENT
			s.Attributes = []*commonpb.KeyValue{
				str("db.system.name", "postgresql"), str("db.namespace", "shop"), str("db.operation.name", "SELECT"), str("db.collection.name", "items"),
				str("db.query.text", "SELECT id, sku, qty FROM items WHERE cart_id = $1"), str("server.address", "db-1"), num("server.port", 5432),
				num("db.response.returned_rows", int64(g.IntN(40))), str("network.peer.address", fmt.Sprintf("10.1.0.%d", g.IntN(8))),
			}
		}
		if i%40 == 0 {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "deadline exceeded"}
			s.Events = []*tracepb.Span_Event{{TimeUnixNano: s.EndTimeUnixNano, Name: "exception", Attributes: []*commonpb.KeyValue{
				str("exception.type", "*errors.errorString"), str("exception.message", "deadline exceeded")}}}
		}
		ss.Spans = append(ss.Spans, s)
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
			str("service.name", "cart"), str("service.version", "1.42.0"), str("host.name", "node-7"), str("deployment.environment.name", "prod")}},
		ScopeSpans: []*tracepb.ScopeSpans{ss},
	}}}
}

func BenchmarkDecodeTraces(b *testing.B) {
	td := serviceRequest()
	body, err := proto.Marshal(td)
	if err != nil {
		b.Fatal(err)
	}
	text := otlpJSON(b, td, protojson.MarshalOptions{})
	for _, form := range []struct {
		name string
		body []byte
		read func(*otlp.Decoder, *telemetry.Builder, []byte, int64, otlp.Limits) (otlp.Report, error)
	}{
		{"protobuf", body, (*otlp.Decoder).DecodeTraces},
		{"json", text, (*otlp.Decoder).DecodeTracesJSON},
	} {
		b.Run(form.name, func(b *testing.B) {
			builder := telemetry.NewBuilder()
			var d otlp.Decoder
			b.ReportAllocs()
			for b.Loop() {
				builder.Reset("t")
				if _, err := form.read(&d, builder, form.body, now, otlp.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
			b.ReportMetric(float64(len(form.body))/benchSpans, "B/span")
		})
	}
}

func BenchmarkAppendTraces(b *testing.B) {
	body, err := proto.Marshal(serviceRequest())
	if err != nil {
		b.Fatal(err)
	}
	batch, _ := decode(b, body)
	for _, form := range []struct {
		name  string
		write func([]byte, *telemetry.Batch) []byte
	}{{"protobuf", otlp.AppendTraces}, {"json", otlp.AppendTracesJSON}} {
		b.Run(form.name, func(b *testing.B) {
			var out []byte
			for b.Loop() {
				out = form.write(out[:0], batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
			b.ReportMetric(float64(len(out))/benchSpans, "B/span")
		})
	}
}
