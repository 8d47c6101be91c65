package segment

import (
	"cmp"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// attributes writes the sparse columns of a table over the row groups from g on
// and puts rare values into rest.parquet.
func (w *writer) attributes(table byte, g int, cols [][]sourceColumn) error {
	f := w.files[table]
	fixed := len(fixedColumns[table])
	var rare []restValue
	for n := range w.plan.cols {
		info := &w.plan.cols[n]
		if info.Table != table {
			continue
		}
		if info.Rare {
			rare = w.rare(rare, n, cols[n])
			continue
		}
		at := fixed + w.plan.file[n]
		v, err := w.slab.sparse(info.Type, cols[n])
		if err != nil {
			return columnError(&f.foot.cols[at], err)
		}
		f.column(g, at, v)
		info.learn(f.foot.groups[g:], at)
	}
	return w.rest(table, rare)
}

// learn adds what the statistics of row groups say of the column.
func (c *ColumnInfo) learn(groups []rowGroup, at int) {
	for i := range groups {
		ch := &groups[i].cols[at]
		if n := int(ch.values - ch.nulls); n > 0 {
			if c.Type == telemetry.TypeInt {
				least, _ := statNum(ch.min)
				most, _ := statNum(ch.max)
				c.bound(int64(least), int64(most))
			}
			c.Rows += n
		}
	}
}

// bound widens the range of values; it comes before the rows are counted.
func (c *ColumnInfo) bound(least, most int64) {
	if c.Rows == 0 {
		c.Min, c.Max = least, most
	}
	c.Min, c.Max = min(c.Min, least), max(c.Max, most)
}

// restValue is a value of a rare column: entry i of c belongs to row of the slab.
type restValue struct {
	row, num uint32
	c        *telemetry.Column
	i        uint32
	typ      telemetry.Type // that of c: columns are many and far apart, and most passes need nothing else of them
}

func (w *writer) rare(rare []restValue, n int, cols []sourceColumn) []restValue {
	s, info := &w.slab, &w.plan.cols[n]
	for _, sc := range cols {
		place := s.place[sc.src]
		for i, r := range sc.col.Rows {
			q := place[r] - s.lo
			if q >= uint32(s.n) {
				continue
			}
			rare = append(rare, restValue{q, uint32(n), sc.col, uint32(i), sc.col.Type})
			if info.Type == telemetry.TypeInt {
				v := int64(sc.col.Nums[i])
				info.bound(v, v)
			}
			info.Rows++
		}
	}
	return rare
}

// rest writes the rare values of one table as row groups of their own, in order
// of row and column. It uses the slab's memory.
func (w *writer) rest(table byte, rare []restValue) error {
	if len(rare) == 0 {
		return nil
	}
	f, err := w.file(TableRest)
	if err != nil {
		return err
	}
	slices.SortFunc(rare, func(a, b restValue) int {
		return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.num, b.num))
	})
	base := w.rows[table]
	for len(rare) > 0 {
		n := min(len(rare), groupRows)
		if err := w.restGroup(f, table, base, rare[:n]); err != nil {
			return err
		}
		rare = rare[n:]
	}
	return nil
}

func (w *writer) restGroup(f *fileWriter, table byte, base int, rare []restValue) error {
	n, s := len(rare), &w.slab
	g := f.addGroups(n)
	var letter telemetry.Dict
	letter.Append([]byte{table})
	f.column(g, colRestTable, &values{rows: n, codes: make([]uint32, n), texts: &letter})
	nums := make([]uint64, n)
	for i, v := range rare {
		nums[i] = uint64(base) + uint64(v.row)
	}
	f.column(g, colRestRow, &values{rows: n, nums: nums})
	for i, v := range rare {
		nums[i] = uint64(v.num)
	}
	f.column(g, colRestCol, &values{rows: n, nums: nums})
	numbers := func(col int, of func(telemetry.Type) bool) {
		bitmap := make([]uint64, (n+63)/64)
		k := 0
		for i, v := range rare {
			if of(v.typ) {
				bitmap[i/64] |= 1 << (i % 64)
				nums[k] = v.c.Nums[v.i]
				k++
			}
		}
		f.column(g, col, &values{rows: n, bitmap: bitmap, nums: nums[:k]})
	}
	numbers(colRestNum, func(t telemetry.Type) bool { return t == telemetry.TypeInt || t == telemetry.TypeBool })
	numbers(colRestDbl, func(t telemetry.Type) bool { return t == telemetry.TypeDouble })
	s.texts.Reset()
	s.intern.reset()
	s.codes = s.codes[:0]
	bitmap := make([]uint64, (n+63)/64)
	for i, v := range rare {
		if !v.typ.IsText() {
			continue
		}
		bitmap[i/64] |= 1 << (i % 64)
		entry := s.texts.Append(v.c.Dict.At(v.c.Codes[v.i]))
		first, err := s.entry(entry, v.typ != telemetry.TypeBytes)
		if err != nil {
			return columnError(&f.foot.cols[colRestTxt], err)
		}
		s.codes = append(s.codes, first)
	}
	f.column(g, colRestTxt, &values{rows: n, bitmap: bitmap, codes: s.codes, texts: &s.texts})
	w.rows[TableRest] += n
	return nil
}

// children places the rows of a child table (events, links) of the spans
// [lo, lo+n) of o: in order of the span, and as they were within a span. of
// gives the span rows of a source. It returns the number of children.
func (w *writer) children(o *order, lo, n int, of func(src int) []uint32) (place [][]uint32, total int) {
	next := slices.Grow(w.events[:0], n)[:n]
	clear(next)
	w.events = next
	place = make([][]uint32, len(o.sources))
	for i, pos := range o.pos {
		for _, span := range of(i) {
			if q := pos[span] - uint32(lo); q < uint32(n) {
				next[q]++
			}
		}
	}
	for q, k := range next {
		next[q] = uint32(total)
		total += int(k)
	}
	if total == 0 {
		return nil, 0
	}
	for i, pos := range o.pos {
		spans := of(i)
		place[i] = make([]uint32, len(spans))
		for r, span := range spans {
			place[i][r] = noRow
			if q := pos[span] - uint32(lo); q < uint32(n) {
				place[i][r] = next[q]
				next[q]++
			}
		}
	}
	return place, total
}

// childSpans fills the slab's wide numbers with the row of each child's span.
func (w *writer) childSpans(o *order, lo, first int, of func(src int) []uint32) *values {
	s := &w.slab
	wide := s.full()
	for i, place := range s.place {
		for r, span := range of(i) {
			if q := place[r]; q != noRow {
				wide[q] = uint64(first) + uint64(o.pos[i][span]) - uint64(lo)
			}
		}
	}
	return s.required()
}

func (w *writer) writeEvents(o *order, lo, n, first int, cols [][]sourceColumn) error {
	events := func(i int) *telemetry.Events { return &o.sources[i].Events }
	spans := func(i int) []uint32 { return events(i).Span }
	place, total := w.children(o, lo, n, spans)
	if total == 0 {
		return nil
	}
	f, err := w.file(TableEvents)
	if err != nil {
		return err
	}
	s := &w.slab
	s.aim(place, 0, total)
	g := f.addGroups(total)
	f.column(g, colEventSpan, w.childSpans(o, lo, first, spans))
	f.column(g, colEventTime, scatterInts(s, func(i int) []int64 { return events(i).Time }))
	names, err := s.fixedTexts(func(i int) ([]uint32, *telemetry.Dict) { return events(i).Name, &events(i).Names })
	if err != nil {
		return columnError(&f.foot.cols[colEventName], err)
	}
	f.column(g, colEventName, names)
	if err := w.attributes(TableEvents, g, cols); err != nil {
		return err
	}
	w.rows[TableEvents] += total
	return nil
}

func (w *writer) writeLinks(o *order, lo, n, first int, cols [][]sourceColumn) error {
	links := func(i int) *telemetry.Links { return &o.sources[i].Links }
	spans := func(i int) []uint32 { return links(i).Span }
	place, total := w.children(o, lo, n, spans)
	if total == 0 {
		return nil
	}
	f, err := w.file(TableLinks)
	if err != nil {
		return err
	}
	s := &w.slab
	s.aim(place, 0, total)
	g := f.addGroups(total)
	f.column(g, colLinkSpan, w.childSpans(o, lo, first, spans))
	ids := make([]telemetry.TraceID, total)
	wide := make([]uint64, total)
	for i, place := range place {
		for r, q := range place {
			if q != noRow {
				ids[q] = links(i).TraceID[r]
				wide[q] = links(i).SpanID[r].Uint64()
			}
		}
	}
	f.column(g, colLinkTrace, &values{rows: total, ids: ids})
	f.column(g, colLinkID, &values{rows: total, nums: wide})
	f.column(g, colLinkFlags, scatterInts(s, func(i int) []uint32 { return links(i).Flags }))
	if err := w.attributes(TableLinks, g, cols); err != nil {
		return err
	}
	w.rows[TableLinks] += total
	return nil
}
