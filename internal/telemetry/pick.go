package telemetry

import "slices"

// Find gives the entry of the column that holds the row's value. It costs a
// binary search: for all rows of a table use IndexRows.
func (c *Column) Find(row uint32) (pos int, ok bool) { return slices.BinarySearch(c.Rows, row) }

// RowCells gives the values that one row has in columns, in the order of these.
func RowCells(t *Table, row uint32) []Cell {
	var cells []Cell
	for ci, c := range t.Cols {
		if pos, ok := c.Find(row); ok {
			cells = append(cells, Cell{uint32(ci), uint32(pos)})
		}
	}
	return cells
}

// AppendPicked copies a few rows, ascending, with their events and links. It costs
// a binary search per row and column, whatever the size of src.
func (b *Builder) AppendPicked(src *Batch, rows []uint32) {
	s := &src.Spans
	base := uint32(b.Batch.Spans.N)
	for _, r := range rows {
		b.AddSpan(Span{TraceID: s.TraceID[r], SpanID: s.SpanID[r], Parent: s.Parent[r], Start: s.Start[r], Duration: s.Duration[r],
			Kind: s.Kind[r], Status: s.Status[r], Flags: s.Flags[r], Marks: s.Marks[r], Seq: s.Seq[r],
			Resource: b.pickRow(&b.Resources, &src.Resources, s.Resource[r], b.resourceOf),
			Scope:    b.pickRow(&b.Scopes, &src.Scopes, s.Scope[r], b.scopeOf)}, s.Names.At(s.Name[r]))
	}
	b.Spans.pickCols(&s.Table, base, rows)
	e, l := &src.Events, &src.Links
	firstEvent, firstLink := uint32(b.Batch.Events.N), uint32(b.Batch.Links.N)
	var events, links []uint32
	for n, r := range rows {
		at, _ := slices.BinarySearch(e.Span, r)
		for ; at < e.N && e.Span[at] == r; at++ {
			b.AddEvent(base+uint32(n), e.Time[at], e.Names.At(e.Name[at]))
			events = append(events, uint32(at))
		}
		at, _ = slices.BinarySearch(l.Span, r)
		for ; at < l.N && l.Span[at] == r; at++ {
			b.AddLink(base+uint32(n), l.TraceID[at], l.SpanID[at], l.Flags[at])
			links = append(links, uint32(at))
		}
	}
	b.Events.pickCols(&e.Table, firstEvent, events)
	b.Links.pickCols(&l.Table, firstLink, links)
}

func (b *Builder) pickRow(t *TableBuilder, src *Table, row uint32, seen map[string]uint32) uint32 {
	cells := RowCells(src, row)
	slices.SortFunc(cells, func(i, j Cell) int { return compareColumns(src.Cols[i.Col], src.Cols[j.Col]) })
	b.keyBuf = AppendRowKey(b.keyBuf[:0], src, cells)
	to, ok := seen[string(b.keyBuf)]
	if !ok {
		to = t.AddRow()
		seen[string(b.keyBuf)] = to
		t.addCells(src, cells, to)
	}
	return to
}

func (t *TableBuilder) pickCols(src *Table, base uint32, rows []uint32) {
	t.pickRest(&src.Rest, base, rows)
	for _, c := range src.Cols {
		var to *ColumnBuilder
		for n, r := range rows {
			pos, ok := c.Find(r)
			if !ok {
				continue
			}
			if to == nil {
				to = t.Col(c.Scope, []byte(c.Key), c.Type)
			}
			to.addFrom(c, uint32(pos), base+uint32(n))
		}
	}
}

// addCells sets the values of a row to those of a row of another table.
func (t *TableBuilder) addCells(src *Table, cells []Cell, to uint32) {
	for _, cell := range cells {
		c := src.Cols[cell.Col]
		t.Col(c.Scope, []byte(c.Key), c.Type).addFrom(c, cell.Pos, to)
	}
}

func (c *ColumnBuilder) addFrom(src *Column, pos, row uint32) {
	if src.Type.IsText() {
		c.AddText(row, src.Dict.At(src.Codes[pos]))
	} else {
		c.AddNum(row, src.Nums[pos])
	}
}
