package segment_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// A cache that keeps the layout of a file and not its row groups has them read from
// the tail again each time: what has changed there since is never believed.
func TestTailChangesBehindALayout(t *testing.T) {
	batches := randomBatches(shapes["small"], 2)
	id := want(batches)[0].trace
	fs := testkit.NewFS()
	m, _, err := segment.Write(fs, "/seg", batches, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// A third of the cache, which is the most that one thing may take, lies between
	// what a layout and what a row group of so many columns takes.
	s, err := segment.Open(fs, "/seg", m, segment.Options{Cache: segment.NewCache(300 * int64(len(m.Columns)+14))})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Trace(id)
	if err != nil {
		t.Fatal(err)
	}
	sound := records(first)
	info := m.File("spans.parquet")
	whole := contentOf(t, fs, "/seg/spans.parquet")
	found := 0
	for at := info.TailOffset; at < info.Bytes; at++ {
		bent := bytes.Clone(whole)
		bent[at] ^= 0x10
		put(t, fs, "/seg/spans.parquet", bent)
		b, err := s.Trace(id)
		switch {
		case err == nil:
			if !slices.Equal(records(b), sound) {
				t.Fatalf("byte %d of the tail changed, and the trace with it", at-info.TailOffset)
			}
		case telemetry.KindOf(err) != telemetry.KindInternal:
			t.Fatalf("byte %d of the tail changed: %v", at-info.TailOffset, err)
		default:
			found++
		}
	}
	// The schema and the marks at the end are not read again, all else is.
	if size := int(info.Bytes - info.TailOffset); found < size/2 || found == size {
		t.Errorf("of %d bytes of the tail, %d were found to have changed", size, found)
	}
}
