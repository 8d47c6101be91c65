package telemetry

import (
	"encoding/binary"
	"fmt"
)

// CodecVersion is the version that AppendRecord writes. DecodeRecord reads it and
// those before: version 1 has no Rest.
const CodecVersion = 2

// AppendRecord appends the record of a batch: one log record is one request. The
// layout is drawn in docs/format/wal.md. All integers are little endian or
// unsigned varints; rows are written as gaps; signed values are zigzag. Seq is
// written once, since a request has one; a batch with several MUST NOT be encoded.
func AppendRecord(dst []byte, b *Batch, seq int64) []byte {
	e := encoder{dst}
	e.byte(CodecVersion)
	e.text([]byte(b.Tenant))
	e.signed(seq)
	s := &b.Spans
	e.uint(uint64(s.N))
	for i := range s.TraceID {
		e.b = append(e.b, s.TraceID[i][:]...)
	}
	for i := range s.SpanID {
		e.b = append(e.b, s.SpanID[i][:]...)
	}
	for i := range s.Parent {
		e.b = append(e.b, s.Parent[i][:]...)
	}
	e.deltas(s.Start)
	for _, v := range s.Duration {
		e.signed(v)
	}
	e.b = append(e.b, s.Kind...)
	e.b = append(e.b, s.Status...)
	e.b = append(e.b, s.Marks...)
	e.uints(s.Flags)
	e.uints(s.Resource)
	e.uints(s.Scope)
	e.uints(s.Name)
	e.dict(&s.Names)
	v := &b.Events
	e.uint(uint64(v.N))
	e.gaps(v.Span)
	e.deltas(v.Time)
	e.uints(v.Name)
	e.dict(&v.Names)
	l := &b.Links
	e.uint(uint64(l.N))
	e.gaps(l.Span)
	for i := range l.TraceID {
		e.b = append(e.b, l.TraceID[i][:]...)
		e.b = append(e.b, l.SpanID[i][:]...)
	}
	e.uints(l.Flags)
	e.uint(uint64(b.Resources.N))
	e.uint(uint64(b.Scopes.N))
	for _, t := range b.Tables() {
		e.uint(uint64(len(t.Cols)))
		for _, c := range t.Cols {
			e.byte(byte(c.Scope))
			e.byte(byte(c.Type))
			e.text([]byte(c.Key))
			e.uint(uint64(len(c.Rows)))
			e.gaps(c.Rows)
			switch {
			case c.Type.IsText():
				e.uints(c.Codes)
				e.dict(&c.Dict)
			case c.Type == TypeDouble:
				for _, v := range c.Nums {
					e.b = binary.LittleEndian.AppendUint64(e.b, v)
				}
			default:
				for _, v := range c.Nums {
					e.signed(int64(v))
				}
			}
		}
		e.rest(&t.Rest)
	}
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) byte(v byte)    { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)  { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) signed(v int64) { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) text(v []byte)  { e.uint(uint64(len(v))); e.b = append(e.b, v...) }

func (e *encoder) uints(v []uint32) {
	for _, x := range v {
		if x < 0x80 {
			e.b = append(e.b, byte(x))
			continue
		}
		e.b = binary.AppendUvarint(e.b, uint64(x))
	}
}

func (e *encoder) gaps(v []uint32) {
	last := uint32(0)
	for _, x := range v {
		if gap := x - last; gap < 0x80 {
			e.b = append(e.b, byte(gap))
		} else {
			e.b = binary.AppendUvarint(e.b, uint64(gap))
		}
		last = x
	}
}

func (e *encoder) deltas(v []int64) {
	last := int64(0)
	for _, x := range v {
		e.signed(x - last)
		last = x
	}
}

func (e *encoder) dict(d *Dict) {
	e.uint(uint64(d.Len()))
	for i := range d.Len() {
		e.uint(uint64(d.Offsets[i+1] - d.Offsets[i]))
	}
	e.text(d.Data)
}

// DecodeRecord reads a record into a Batch of its own, which does not alias p,
// and its seq. It checks every length, code and row before it uses it: a record
// that passed its checksum but was written by a broken program is an error, not a crash.
func DecodeRecord(p []byte) (*Batch, int64, error) {
	d := decoder{b: p}
	version := d.byte()
	if version < 1 || version > CodecVersion {
		return nil, 0, fmt.Errorf("record has version %d, this clew reads 1 to %d", version, CodecVersion)
	}
	b := &Batch{Tenant: string(d.text())}
	seq := d.signed()
	s := &b.Spans
	s.N = d.count(16 + 8 + 8 + 9)
	n := s.N
	s.TraceID = make([]TraceID, n)
	for i := range s.TraceID {
		copy(s.TraceID[i][:], d.take(16))
	}
	s.SpanID, s.Parent = d.spanIDs(n), d.spanIDs(n)
	s.Start = d.deltas(n)
	s.Duration = make([]int64, n)
	s.Seq = make([]int64, n)
	for i := range n {
		s.Duration[i] = d.signed()
		s.Seq[i] = seq
	}
	s.Kind = append([]uint8(nil), d.take(n)...)
	s.Status = append([]uint8(nil), d.take(n)...)
	s.Marks = append([]uint8(nil), d.take(n)...)
	s.Flags, s.Resource, s.Scope = d.uints(n), d.uints(n), d.uints(n)
	s.Name = d.uints(n)
	s.Names = d.dict()
	d.below(s.Name, s.Names.Len())
	v := &b.Events
	v.N = d.count(3)
	v.Span, v.Time, v.Name = d.gaps(v.N, n, false), d.deltas(v.N), d.uints(v.N)
	v.Names = d.dict()
	d.below(v.Name, v.Names.Len())
	l := &b.Links
	l.N = d.count(16 + 8 + 2)
	l.Span = d.gaps(l.N, n, false)
	l.TraceID, l.SpanID = make([]TraceID, l.N), make([]SpanID, l.N)
	for i := range l.N {
		copy(l.TraceID[i][:], d.take(16))
		copy(l.SpanID[i][:], d.take(8))
	}
	l.Flags = d.uints(l.N)
	b.Resources.N, b.Scopes.N = d.limit(maxRows), d.limit(maxRows)
	d.below(s.Resource, b.Resources.N)
	d.below(s.Scope, b.Scopes.N)
	for _, t := range b.Tables() {
		d.columns(t)
		if version > 1 {
			d.rest(t)
		}
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes after the end", len(d.b))
	}
	if d.err != nil {
		return nil, 0, fmt.Errorf("decode record: %w", d.err)
	}
	return b, seq, nil
}

const (
	maxRows     = 1 << 24
	maxColumns  = 1 << 16
	minColBytes = 4
)

func (d *decoder) columns(t *Table) {
	n := d.limit(min(maxColumns, len(d.b)/minColBytes))
	for range n {
		c := &Column{Scope: Scope(d.byte()), Type: Type(d.byte()), Key: string(d.text())}
		rows := d.count(2)
		c.Rows = d.gaps(rows, t.N, true)
		switch c.Type {
		case TypeString, TypeBytes, TypeValue:
			c.Codes = d.uints(rows)
			c.Dict = d.dict()
			d.below(c.Codes, c.Dict.Len())
		case TypeDouble:
			c.Nums = make([]uint64, rows)
			for i := range c.Nums {
				if v := d.take(8); v != nil {
					c.Nums[i] = binary.LittleEndian.Uint64(v)
				}
			}
		case TypeInt, TypeBool:
			c.Nums = make([]uint64, rows)
			for i := range c.Nums {
				c.Nums[i] = uint64(d.signed())
			}
		default:
			d.fail("column %q has unknown type %q", c.Key, byte(c.Type))
		}
		if d.err != nil {
			return
		}
		t.Cols = append(t.Cols, c)
	}
}

// decoder reads a record. After the first error every method returns zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail("%d bytes wanted, %d left", n, len(d.b))
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) limit(most int) int {
	v := d.uint()
	if v > uint64(most) {
		d.fail("count %d is over %d", v, most)
		return 0
	}
	return int(v)
}

// count reads the number of items that take at least itemBytes each, so that no
// length can ask for more memory than the record is long.
func (d *decoder) count(itemBytes int) int { return d.limit(min(maxRows, len(d.b)/itemBytes)) }

func (d *decoder) text() []byte { return d.take(d.limit(len(d.b))) }

func (d *decoder) uints(n int) []uint32 {
	v := make([]uint32, n)
	for i := range v {
		x := d.uint()
		if x > 1<<32-1 {
			d.fail("number %d is over 32 bits", x)
		}
		v[i] = uint32(x)
	}
	return v
}

func (d *decoder) gaps(n, rows int, strict bool) []uint32 {
	v := make([]uint32, n)
	last := uint64(0)
	for i := range v {
		gap := d.uint()
		if strict && i > 0 && gap == 0 {
			d.fail("row %d is there twice", last)
		}
		last += gap
		if last >= uint64(rows) || gap > maxRows {
			d.fail("row %d of %d", last, rows)
			return v
		}
		v[i] = uint32(last)
	}
	return v
}

func (d *decoder) deltas(n int) []int64 {
	v := make([]int64, n)
	last := int64(0)
	for i := range v {
		last += d.signed()
		v[i] = last
	}
	return v
}

func (d *decoder) spanIDs(n int) []SpanID {
	v := make([]SpanID, n)
	for i := range v {
		copy(v[i][:], d.take(8))
	}
	return v
}

func (d *decoder) dict() Dict {
	n := d.count(1)
	if n == 0 {
		if len(d.text()) > 0 {
			d.fail("text without entries")
		}
		return Dict{}
	}
	offsets := make([]int32, n+1)
	total := uint64(0)
	for i := range n {
		total += d.uint()
		if total > 1<<31-1 {
			d.fail("dictionary is over 2 GiB")
			return Dict{}
		}
		offsets[i+1] = int32(total)
	}
	data := d.text()
	if uint64(len(data)) != total {
		d.fail("dictionary has %d bytes, its entries %d", len(data), total)
		return Dict{}
	}
	return Dict{Data: append([]byte(nil), data...), Offsets: offsets}
}

func (d *decoder) below(v []uint32, n int) {
	for _, x := range v {
		if int(x) >= n {
			d.fail("entry %d of %d", x, n)
			return
		}
	}
}
