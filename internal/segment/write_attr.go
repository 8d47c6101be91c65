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
	src    map[byte][]uint32    // beside sparse: the source
	from   []valueSource
}

// valueSource is where values of rare columns are: a column or the Rest of a source.
type valueSource struct {
	nums  []uint64
	codes []uint32 // nil: the numbers are the entries of texts
	texts *telemetry.Dict
}

func (s *valueSource) text(i uint32) []byte {
	if s.codes == nil {
		return s.texts.At(uint32(s.nums[i]))
	}
	return s.texts.At(s.codes[i])
}

// collect lists what of the sources belongs to each column of the plan.
func (w *writer) collect(sources []*telemetry.Batch) *collected {
	in := &collected{cols: make([][]sourceColumn, len(w.plan.cols)), sparse: map[byte][]restValue{}, src: map[byte][]uint32{}}
	var entries [3]int
	for _, b := range sources {
		for t, table := range spanTables(b) {
			entries[t] += table.Rest.Len()
		}
	}
	for t, letter := range tableLetters {
		if n := entries[t]; n > 0 {
			in.sparse[letter], in.src[letter] = make([]restValue, 0, n), make([]uint32, 0, n)
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
	in.from = append(in.from, valueSource{nums: r.Nums, texts: &r.Texts})
	var frequent map[uint32]*telemetry.Column
	for i, row := range r.Rows {
		n := x.column[x.findRest(letter, r, i)]
		if w.plan.cols[n].Rare {
			in.sparse[letter] = append(in.sparse[letter], restValue{row, n, uint32(i), from, r.Types[i]})
			in.src[letter] = append(in.src[letter], uint32(src))
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
}

// attributes writes the sparse columns of a table over the row groups from g on
// and puts rare values into rest.parquet.
func (w *writer) attributes(table byte, g int, in *collected) error {
	f := w.files[table]
	fixed := len(fixedColumns[table])
	rare := rareValues{from: slices.Clip(in.from), values: make([]restValue, 0, len(in.sparse[table]))}
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
	w.rareSparse(&rare, in.sparse[table], in.src[table])
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

// restValue is a value of a rare column: entry i of a source belongs to row of the slab.
type restValue struct {
	row, num, i uint32
	from        uint32
	typ         telemetry.Type
}

// rareValues are the rare values of one table of a slab.
type rareValues struct {
	values []restValue
	from   []valueSource
}

func (r *rareValues) add(info *ColumnInfo, v restValue) {
	r.values = append(r.values, v)
	if info.Type == telemetry.TypeInt {
		num := int64(r.from[v.from].nums[v.i])
		info.bound(num, num)
	}
	info.Rows++
}

func (w *writer) rareColumn(rare *rareValues, n int, cols []sourceColumn) {
	s, info := &w.slab, &w.plan.cols[n]
	for _, sc := range cols {
		place, c := s.place[sc.src], sc.col
		from := uint32(len(rare.from))
		rare.from = append(rare.from, valueSource{c.Nums, c.Codes, &c.Dict})
		for i, r := range c.Rows {
			if q := place[r] - s.lo; q < uint32(s.n) {
				rare.add(info, restValue{q, uint32(n), uint32(i), from, c.Type})
			}
		}
	}
}

func (w *writer) rareSparse(rare *rareValues, values []restValue, src []uint32) {
	s := &w.slab
	for k, v := range values {
		if q := s.place[src[k]][v.row] - s.lo; q < uint32(s.n) {
			v.row = q
			rare.add(&w.plan.cols[v.num], v)
		}
	}
}

// inOrder gives the values in order of row, then column, of rows rows.
func (r *rareValues) inOrder(rows int) []restValue {
	next := make([]uint32, rows+1)
	for _, v := range r.values {
		next[v.row+1]++
	}
	for row := range rows {
		next[row+1] += next[row]
	}
	out := make([]restValue, len(r.values))
	for _, v := range r.values {
		out[next[v.row]] = v
		next[v.row]++
	}
	for lo := 0; lo < len(out); {
		hi := int(next[out[lo].row])
		if hi-lo > 1 {
			slices.SortFunc(out[lo:hi], func(a, b restValue) int { return cmp.Compare(a.num, b.num) })
		}
		lo = hi
	}
	return out
}

// rest writes the rare values of one table as row groups of their own, in order
// of row and column. It uses the slab's memory.
func (w *writer) rest(table byte, rare *rareValues) error {
	if len(rare.values) == 0 {
		return nil
	}
	f, err := w.file(TableRest)
	if err != nil {
		return err
	}
	rare.values = rare.inOrder(w.slab.n)
	base := w.rows[table]
	for len(rare.values) > 0 {
		n := min(len(rare.values), groupRows)
		if err := w.restGroup(f, table, base, rareValues{rare.values[:n], rare.from}); err != nil {
			return err
		}
		rare.values = rare.values[n:]
	}
	return nil
}

func (w *writer) restGroup(f *fileWriter, table byte, base int, rare rareValues) error {
	n, s := len(rare.values), &w.slab
	g := f.addGroups(n)
	var letter telemetry.Dict
	letter.Append([]byte{table})
	f.column(g, colRestTable, &values{rows: n, codes: make([]uint32, n), texts: &letter})
	nums := make([]uint64, n)
	for i, v := range rare.values {
		nums[i] = uint64(base) + uint64(v.row)
	}
	f.column(g, colRestRow, &values{rows: n, nums: nums})
	for i, v := range rare.values {
		nums[i] = uint64(v.num)
	}
	f.column(g, colRestCol, &values{rows: n, nums: nums})
	numbers := func(col int, of func(telemetry.Type) bool) {
		bitmap := make([]uint64, (n+63)/64)
		k := 0
		for i, v := range rare.values {
			if of(v.typ) {
				bitmap[i/64] |= 1 << (i % 64)
				nums[k] = rare.from[v.from].nums[v.i]
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
	for i, v := range rare.values {
		if !v.typ.IsText() {
			continue
		}
		bitmap[i/64] |= 1 << (i % 64)
		entry := s.texts.Append(rare.from[v.from].text(v.i))
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
