package segment

import (
	"github.com/clew-dev/clew/internal/telemetry"
)

// Rows is the range [Lo, Hi) of rows of spans.
type Rows struct{ Lo, Hi int }

// Structure reads of a segment's spans what relations between them need: which
// rows are a trace, the ids of spans and of their parents, and their times. It is
// made for looking at very many traces in the order of their rows, and keeps the
// file open until Close. It is not safe for concurrent use.
type Structure struct {
	t     *tableReader
	first int                 // row of ids[0]
	ids   []telemetry.TraceID // of the rows looked at last
}

// structureRows is how many rows a Structure decodes ids of at once: a page, or the
// greater part of one.
const structureRows = 4096

// Structure opens the spans for reading. The caller MUST close what it gets.
func (s *Segment) Structure() (*Structure, error) {
	t, err := s.open(TableSpans)
	if err != nil {
		return nil, err
	}
	return &Structure{t: t}, nil
}

// Close lets go of the file.
func (x *Structure) Close() { x.t.close() }

// At gives the trace that has the row, and all rows of it. Rows that ascend from
// call to call are cheap.
func (x *Structure) At(row int) (telemetry.TraceID, Rows, error) {
	if row < x.first || row >= x.first+len(x.ids) {
		lo := row / structureRows * structureRows
		c, err := x.t.column(colTrace, []rowRange{{lo, min(lo+structureRows, x.t.foot.rows)}})
		if err != nil {
			return telemetry.TraceID{}, Rows{}, err
		}
		x.first, x.ids = lo, c.ids
	}
	at := row - x.first
	id, lo, hi := x.ids[at], at, at+1
	for lo > 0 && x.ids[lo-1] == id {
		lo--
	}
	for hi < len(x.ids) && x.ids[hi] == id {
		hi++
	}
	if (lo == 0 && x.first > 0) || (hi == len(x.ids) && x.first+hi < x.t.foot.rows) {
		rows, err := x.t.traceRows(id)
		return id, Rows{rows.lo, rows.hi}, err
	}
	return id, Rows{x.first + lo, x.first + hi}, nil
}

// Find gives the rows of a trace: an empty range when the segment has none.
func (x *Structure) Find(id telemetry.TraceID) (Rows, error) {
	if may, err := x.t.s.MayContain(id); err != nil || !may {
		return Rows{}, err
	}
	rows, err := x.t.traceRows(id)
	return Rows{rows.lo, rows.hi}, err
}

// Fields say what Read reads beside the ids.
type Fields struct{ Start, Duration, Seq bool }

// readGap is how many rows between two ranges are read along with them: values of
// a page are decoded from its beginning, so that ranges of one page cost less together.
const readGap = 2048

// Read reads ascending ranges of rows that do not overlap, one after the other.
// Of the answer's columns the ids of spans and parents are set, and those asked for.
func (x *Structure) Read(ranges []Rows, f Fields) (*telemetry.Spans, error) {
	var in []rowRange
	for _, r := range ranges {
		if n := len(in); n > 0 && r.Lo-in[n-1].hi <= readGap {
			in[n-1].hi = r.Hi
		} else {
			in = append(in, rowRange{r.Lo, r.Hi})
		}
	}
	p, err := x.read(in, f)
	if err != nil || len(in) == len(ranges) {
		return p, err
	}
	squeeze(&p.SpanID, in, ranges)
	squeeze(&p.Parent, in, ranges)
	squeeze(&p.Start, in, ranges)
	squeeze(&p.Duration, in, ranges)
	squeeze(&p.Seq, in, ranges)
	p.N = len(p.SpanID)
	return p, nil
}

// squeeze leaves of the values of the rows in those of the rows wanted.
func squeeze[T any](values *[]T, in []rowRange, wanted []Rows) {
	if len(*values) == 0 {
		return
	}
	to, first, k := 0, 0, 0 // first: where the values of in[k] begin
	for _, r := range wanted {
		for r.Lo >= in[k].hi {
			first += in[k].hi - in[k].lo
			k++
		}
		to += copy((*values)[to:], (*values)[first+r.Lo-in[k].lo:first+r.Hi-in[k].lo])
	}
	*values = (*values)[:to]
}

func (x *Structure) read(in []rowRange, f Fields) (*telemetry.Spans, error) {
	r := reading{s: x.t.s, spans: x.t, b: &telemetry.Batch{}}
	if err := r.identify(in); err != nil {
		return nil, err
	}
	if f.Start {
		if err := r.starts(in); err != nil {
			return nil, err
		}
	}
	p := &r.b.Spans
	for _, c := range []struct {
		wanted bool
		column int
		to     *[]int64
	}{{f.Duration, colDuration, &p.Duration}, {f.Seq, colSeq, &p.Seq}} {
		if !c.wanted {
			continue
		}
		if err := r.numbers(c.column, in, c.to); err != nil {
			return nil, err
		}
	}
	return p, nil
}
