package segment

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/clew-dev/clew/internal/telemetry"
)

// A look-up goes by the sorted column of a file, from the coarse to the fine:
// the statistics of row groups, the column index of its pages, the page itself.

// lowerBound gives the first row of the row groups [from, to) whose value in
// the sorted column col is not below key, or the row behind them. key is as in
// statistics: 16 bytes of a trace id, or 4 bytes little endian.
func (t *tableReader) lowerBound(col, from, to int, key []byte) (int, error) {
	groups := t.foot.groups
	g := from + sort.Search(to-from, func(i int) bool { return !below(t.stat(from+i, col).max, key) })
	if g == to {
		if to == 0 {
			return 0, nil
		}
		return groups[to-1].first + groups[to-1].rows, nil
	}
	group, err := t.group(g)
	if err != nil {
		return 0, err
	}
	c := &group.cols[col]
	if len(c.maxs) != len(c.pages) {
		return 0, t.fail(col, fmt.Errorf("no column index in row group %d", g))
	}
	page := sort.Search(len(c.pages), func(i int) bool { return !below(c.maxs[i], key) })
	if page == len(c.pages) {
		return 0, t.fail(col, fmt.Errorf("statistics of row group %d do not agree with its pages", g))
	}
	lo, end := groups[g].first+int(c.pages[page].first), groups[g].first+groups[g].rows
	if page+1 < len(c.pages) {
		end = groups[g].first + int(c.pages[page+1].first)
	}
	if c.dict && t.foot.cols[col].phys == physFixed {
		return t.searchCodes(g, c, col, page, lo, end, key)
	}
	v, err := t.column(col, []rowRange{{lo, end}})
	if err != nil {
		return 0, err
	}
	if v.ids != nil {
		return lo + sort.Search(len(v.ids), func(i int) bool { return bytes.Compare(v.ids[i][:], key) >= 0 }), nil
	}
	want, _ := statNum(key)
	return lo + sort.Search(len(v.nums), func(i int) bool { return v.nums[i] >= want }), nil
}

// searchCodes searches in codes, whose order is that of the values.
func (t *tableReader) searchCodes(g int, c *chunk, col, page, lo, end int, key []byte) (int, error) {
	d, err := t.dict(g, col)
	if err != nil {
		return 0, err
	}
	want := uint32(sort.Search(len(d.ids), func(i int) bool { return bytes.Compare(d.ids[i][:], key) >= 0 }))
	if err := t.load(col, c, page); err != nil {
		return 0, err
	}
	if t.page.enc != encDict || len(t.body) == 0 {
		return 0, t.fail(col, errPage)
	}
	t.codes = slices.Grow(t.codes[:0], end-lo)[:end-lo]
	codes := t.codes
	if err := decodeHybrid(t.body[1:], int(t.body[0]), 0, codes); err != nil {
		return 0, t.fail(col, err)
	}
	return lo + sort.Search(len(codes), func(i int) bool { return codes[i] >= want }), nil
}

// below compares a statistic with a key of the same column.
func below(stat, key []byte) bool {
	if len(key) == 4 && len(stat) == 4 {
		a, _ := statNum(stat)
		b, _ := statNum(key)
		return a < b
	}
	return bytes.Compare(stat, key) < 0
}

// traceRows gives the rows of a trace; none when lo = hi.
func (t *tableReader) traceRows(id telemetry.TraceID) (rowRange, error) {
	lo, err := t.lowerBound(colTrace, 0, len(t.foot.groups), id[:])
	if err != nil || lo == t.foot.rows {
		return rowRange{lo, lo}, err
	}
	next := id
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			break
		}
	}
	if next.IsZero() {
		return rowRange{lo, t.foot.rows}, nil
	}
	hi, err := t.lowerBound(colTrace, 0, len(t.foot.groups), next[:])
	return rowRange{lo, max(lo, hi)}, err
}

// childRows gives the rows of a child table that belong to the spans [lo, hi).
func (t *tableReader) childRows(r rowRange) (rowRange, error) {
	lo, err := t.lowerBound(0, 0, len(t.foot.groups), statBytes(physInt32, uint64(r.lo)))
	if err != nil {
		return rowRange{}, err
	}
	hi, err := t.lowerBound(0, 0, len(t.foot.groups), statBytes(physInt32, uint64(r.hi)))
	return rowRange{lo, max(lo, hi)}, err
}
