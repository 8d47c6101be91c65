package segment_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// What a scan reads block by block is what the rows are when they are read whole,
// in one call or in several for the same block.
func TestScan(t *testing.T) {
	for name, batches := range map[string][]*telemetry.Batch{
		"fleet": fleet(7000, 3), // two row groups
		"names": randomBatches(shape{spans: 9000, traces: 900, keys: 6, fill: 0.5, distinct: 9000, seed: 5}, 1),
		"small": randomBatches(shape{spans: 300, traces: 200, keys: 3, fill: 0.4, distinct: 9, seed: 4}, 2),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := write(t, filepath.Join(t.TempDir(), "seg"), batches)
			x, err := s.Scan()
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			if x.Groups() != s.Meta().RowGroups() {
				t.Errorf("%d row groups, and %d by the description", x.Groups(), s.Meta().RowGroups())
			}
			next, b := 0, &telemetry.Batch{}
			for g := range x.Groups() {
				rows := x.Group(g)
				if rows.Lo != next {
					t.Fatalf("row group %d begins at %d, want %d", g, rows.Lo, next)
				}
				for lo := rows.Lo; lo < rows.Hi; lo += segment.ScanRows {
					checkScan(t, s, x, b, g, segment.Rows{Lo: lo, Hi: min(lo+segment.ScanRows, rows.Hi)})
				}
				checkScan(t, s, x, b, g, segment.Rows{Lo: rows.Lo + 7, Hi: min(rows.Lo+1234, rows.Hi)})
				next = rows.Hi
			}
			if next != s.Meta().Rows {
				t.Errorf("%d rows in the row groups, want %d", next, s.Meta().Rows)
			}
		})
	}
}

func checkScan(t *testing.T, s *segment.Segment, x *segment.Scan, b *telemetry.Batch, group int, rows segment.Rows) {
	t.Helper()
	whole, err := s.ReadRows(rows.Lo, rows.Hi)
	if err != nil {
		t.Fatal(err)
	}
	var columns []int
	for n, c := range s.Meta().Columns {
		if c.Table == segment.TableSpans && !c.Rare && len(columns) < 3 {
			columns = append(columns, n)
		}
	}
	for _, f := range []segment.ScanFields{{Duration: true, Trace: true, Name: true}, {Start: true, Kind: true, Status: true, Seq: true},
		{Resource: true, Scope: true, Columns: columns}} {
		if err := x.Read(b, rows, f); err != nil {
			t.Fatal(err)
		}
	}
	got, want := &b.Spans, &whole.Spans
	if got.N != want.N || !slices.Equal(got.TraceID, want.TraceID) || !slices.Equal(got.Start, want.Start) || !slices.Equal(got.Duration, want.Duration) ||
		!slices.Equal(got.Kind, want.Kind) || !slices.Equal(got.Status, want.Status) || !slices.Equal(got.Seq, want.Seq) {
		t.Fatalf("rows %v are not those read whole", rows)
	}
	for i := range got.N {
		if got.Names.Str(got.Name[i]) != want.Names.Str(want.Name[i]) {
			t.Fatalf("row %d: name %q, want %q", rows.Lo+i, got.Names.Str(got.Name[i]), want.Names.Str(want.Name[i]))
		}
		if got.Duration[i] > x.Longest(group) {
			t.Fatalf("row %d: duration %d, the longest is %d", rows.Lo+i, got.Duration[i], x.Longest(group))
		}
	}
	for _, c := range got.Cols {
		o := want.Find(c.Scope, c.Key, c.Type)
		if o == nil || !slices.Equal(o.Rows, c.Rows) || !slices.Equal(o.Nums, c.Nums) || !slices.Equal(o.Codes, c.Codes) {
			t.Fatalf("rows %v: column %s is not that read whole", rows, c.Key)
		}
	}
}

// A block is of one row group, and of a page's rows at most.
func TestScanLimits(t *testing.T) {
	s, _ := write(t, filepath.Join(t.TempDir(), "seg"), fleet(7000, 1))
	x, err := s.Scan()
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	end, all := x.Group(0).Hi, s.Meta().Rows
	for _, c := range []struct {
		rows segment.Rows
		fine bool
	}{
		{segment.Rows{Lo: 0, Hi: segment.ScanRows}, true}, {segment.Rows{Lo: 0, Hi: segment.ScanRows + 1}, false},
		{segment.Rows{Lo: 5, Hi: 5}, false}, {segment.Rows{Lo: -1, Hi: 5}, false},
		{segment.Rows{Lo: end - 2, Hi: end}, true}, {segment.Rows{Lo: end - 2, Hi: end + 1}, false},
		{segment.Rows{Lo: all - 1, Hi: all}, true}, {segment.Rows{Lo: all - 1, Hi: all + 1}, false},
	} {
		err := x.Read(&telemetry.Batch{}, c.rows, segment.ScanFields{Name: true, Duration: true})
		if (err == nil) != c.fine || err != nil && telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("rows %v: %v", c.rows, err)
		}
	}
	if err := x.Read(&telemetry.Batch{}, segment.Rows{Hi: 1}, segment.ScanFields{Columns: []int{1 << 20}}); telemetry.KindOf(err) != telemetry.KindInvalid {
		t.Errorf("a column that is not there: %v", err)
	}
}
