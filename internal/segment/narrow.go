package segment

import (
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Want says what TraceColumns reads beside the fixed columns.
type Want struct {
	// Columns are numbers of columns of the table of spans in Meta.Columns that
	// are not Rare. Others are ignored.
	Columns []int
}

// TraceColumns reads the narrow form of many traces: ids, parent, start,
// duration, kind, status, name and the columns wanted. Rows are in order of
// trace id, start, span id; traces that the segment does not have are left out.
// Resources holds nothing but service.name, once for each service. The batch is
// empty, never nil, when no trace is there.
func (s *Segment) TraceColumns(ids []telemetry.TraceID, want Want) (*telemetry.Batch, error) {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, compareIDs)
	sorted = slices.Compact(sorted)
	keep := sorted[:0]
	for _, id := range sorted {
		may, err := s.MayContain(id)
		if err != nil {
			return nil, err
		}
		if may {
			keep = append(keep, id)
		}
	}
	r, err := s.startReading()
	if err != nil {
		return nil, err
	}
	defer r.spans.close()
	var ranges []rowRange
	for _, id := range keep {
		rows, err := r.spans.traceRows(id)
		if err != nil {
			return nil, err
		}
		if n := len(ranges); n > 0 && rows.lo < rows.hi && ranges[n-1].hi == rows.lo {
			ranges[n-1].hi = rows.hi
		} else if rows.lo < rows.hi {
			ranges = append(ranges, rows)
		}
	}
	if len(ranges) == 0 {
		return r.b, nil
	}
	if err := r.fixed(ranges); err != nil {
		return nil, err
	}
	if err := r.services(ranges); err != nil {
		return nil, err
	}
	for i, n := range s.byFile[TableSpans] {
		if !slices.Contains(want.Columns, n) {
			continue
		}
		c, err := r.spans.attribute(i, n, ranges)
		if err != nil {
			return nil, err
		}
		if c != nil {
			r.b.Spans.Cols = append(r.b.Spans.Cols, c)
		}
	}
	return r.b, nil
}

// services fills what a batch must have: resources, an empty scope, and the
// columns that the narrow form does not read.
func (r *reading) services(ranges []rowRange) error {
	p := &r.b.Spans
	p.Flags, p.Marks, p.Seq = make([]uint32, p.N), make([]uint8, p.N), make([]int64, p.N)
	p.Resource, p.Scope = make([]uint32, p.N), make([]uint32, p.N)
	c, err := r.spans.column(colService, ranges)
	if err != nil {
		return err
	}
	b := telemetry.NewBuilder()
	b.Scopes.AddRow()
	rows := map[string]uint32{}
	byCode := make([]uint32, c.texts.Len())
	for i := range byCode {
		name := c.texts.At(uint32(i))
		row, ok := rows[string(name)]
		if !ok {
			row = b.Resources.AddRow()
			rows[string(name)] = row
			if len(name) > 0 {
				b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(row, name)
			}
		}
		byCode[i] = row
	}
	for i, code := range c.codes {
		p.Resource[i] = byCode[code]
	}
	r.b.Resources, r.b.Scopes = b.Batch.Resources, b.Batch.Scopes
	return nil
}
