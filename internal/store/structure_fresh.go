package store

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// freshShape is what is in memory as a place: its rows in order of their trace.
// It holds no file, and everybody may read it.
type freshShape struct {
	batches []*telemetry.Batch
	order   []freshRow
}

type freshRow struct {
	id    telemetry.TraceID
	batch uint32
	row   uint32
}

// freshPlace marks the visible rows in memory.
func freshPlace(src sources, p *query.Plan, within query.Range) *place {
	f := &freshShape{batches: src.fresh}
	held := make([][]uint64, len(src.fresh))
	for n, b := range src.fresh {
		held[n] = freshMarks(b, p, within)
		for row, id := range b.Spans.TraceID {
			if src.maxSeq == 0 || b.Spans.Seq[row] <= src.maxSeq {
				f.order = append(f.order, freshRow{id, uint32(n), uint32(row)})
			}
		}
	}
	slices.SortFunc(f.order, func(a, b freshRow) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.batch, b.batch), cmp.Compare(a.row, b.row))
	})
	pl := &place{rows: len(f.order), planes: make([][]uint64, len(p.Leaves)+1)}
	pl.open = func() (structureReader, error) { return f, nil }
	for i, at := range f.order {
		pl.mark(i, held[at.batch][at.row])
	}
	return pl
}

// freshMarks gives the conditions that hold for each row of a batch.
func freshMarks(b *telemetry.Batch, p *query.Plan, within query.Range) []uint64 {
	r := query.NewReader(b)
	held := make([]uint64, b.Spans.N)
	for c, e := range p.Leaves {
		for row, ok := range query.Match(e, r) {
			if ok {
				held[row] |= 1 << c
			}
		}
	}
	for row, start := range b.Spans.Start {
		if within.Contains(start) {
			held[row] |= 1 << len(p.Leaves)
		}
	}
	return held
}

// At implements structureReader.
func (f *freshShape) At(row int) (telemetry.TraceID, segment.Rows, error) {
	id, lo, hi := f.order[row].id, row, row+1
	for lo > 0 && f.order[lo-1].id == id {
		lo--
	}
	for hi < len(f.order) && f.order[hi].id == id {
		hi++
	}
	return id, segment.Rows{Lo: lo, Hi: hi}, nil
}

// Find implements structureReader.
func (f *freshShape) Find(id telemetry.TraceID) (segment.Rows, error) {
	at := sort.Search(len(f.order), func(i int) bool { return bytes.Compare(f.order[i].id[:], id[:]) >= 0 })
	if at == len(f.order) || f.order[at].id != id {
		return segment.Rows{}, nil
	}
	_, rows, err := f.At(at)
	return rows, err
}

// Read implements structureReader.
func (f *freshShape) Read(ranges []segment.Rows, _ segment.Fields) (*telemetry.Spans, error) {
	out := &telemetry.Spans{}
	for _, r := range ranges {
		for _, at := range f.order[r.Lo:r.Hi] {
			s := &f.batches[at.batch].Spans
			out.SpanID, out.Parent = append(out.SpanID, s.SpanID[at.row]), append(out.Parent, s.Parent[at.row])
			out.Start, out.Duration = append(out.Start, s.Start[at.row]), append(out.Duration, s.Duration[at.row])
		}
	}
	return out, nil
}

// Close implements structureReader.
func (f *freshShape) Close() {}
