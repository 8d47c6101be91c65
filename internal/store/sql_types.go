package store

import (
	"sync"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// segmentSource is a segment as queries see it.
type segmentSource struct {
	dir       string // absolute path of its folder
	meta      *segment.Meta
	resources *telemetry.Table // row number = id; nobody changes it
	scopes    *telemetry.Table
	verify    func(table byte, columns ...string) error // segment.Verify, before DuckDB reads
	structure func() (structureReader, error)           // segment.Structure
	scan      func(columns ...string) (spanScan, error) // segment.Scan, of which so named columns may be read
}

// sources is what a query reads: rows without duplicates, and none that changes.
type sources struct {
	segments []*segmentSource
	fresh    []*telemetry.Batch
	looked   *lookedAt
	maxSeq   int64 // rows with a larger seq are invisible; 0: all rows are visible
	// A trace of more spans than longest, unless that is 0, is not looked at as a whole;
	// leaveOut is told.
	longest  int
	leaveOut func(why error)
	turns    *turns
}

// lookedAt adds up the columns of segments that a question reads, each once however
// many of its statements do.
type lookedAt struct {
	mu      sync.Mutex
	columns map[column]int64
}

type column struct {
	segment uint64
	table   byte
	name    string
}

func (l *lookedAt) add(c column, m *segment.Meta) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.columns == nil {
		l.columns = map[column]int64{}
	}
	if _, ok := l.columns[c]; !ok {
		l.columns[c] = m.ColumnBytes(c.table, c.name)
	}
}

func (l *lookedAt) bytes() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.columns {
		n += b
	}
	return n
}

// within gives the sources that can have spans that start inside r. What is in
// memory stays: looking at it costs little.
func (s sources) within(r query.Range) sources {
	out := s
	out.segments = nil
	for _, seg := range s.segments {
		if seg.meta.MinStart < r.End && seg.meta.MaxStart >= r.Start {
			out.segments = append(out.segments, seg)
		}
	}
	return out
}

// rows counts the rows that a query over the sources reads.
func (s sources) rows() (stored, fresh int64) {
	for _, seg := range s.segments {
		stored += int64(seg.meta.Rows)
	}
	for _, b := range s.fresh {
		fresh += int64(b.Spans.N)
	}
	return stored, fresh
}
