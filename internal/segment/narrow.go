package segment

import (
	"math"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Want says what a question needs to know of a trace beside the columns that all
// spans have, its resources and its scopes. Flags and marks are left out.
type Want struct {
	Attributes    []Attribute // of spans, events and links
	Events, Links bool
}

// Attribute is a column of any type.
type Attribute struct {
	Scope telemetry.Scope
	Key   string
}

// has reports whether column n is wanted; no Want wants everything.
func (w *Want) has(m *Meta, n int) bool {
	return w == nil || slices.Contains(w.Attributes, Attribute{m.Columns[n].Scope, m.Columns[n].Key})
}

// rare reports whether a column of the table that is wanted is a rare one.
func (w *Want) rare(m *Meta, table byte) bool {
	for n := range m.Columns {
		if m.Columns[n].Rare && m.Columns[n].Table == table && w.has(m, n) {
			return true
		}
	}
	return false
}

// TracePart is Trace for what a question needs: it reads the columns wanted only.
// A nil Want wants everything.
func (s *Segment) TracePart(id telemetry.TraceID, w *Want) (*telemetry.Batch, error) {
	b, _, err := s.TraceWithin(id, w, math.MaxInt)
	return b, err
}

// TraceWithin is TracePart of a trace with at most so many rows here. Of a longer one
// it counts the rows and reads nothing.
func (s *Segment) TraceWithin(id telemetry.TraceID, w *Want, most int) (b *telemetry.Batch, rows int, err error) {
	if may, err := s.MayContain(id); err != nil || !may {
		return nil, 0, err
	}
	r, err := s.startReading(w)
	if err != nil {
		return nil, 0, err
	}
	defer r.spans.close()
	in, err := r.spans.traceRows(id)
	if rows = in.hi - in.lo; err != nil || rows == 0 || rows > most {
		return nil, rows, err
	}
	b, err = r.rows(in)
	return b, rows, err
}
