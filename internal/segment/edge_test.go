package segment_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// A text that DuckDB would refuse the file for is mended and counted; bytes stay.
func TestInvalidUTF8(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t1")
	row := b.Resources.AddRow()
	b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(row, []byte("svc\xff"))
	b.Scopes.AddRow()
	for i := range 3 {
		at := b.AddSpan(telemetry.Span{TraceID: traceID(1), SpanID: telemetry.SpanID{byte(i + 1)}}, []byte("op\xfe"))
		b.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeString).AddText(at, []byte("\xc3"))
		b.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeBytes).AddText(at, []byte("\xc3"))
	}
	s, st := write(t, filepath.Join(t.TempDir(), "seg"), []*telemetry.Batch{&b.Batch})
	if st.MendedTexts == 0 {
		t.Error("nothing was counted")
	}
	got, err := s.ReadRows(0, 3)
	if err != nil {
		t.Fatal(err)
	}
	text := got.Spans.Find(telemetry.ScopeSpan, "k", telemetry.TypeString)
	raw := got.Spans.Find(telemetry.ScopeSpan, "k", telemetry.TypeBytes)
	if a, b, c := got.Spans.Names.Str(got.Spans.Name[0]), text.Dict.Str(text.Codes[0]), raw.Dict.Str(raw.Codes[0]); a != "op\ufffd" || b != "\ufffd" || c != "\xc3" {
		t.Errorf("name %q, text %q, bytes %q", a, b, c)
	}
	if got := fmt.Sprint(s.Meta().Services); got != "[svc\ufffd]" {
		t.Errorf("services %s", got)
	}
}

// A sender that repeats one span id with ever new content costs no more than
// the rows: a comparison of each with each would take hours.
func TestManyRecordsUnderOneID(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t1")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	const n = 60_000
	for i := range n {
		b.AddSpan(telemetry.Span{TraceID: traceID(1), SpanID: telemetry.SpanID{1}, Duration: int64(i / 2)}, []byte("op"))
	}
	_, st := write(t, filepath.Join(t.TempDir(), "seg"), []*telemetry.Batch{&b.Batch})
	if st.RowsOut != n/2 || st.Duplicates != n/2 || st.Collisions != n/2 {
		t.Errorf("%+v", st)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	a, b := randomBatches(shapes["one row"], 1)[0], randomBatches(shapes["one row"], 1)[0]
	b.Tenant = "t2"
	if _, _, err := segment.Write(wal.OS, filepath.Join(dir, "w"), []*telemetry.Batch{a, b}, segment.Options{}); err == nil || !strings.Contains(err.Error(), `tenants "t1" and "t2"`) {
		t.Errorf("Write of two tenants: %v", err)
	}
	sa, _ := write(t, filepath.Join(dir, "a"), []*telemetry.Batch{a})
	sb, _ := write(t, filepath.Join(dir, "b"), []*telemetry.Batch{b})
	if _, _, err := segment.Merge(wal.OS, filepath.Join(dir, "m"), []*segment.Segment{sa, sb}, segment.Options{}); err == nil || !strings.Contains(err.Error(), `tenants "t1" and "t2"`) {
		t.Errorf("Merge of two tenants: %v", err)
	}
	if _, _, err := segment.Write(wal.OS, filepath.Join(dir, "a"), []*telemetry.Batch{a}, segment.Options{}); err == nil {
		t.Error("Write over a segment that is there")
	}
	if _, err := sa.ReadRows(0, 2); telemetry.KindOf(err) != telemetry.KindInvalid {
		t.Errorf("rows beyond the end: %v", err)
	}
	if err := sa.Verify(segment.TableSpans, "nme"); telemetry.KindOf(err) != telemetry.KindInvalid {
		t.Errorf("Verify of an unknown column: %v", err)
	}
	long := telemetry.NewBuilder()
	long.Reset("t1")
	long.Resources.AddRow()
	long.Scopes.AddRow()
	at := long.AddSpan(telemetry.Span{TraceID: traceID(1), SpanID: telemetry.SpanID{1}}, []byte("op"))
	long.Spans.Col(telemetry.ScopeSpan, []byte("k"), telemetry.TypeBytes).AddText(at, make([]byte, 16<<20+1))
	if _, _, err := segment.Write(wal.OS, filepath.Join(dir, "long"), []*telemetry.Batch{&long.Batch}, segment.Options{}); telemetry.KindOf(err) != telemetry.KindInvalid || !strings.Contains(err.Error(), "16777217 bytes") {
		t.Errorf("a text over the limit: %v", err)
	}
}
