package telemetry_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/telemetry"
)

// diverse fills b with n spans, of which every text but names is new, and some keys.
func diverse(b *telemetry.Builder, n, from int) {
	b.Reset("t")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	for i := range n {
		v := from + i
		row := b.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}, Start: int64(v)}, fmt.Append(nil, "step ", v%50))
		b.Spans.Col(telemetry.ScopeSpan, []byte("id"), telemetry.TypeString).AddText(row, fmt.Appendf(nil, "request-%09d", v))
		b.Spans.Col(telemetry.ScopeSpan, []byte("region"), telemetry.TypeString).AddText(row, fmt.Append(nil, "zone ", v%600))
		b.Spans.Col(telemetry.ScopeSpan, []byte("size"), telemetry.TypeInt).AddNum(row, uint64(v))
		b.Spans.AddRest(telemetry.ScopeSpan, row, telemetry.TypeString, fmt.Appendf(nil, "label.%06d", v), 0, fmt.Appendf(nil, "%08d", v))
		e := b.AddEvent(row, int64(v), []byte("event"))
		b.Events.Col(telemetry.ScopeEvent, []byte("n"), telemetry.TypeInt).AddNum(e, uint64(v))
		b.AddLink(row, telemetry.TraceID{1}, telemetry.SpanID{1}, 0)
	}
	b.Spans.SettleRest()
}

// sizes are the capacities that must not change while a reserved builder is filled.
func sizes(b *telemetry.Batch) []int {
	out := []int{cap(b.Spans.TraceID), cap(b.Spans.Seq), cap(b.Events.Time), cap(b.Links.TraceID)}
	for _, t := range b.Tables() {
		out = append(out, cap(t.Rest.Rows), cap(t.Rest.Keys.Data), cap(t.Rest.Keys.Offsets), cap(t.Rest.Texts.Data))
		for _, c := range t.Cols {
			out = append(out, cap(c.Rows), cap(c.Nums), cap(c.Codes), cap(c.Dict.Data), cap(c.Dict.Offsets))
		}
	}
	return out
}

// A builder for which memory was reserved takes rows like those before without
// growing, and holds what any other would.
func TestReserveLike(t *testing.T) {
	request, like, reserved, plain := telemetry.NewBuilder(), telemetry.NewBuilder(), telemetry.NewBuilder(), telemetry.NewBuilder()
	for _, b := range []*telemetry.Builder{like, reserved, plain} {
		b.Reset("t")
	}
	for i := range 2 {
		diverse(request, 512, 1000+i*512)
		like.Append(&request.Batch, 1, nil)
	}
	reserved.ReserveLike(telemetry.NewBuilder(), 100) // nothing to learn from
	reserved.ReserveLike(like, 4*512)
	if reserved.Batch.Bytes() != 0 || len(reserved.Batch.Spans.Cols) != 0 {
		t.Fatalf("a reserved batch is not empty: %d bytes, %d columns", reserved.Batch.Bytes(), len(reserved.Batch.Spans.Cols))
	}
	var before []int
	for i := range 4 {
		diverse(request, 512, 3000+i*512)
		reserved.Append(&request.Batch, 1, nil)
		plain.Append(&request.Batch, 1, nil)
		if i == 0 {
			before = sizes(&reserved.Batch)
		}
	}
	if diff := cmp.Diff(sizes(&reserved.Batch), before); diff != "" {
		t.Errorf("it has grown (−after +before):\n%s", diff)
	}
	if diff := cmp.Diff(reserved.Batch, plain.Batch); diff != "" {
		t.Errorf("reserved (−) and plain (+) differ:\n%.2000s", diff)
	}
}

// One span as heavy as a request may be says little about the thousands after it.
func TestReserveLikeAHeavyRow(t *testing.T) {
	heavy := telemetry.NewBuilder()
	heavy.Reset("t")
	heavy.Resources.AddRow()
	heavy.Scopes.AddRow()
	row := heavy.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}, Start: 1}, []byte("heavy"))
	for i := range 1000 {
		e := heavy.AddEvent(row, int64(i), []byte("event"))
		heavy.Events.Col(telemetry.ScopeEvent, []byte("stack"), telemetry.TypeString).AddText(e, fmt.Appendf(nil, "%015000d", i))
	}
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.ReserveLike(heavy, 65536)
	b.Append(&heavy.Batch, 1, nil)
	bytes := 8 * (cap(b.Batch.Events.Time) + cap(b.Batch.Spans.TraceID))
	for _, c := range b.Batch.Events.Cols {
		bytes += cap(c.Dict.Data) + 4*cap(c.Dict.Offsets) + 4*cap(c.Rows) + 4*cap(c.Codes)
	}
	if sent := int(heavy.Batch.Bytes()); bytes > 3*sent {
		t.Errorf("%d bytes are reserved for one row of %d", bytes, sent)
	}
	// 2,000 rows of 16 kB: 64 MB after them would be over the bound.
	many := telemetry.NewBuilder()
	many.Reset("t")
	many.Resources.AddRow()
	many.Scopes.AddRow()
	for i := range 2000 {
		row := many.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}, Start: 1}, []byte("x"))
		many.Spans.Col(telemetry.ScopeSpan, []byte("stack"), telemetry.TypeString).AddText(row, fmt.Appendf(nil, "%016000d", i))
	}
	b = telemetry.NewBuilder()
	b.Reset("t")
	b.ReserveLike(many, 65536)
	b.Spans.Col(telemetry.ScopeSpan, []byte("stack"), telemetry.TypeString).AddText(b.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{1}}, []byte("x")), []byte("1"))
	if n := cap(b.Batch.Spans.Cols[0].Dict.Data); n < 16<<20 || n > 36<<20 {
		t.Errorf("%d MiB are reserved, want about 32", n>>20)
	}
}
