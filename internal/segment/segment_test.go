package segment_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

var shapes = map[string]shape{
	"empty":        {spans: 0, traces: 1, seed: 1},
	"one row":      {spans: 1, traces: 1, keys: 6, fill: 1, distinct: 9, children: true, seed: 2},
	"small":        {spans: 300, traces: 20, keys: 12, fill: 0.6, distinct: 30, children: true, seed: 3},
	"no attribute": {spans: 2000, traces: 50, seed: 4},
	"wide":         {spans: 1500, traces: 90, keys: 300, fill: 0.4, distinct: 1 << 40, seed: 5},
	"all distinct": {spans: 5000, traces: 5000, keys: 12, fill: 0.8, distinct: 1 << 60, seed: 6},
	"one trace":    {spans: 9000, traces: 1, keys: 7, fill: 0.5, distinct: 100, children: true, seed: 7},
	"long texts":   {spans: 3000, traces: 100, keys: 2, fill: 0.9, distinct: 50, long: 70_000, seed: 8},
	"pages":        {spans: 30_000, traces: 2500, keys: 8, fill: 0.5, distinct: 3000, children: true, seed: 9},
}

func compareToModel(t *testing.T, got []record, model []record) {
	t.Helper()
	for i := 1; i < len(got); i++ {
		a, b := got[i-1], got[i]
		a.content, b.content = "", ""
		if compareRecords(a, b) > 0 {
			t.Fatalf("row %d is out of order", i)
		}
	}
	got = slices.Clone(got)
	slices.SortFunc(got, compareRecords)
	requireEqual(t, "stored rows differ from the model", got, model)
}

// requireEqual shows the first difference only: a diff of many long rows takes minutes.
func requireEqual[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: row %d is\n%+v\nwant\n%+v", what, i, got[i], want[i])
		}
	}
}

func write(t testing.TB, dir string, batches []*telemetry.Batch) (*segment.Segment, segment.Stats) {
	t.Helper()
	m, st, err := segment.Write(wal.OS, dir, batches, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return reopen(t, dir, m), st
}

// reopen opens a segment by its description as it comes back from the manifest.
func reopen(t testing.TB, dir string, m *segment.Meta) *segment.Segment {
	t.Helper()
	parsed, err := segment.ParseMeta(segment.AppendMeta(nil, m))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, parsed); diff != "" {
		t.Fatalf("description differs after a round trip:\n%s", diff)
	}
	s, err := segment.Open(wal.OS, dir, parsed, segment.Options{Cache: segment.NewCache(0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func readAll(t testing.TB, s *segment.Segment) []record {
	t.Helper()
	b, err := s.ReadRows(0, s.Meta().Rows)
	if err != nil {
		t.Fatal(err)
	}
	return records(b)
}

// Write, ReadRows, Trace and TracePart agree with a model of maps and slices.
func TestWriteReadsBack(t *testing.T) {
	for name, sh := range shapes {
		t.Run(name, func(t *testing.T) {
			batches := randomBatches(sh, 5)
			model := want(batches)
			s, st := write(t, filepath.Join(t.TempDir(), "seg"), batches)
			if err := s.VerifyAll(); err != nil {
				t.Fatal(err)
			}
			compareToModel(t, readAll(t, s), model)
			in := 0
			for _, b := range batches {
				in += b.Spans.N
			}
			if st.RowsIn != in || st.RowsOut != len(model) || st.RowsIn != st.RowsOut+st.Duplicates || s.Meta().Rows != len(model) {
				t.Errorf("stats %+v for %d rows in, %d out", st, in, len(model))
			}
			checkTraces(t, s, model)
			whole := readAll(t, s)
			for lo := 0; lo < len(model); lo += len(model)/7 + 1 {
				hi := min(lo+len(model)/7+1, len(model))
				b, err := s.ReadRows(lo, hi)
				if err != nil {
					t.Fatal(err)
				}
				requireEqual(t, fmt.Sprintf("rows from %d on", lo), records(b), whole[lo:hi])
			}
		})
	}
}

func checkTraces(t *testing.T, s *segment.Segment, model []record) {
	t.Helper()
	step := max(1, len(model)/200)
	var ids []telemetry.TraceID
	for i := 0; i < len(model); i += step {
		id := model[i].trace
		if slices.Contains(ids, id) {
			continue
		}
		ids = append(ids, id)
		b, err := s.Trace(id)
		if err != nil || b == nil {
			t.Fatalf("trace %s: %v, %v", id, b, err)
		}
		lo := sort.Search(len(model), func(i int) bool { return bytes.Compare(model[i].trace[:], id[:]) >= 0 })
		hi := lo
		for hi < len(model) && model[hi].trace == id {
			hi++
		}
		compareToModel(t, records(b), model[lo:hi])
	}
	for n := range 200 {
		id := traceID(uint64(n) + 1<<40)
		if b, err := s.Trace(id); b != nil || err != nil {
			t.Fatalf("trace %s that is not there: %v, %v", id, b, err)
		}
	}
	for _, id := range ids {
		checkPart(t, s, id)
	}
}

// checkPart reads a trace with every second of its attributes, and without events
// or links, and compares it with the whole of which the rest was taken away.
func checkPart(t *testing.T, s *segment.Segment, id telemetry.TraceID) {
	t.Helper()
	for _, w := range []segment.Want{{}, {Events: true}, {Links: true}, {Events: true, Links: true}} {
		for n, c := range s.Meta().Columns {
			if n%2 == 0 {
				w.Attributes = append(w.Attributes, segment.Attribute{Scope: c.Scope, Key: c.Key})
			}
		}
		whole, err := s.Trace(id)
		if err != nil {
			t.Fatal(err)
		}
		part, err := s.TracePart(id, &w)
		if err != nil {
			t.Fatal(err)
		}
		clear(whole.Spans.Flags)
		clear(whole.Spans.Marks)
		if !w.Events {
			whole.Events = telemetry.Events{}
		}
		if !w.Links {
			whole.Links = telemetry.Links{}
		}
		for _, table := range []*telemetry.Table{&whole.Spans.Table, &whole.Events.Table, &whole.Links.Table} {
			table.Cols = slices.DeleteFunc(table.Cols, func(c *telemetry.Column) bool {
				return !slices.Contains(w.Attributes, segment.Attribute{Scope: c.Scope, Key: c.Key})
			})
		}
		requireEqual(t, fmt.Sprintf("part of trace %s", id), records(part), records(whole))
	}
}

// Merge of segments is Write of all their batches.
func TestMergeEqualsWrite(t *testing.T) {
	for name, sh := range shapes {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			batches := randomBatches(sh, 6)
			model := want(batches)
			var segs []*segment.Segment
			for i := 0; i < len(batches); i += 2 {
				s, _ := write(t, filepath.Join(dir, fmt.Sprint(i)), batches[i:i+2])
				segs = append(segs, s)
			}
			m, st, err := segment.Merge(wal.OS, filepath.Join(dir, "merged"), segs, segment.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s := reopen(t, filepath.Join(dir, "merged"), m)
			if err := s.VerifyAll(); err != nil {
				t.Fatal(err)
			}
			compareToModel(t, readAll(t, s), model)
			checkTraces(t, s, model)
			if st.RowsOut != len(model) || st.RowsIn != st.RowsOut+st.Duplicates {
				t.Errorf("stats %+v for %d rows", st, len(model))
			}
			direct, _ := write(t, filepath.Join(dir, "direct"), batches)
			a, b := *direct.Meta(), *m
			// Where values lie differs; what the segment says of them does not.
			a.Files, b.Files, a.Bytes, b.Bytes = nil, nil, 0, 0
			for _, m := range []*segment.Meta{&a, &b} {
				m.Columns = slices.Clone(m.Columns)
				for i := range m.Columns {
					m.Columns[i].Name, m.Columns[i].Rare = "", false
				}
				slices.SortFunc(m.Columns, func(a, b segment.ColumnInfo) int { return strings.Compare(columnKey(a), columnKey(b)) })
			}
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("description of the merge (-write +merge):\n%s", diff)
			}
		})
	}
}

func columnKey(c segment.ColumnInfo) string {
	return fmt.Sprintf("%c%c%c%s", c.Table, c.Scope, c.Type, c.Key)
}

// A merge goes by ranges of trace ids; rows beyond one range prove it.
func TestMergeBeyondOneRange(t *testing.T) {
	dir := t.TempDir()
	var segs []*segment.Segment
	var batches []*telemetry.Batch
	for i := range 3 {
		b := randomBatches(shape{spans: 120_000, traces: 9000, keys: 3, fill: 0.5, distinct: 500, seed: 77 + uint64(i%2)}, 2)
		s, _ := write(t, filepath.Join(dir, fmt.Sprint(i)), b)
		segs, batches = append(segs, s), append(batches, b...)
	}
	m, st, err := segment.Merge(wal.OS, filepath.Join(dir, "merged"), segs, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	model := want(batches)
	s := reopen(t, filepath.Join(dir, "merged"), m)
	compareToModel(t, readAll(t, s), model)
	if st.Duplicates < 100_000 {
		t.Errorf("%d duplicates where a segment is there twice", st.Duplicates)
	}
}
