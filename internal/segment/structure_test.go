package segment_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// The shape of traces is that of the rows read whole, for every row and for
// random ranges near to and far from each other.
func TestStructure(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for name, batches := range map[string][]*telemetry.Batch{
		"fleet":     fleet(2000, 3), // several windows and pages
		"one trace": randomBatches(shape{spans: 40_000, traces: 1, keys: 1, fill: 0.1, distinct: 4, seed: 3}, 1),
		"small":     randomBatches(shape{spans: 300, traces: 200, keys: 3, fill: 0.4, distinct: 9, seed: 4}, 2),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := write(t, filepath.Join(t.TempDir(), "seg"), batches)
			whole, err := s.ReadRows(0, s.Meta().Rows)
			if err != nil {
				t.Fatal(err)
			}
			x, err := s.Structure()
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			checkPlaces(t, x, &whole.Spans)
			for range 20 {
				var ranges []segment.Rows
				for at := rng.IntN(50); at < whole.Spans.N; {
					end := min(at+1+rng.IntN(40), whole.Spans.N)
					ranges = append(ranges, segment.Rows{Lo: at, Hi: end})
					at = end + rng.IntN([]int{2, 100, 9000}[rng.IntN(3)])
				}
				checkRead(t, x, &whole.Spans, ranges)
			}
			checkRead(t, x, &whole.Spans, nil)
			if rows, err := x.Find(traceID(1 << 50)); err != nil || rows.Lo != rows.Hi {
				t.Errorf("a trace that is not there: got %v, %v", rows, err)
			}
		})
	}
}

// checkPlaces asks forwards for every 17th row, and backwards for some.
func checkPlaces(t *testing.T, x *segment.Structure, s *telemetry.Spans) {
	t.Helper()
	var rows []int
	for i := 0; i < s.N; i += 17 {
		rows = append(rows, i)
	}
	for i := s.N - 1; i >= 0; i -= 1 + s.N/5 {
		rows = append(rows, i)
	}
	for _, i := range rows {
		lo, hi := i, i+1
		for lo > 0 && s.TraceID[lo-1] == s.TraceID[i] {
			lo--
		}
		for hi < s.N && s.TraceID[hi] == s.TraceID[i] {
			hi++
		}
		want := segment.Rows{Lo: lo, Hi: hi}
		id, got, err := x.At(i)
		if err != nil || id != s.TraceID[i] || got != want {
			t.Fatalf("row %d: got trace %s, rows %v, %v; want %s, %v", i, id, got, err, s.TraceID[i], want)
		}
		if found, err := x.Find(id); err != nil || found != want {
			t.Fatalf("trace %s: found %v, %v; want %v", id, found, err, want)
		}
	}
}

func checkRead(t *testing.T, x *segment.Structure, s *telemetry.Spans, ranges []segment.Rows) {
	t.Helper()
	got, err := x.Read(ranges, segment.Fields{Start: true, Duration: true, Seq: true})
	if err != nil {
		t.Fatal(err)
	}
	var want telemetry.Spans
	for _, r := range ranges {
		want.SpanID, want.Parent = append(want.SpanID, s.SpanID[r.Lo:r.Hi]...), append(want.Parent, s.Parent[r.Lo:r.Hi]...)
		want.Start, want.Duration = append(want.Start, s.Start[r.Lo:r.Hi]...), append(want.Duration, s.Duration[r.Lo:r.Hi]...)
		want.Seq = append(want.Seq, s.Seq[r.Lo:r.Hi]...)
	}
	if !slices.Equal(got.SpanID, want.SpanID) || !slices.Equal(got.Parent, want.Parent) || !slices.Equal(got.Start, want.Start) ||
		!slices.Equal(got.Duration, want.Duration) || !slices.Equal(got.Seq, want.Seq) {
		t.Fatalf("ranges %v: not the rows of the whole", ranges)
	}
	if bare, err := x.Read(ranges, segment.Fields{}); err != nil || bare.Start != nil || bare.Duration != nil || bare.Seq != nil || bare.N != len(want.SpanID) {
		t.Fatalf("ids alone: got %d rows, %d starts, %v", bare.N, len(bare.Start), err)
	}
}
