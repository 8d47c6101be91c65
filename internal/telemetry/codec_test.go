package telemetry_test

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/telemetry"
)

func TestRecordsReadBack(t *testing.T) {
	for seed := range uint64(60) {
		b := loose(seed, int(seed))
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

// TestRecordGolden pins versions 1 and 2: a log that is on disk must be read by every later clew.
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
	record := func(version string, rest ...string) string {
		return strings.Join([]string{
			version, "\x02t1", "\x0e", // version, tenant, seq 7
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
			"\x02", "sd\x01d\x01\x00" + zeros(6) + "\xe0\x3f", "si\x01i\x01\x00\x01", rest[0], // columns of spans
			"\x00", rest[1], "\x00", rest[1], // columns of events and links
			"\x01", "rs\x0cservice.name\x01\x00\x00\x01\x04\x04cart", rest[1], // columns of resources
			"\x00", rest[1], // columns of scopes
		}, "")
	}
	rest := "\x04" + "s" + "\x00\x00\x00\x00" + "isdv" + "\x04\x01\x01\x00\x01\x03kld" + "\x02\x01\x02\x03xyz" + "\x05" + zeros(6) + "\xf0\xbf"
	forms := []string{record("\x01", "", ""), record("\x02", "\x00", "\x00"), record("\x02", rest, "\x00")}
	for i, want := range forms {
		version := i + 1 // the third is version 2 as well, with a rest
		if version == 3 {
			r := &b.Batch.Spans.Rest
			r.Scope = telemetry.ScopeSpan
			r.Add(row, telemetry.TypeInt, []byte("k"), math.MaxUint64-2, nil)
			r.Add(row, telemetry.TypeString, []byte("l"), 0, []byte("x"))
			r.Add(row, telemetry.TypeDouble, nil, math.Float64bits(-1), nil)
			r.Add(row, telemetry.TypeValue, []byte("d"), 0, []byte("yz"))
		}
		got, seq, err := telemetry.DecodeRecord([]byte(want))
		if err != nil || seq != 7 {
			t.Fatalf("form %d: seq %d, %v", version, seq, err)
		}
		if diff := cmp.Diff(dump(got), withSeq(&b.Batch, 7)); diff != "" {
			t.Errorf("form %d (−got +want):\n%s", version, diff)
		}
		if version == 1 {
			continue
		}
		if diff := cmp.Diff(telemetry.AppendRecord(nil, &b.Batch, 7), []byte(want)); diff != "" {
			t.Errorf("form %d (−got +want):\n%s", version, diff)
		}
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
	for _, version := range []byte{0, 3} {
		record[0] = version
		if _, _, err := telemetry.DecodeRecord(record); err == nil || !strings.Contains(err.Error(), fmt.Sprint("version ", version)) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// A row has a key with a type once, and what the parts of a rest say of each other agrees.
func TestBrokenRests(t *testing.T) {
	whole := func(bend func(s *telemetry.Spans)) error {
		b := telemetry.NewBuilder()
		b.Reset("t")
		for range 2 {
			b.AddSpan(telemetry.Span{Resource: b.Resources.AddRow(), Scope: b.Scopes.AddRow()}, nil)
		}
		b.Spans.Col(telemetry.ScopeSpan, []byte("col"), telemetry.TypeInt).AddNum(0, 1)
		r := &b.Batch.Spans.Rest
		r.Scope = telemetry.ScopeSpan
		r.Add(0, telemetry.TypeInt, []byte("k"), 1, nil)
		r.Add(0, telemetry.TypeString, []byte("k"), 0, []byte("v"))
		r.Add(1, telemetry.TypeInt, []byte("k"), 1, nil)
		bend(&b.Batch.Spans)
		_, _, err := telemetry.DecodeRecord(telemetry.AppendRecord(nil, &b.Batch, 1))
		return err
	}
	if err := whole(func(*telemetry.Spans) {}); err != nil {
		t.Error(err)
	}
	for want, bend := range map[string]func(s *telemetry.Spans){
		`key "k" has two values in row 0`:   func(s *telemetry.Spans) { s.Rest.Rows[2] = 0 },
		`key "col" has two values in row 1`: func(s *telemetry.Spans) { s.Rest.Add(1, telemetry.TypeInt, []byte("col"), 1, nil) },
		"row 2 of 2":                        func(s *telemetry.Spans) { s.Rest.Rows[2] = 2 },
		"unknown type 'q'":                  func(s *telemetry.Spans) { s.Rest.Types[0] = 'q' },
		"4 keys and 1 texts for 3 values":   func(s *telemetry.Spans) { s.Rest.Keys.Append(nil) },
		"3 keys and 2 texts for 3 values":   func(s *telemetry.Spans) { s.Rest.Texts.Append(nil) },
	} {
		if err := whole(bend); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for seed := range uint64(8) {
		record := telemetry.AppendRecord(nil, loose(seed, int(seed)*2), int64(seed))
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
