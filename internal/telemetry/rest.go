package telemetry

import (
	"slices"
)

// Rest holds the values of keys that few rows of a table have: an entry a value,
// with its key beside it, in order of rows. A column for every such key would
// cost many times what it holds, in memory, in the log and in each step that goes
// through columns one by one. All entries are attributes of one scope. A row has
// a key with a type once, here or in a column; where a key has both, every row of
// its entries comes before those of its column.
type Rest struct {
	Scope Scope
	Rows  []uint32 // ascending; a row may have several entries
	Types []Type
	Nums  []uint64 // as in Column; of text types the entry of Texts, which are in order
	Keys  Dict     // one for each entry
	Texts Dict
}

// Len is the number of entries.
func (r *Rest) Len() int { return len(r.Rows) }

// Text gives the text of entry i, whose type has one.
func (r *Rest) Text(i int) []byte { return r.Texts.At(uint32(r.Nums[i])) }

// Bytes is the memory of the entries, by the lengths of the slices.
func (r *Rest) Bytes() int64 {
	return int64(len(r.Rows))*(4+1+8) + r.Keys.Bytes() + r.Texts.Bytes()
}

// Of gives the entries [lo, hi) of a row.
func (r *Rest) Of(row uint32) (lo, hi int) {
	lo, _ = slices.BinarySearch(r.Rows, row)
	for hi = lo; hi < len(r.Rows) && r.Rows[hi] == row; hi++ {
	}
	return lo, hi
}

// Add appends an entry: num for numbers, text for text types. Rows MUST NOT descend.
func (r *Rest) Add(row uint32, typ Type, key []byte, num uint64, text []byte) {
	if typ.IsText() {
		num = uint64(r.Texts.Append(text))
	}
	r.Rows = append(r.Rows, row)
	r.Types = append(r.Types, typ)
	r.Nums = append(r.Nums, num)
	r.Keys.Append(key)
}

// AppendKey appends a text of entry i that is equal to what AppendCellKey gives of
// the same value in a column.
func (r *Rest) AppendKey(dst []byte, i int) []byte {
	if r.Types[i].IsText() {
		return appendTextKey(dst, r.Scope, r.Types[i], r.Keys.At(uint32(i)), r.Text(i))
	}
	return appendNumKey(dst, r.Scope, r.Types[i], r.Keys.At(uint32(i)), r.Nums[i])
}

func (r *Rest) reset() {
	r.Rows, r.Types, r.Nums = r.Rows[:0], r.Types[:0], r.Nums[:0]
	r.Keys.Reset()
	r.Texts.Reset()
}

// addTo appends the value of entry i to a column.
func (r *Rest) addTo(c *ColumnBuilder, i int, row uint32) {
	if r.Types[i].IsText() {
		c.AddText(row, r.Text(i))
	} else {
		c.AddNum(row, r.Nums[i])
	}
}

// join gives the column of that name, of which rest is what is no entry: rest
// itself when there are no entries, and a new column otherwise.
func (r *Rest) join(s Scope, key string, typ Type, rest *Column) *Column {
	if s != r.Scope {
		return rest
	}
	var c *Column
	for i, t := range r.Types {
		if t == typ && string(r.Keys.At(uint32(i))) == key {
			if c == nil {
				c = &Column{Scope: s, Type: typ, Key: key}
			}
			c.Take(r, i)
		}
	}
	return c.before(rest)
}

// Take appends the value of entry i, whose row is behind those of the column.
func (c *Column) Take(r *Rest, i int) {
	c.Rows = append(c.Rows, r.Rows[i])
	if c.Type.IsText() {
		c.Codes = append(c.Codes, c.Dict.Append(r.Text(i)))
	} else {
		c.Nums = append(c.Nums, r.Nums[i])
	}
}

// before puts c, which may be nil and belongs to the caller, in front of rest,
// which may be nil and stays as it is.
func (c *Column) before(rest *Column) *Column {
	switch {
	case c == nil:
		return rest
	case rest == nil:
		return c
	}
	c.Rows = append(c.Rows, rest.Rows...)
	c.Nums = append(c.Nums, rest.Nums...)
	for _, code := range rest.Codes {
		c.Codes = append(c.Codes, c.Dict.Append(rest.Dict.At(code)))
	}
	return c
}

// restName is what a column made of entries is found by.
type restName struct {
	typ Type
	key string
}

// columns gives the columns of the table with what Rest has of them, those that
// are in Rest alone at the end.
func (t *Table) columns() []*Column {
	r := &t.Rest
	made := map[restName]*Column{}
	var order []*Column
	for i, typ := range r.Types {
		key := r.Keys.At(uint32(i))
		c := made[restName{typ, string(key)}]
		if c == nil {
			c = &Column{Scope: r.Scope, Type: typ, Key: string(key)}
			made[restName{typ, c.Key}] = c
			order = append(order, c)
		}
		c.Take(r, i)
	}
	out := slices.Clone(t.Cols)
	for i, c := range out {
		name := restName{c.Type, c.Key}
		if first := made[name]; first != nil && c.Scope == r.Scope {
			out[i] = first.before(c)
			made[name] = nil
		}
	}
	for _, c := range order {
		if made[restName{c.Type, c.Key}] != nil {
			out = append(out, c)
		}
	}
	return out
}

// Settle gives a batch with the same rows in which every value is in a column: b
// itself when it is so.
func Settle(b *Batch) *Batch {
	tables := b.Tables()
	if !slices.ContainsFunc(tables[:], func(t *Table) bool { return t.Rest.Len() > 0 }) {
		return b
	}
	out := *b
	for _, t := range out.Tables() {
		if t.Rest.Len() > 0 {
			t.Cols, t.Rest = t.columns(), Rest{}
		}
	}
	return &out
}

// EachName calls f with the name of every column, and of every entry of Rest.
func (t *Table) EachName(f func(s Scope, key string, typ Type)) {
	for _, c := range t.Cols {
		f(c.Scope, c.Key, c.Type)
	}
	for i, typ := range t.Rest.Types {
		f(t.Rest.Scope, t.Rest.Keys.Str(uint32(i)), typ)
	}
}

// HasType reports whether there is a value of the type.
func (t *Table) HasType(typ Type) bool {
	return slices.Contains(t.Rest.Types, typ) || slices.ContainsFunc(t.Cols, func(c *Column) bool { return c.Type == typ })
}
