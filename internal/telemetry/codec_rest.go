package telemetry

import "encoding/binary"

func (e *encoder) rest(r *Rest) {
	e.uint(uint64(r.Len()))
	if r.Len() == 0 {
		return
	}
	e.byte(byte(r.Scope))
	e.gaps(r.Rows)
	for _, t := range r.Types {
		e.byte(byte(t))
	}
	e.dict(&r.Keys)
	e.dict(&r.Texts)
	for i, t := range r.Types {
		switch {
		case t.IsText():
		case t == TypeDouble:
			e.b = binary.LittleEndian.AppendUint64(e.b, r.Nums[i])
		default:
			e.signed(int64(r.Nums[i]))
		}
	}
}

// minRestBytes is what an entry takes at least: a row, a type, a length of a key.
const minRestBytes = 3

func (d *decoder) rest(t *Table) {
	n := d.count(minRestBytes)
	if n == 0 {
		return
	}
	r := &t.Rest
	r.Scope = Scope(d.byte())
	r.Rows = d.gaps(n, t.N, false)
	types := d.take(n)
	r.Types = make([]Type, len(types))
	r.Keys, r.Texts = d.dict(), d.dict()
	r.Nums = make([]uint64, len(types))
	texts := 0
	for i, typ := range types {
		r.Types[i] = Type(typ)
		switch r.Types[i] {
		case TypeString, TypeBytes, TypeValue:
			r.Nums[i] = uint64(texts)
			texts++
		case TypeDouble:
			if v := d.take(8); v != nil {
				r.Nums[i] = binary.LittleEndian.Uint64(v)
			}
		case TypeInt, TypeBool:
			r.Nums[i] = uint64(d.signed())
		default:
			d.fail("entry %d of the rest has unknown type %q", i, typ)
		}
	}
	if d.err == nil && (r.Keys.Len() != n || r.Texts.Len() != texts) {
		d.fail("the rest has %d keys and %d texts for %d values, %d of them texts", r.Keys.Len(), r.Texts.Len(), n, texts)
	}
	if d.err == nil {
		d.restOnce(t)
	}
}

// restOnce checks that no row has a key twice: not in two entries, nor in an entry
// and a column.
func (d *decoder) restOnce(t *Table) {
	r := &t.Rest
	last := make(map[restName]uint32, r.Len())
	for _, c := range t.Cols {
		if c.Scope == r.Scope {
			last[restName{c.Type, c.Key}] = noRow
		}
	}
	for i, typ := range r.Types {
		key := r.Keys.At(uint32(i))
		row, seen := last[restName{typ, string(key)}]
		if seen && row >= r.Rows[i] {
			d.fail("key %q has two values in row %d, or a column besides", key, r.Rows[i])
			return
		}
		last[restName{typ, string(key)}] = r.Rows[i]
	}
}
