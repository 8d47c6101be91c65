package segment

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// reading is one call that reads rows: the files it has open and the batch it makes.
type reading struct {
	s     *Segment
	spans *tableReader
	want  *Want
	b     *telemetry.Batch
	loose bool // rare values stay in the Rest of the batch
}

func (s *Segment) startReading(w *Want) (*reading, error) {
	t, err := s.open(TableSpans)
	if err != nil {
		return nil, err
	}
	return &reading{s: s, spans: t, want: w, b: &telemetry.Batch{Tenant: s.meta.Tenant}}, nil
}

// Trace reads all rows of a trace with everything that belongs to them, or nil
// when the segment has none. The batch is the caller's.
func (s *Segment) Trace(id telemetry.TraceID) (*telemetry.Batch, error) {
	return s.TracePart(id, nil)
}

// ReadRows reads the spans [lo, hi) with everything that belongs to them.
// Resources and scopes are those in use only.
func (s *Segment) ReadRows(lo, hi int) (*telemetry.Batch, error) {
	return s.readRows(lo, hi, false)
}

// readRows is ReadRows; loose leaves rare values in the Rest of the batch, where a
// merge takes them from without a column for each key.
func (s *Segment) readRows(lo, hi int, loose bool) (*telemetry.Batch, error) {
	if lo < 0 || hi > s.meta.Rows || lo > hi {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "segment %s: rows %d to %d of %d", s.dir, lo, hi, s.meta.Rows)
	}
	r, err := s.startReading(nil)
	if err != nil {
		return nil, err
	}
	defer r.spans.close()
	if lo == hi {
		return r.b, nil
	}
	r.loose = loose
	return r.rows(rowRange{lo, hi})
}

func (r *reading) rows(rows rowRange) (*telemetry.Batch, error) {
	ranges := []rowRange{rows}
	if err := r.fixed(ranges); err != nil {
		return nil, err
	}
	p := &r.b.Spans
	p.Flags, p.Marks = make([]uint32, p.N), make([]uint8, p.N)
	p.Resource, p.Scope = make([]uint32, p.N), make([]uint32, p.N)
	ints := func(col int, to func(i int, v uint64)) error {
		c, err := r.spans.column(col, ranges)
		if err != nil {
			return err
		}
		for i, v := range c.nums {
			to(i, v)
		}
		return nil
	}
	if r.want == nil {
		if err := ints(colFlags, func(i int, v uint64) { p.Flags[i] = uint32(v) }); err != nil {
			return nil, err
		}
		if err := ints(colMarks, func(i int, v uint64) { p.Marks[i] = uint8(v) }); err != nil {
			return nil, err
		}
	}
	for _, err := range []error{
		r.numbers(colSeq, ranges, &p.Seq),
		ints(colResource, func(i int, v uint64) { p.Resource[i] = uint32(v) }),
		ints(colScope, func(i int, v uint64) { p.Scope[i] = uint32(v) }),
	} {
		if err != nil {
			return nil, err
		}
	}
	if err := r.attached(rows, ranges); err != nil {
		return nil, err
	}
	return r.b, nil
}

// attached reads what belongs to the rows: attributes, events, links, resources, scopes.
func (r *reading) attached(rows rowRange, ranges []rowRange) (err error) {
	p := &r.b.Spans
	if p.Cols, err = r.spans.attributes(ranges, r.want); err != nil {
		return err
	}
	var events, links rowRange
	if r.want == nil || r.want.Events {
		if events, err = r.events(rows); err != nil {
			return err
		}
	}
	if r.want == nil || r.want.Links {
		if links, err = r.links(rows); err != nil {
			return err
		}
	}
	if err := r.rest(TableSpans, rows, &p.Table); err != nil {
		return err
	}
	if err := r.rest(TableEvents, events, &r.b.Events.Table); err != nil {
		return err
	}
	if err := r.rest(TableLinks, links, &r.b.Links.Table); err != nil {
		return err
	}
	if err := r.s.rowTable(TableResources, p.Resource, &r.b.Resources); err != nil {
		return err
	}
	return r.s.rowTable(TableScopes, p.Scope, &r.b.Scopes)
}

// fixed reads the fixed columns that every form of a read has.
func (r *reading) fixed(ranges []rowRange) error {
	t, p := r.spans, &r.b.Spans
	ids, err := t.column(colTrace, ranges)
	if err != nil {
		return err
	}
	p.TraceID = ids.ids
	if err := r.identify(ranges); err != nil {
		return err
	}
	if err := r.starts(ranges); err != nil {
		return err
	}
	if err := r.numbers(colDuration, ranges, &p.Duration); err != nil {
		return err
	}
	p.Kind, p.Status = make([]uint8, p.N), make([]uint8, p.N)
	for col, to := range map[int][]uint8{colKind: p.Kind, colStatus: p.Status} {
		c, err := t.column(col, ranges)
		if err != nil {
			return err
		}
		for i, v := range c.nums {
			to[i] = uint8(v)
		}
	}
	names, err := t.column(colName, ranges)
	if err != nil {
		return err
	}
	p.Name, p.Names = names.codes, names.texts
	return nil
}

// identify reads the ids of spans and of their parents.
func (r *reading) identify(ranges []rowRange) error {
	c, err := r.spans.column(colSpan, ranges)
	if err != nil {
		return err
	}
	p := &r.b.Spans
	p.N = len(c.nums)
	p.SpanID = make([]telemetry.SpanID, p.N)
	for i, v := range c.nums {
		p.SpanID[i] = spanID(v)
	}
	return r.parents(ranges, c.nums)
}

func (r *reading) starts(ranges []rowRange) error {
	base, err := r.spans.column(colTraceStart, ranges)
	if err != nil {
		return err
	}
	off, err := r.spans.column(colStartOff, ranges)
	if err != nil {
		return err
	}
	p := &r.b.Spans
	p.Start = make([]int64, p.N)
	for i, v := range base.nums {
		p.Start[i] = int64(v + off.nums[i])
	}
	return nil
}

// numbers reads a required column of integers.
func (r *reading) numbers(col int, ranges []rowRange, to *[]int64) error {
	c, err := r.spans.column(col, ranges)
	if err != nil {
		return err
	}
	*to = make([]int64, len(c.nums))
	for i, v := range c.nums {
		(*to)[i] = int64(v)
	}
	return nil
}

func spanID(v uint64) telemetry.SpanID {
	var id telemetry.SpanID
	binary.BigEndian.PutUint64(id[:], v)
	return id
}

// parents rebuilds the ids of parents from their distance. A range may cut a
// trace; the parents outside are then read as well.
func (r *reading) parents(ranges []rowRange, ids []uint64) error {
	t, p := r.spans, &r.b.Spans
	p.Parent = make([]telemetry.SpanID, p.N)
	dist, err := t.column(colParentDist, ranges)
	if err != nil || len(dist.rows) == 0 {
		return err
	}
	gone, err := t.column(colParentID, ranges)
	if err != nil {
		return err
	}
	for i, q := range gone.rows {
		p.Parent[q] = spanID(gone.nums[i])
	}
	first, k := 0, 0 // row of the result where a range begins; next entry of dist
	for _, rg := range ranges {
		from := k
		least, most := rg.lo, rg.hi
		for ; k < len(dist.rows) && int(dist.rows[k])-first < rg.hi-rg.lo; k++ {
			at := rg.lo + int(dist.rows[k]) - first - int(int32(dist.nums[k]))
			if at < 0 || at >= t.foot.rows {
				return t.fail(colParentDist, fmt.Errorf("parent in row %d of %d", at, t.foot.rows))
			}
			least, most = min(least, at), max(most, at+1)
		}
		near := ids[first : first+rg.hi-rg.lo]
		if least < rg.lo || most > rg.hi {
			c, err := t.column(colSpan, []rowRange{{least, most}})
			if err != nil {
				return err
			}
			near = c.nums
		}
		for j := from; j < k; j++ {
			if d := int(int32(dist.nums[j])); d != parentGone {
				p.Parent[dist.rows[j]] = spanID(near[rg.lo+int(dist.rows[j])-first-d-least])
			}
		}
		first += rg.hi - rg.lo
	}
	return nil
}

// attributes reads the frequent columns of a table that are wanted.
func (t *tableReader) attributes(ranges []rowRange, w *Want) ([]*telemetry.Column, error) {
	var cols []*telemetry.Column
	for i, n := range t.s.byFile[t.table] {
		if !w.has(t.s.meta, n) {
			continue
		}
		c, err := t.attribute(i, n, ranges)
		if err != nil {
			return nil, err
		}
		if c != nil {
			cols = append(cols, c)
		}
	}
	return cols, nil
}

// attribute reads column n of the catalogue, which is the i-th behind the fixed ones.
func (t *tableReader) attribute(i, n int, ranges []rowRange) (*telemetry.Column, error) {
	info := &t.s.meta.Columns[n]
	c, err := t.column(len(fixedColumns[t.table])+i, ranges)
	if err != nil || len(c.rows) == 0 {
		return nil, err
	}
	return &telemetry.Column{Scope: info.Scope, Type: info.Type, Key: info.Key, Rows: c.rows, Nums: c.nums, Codes: c.codes, Dict: c.texts}, nil
}

func (r *reading) events(rows rowRange) (rowRange, error) {
	t, err := r.s.open(TableEvents)
	if t == nil {
		return rowRange{}, err
	}
	defer t.close()
	e := &r.b.Events
	return r.children(t, rows, &e.Table, &e.Span, func(ranges []rowRange) error {
		times, err := t.column(colEventTime, ranges)
		if err != nil {
			return err
		}
		e.Time = make([]int64, e.N)
		for i, v := range times.nums {
			e.Time[i] = int64(v)
		}
		names, err := t.column(colEventName, ranges)
		if err != nil {
			return err
		}
		e.Name, e.Names = names.codes, names.texts
		return nil
	})
}

func (r *reading) links(rows rowRange) (rowRange, error) {
	t, err := r.s.open(TableLinks)
	if t == nil {
		return rowRange{}, err
	}
	defer t.close()
	l := &r.b.Links
	return r.children(t, rows, &l.Table, &l.Span, func(ranges []rowRange) error {
		ids, err := t.column(colLinkTrace, ranges)
		if err != nil {
			return err
		}
		l.TraceID = ids.ids
		spans, err := t.column(colLinkID, ranges)
		if err != nil {
			return err
		}
		flags, err := t.column(colLinkFlags, ranges)
		if err != nil {
			return err
		}
		l.SpanID, l.Flags = make([]telemetry.SpanID, l.N), make([]uint32, l.N)
		for i, v := range spans.nums {
			l.SpanID[i], l.Flags[i] = spanID(v), uint32(flags.nums[i])
		}
		return nil
	})
}

// children reads what events and links have in common, and fixed the rest.
func (r *reading) children(t *tableReader, rows rowRange, table *telemetry.Table, spans *[]uint32, fixed func([]rowRange) error) (rowRange, error) {
	child, err := t.childRows(rows)
	if err != nil || child.lo == child.hi {
		return child, err
	}
	ranges := []rowRange{child}
	of, err := t.column(0, ranges)
	if err != nil {
		return child, err
	}
	table.N = child.hi - child.lo
	*spans = make([]uint32, table.N)
	for i, v := range of.nums {
		if v < uint64(rows.lo) || v >= uint64(rows.hi) || i > 0 && v < of.nums[i-1] {
			return child, t.fail(0, fmt.Errorf("row %d belongs to span %d", child.lo+i, v))
		}
		(*spans)[i] = uint32(v - uint64(rows.lo))
	}
	if err := fixed(ranges); err != nil {
		return child, err
	}
	table.Cols, err = t.attributes(ranges, r.want)
	return child, err
}

// rest adds the rare values of the rows of a table.
func (r *reading) rest(table byte, rows rowRange, to *telemetry.Table) error {
	if rows.lo == rows.hi || !r.want.rare(r.s.meta, table) {
		return nil
	}
	rare := make(map[int]*telemetry.Column)
	err := r.s.restValues(table, rows, func(n int, row uint32, num uint64, text []byte) {
		if !r.want.has(r.s.meta, n) {
			return
		}
		info := &r.s.meta.Columns[n]
		if r.loose && info.Scope != telemetry.ScopeIntrinsic {
			to.Rest.Scope = info.Scope
			to.Rest.Add(row-uint32(rows.lo), info.Type, []byte(info.Key), num, text)
			return
		}
		c := rare[n]
		if c == nil {
			c = &telemetry.Column{Scope: info.Scope, Type: info.Type, Key: info.Key}
			rare[n] = c
		}
		c.Rows = append(c.Rows, row-uint32(rows.lo))
		if c.Type.IsText() {
			c.Codes = append(c.Codes, c.Dict.Append(text))
		} else {
			c.Nums = append(c.Nums, num)
		}
	})
	order := make([]int, 0, len(rare))
	for n := range rare {
		order = append(order, n)
	}
	slices.Sort(order)
	for _, n := range order {
		to.Cols = append(to.Cols, rare[n])
	}
	return err
}
