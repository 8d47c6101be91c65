package segment

import (
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// restValues calls f for each rare value of the rows of a table, in order of row and column.
func (s *Segment) restValues(table byte, rows rowRange, f func(n int, row uint32, num uint64, text []byte)) error {
	t, err := s.open(TableRest)
	if t == nil {
		return err
	}
	defer t.close()
	for g := range t.foot.groups {
		letter, in := t.stat(g, colRestTable).min, t.stat(g, colRestRow)
		least, ok := statNum(in.min)
		most, ok2 := statNum(in.max)
		if len(letter) != 1 || !ok || !ok2 {
			return t.fail(colRestRow, fmt.Errorf("no statistics in row group %d", g))
		}
		if letter[0] != table || most < uint64(rows.lo) || least >= uint64(rows.hi) {
			continue
		}
		lo, err := t.lowerBound(colRestRow, g, g+1, statBytes(physInt32, uint64(rows.lo)))
		if err != nil {
			return err
		}
		hi, err := t.lowerBound(colRestRow, g, g+1, statBytes(physInt32, uint64(rows.hi)))
		if err != nil {
			return err
		}
		if err := t.restRange(table, rowRange{lo, max(lo, hi)}, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tableReader) restRange(table byte, r rowRange, f func(n int, row uint32, num uint64, text []byte)) error {
	if r.lo == r.hi {
		return nil
	}
	var c [colRestTxt + 1]*cells
	for col := colRestRow; col <= colRestTxt; col++ {
		var err error
		if c[col], err = t.column(col, []rowRange{r}); err != nil {
			return err
		}
	}
	nums, dbls, txts := c[colRestNum], c[colRestDbl], c[colRestTxt]
	var at [3]int
	for i, row := range c[colRestRow].nums {
		n := c[colRestCol].nums[i]
		if n >= uint64(len(t.s.meta.Columns)) || !t.s.meta.Columns[n].Rare || t.s.meta.Columns[n].Table != table {
			return t.fail(colRestCol, fmt.Errorf("row %d names column %d", r.lo+i, n))
		}
		var num uint64
		var text []byte
		has := func(v *cells, k int) bool {
			ok := at[k] < len(v.rows) && int(v.rows[at[k]]) == i
			if ok {
				at[k]++
			}
			return ok
		}
		ok := false
		switch typ := t.s.meta.Columns[n].Type; {
		case typ.IsText():
			if ok = has(txts, 2); ok {
				text = txts.texts.At(txts.codes[at[2]-1])
			}
		case typ == telemetry.TypeDouble:
			if ok = has(dbls, 1); ok {
				num = dbls.nums[at[1]-1]
			}
		default:
			if ok = has(nums, 0); ok {
				num = nums.nums[at[0]-1]
			}
		}
		if !ok {
			return t.fail(colRestCol, fmt.Errorf("row %d has no value of column %d", r.lo+i, n))
		}
		f(int(n), uint32(row), num, text)
	}
	return nil
}

// rowPage is the number of resources that are decoded and kept at once.
const rowPage = 1024

// rowSlice is rowPage rows of resources or scopes.
type rowSlice struct {
	table telemetry.Table
	index *telemetry.RowIndex
}

// rowTable makes a table of the resources or scopes that rows names, and
// replaces the numbers by those of the new table.
func (s *Segment) rowTable(table byte, rows []uint32, to *telemetry.Table) error {
	used := slices.Clone(rows)
	slices.Sort(used)
	used = slices.Compact(used)
	b := telemetry.NewBuilder()
	var slice *rowSlice
	at := -1
	for _, row := range used {
		if page := int(row / rowPage); page != at {
			var err error
			if slice, err = s.rowSlice(table, page); err != nil {
				return err
			}
			at = page
		}
		r := int(row % rowPage)
		if r >= slice.table.N {
			return damaged(s.dir, fileNames[table], fmt.Errorf("no row %d", row))
		}
		n := b.Resources.AddRow()
		for _, cell := range slice.index.Row(r) {
			c := slice.table.Cols[cell.Col]
			dst := b.Resources.Col(c.Scope, []byte(c.Key), c.Type)
			if c.Type.IsText() {
				dst.AddText(n, c.Dict.At(c.Codes[cell.Pos]))
			} else {
				dst.AddNum(n, c.Nums[cell.Pos])
			}
		}
	}
	*to = b.Batch.Resources
	for i, row := range rows {
		n, _ := slices.BinarySearch(used, row)
		rows[i] = uint32(n)
	}
	return nil
}

func (s *Segment) rowSlice(table byte, page int) (*rowSlice, error) {
	key := cacheKey{serial: s.serial, kind: cacheRows, table: table, group: int32(page)}
	if v, ok := s.cache.get(key).(*rowSlice); ok {
		return v, nil
	}
	t, err := s.open(table)
	if err != nil {
		return nil, err
	}
	defer t.close()
	rows := rowRange{page * rowPage, min((page+1)*rowPage, t.foot.rows)}
	v := &rowSlice{}
	if rows.lo < rows.hi {
		v.table.N = rows.hi - rows.lo
		if v.table.Cols, err = t.attributes([]rowRange{rows}, nil); err != nil {
			return nil, err
		}
		r := reading{s: s}
		if err := r.rest(table, rows, &v.table); err != nil {
			return nil, err
		}
	}
	v.index = telemetry.IndexRows(&v.table)
	size := int64(v.table.N) * 4
	for _, c := range v.table.Cols {
		size += int64(len(c.Rows))*(4+8) + int64(len(c.Nums))*8 + int64(len(c.Codes))*4 + c.Dict.Bytes() + 100
	}
	s.cache.put(key, v, size)
	return v, nil
}
