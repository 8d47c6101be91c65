package store

import (
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
}

// sources is what a query reads: rows without duplicates, and none that changes.
type sources struct {
	segments []*segmentSource
	fresh    []*telemetry.Batch
	maxSeq   int64 // rows with a larger seq are invisible; 0: all rows are visible
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
