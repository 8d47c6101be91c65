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
		for i, typ := range t.spare.Types {
			switch {
			case typ == 0:
			case few:
				t.spare.addTo(t.Col(r.Scope, t.spare.Keys.At(uint32(i)), typ), i, t.spare.Rows[i])
			default:
				r.addFrom(&t.spare, i, t.spare.Rows[i])
			}
		}
	}
	t.promoted = 0
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
