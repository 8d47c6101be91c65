package otlp_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

func decodeAll(t *testing.T, body []byte, spans int) *telemetry.Batch {
	t.Helper()
	b := telemetry.NewBuilder()
	b.Reset("t")
	var d otlp.Decoder
	report, err := d.DecodeTraces(b, body, now, otlp.Limits{})
	if err != nil || report != (otlp.Report{Spans: spans}) {
		t.Fatalf("%d spans: %+v, %v", spans, report, err)
	}
	return &b.Batch
}

// Keys that one span of a request has are told from those that more have, on both
// sides of the bound, and either way nothing is lost.
func TestSeldomKeys(t *testing.T) {
	for _, n := range []int{63, 64, 100} {
		var spans []*tracepb.Span
		for i := range n {
			s := sound()
			s.SpanId = []byte{1, 2, 3, 4, 5, 6, 7, byte(i)}
			s.Attributes = []*commonpb.KeyValue{num("every", int64(i)), str(fmt.Sprint("own", i), fmt.Sprint("value ", i))}
			spans = append(spans, s)
		}
		body, err := proto.Marshal(wrap(spans...))
		if err != nil {
			t.Fatal(err)
		}
		b := decodeAll(t, body, n)
		rest, cols := n, 1
		if n < 64 {
			rest, cols = 0, n+1
		}
		if len(b.Spans.Cols) != cols || b.Spans.Rest.Len() != rest {
			t.Errorf("%d spans: %d columns and %d values in the rest, want %d and %d", n, len(b.Spans.Cols), b.Spans.Rest.Len(), cols, rest)
		}
		for i := range n {
			c := b.Spans.Find(telemetry.ScopeSpan, fmt.Sprint("own", i), telemetry.TypeString)
			if c == nil || len(c.Rows) != 1 || int(c.Rows[0]) != i || c.Dict.Str(c.Codes[0]) != fmt.Sprint("value ", i) {
				t.Fatalf("%d spans: the value of span %d is gone", n, i)
			}
		}
		again := decodeAll(t, otlp.AppendTraces(nil, b), n)
		if diff := cmp.Diff(ofBatch(again), ofBatch(b)); diff != "" {
			t.Errorf("%d spans: written and read again (−got +want):\n%s", n, diff)
		}
	}
}
