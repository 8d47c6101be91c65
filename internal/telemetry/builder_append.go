package telemetry

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Append copies the rows of src for which keep is true (nil: all) to the end of
// the batch under construction and stamps them with seq. Resources and scopes
// that are there already are shared. src is not changed and not kept.
func (b *Builder) Append(src *Batch, seq int64, keep []bool) {
	first := b.Batch.Spans.N
	b.AppendRows(src, keep)
	for i := first; i < b.Batch.Spans.N; i++ {
		b.Batch.Spans.Seq[i] = seq
	}
}

// AppendRows is Append with each row's own seq kept.
func (b *Builder) AppendRows(src *Batch, keep []bool) {
	resources := b.mergeRows(&b.Resources, &src.Resources, b.resourceOf)
	scopes := b.mergeRows(&b.Scopes, &src.Scopes, b.scopeOf)
	s := &src.Spans
	base := uint32(b.Batch.Spans.N)
	var rowOf []uint32 // new row of each row of src, or noRow; nil when base+row
	if keep != nil {
		rowOf = make([]uint32, s.N)
		next := base
		for i := range rowOf {
			rowOf[i] = noRow
			if keep[i] {
				rowOf[i] = next
				next++
			}
		}
	}
	names := newCodeMap(s.Names.Len())
	d := &b.Batch.Spans
	d.reserve(s.N)
	d.TraceID = appendKept(d.TraceID, s.TraceID, keep)
	d.SpanID = appendKept(d.SpanID, s.SpanID, keep)
	d.Parent = appendKept(d.Parent, s.Parent, keep)
	d.Start = appendKept(d.Start, s.Start, keep)
	d.Duration = appendKept(d.Duration, s.Duration, keep)
	d.Kind = appendKept(d.Kind, s.Kind, keep)
	d.Status = appendKept(d.Status, s.Status, keep)
	d.Flags = appendKept(d.Flags, s.Flags, keep)
	d.Marks = appendKept(d.Marks, s.Marks, keep)
	d.Seq = appendKept(d.Seq, s.Seq, keep)
	for i := range s.N {
		if keep != nil && !keep[i] {
			continue
		}
		d.Resource = append(d.Resource, resources[s.Resource[i]])
		d.Scope = append(d.Scope, scopes[s.Scope[i]])
		d.Name = append(d.Name, names.code(s.Name[i], &s.Names, &d.Names, &b.names))
		d.N++
	}
	b.Spans.appendCols(&s.Table, base, rowOf)
	b.appendEvents(&src.Events, base, rowOf)
	b.appendLinks(&src.Links, base, rowOf)
}

// appendKept appends the values of the rows for which keep is true (nil: all).
func appendKept[T any](dst, v []T, keep []bool) []T {
	if keep == nil {
		return append(dst, v...)
	}
	for i, x := range v {
		if keep[i] {
			dst = append(dst, x)
		}
	}
	return dst
}

// reserve makes room for n more rows.
func (s *Spans) reserve(n int) {
	s.TraceID, s.SpanID, s.Parent = room(s.TraceID, n), room(s.SpanID, n), room(s.Parent, n)
	s.Start, s.Duration, s.Seq = room(s.Start, n), room(s.Duration, n), room(s.Seq, n)
	s.Kind, s.Status, s.Marks = room(s.Kind, n), room(s.Status, n), room(s.Marks, n)
	s.Flags, s.Resource, s.Scope, s.Name = room(s.Flags, n), room(s.Resource, n), room(s.Scope, n), room(s.Name, n)
}

const noRow = ^uint32(0)

func newRow(row, base uint32, rowOf []uint32) uint32 {
	if rowOf == nil {
		return base + row
	}
	return rowOf[row]
}

func (b *Builder) appendEvents(e *Events, base uint32, rowOf []uint32) {
	d := &b.Batch.Events
	first := uint32(d.N)
	var kept []uint32
	if rowOf != nil {
		kept = make([]uint32, e.N)
	}
	names := newCodeMap(e.Names.Len())
	for i := range e.N {
		row := newRow(e.Span[i], base, rowOf)
		if rowOf != nil {
			kept[i] = noRow
			if row == noRow {
				continue
			}
			kept[i] = uint32(d.N)
		}
		d.Span = append(d.Span, row)
		d.Time = append(d.Time, e.Time[i])
		d.Name = append(d.Name, names.code(e.Name[i], &e.Names, &d.Names, &b.eventNames))
		d.N++
	}
	b.Events.appendCols(&e.Table, first, kept)
}

func (b *Builder) appendLinks(l *Links, base uint32, rowOf []uint32) {
	d := &b.Batch.Links
	first := uint32(d.N)
	var kept []uint32
	if rowOf != nil {
		kept = make([]uint32, l.N)
	}
	for i := range l.N {
		row := newRow(l.Span[i], base, rowOf)
		if rowOf != nil {
			kept[i] = noRow
			if row == noRow {
				continue
			}
			kept[i] = uint32(d.N)
		}
		b.AddLink(row, l.TraceID[i], l.SpanID[i], l.Flags[i])
	}
	b.Links.appendCols(&l.Table, first, kept)
}

// appendCols copies every sparse column of src; the new row is base+row, or
// rowOf[row] where rowOf is given.
func (t *TableBuilder) appendCols(src *Table, base uint32, rowOf []uint32) {
	t.appendRest(&src.Rest, base, rowOf)
	for _, c := range src.Cols {
		if rowOf == nil && t.appendWhole(c, base) {
			continue
		}
		var to *ColumnBuilder
		var codes codeMap
		for i, row := range c.Rows {
			row = newRow(row, base, rowOf)
			if row == noRow {
				continue
			}
			if to == nil {
				to = t.Col(c.Scope, []byte(c.Key), c.Type)
				codes = newCodeMap(c.Dict.Len())
				to.C.Rows = room(to.C.Rows, len(c.Rows))
				if c.Type.IsText() {
					to.C.Codes = room(to.C.Codes, len(c.Rows))
				}
			}
			if c.Type.IsText() {
				to.addCode(row, codes.code(c.Codes[i], &c.Dict, &to.C.Dict, &to.text))
			} else {
				to.AddNum(row, c.Nums[i])
			}
		}
	}
}

// appendWhole copies a column at once when none of its values needs a look: numbers,
// and texts that are all different where the column here has given up looking for
// equal ones. It reports whether it did.
func (t *TableBuilder) appendWhole(c *Column, base uint32) bool {
	if len(c.Rows) == 0 {
		return true
	}
	to := t.Col(c.Scope, []byte(c.Key), c.Type)
	d := to.C
	if n := len(d.Rows); n > 0 && d.Rows[n-1] == base+c.Rows[0] {
		return false
	}
	if c.Type.IsText() {
		if !to.text.plain || !c.distinct() {
			return false
		}
		first := d.Dict.appendSome(&c.Dict, 0, c.Dict.Len())
		d.Codes = room(d.Codes, len(c.Codes))
		for _, code := range c.Codes {
			d.Codes = append(d.Codes, first+code)
		}
		to.text.last = d.Codes[len(d.Codes)-1]
	} else {
		d.Nums = append(room(d.Nums, len(c.Nums)), c.Nums...)
	}
	d.Rows = room(d.Rows, len(c.Rows))
	for _, row := range c.Rows {
		d.Rows = append(d.Rows, base+row)
	}
	return true
}

// distinct reports whether every value has an entry of its own, in their order.
func (c *Column) distinct() bool {
	if len(c.Codes) != c.Dict.Len() {
		return false
	}
	for i, code := range c.Codes {
		if int(code) != i {
			return false
		}
	}
	return true
}

// codeMap remembers the new code of each old one, so that a text is hashed once
// per dictionary and not once per row.
type codeMap []uint32

func newCodeMap(n int) codeMap { return make(codeMap, n) }

func (m codeMap) code(old uint32, from, to *Dict, t *textBuilder) uint32 {
	if c := m[old]; c != 0 {
		return c - 1
	}
	c := t.code(to, from.At(old))
	m[old] = c + 1
	return c
}

// mergeRows gives the row in t of each row of src, by content.
func (b *Builder) mergeRows(t *TableBuilder, src *Table, seen map[string]uint32) []uint32 {
	rows := make([]uint32, src.N)
	index := IndexRows(src)
	for r := range rows {
		b.keyBuf = AppendRowKey(b.keyBuf[:0], src, index.Row(r))
		to, ok := seen[string(b.keyBuf)]
		if !ok {
			to = t.AddRow()
			seen[string(b.keyBuf)] = to
			t.addCells(src, index.Row(r), to)
		}
		rows[r] = to
	}
	return rows
}

// Cell is one value of a row: entry Pos of column Col of the table.
type Cell struct{ Col, Pos uint32 }

// RowIndex lists the sparse values of each row of a table.
type RowIndex struct {
	cells []Cell
	start []uint32 // N+1 entries
}

// Row gives the cells of a row in order of scope, key and type; it aliases the index.
func (x *RowIndex) Row(r int) []Cell { return x.cells[x.start[r]:x.start[r+1]] }

// IndexRows transposes the sparse columns of t in one pass over all values. The
// cells of a row are in order of scope, key and type, whatever the order of the
// columns. What is in Rest it does not see: Settle the batch first.
func IndexRows(t *Table) *RowIndex {
	x := &RowIndex{start: make([]uint32, t.N+1)}
	order := make([]int, len(t.Cols))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return compareColumns(t.Cols[i], t.Cols[j]) })
	for _, c := range t.Cols {
		for _, r := range c.Rows {
			x.start[r+1]++
		}
	}
	for r := range t.N {
		x.start[r+1] += x.start[r]
	}
	x.cells = make([]Cell, x.start[t.N])
	next := append([]uint32(nil), x.start[:t.N]...)
	for _, ci := range order {
		for pos, r := range t.Cols[ci].Rows {
			x.cells[next[r]] = Cell{uint32(ci), uint32(pos)}
			next[r]++
		}
	}
	return x
}

// compareColumns gives the order of the cells of a RowIndex.
func compareColumns(a, b *Column) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Type, b.Type))
}

// AppendRowKey appends a text that is equal for two rows exactly when they hold
// the same values in columns, given that the cells are in the order of a RowIndex.
func AppendRowKey(dst []byte, t *Table, cells []Cell) []byte {
	for _, cell := range cells {
		dst = AppendCellKey(dst, t.Cols[cell.Col], int(cell.Pos))
	}
	return dst
}

// AppendCellKey appends what AppendRowKey does of one value.
func AppendCellKey(dst []byte, c *Column, pos int) []byte {
	if c.Type.IsText() {
		return appendTextKey(dst, c.Scope, c.Type, c.Key, c.Dict.At(c.Codes[pos]))
	}
	return appendNumKey(dst, c.Scope, c.Type, c.Key, c.Nums[pos])
}

func appendNameKey[K []byte | string](dst []byte, s Scope, t Type, key K) []byte {
	dst = append(dst, byte(s), byte(t))
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

func appendTextKey[K []byte | string](dst []byte, s Scope, t Type, key K, v []byte) []byte {
	dst = binary.AppendUvarint(appendNameKey(dst, s, t, key), uint64(len(v)))
	return append(dst, v...)
}

func appendNumKey[K []byte | string](dst []byte, s Scope, t Type, key K, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendNameKey(dst, s, t, key), v)
}
