package segment

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Scan reads some columns of a segment's spans, a block of rows after the other.
// It is made for questions that look at all rows: texts stay codes into the
// dictionary of their row group, the memory of a block is used again for the next,
// and a column can be left until it is known which blocks it is needed of. It is
// not safe for concurrent use.
type Scan struct {
	t     *tableReader
	cells [colSeq + 1]cells
}

// ScanRows is how many rows the largest block of a scan has: those of a page.
const ScanRows = pageRows

// ScanFields say which columns of spans are wanted.
type ScanFields struct {
	Trace, Start, Duration, Kind, Status, Resource, Scope, Name, Seq bool
	Columns                                                          []int // numbers in Meta.Columns, of frequent ones of TableSpans
}

// Scan opens the spans for reading. The caller MUST close what it gets.
func (s *Segment) Scan() (*Scan, error) {
	t, err := s.open(TableSpans)
	if err != nil {
		return nil, err
	}
	return &Scan{t: t}, nil
}

// Close lets go of the file. What Read gave MUST NOT be used after it.
func (x *Scan) Close() { x.t.close() }

// Groups gives the number of row groups.
func (x *Scan) Groups() int { return len(x.t.foot.groups) }

// Group gives the rows of a row group.
func (x *Scan) Group(i int) Rows {
	g := &x.t.foot.groups[i]
	return Rows{g.first, g.first + g.rows}
}

// Longest gives a bound that no duration in the row group is above.
func (x *Scan) Longest(group int) int64 {
	if v, ok := statNum(x.t.stat(group, colDuration).max); ok {
		return int64(v)
	}
	return math.MaxInt64
}

// Names reports whether the names of a row group are codes into one dictionary,
// the same for all of its blocks.
func (x *Scan) Names(group int) bool {
	g, err := x.t.group(group)
	return err == nil && g.cols[colName].dict // Read gives the error
}

// Read sets the columns of b that are asked for to those of the rows, which MUST
// be at most ScanRows of one row group. Other columns stay as they are, so that
// several calls for the same rows add up. What was set is overwritten by the Read
// of the same column for the next rows; nobody may change it. Codes of resources
// and scopes are rows of the segment's tables.
func (x *Scan) Read(b *telemetry.Batch, rows Rows, f ScanFields) error {
	n := rows.Hi - rows.Lo
	if n <= 0 || n > ScanRows || rows.Lo < 0 || rows.Hi > x.t.foot.rows || x.t.groupOf(rows.Lo) != x.t.groupOf(rows.Hi-1) {
		return telemetry.Errorf(telemetry.KindInvalid, "scan of segment %s: rows %d to %d of %d", x.t.s.dir, rows.Lo, rows.Hi, x.t.foot.rows)
	}
	p := &b.Spans
	p.N = n
	ranges := []rowRange{{rows.Lo, rows.Hi}}
	if f.Trace {
		c, err := x.column(colTrace, ranges)
		if err != nil {
			return err
		}
		p.TraceID = c.ids
	}
	if f.Start {
		if err := x.starts(p, ranges); err != nil {
			return err
		}
	}
	if f.Name {
		if err := x.names(p, ranges); err != nil {
			return err
		}
	}
	if err := x.fixed(p, ranges, f); err != nil {
		return err
	}
	return x.attributes(p, ranges, f.Columns)
}

// column reads into the memory of the column's last values.
func (x *Scan) column(col int, ranges []rowRange) (*cells, error) {
	c := &x.cells[col]
	c.rows, c.nums, c.codes, c.ids = c.rows[:0], c.nums[:0], c.codes[:0], c.ids[:0]
	c.texts = telemetry.Dict{}
	return c, x.t.columnInto(col, ranges, c)
}

func (x *Scan) starts(p *telemetry.Spans, ranges []rowRange) error {
	base, err := x.column(colTraceStart, ranges)
	if err != nil {
		return err
	}
	off, err := x.column(colStartOff, ranges)
	if err != nil {
		return err
	}
	p.Start = slices.Grow(p.Start[:0], p.N)[:p.N]
	for i, v := range base.nums[:p.N] {
		p.Start[i] = int64(v + off.nums[i])
	}
	return nil
}

func (x *Scan) fixed(p *telemetry.Spans, ranges []rowRange, f ScanFields) error {
	for _, c := range []struct {
		wanted bool
		column int
		set    func(nums []uint64)
	}{
		{f.Duration, colDuration, func(nums []uint64) { p.Duration = narrowTo(p.Duration, nums) }},
		{f.Seq, colSeq, func(nums []uint64) { p.Seq = narrowTo(p.Seq, nums) }},
		{f.Kind, colKind, func(nums []uint64) { p.Kind = narrowTo(p.Kind, nums) }},
		{f.Status, colStatus, func(nums []uint64) { p.Status = narrowTo(p.Status, nums) }},
		{f.Resource, colResource, func(nums []uint64) { p.Resource = narrowTo(p.Resource, nums) }},
		{f.Scope, colScope, func(nums []uint64) { p.Scope = narrowTo(p.Scope, nums) }},
	} {
		if !c.wanted {
			continue
		}
		v, err := x.column(c.column, ranges)
		if err != nil {
			return err
		}
		c.set(v.nums)
	}
	return nil
}

func narrowTo[T int64 | uint8 | uint32](to []T, nums []uint64) []T {
	to = slices.Grow(to[:0], len(nums))[:len(nums)]
	for i, v := range nums {
		to[i] = T(v)
	}
	return to
}

// names gives codes into the dictionary of the row group where there is one, so
// that what a caller knows of a code holds for all blocks of the row group.
func (x *Scan) names(p *telemetry.Spans, ranges []rowRange) error {
	g := x.t.groupOf(ranges[0].lo)
	if !x.Names(g) {
		c, err := x.column(colName, ranges)
		if err != nil {
			return err
		}
		p.Name, p.Names = c.codes, c.texts
		return nil
	}
	d, err := x.t.dict(g, colName)
	if err != nil {
		return err
	}
	p.Names = d.texts
	p.Name = slices.Grow(p.Name[:0], p.N)[:p.N]
	return x.t.groupCodes(g, colName, ranges[0], uint32(d.texts.Len()), p.Name)
}

// attributes reads columns of the catalogue.
func (x *Scan) attributes(p *telemetry.Spans, ranges []rowRange, columns []int) error {
	if len(columns) == 0 {
		return nil
	}
	p.Cols = p.Cols[:0]
	for _, n := range columns {
		i := slices.Index(x.t.s.byFile[TableSpans], n)
		if i < 0 {
			return telemetry.Errorf(telemetry.KindInvalid, "scan of segment %s: column %d is not one of its spans", x.t.s.dir, n)
		}
		c, err := x.t.attribute(i, n, ranges)
		if err != nil {
			return err
		}
		if c != nil {
			p.Cols = append(p.Cols, c)
		}
	}
	return nil
}

// groupOf gives the row group of a row, or the number of row groups.
func (t *tableReader) groupOf(row int) int {
	groups := t.foot.groups
	return sort.Search(len(groups), func(i int) bool { return row < groups[i].first+groups[i].rows })
}

// groupCodes decodes the codes of a required column with a dictionary of limit
// entries. rows are in row group g, as many as out has places.
func (t *tableReader) groupCodes(g, col int, rows rowRange, limit uint32, out []uint32) error {
	group, err := t.group(g)
	if err != nil {
		return err
	}
	c := &group.cols[col]
	lo, hi := rows.lo-group.first, rows.hi-group.first
	if hi > group.rows || len(out) != hi-lo {
		return t.fail(col, fmt.Errorf("rows %d to %d of a row group of %d", lo, hi, group.rows))
	}
	page := sort.Search(len(c.pages), func(i int) bool { return int(c.pages[i].first) > lo }) - 1
	for lo < hi {
		end := group.rows
		if page+1 < len(c.pages) {
			end = int(c.pages[page+1].first)
		}
		n := min(hi, end) - lo
		if err := t.load(col, c, page); err != nil {
			return err
		}
		if t.page.enc != encDict || len(t.body) == 0 {
			return t.fail(col, errPage)
		}
		if err := decodeHybrid(t.body[1:], int(t.body[0]), lo-int(c.pages[page].first), out[:n]); err != nil {
			return t.fail(col, err)
		}
		if len(out[:n]) > 0 && slices.Max(out[:n]) >= limit {
			return t.fail(col, errCodes)
		}
		out, lo, page = out[n:], lo+n, page+1
	}
	return nil
}

// With gives the fields of both.
func (f ScanFields) With(o ScanFields) ScanFields {
	f.Trace, f.Start, f.Duration = f.Trace || o.Trace, f.Start || o.Start, f.Duration || o.Duration
	f.Kind, f.Status, f.Resource = f.Kind || o.Kind, f.Status || o.Status, f.Resource || o.Resource
	f.Scope, f.Name, f.Seq = f.Scope || o.Scope, f.Name || o.Name, f.Seq || o.Seq
	if len(f.Columns) == 0 {
		f.Columns = o.Columns
	}
	return f
}

// Names gives the columns of spans.parquet that the fields are read from.
func (f ScanFields) Names(m *Meta) []string {
	var out []string
	for _, c := range []struct {
		wanted  bool
		columns []int
	}{{f.Trace, []int{colTrace}}, {f.Start, []int{colTraceStart, colStartOff}}, {f.Duration, []int{colDuration}}, {f.Kind, []int{colKind}},
		{f.Status, []int{colStatus}}, {f.Resource, []int{colResource}}, {f.Scope, []int{colScope}}, {f.Name, []int{colName}}, {f.Seq, []int{colSeq}}} {
		if c.wanted {
			for _, n := range c.columns {
				out = append(out, fixedColumns[TableSpans][n].name)
			}
		}
	}
	for _, n := range f.Columns {
		out = append(out, m.Columns[n].Name)
	}
	return out
}

// RowGroups gives the number of row groups of the spans.
func (m *Meta) RowGroups() int {
	if info := m.File(fileNames[TableSpans]); info != nil {
		return len(info.Chunks) / len(tableSpecs(m.Columns, TableSpans))
	}
	return 0
}
