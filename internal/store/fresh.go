package store

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Sizes at which a run is closed: the first at firstRows, each further one at twice
// the size of the one before, up to runRows. A query turns the text columns it
// needs of each run into an Arrow dictionary: fewer, larger runs make that cheap. The
// smaller ones before them tell how much memory the next will need, which is then
// taken at once and not by copying what is there again and again.
const (
	firstRows = 8192
	runRows   = 65536
)

// generation is what one tenant has received since the last flush. It is guarded
// by the tenant's lock; snapshots of it may be read without.
type generation struct {
	runs               []*telemetry.Builder
	bases              []uint32 // first row number of each run within the generation
	rows               uint32
	room               int   // rows at which the open run is closed
	bytes              int64 // of all runs; of the open one as of measured rows, plus what was sent since
	openBytes          int64 // of the open run in bytes
	measured           int   // rows of the open run when it was measured
	ids                idTables
	born               time.Time // of the first row
	minStart, maxStart int64
	minSeq, maxSeq     int64
}

// runOf finds the run and the row in it of a row number of the generation.
func (g *generation) runOf(row uint32) (*telemetry.Batch, uint32) {
	i := sort.Search(len(g.bases), func(i int) bool { return g.bases[i] > row }) - 1
	return &g.runs[i].Batch, row - g.bases[i]
}

// find reports whether the generation holds the same record as row r of b, and
// whether it holds a different one under the same ids and kind.
func (g *generation) find(h uint64, b *telemetry.Batch, r uint32) (same, other bool) {
	g.ids.each(h, func(row uint32) bool {
		o, i := g.runOf(row)
		if o.Spans.TraceID[i] != b.Spans.TraceID[r] || o.Spans.SpanID[i] != b.Spans.SpanID[r] || o.Spans.Kind[i] != b.Spans.Kind[r] {
			return true
		}
		if sameRecord(o, i, b, r) {
			same = true
			return false
		}
		other = true
		return true
	})
	return same, other
}

// append copies the kept rows of b (keep nil: all of them) into the open run.
func (g *generation) append(b *telemetry.Batch, hashes []uint64, keep []bool, seq int64, now time.Time) {
	run := g.openRun(b)
	if g.rows == 0 {
		g.born, g.minSeq = now, seq
		g.minStart, g.maxStart = b.Spans.Start[0], b.Spans.Start[0]
	}
	run.Append(b, seq, keep)
	g.minSeq, g.maxSeq = min(g.minSeq, seq), max(g.maxSeq, seq)
	for i, h := range hashes {
		if keep != nil && !keep[i] {
			continue
		}
		known := 0
		g.ids.each(h, func(uint32) bool { known++; return known < sameIDRows })
		if known < sameIDRows {
			g.ids.add(h, g.rows)
		}
		g.rows++
		g.minStart, g.maxStart = min(g.minStart, b.Spans.Start[i]), max(g.maxStart, b.Spans.Start[i])
	}
	g.measure(run, b)
}

// openRun gives the run that takes a batch, which is a new one when it has no room.
func (g *generation) openRun(b *telemetry.Batch) *telemetry.Builder {
	n := len(g.runs)
	if n > 0 && g.runs[n-1].Batch.Spans.N+b.Spans.N <= g.room {
		return g.runs[n-1]
	}
	g.room = max(min(max(2*g.room, firstRows), runRows), b.Spans.N)
	r := telemetry.NewBuilder()
	r.Reset(b.Tenant)
	if n > 0 {
		r.ReserveLike(g.runs[n-1], g.room)
	}
	g.runs = append(g.runs, r)
	g.bases = append(g.bases, g.rows)
	g.openBytes, g.measured = 0, 0
	return r
}

// measureEvery is how many rows the open run grows by before its memory is added
// up again: with thousands of columns that costs more than the rows do.
const measureEvery = 4096

// measure keeps bytes true enough for a bound: what was sent is more than what it
// adds to a run that shares its texts.
func (g *generation) measure(run *telemetry.Builder, added *telemetry.Batch) {
	now := g.openBytes
	if run.Batch.Spans.N-g.measured >= measureEvery || g.measured == 0 {
		now, g.measured = run.Batch.Bytes()+builtBytes(&run.Batch), run.Batch.Spans.N
	} else {
		now += added.Bytes() + builtBytes(added)
	}
	g.bytes += now - g.openBytes
	g.openBytes = now
}

// What a row and a column cost beside their values: identities, and what the
// builder keeps to find texts and columns again.
const (
	bytesOfRow    = 26
	bytesOfColumn = 400
)

func builtBytes(b *telemetry.Batch) int64 {
	n := int64(b.Spans.N) * bytesOfRow
	for _, t := range b.Tables() {
		n += int64(len(t.Cols)) * bytesOfColumn
	}
	return n
}

// snapshot gives the runs as immutable batches, oldest first.
func (g *generation) snapshot() []*telemetry.Batch {
	out := make([]*telemetry.Batch, len(g.runs))
	for i, r := range g.runs {
		out[i] = r.Snapshot()
	}
	return out
}

// recent makes the filter that outlives the generation.
func (g *generation) recent() *recentIDs {
	r := newRecentIDs(int(g.rows))
	r.rows = int(g.rows)
	r.minStart, r.maxStart, r.minSeq, r.maxSeq = g.minStart, g.maxStart, g.minSeq, g.maxSeq
	for _, run := range g.runs {
		s := &run.Batch.Spans
		for i, id := range s.TraceID {
			r.add(identityHash(id, s.SpanID[i], s.Kind[i]))
		}
	}
	return r
}

// rowsOfTrace lists the rows of b that belong to the trace, ascending.
func rowsOfTrace(b *telemetry.Batch, id telemetry.TraceID) []uint32 {
	var rows []uint32
	for i := range b.Spans.TraceID {
		if b.Spans.TraceID[i] == id {
			rows = append(rows, uint32(i))
		}
	}
	return rows
}

// lowerBound gives the first index of ascending v whose value is not below x.
func lowerBound(v []uint32, x uint32) int {
	i, _ := slices.BinarySearch(v, x)
	return i
}

func appendU64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

func appendText(dst, v []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...)
}

func sortBytes(parts [][]byte) { slices.SortFunc(parts, bytes.Compare) }
