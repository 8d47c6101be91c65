package telemetry_test

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/telemetry"
)

func TestRecordsReadBack(t *testing.T) {
	for seed := range uint64(60) {
		b := batch(seed, int(seed))
		b.Tenant = strings.Repeat("x", int(seed))
		record := telemetry.AppendRecord([]byte("before"), b, math.MaxInt64-int64(seed))[len("before"):]
		kept := bytes.Clone(record)
		got, seq, err := telemetry.DecodeRecord(record)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		clear(record) // the batch must not alias it
		if seq != math.MaxInt64-int64(seed) || got.Tenant != b.Tenant {
			t.Errorf("seed %d: seq %d, tenant %q", seed, seq, got.Tenant)
		}
		if diff := cmp.Diff(dump(got), withSeq(b, seq)); diff != "" {
			t.Fatalf("seed %d (−got +want):\n%.3000s", seed, diff)
		}
		if again := telemetry.AppendRecord(nil, got, seq); !bytes.Equal(again, kept) {
			t.Errorf("seed %d: the record of the decoded batch differs", seed)
		}
	}
}

// TestRecordGolden pins version 1: a log that is on disk must be read by every later clew.
func TestRecordGolden(t *testing.T) {
	b := telemetry.NewBuilder()
	b.Reset("t1")
	b.Resources.Col(telemetry.ScopeResource, []byte("service.name"), telemetry.TypeString).AddText(b.Resources.AddRow(), []byte("cart"))
	row := b.AddSpan(telemetry.Span{
		TraceID: telemetry.TraceID{1, 15: 2}, SpanID: telemetry.SpanID{3, 7: 4}, Parent: telemetry.SpanID{5}, Start: 1000, Duration: -1,
		Kind: telemetry.KindServer, Status: telemetry.StatusError, Flags: 0x101, Marks: telemetry.MarkTruncated, Scope: b.Scopes.AddRow(),
	}, []byte("GET"))
	b.Spans.Col(telemetry.ScopeSpan, []byte("d"), telemetry.TypeDouble).AddNum(row, math.Float64bits(0.5))
	b.Spans.Col(telemetry.ScopeSpan, []byte("i"), telemetry.TypeInt).AddNum(row, math.MaxUint64)
	b.AddEvent(row, 1001, []byte("e"))
	b.AddLink(row, telemetry.TraceID{6}, telemetry.SpanID{7}, 1)
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	want := strings.Join([]string{
		"\x01", "\x02t1", "\x0e", // version, tenant, seq 7
		"\x01",                      // spans
		"\x01" + zeros(14) + "\x02", // trace ids
		"\x03" + zeros(6) + "\x04",  // span ids
		"\x05" + zeros(7),           // parents
		"\xd0\x0f", "\x01",          // starts, durations
		"\x02\x02\x02",             // kinds, statuses, marks
		"\x81\x02", "\x00", "\x00", // flags, resources, scopes
		"\x00", "\x01\x03\x03GET", // names and their dictionary: entries, lengths, bytes
		"\x01", "\x00", "\xd2\x0f", "\x00", "\x01\x01\x01e", // events
		"\x01", "\x00", "\x06" + zeros(15), "\x07" + zeros(7), "\x01", // links
		"\x01", "\x01", // rows of resources and scopes
		"\x02", "sd\x01d\x01\x00" + zeros(6) + "\xe0\x3f", "si\x01i\x01\x00\x01", // columns of spans
		"\x00", "\x00", // columns of events and links
		"\x01", "rs\x0cservice.name\x01\x00\x00\x01\x04\x04cart", // columns of resources
		"\x00", // columns of scopes
	}, "")
	got := telemetry.AppendRecord(nil, &b.Batch, 7)
	if diff := cmp.Diff(got, []byte(want)); diff != "" {
		t.Errorf("record (−got +want):\n%s", diff)
	}
}

func TestBrokenRecords(t *testing.T) {
	record := telemetry.AppendRecord(nil, batch(3, 5), 1)
	for n := range record {
		if _, _, err := telemetry.DecodeRecord(record[:n]); err == nil {
			t.Fatalf("%d of %d bytes are read as a record", n, len(record))
		}
	}
	if _, _, err := telemetry.DecodeRecord(append(bytes.Clone(record), 0)); err == nil || !strings.Contains(err.Error(), "1 bytes after the end") {
		t.Errorf("a byte after the end: %v", err)
	}
	record[0] = 2
	if _, _, err := telemetry.DecodeRecord(record); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("version 2: %v", err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for seed := range uint64(8) {
		record := telemetry.AppendRecord(nil, batch(seed, int(seed)*2), int64(seed))
		f.Add(record)
		for i := 0; i < len(record); i += 61 {
			bent := bytes.Clone(record)
			bent[i] ^= 0x81
			f.Add(bent)
		}
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b, seq, err := telemetry.DecodeRecord(record)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(64*len(record)+1<<20) {
			t.Fatalf("%d bytes of record took %d bytes", len(record), spent)
		}
		if err != nil {
			return
		}
		if b.Resources.N < 1000 && b.Scopes.N < 1000 {
			dump(b) // every row number and code is within its table
		}
		again, seq2, err := telemetry.DecodeRecord(telemetry.AppendRecord(nil, b, seq))
		if err != nil || seq2 != seq {
			t.Fatalf("again: seq %d, want %d; %v", seq2, seq, err)
		}
		if again.Spans.N != b.Spans.N || again.Bytes() != b.Bytes() {
			t.Fatalf("again: %d spans in %d bytes, want %d in %d", again.Spans.N, again.Bytes(), b.Spans.N, b.Bytes())
		}
	})
}
