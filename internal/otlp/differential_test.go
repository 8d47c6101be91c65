package otlp_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// randomRequests is the number of random requests that each differential test compares.
const randomRequests = 150

func compare(t *testing.T, seed uint64, what string, got, want []modelSpan) {
	t.Helper()
	if diff := cmp.Diff(got, want, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("seed %d: %s differs (−got +want):\n%.4000s", seed, what, diff)
	}
}

// bySpanID makes the order of two lists of spans the same: encoding groups by resource and scope.
func bySpanID(a, b modelSpan) bool { return a.Trace+a.ID < b.Trace+b.ID }

func TestDecodeAgreesWithGeneratedTypes(t *testing.T) {
	b := telemetry.NewBuilder()
	var d otlp.Decoder
	spans := 0
	for seed := range uint64(randomRequests) {
		td := newGen(seed).request()
		body, err := proto.Marshal(td)
		if err != nil {
			t.Fatal(err)
		}
		b.Reset("t")
		report, err := d.DecodeTraces(b, body, now, otlp.Limits{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want := ofMessage(td)
		if report.Spans != len(want) || report.RejectedSpans != 0 {
			t.Fatalf("seed %d: report %+v, want %d spans", seed, report, len(want))
		}
		compare(t, seed, "the batch", ofBatch(&b.Batch), want)
		spans += len(want)

		back := &tracepb.TracesData{}
		encoded := otlp.AppendTraces([]byte("before"), &b.Batch)
		if err := proto.Unmarshal(encoded[len("before"):], back); err != nil {
			t.Fatalf("seed %d: what AppendTraces writes: %v", seed, err)
		}
		got := ofMessage(back)
		if diff := cmp.Diff(got, want, cmpopts.EquateEmpty(), cmpopts.SortSlices(bySpanID)); diff != "" {
			t.Fatalf("seed %d: encoded differs (−got +want):\n%.4000s", seed, diff)
		}
	}
	if spans < 1000 {
		t.Fatalf("only %d spans were compared", spans)
	}
}

// otlpJSON writes the JSON form of OTLP with protojson, whose ids are base64.
func otlpJSON(t testing.TB, td *tracepb.TracesData, opts protojson.MarshalOptions) []byte {
	t.Helper()
	text, err := opts.Marshal(td)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	recode(tree, func(id string) string {
		raw, err := base64.StdEncoding.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(raw)
	})
	text, err = json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func recode(tree any, id func(string) string) {
	switch v := tree.(type) {
	case []any:
		for _, e := range v {
			recode(e, id)
		}
	case map[string]any:
		for k, e := range v {
			switch k {
			case "traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id":
				v[k] = id(e.(string))
			default:
				recode(e, id)
			}
		}
	}
}

func TestDecodeJSONAgreesWithProtojson(t *testing.T) {
	b := telemetry.NewBuilder()
	var d otlp.Decoder
	for seed := range uint64(randomRequests) {
		td := newGen(seed).request()
		opts := protojson.MarshalOptions{UseEnumNumbers: seed%2 == 0, UseProtoNames: seed%3 == 0, EmitUnpopulated: seed%5 == 0, Multiline: seed%7 == 0}
		body := otlpJSON(t, td, opts)
		b.Reset("t")
		if _, err := d.DecodeTracesJSON(b, body, now, otlp.Limits{}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		compare(t, seed, "the batch", ofBatch(&b.Batch), ofMessage(td))

		encoded := otlp.AppendTracesJSON(nil, &b.Batch)
		var tree any
		if err := json.Unmarshal(encoded, &tree); err != nil {
			t.Fatalf("seed %d: what AppendTracesJSON writes: %v\n%.2000s", seed, err, encoded)
		}
		recode(tree, func(id string) string {
			raw, err := hex.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			return base64.StdEncoding.EncodeToString(raw)
		})
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		back := &tracepb.TracesData{}
		if err := protojson.Unmarshal(text, back); err != nil {
			t.Fatalf("seed %d: %v\n%.2000s", seed, err, text)
		}
		if diff := cmp.Diff(ofMessage(back), ofMessage(td), cmpopts.EquateEmpty(), cmpopts.SortSlices(bySpanID)); diff != "" {
			t.Fatalf("seed %d: encoded differs (−got +want):\n%.4000s", seed, diff)
		}
	}
}

func TestEncodeGroupsAndKeepsOrder(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t")
	for _, name := range []string{"r0", "r1"} {
		row := b.Resources.AddRow()
		b.Resources.Col(telemetry.ScopeResource, []byte("service.name"), telemetry.TypeString).AddText(row, []byte(name))
		row = b.Scopes.AddRow()
		b.Scopes.Col(telemetry.ScopeIntrinsic, []byte(telemetry.KeyScopeName), telemetry.TypeString).AddText(row, []byte("lib-"+name))
	}
	for i, at := range [][2]uint32{{0, 0}, {1, 1}, {0, 1}, {0, 0}, {1, 1}, {1, 0}} {
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{1}, SpanID: telemetry.SpanID{byte(i + 1)}, Start: now, Resource: at[0], Scope: at[1]}, []byte{'0' + byte(i)})
	}
	back := &tracepb.TracesData{}
	if err := proto.Unmarshal(otlp.AppendTraces(nil, &b.Batch), back); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rs := range back.ResourceSpans {
		line := rs.Resource.Attributes[0].Value.GetStringValue()
		for _, ss := range rs.ScopeSpans {
			line += " " + ss.Scope.Name + ":"
			for _, s := range ss.Spans {
				line += s.Name
			}
		}
		got = append(got, line)
	}
	want := []string{"r0 lib-r0:03 lib-r1:2", "r1 lib-r1:14 lib-r0:5"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("groups (−got +want):\n%s", diff)
	}
}
