package segment

import (
	"cmp"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// collected is what the sources have for the columns of the plan.
type collected struct {
	cols   [][]sourceColumn     // by column
	sparse map[byte][]restValue // by table: what is in a source's Rest and stays rare; row is that of the source
	from   []valueSource
}

// valueSource is where values of rare columns are: a column or the Rest of a source.
type valueSource struct {
	src   int // the source
	texts *telemetry.Dict
	base  uint32 // of its entries among those of the slab
}

// collect lists what of the sources belongs to each column of the plan.
func (w *writer) collect(sources []*telemetry.Batch) *collected {
	in := &collected{cols: make([][]sourceColumn, len(w.plan.cols)), sparse: map[byte][]restValue{}}
	var entries [3]int
	for _, b := range sources {
		for t, table := range spanTables(b) {
			entries[t] += table.Rest.Len()
		}
	}
	for t, letter := range tableLetters {
		if n := entries[t]; n > 0 {
			in.sparse[letter] = make([]restValue, 0, n)
		}
	}
	for i, b := range sources {
		for t, table := range spanTables(b) {
			w.collectTable(in, tableLetters[t], i, table)
		}
	}
	return in
}

func (w *writer) collectTable(in *collected, letter byte, src int, t *telemetry.Table) {
	x := &w.plan.index
	for _, c := range t.Cols {
		if len(c.Rows) > 0 {
			n := x.column[x.find(letter, c.Scope, c.Type, c.Key)]
			in.cols[n] = append(in.cols[n], sourceColumn{src, c})
		}
	}
	r := &t.Rest
	if r.Len() == 0 {
		return
	}
	from := uint32(len(in.from))
	in.from = append(in.from, valueSource{src: src, texts: &r.Texts})
	var frequent map[uint32]*telemetry.Column
	entries := x.ofRest(letter, r)
	sparse := in.sparse[letter]
	for i, row := range r.Rows {
		n := x.column[entries[i]]
		if w.plan.rare[n] {
			sparse = append(sparse, restValue{row, n, from, r.Types[i], r.Nums[i]})
			continue
		}
		c := frequent[n]
		if c == nil {
			c = &telemetry.Column{Type: r.Types[i]}
			if frequent == nil {
				frequent = map[uint32]*telemetry.Column{}
			}
			frequent[n] = c
			in.cols[n] = append(in.cols[n], sourceColumn{src, c})
		}
		c.Take(r, i)
	}
	in.sparse[letter] = sparse
}

// attributes writes the sparse columns of a table over the row groups from g on
// and puts rare values into rest.parquet.
func (w *writer) attributes(table byte, g int, in *collected) error {
	f := w.files[table]
	fixed := len(fixedColumns[table])
	rare := rareValues{from: slices.Clone(in.from), rows: make([]uint32, len(w.plan.cols)), sparse: in.sparse[table]}
	for n := range w.plan.cols {
		info := &w.plan.cols[n]
		if info.Table != table {
			continue
		}
		if info.Rare {
			w.rareColumn(&rare, n, in.cols[n])
			continue
		}
		at := fixed + w.plan.file[n]
		v, err := w.slab.sparse(info.Type, in.cols[n])
		if err != nil {
			return columnError(&f.foot.cols[at], err)
		}
		f.column(g, at, v)
		info.learn(f.foot.groups[g:], at)
	}
	return w.rest(table, &rare)
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

// restValue is the value that a row of the slab has in a rare column. It is here
// whole: to look for it in its source, in order of rows, would miss the cache.
type restValue struct {
	row, col uint32
	from     uint32 // the source
	typ      telemetry.Type
	num      uint64 // of text types the entry of the source's texts
}

// rareValues are the rare values of one table of a slab.
type rareValues struct {
	values []restValue
	sparse []restValue // those that inOrder adds to values; rows are those of their source
	from   []valueSource
	rows   []uint32 // by column: how many of values it has, without those of ints
}

// noteRare makes what is known of a column true for one value more.
func (w *writer) noteRare(r *rareValues, v *restValue) {
	if v.typ != telemetry.TypeInt {
		r.rows[v.col]++
		return
	}
	info := &w.plan.cols[v.col]
	info.bound(int64(v.num), int64(v.num))
	info.Rows++
}

func (w *writer) rareColumn(rare *rareValues, n int, cols []sourceColumn) {
	s := &w.slab
	for _, sc := range cols {
		place, c := s.place[sc.src], sc.col
		from := uint32(len(rare.from))
		rare.from = append(rare.from, valueSource{texts: &c.Dict})
		for i, r := range c.Rows {
			if q := place[r] - s.lo; q < uint32(s.n) {
				v := restValue{row: q, col: uint32(n), from: from, typ: c.Type}
				if c.Type.IsText() {
					v.num = uint64(c.Codes[i])
				} else {
					v.num = c.Nums[i]
				}
				rare.values = append(rare.values, v)
			}
		}
	}
}

// inOrder brings all values of the slab in order of row, then column.
func (w *writer) inOrder(r *rareValues) {
	s := &w.slab
	rowOf := func(v *restValue) uint32 { return s.place[r.from[v.from].src][v.row] - s.lo }
	next := make([]uint32, s.n+1)
	total := len(r.values)
	for i := range r.values {
		next[r.values[i].row+1]++
	}
	for i := range r.sparse {
		if q := rowOf(&r.sparse[i]); q < uint32(s.n) {
			next[q+1]++
			total++
		}
	}
	for row := range s.n {
		next[row+1] += next[row]
	}
	out := make([]restValue, total)
	put := func(v *restValue, row uint32) {
		w.noteRare(r, v)
		to := &out[next[row]]
		*to = *v
		to.row = row
		next[row]++
	}
	for i := range r.values {
		put(&r.values[i], r.values[i].row)
	}
	for i := range r.sparse {
		if q := rowOf(&r.sparse[i]); q < uint32(s.n) {
			put(&r.sparse[i], q)
		}
	}
	for lo := 0; lo < len(out); {
		hi := int(next[out[lo].row])
		if hi-lo > 1 {
			slices.SortFunc(out[lo:hi], func(a, b restValue) int { return cmp.Compare(a.col, b.col) })
		}
		lo = hi
	}
	r.values = out
}

// rest writes the rare values of one table as row groups of their own, in order
// of row and column. It uses the slab's memory.
func (w *writer) rest(table byte, rare *rareValues) error {
	w.inOrder(rare)
	if len(rare.values) == 0 {
		return nil
	}
	f, err := w.file(TableRest)
	if err != nil {
		return err
	}
	for n, rows := range rare.rows {
		if rows > 0 {
			w.plan.cols[n].Rows += int(rows)
		}
	}
	if err := w.rareTexts(rare); err != nil {
		return columnError(&f.foot.cols[colRestTxt], err)
	}
	base := w.rows[table]
	for values := rare.values; len(values) > 0; {
		n := min(len(values), groupRows)
		if err := w.restGroup(f, table, base, values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// rareTexts gathers the texts of all sources, each as one block, and makes the
// numbers of text values entries of the slab's texts.
func (w *writer) rareTexts(rare *rareValues) error {
	s := &w.slab
	s.startTexts()
	for i := range rare.from {
		rare.from[i].base = noRow
	}
	for i := range rare.values {
		v := &rare.values[i]
		if !v.typ.IsText() {
			continue
		}
		from := &rare.from[v.from]
		if from.base == noRow {
			var err error
			if from.base, err = s.addDict(from.texts); err != nil {
				return err
			}
		}
		v.num += uint64(from.base)
	}
	return nil
}

// restGroup writes one row group.
func (w *writer) restGroup(f *fileWriter, table byte, base int, rare []restValue) error {
	n, s := len(rare), &w.slab
	g := f.addGroups(n)
	var letter telemetry.Dict
	letter.Append([]byte{table})
	f.column(g, colRestTable, &values{rows: n, codes: make([]uint32, n), texts: &letter})
	nums := make([]uint64, n)
	for i := range rare {
		nums[i] = uint64(base) + uint64(rare[i].row)
	}
	f.column(g, colRestRow, &values{rows: n, nums: nums})
	for i := range rare {
		nums[i] = uint64(rare[i].col)
	}
	f.column(g, colRestCol, &values{rows: n, nums: nums})
	for _, col := range []int{colRestNum, colRestDbl} {
		bitmap := make([]uint64, (n+63)/64)
		k := 0
		for i := range rare {
			if v := &rare[i]; !v.typ.IsText() && (v.typ == telemetry.TypeDouble) == (col == colRestDbl) {
				bitmap[i/64] |= 1 << (i % 64)
				nums[k] = v.num
				k++
			}
		}
		f.column(g, col, &values{rows: n, bitmap: bitmap, nums: nums[:k]})
	}
	s.intern.reset()
	s.codes = s.codes[:0]
	bitmap := make([]uint64, (n+63)/64)
	for i := range rare {
		v := &rare[i]
		if !v.typ.IsText() {
			continue
		}
		bitmap[i/64] |= 1 << (i % 64)
		first, err := s.entry(uint32(v.num), v.typ != telemetry.TypeBytes)
		if err != nil {
			return columnError(&f.foot.cols[colRestTxt], err)
		}
		s.codes = append(s.codes, first)
	}
	f.column(g, colRestTxt, &values{rows: n, bitmap: bitmap, codes: s.codes, texts: &s.texts})
	w.rows[TableRest] += n
	return nil
}
