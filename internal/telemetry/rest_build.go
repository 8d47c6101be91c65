package telemetry

// A request is worth a Rest when it has as many rows and as many values of which
// each is the only one of its key: with fewer, columns are as cheap, and the rows
// that requests are gathered into share them.
const (
	restRows   = 64
	restValues = 64
)

// AddRest appends an entry to the table's Rest and gives its number until SettleRest.
func (t *TableBuilder) AddRest(scope Scope, row uint32, typ Type, key []byte, num uint64, text []byte) int {
	r := &t.t.Rest
	r.Scope = scope
	r.Add(row, typ, key, num, text)
	return r.Len() - 1
}

// Promote gives the column for the key of entry i, after moving the entry's value
// into it: the key is not as seldom as it seemed. An entry is promoted once, before
// its column has a value.
func (t *TableBuilder) Promote(i int) *ColumnBuilder {
	r := &t.t.Rest
	c := t.Col(r.Scope, r.Keys.At(uint32(i)), r.Types[i])
	r.addTo(c, i, r.Rows[i])
	r.Types[i] = 0
	t.promoted++
	return c
}

// SettleRest ends a request: entries that were promoted go, and all others become
// columns unless the request is worth a Rest.
func (t *TableBuilder) SettleRest() {
	r := &t.t.Rest
	few := t.t.N < restRows || r.Len()-t.promoted < restValues
	if t.promoted > 0 || few {
		t.spare, *r = *r, t.spare
		r.reset()
		r.Scope = t.spare.Scope
		from := 0
		for i, typ := range t.spare.Types {
			switch {
			case typ == 0:
				r.appendSome(&t.spare, from, i)
				from = i + 1
			case few:
				t.spare.addTo(t.Col(r.Scope, t.spare.Keys.At(uint32(i)), typ), i, t.spare.Rows[i])
				from = i + 1
			}
		}
		r.appendSome(&t.spare, from, t.spare.Len())
	}
	t.promoted = 0
}

// appendSome appends the entries [lo, hi) of src, none of which is promoted.
func (r *Rest) appendSome(src *Rest, lo, hi int) {
	if lo == hi {
		return
	}
	r.Rows = append(r.Rows, src.Rows[lo:hi]...)
	r.Types = append(r.Types, src.Types[lo:hi]...)
	r.Keys.appendSome(&src.Keys, lo, hi)
	first, last := -1, -1 // texts
	at := len(r.Nums)
	r.Nums = append(r.Nums, src.Nums[lo:hi]...)
	for i, typ := range src.Types[lo:hi] {
		if !typ.IsText() {
			continue
		}
		if last = int(src.Nums[lo+i]); first < 0 {
			first = last
		}
		r.Nums[at+i] += uint64(r.Texts.Len()) - uint64(first)
	}
	if first >= 0 {
		r.Texts.appendSome(&src.Texts, first, last+1)
	}
}

// reserve makes room for all entries of src.
func (r *Rest) reserve(src *Rest) {
	n := src.Len()
	r.Rows, r.Types, r.Nums = room(r.Rows, n), room(r.Types, n), room(r.Nums, n)
}

// addFrom appends entry i of another Rest under a row of this table.
func (r *Rest) addFrom(src *Rest, i int, row uint32) {
	num, text := src.Nums[i], []byte(nil)
	if src.Types[i].IsText() {
		text = src.Text(i)
	}
	r.Add(row, src.Types[i], src.Keys.At(uint32(i)), num, text)
}

// appendRest copies the entries of src: into the columns that are there for their
// keys, and else into Rest. It comes before the columns of src; see Rest.
func (t *TableBuilder) appendRest(src *Rest, base uint32, rowOf []uint32) {
	t.t.Rest.reserve(src)
	if rowOf == nil && src.Len() > 0 && !t.mayKnow(src) {
		t.t.Rest.Scope = src.Scope
		at := t.t.Rest.Len()
		t.t.Rest.appendSome(src, 0, src.Len())
		for i := range t.t.Rest.Rows[at:] {
			t.t.Rest.Rows[at+i] += base
		}
		return
	}
	for i, row := range src.Rows {
		if row = newRow(row, base, rowOf); row == noRow {
			continue
		}
		key := src.Keys.At(uint32(i))
		if c := t.known(src.Scope, key, src.Types[i]); c != nil {
			src.addTo(c, i, row)
			continue
		}
		t.t.Rest.Scope = src.Scope
		t.t.Rest.addFrom(src, i, row)
	}
}

// fewColumns is up to how many columns it is worth to look at all of their names.
const fewColumns = 32

// nameBit is one bit of 64 for the name of a column, by what costs nothing to read.
func nameBit(key []byte) uint64 {
	n := len(key)
	if n == 0 {
		return 1
	}
	return 1 << ((n*7 + int(key[n-1])*3 + int(key[0])) % 64)
}

// mayKnow reports whether this batch may have a column for the key of an entry. No
// is certain: few columns against many entries make it the usual answer, without a
// hash of each key.
func (t *TableBuilder) mayKnow(r *Rest) bool {
	if len(t.t.Cols) > fewColumns {
		return true
	}
	bits := uint64(0)
	for _, c := range t.t.Cols {
		if c.Scope == r.Scope {
			bits |= nameBit([]byte(c.Key))
		}
	}
	for i := range r.Types {
		if bits&nameBit(r.Keys.At(uint32(i))) != 0 {
			return true
		}
	}
	return false
}

// known gives the column of that name if this batch has it.
func (t *TableBuilder) known(scope Scope, key []byte, typ Type) *ColumnBuilder {
	if len(t.slots) == 0 {
		return nil
	}
	mask := uint64(len(t.slots) - 1)
	hash := columnHash(scope, key, typ)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.c == nil {
			return nil
		}
		if s.hash == hash && s.c.listed && s.c.named(scope, key, typ) {
			return s.c
		}
	}
}

// pickRest copies the entries of a few rows, ascending, into columns.
func (t *TableBuilder) pickRest(src *Rest, base uint32, rows []uint32) {
	for n, row := range rows {
		lo, hi := src.Of(row)
		for i := lo; i < hi; i++ {
			src.addTo(t.Col(src.Scope, src.Keys.At(uint32(i)), src.Types[i]), i, base+uint32(n))
		}
	}
}
