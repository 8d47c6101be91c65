package segment_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
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

// Two texts that lie side by side in a dictionary can be valid together and each
// alone be none.
func TestDividedRune(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t1")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	texts := []string{"a\xc3", "\xa9b", "é"}
	for i, v := range texts {
		at := b.AddSpan(telemetry.Span{TraceID: traceID(1), SpanID: telemetry.SpanID{byte(i + 1)}}, []byte("op"))
		b.Spans.Col(telemetry.ScopeSpan, []byte("rare"), telemetry.TypeString).AddText(at, []byte(v))
		b.Events.Col(telemetry.ScopeEvent, []byte("k"), telemetry.TypeString).AddText(b.AddEvent(at, 1, []byte(v)), []byte("whole"))
	}
	s, st := write(t, filepath.Join(t.TempDir(), "seg"), []*telemetry.Batch{&b.Batch})
	if st.MendedTexts != 4 {
		t.Errorf("%d texts were mended; want 2 names and 2 values", st.MendedTexts)
	}
	got, err := s.ReadRows(0, len(texts))
	if err != nil {
		t.Fatal(err)
	}
	text := got.Spans.Find(telemetry.ScopeSpan, "rare", telemetry.TypeString)
	for i, want := range []string{"a\ufffd", "\ufffdb", "é"} {
		if value, name := text.Dict.Str(text.Codes[i]), got.Events.Names.Str(got.Events.Name[i]); value != want || name != want {
			t.Errorf("row %d has value %q and name %q; want %q", i, value, name, want)
		}
	}
}

// Rows are in order of trace ids whatever their first halves are, in which they are
// sorted before anything else.
func TestOrderOfIDs(t *testing.T) {
	const n = 4000
	for name, hi := range map[string]func(i uint64) uint64{
		"one":       func(uint64) uint64 { return 7 },
		"random":    func(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 },
		"ascending": func(i uint64) uint64 { return i / 3 },
		"by time":   func(i uint64) uint64 { return 0x5f000000<<32 | i%9<<32 | i*0x9e3779b97f4a7c15>>32 },
		"extremes":  func(i uint64) uint64 { return -(i % 2) ^ i/2%3 },
		"one apart": func(i uint64) uint64 { return 1<<63 ^ -min(i, 1)>>1 },
	} {
		b := telemetry.NewBuilder()
		b.Reset("t1")
		b.Resources.AddRow()
		b.Scopes.AddRow()
		var want []telemetry.TraceID
		for i := range uint64(n) {
			var id telemetry.TraceID
			binary.BigEndian.PutUint64(id[:], hi(i))
			binary.BigEndian.PutUint64(id[8:], n-i)
			b.AddSpan(telemetry.Span{TraceID: id, SpanID: telemetry.SpanID{1}}, []byte("op"))
			want = append(want, id)
		}
		slices.SortFunc(want, func(a, b telemetry.TraceID) int { return bytes.Compare(a[:], b[:]) })
		s, _ := write(t, filepath.Join(t.TempDir(), "seg"), []*telemetry.Batch{&b.Batch})
		got, err := s.ReadRows(0, n)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Spans.TraceID, want) {
			t.Errorf("ids that are %s: rows are not in order", name)
		}
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
