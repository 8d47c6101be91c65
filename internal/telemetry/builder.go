package telemetry

import "bytes"

// Builder fills a Batch and may be reused: Reset keeps the memory of columns and
// dictionaries, so that decoding a request allocates next to nothing. What Batch
// returns is valid until Reset; rows that are there never change, so a copy of
// the slice headers taken between two calls is a consistent snapshot.
type Builder struct {
	Batch     Batch
	Spans     TableBuilder
	Events    TableBuilder
	Links     TableBuilder
	Resources TableBuilder
	Scopes    TableBuilder

	names      textBuilder
	eventNames textBuilder
	resourceOf map[string]uint32 // by RowKey, for Append
	scopeOf    map[string]uint32
	keyBuf     []byte
}

// NewBuilder returns an empty Builder.
func NewBuilder() *Builder {
	b := &Builder{resourceOf: map[string]uint32{}, scopeOf: map[string]uint32{}}
	b.Spans.t, b.Events.t, b.Links.t = &b.Batch.Spans.Table, &b.Batch.Events.Table, &b.Batch.Links.Table
	b.Resources.t, b.Scopes.t = &b.Batch.Resources, &b.Batch.Scopes
	return b
}

// Limits of what a reused Builder keeps for the next request, so that one strange
// sender cannot make every pooled Builder large for ever.
const (
	keepColumns   = 1024
	keepTextBytes = 1 << 20
)

// Reset empties the batch and keeps its memory.
func (b *Builder) Reset(tenant string) {
	s, e, l := &b.Batch.Spans, &b.Batch.Events, &b.Batch.Links
	b.Batch.Tenant = tenant
	for _, t := range []*TableBuilder{&b.Spans, &b.Events, &b.Links, &b.Resources, &b.Scopes} {
		t.reset()
	}
	b.names.reset(&s.Names)
	b.eventNames.reset(&e.Names)
	clear(b.resourceOf)
	clear(b.scopeOf)
	s.TraceID, s.SpanID, s.Parent = s.TraceID[:0], s.SpanID[:0], s.Parent[:0]
	s.Start, s.Duration, s.Seq = s.Start[:0], s.Duration[:0], s.Seq[:0]
	s.Kind, s.Status, s.Marks = s.Kind[:0], s.Status[:0], s.Marks[:0]
	s.Flags, s.Resource, s.Scope, s.Name = s.Flags[:0], s.Resource[:0], s.Scope[:0], s.Name[:0]
	e.Span, e.Time, e.Name = e.Span[:0], e.Time[:0], e.Name[:0]
	l.Span, l.TraceID, l.SpanID, l.Flags = l.Span[:0], l.TraceID[:0], l.SpanID[:0], l.Flags[:0]
}

// Snapshot copies the slice headers of the batch. The copy stays true while rows
// are appended, until Reset, and may be read by others meanwhile when the caller
// has ordered the two with a lock.
func (b *Builder) Snapshot() *Batch {
	c := b.Batch
	for _, t := range c.Tables() {
		cols := make([]*Column, len(t.Cols))
		block := make([]Column, len(t.Cols))
		for i, col := range t.Cols {
			block[i] = *col
			cols[i] = &block[i]
		}
		t.Cols = cols
	}
	return &c
}

// Span is one row of Spans without its name and attributes.
type Span struct {
	TraceID  TraceID
	SpanID   SpanID
	Parent   SpanID
	Start    int64
	Duration int64
	Kind     uint8
	Status   uint8
	Flags    uint32
	Marks    uint8
	Resource uint32
	Scope    uint32
	Seq      int64
}

// AddSpan appends a span and returns its row. Attributes follow through Spans.Col.
func (b *Builder) AddSpan(v Span, name []byte) uint32 {
	s := &b.Batch.Spans
	s.TraceID = append(s.TraceID, v.TraceID)
	s.SpanID = append(s.SpanID, v.SpanID)
	s.Parent = append(s.Parent, v.Parent)
	s.Start = append(s.Start, v.Start)
	s.Duration = append(s.Duration, v.Duration)
	s.Kind = append(s.Kind, v.Kind)
	s.Status = append(s.Status, v.Status)
	s.Flags = append(s.Flags, v.Flags)
	s.Marks = append(s.Marks, v.Marks)
	s.Resource = append(s.Resource, v.Resource)
	s.Scope = append(s.Scope, v.Scope)
	s.Seq = append(s.Seq, v.Seq)
	s.Name = append(s.Name, b.names.code(&s.Names, name))
	s.N++
	return uint32(s.N - 1)
}

// AddEvent appends an event of the span row and returns its own row. Span rows MUST NOT descend.
func (b *Builder) AddEvent(span uint32, time int64, name []byte) uint32 {
	e := &b.Batch.Events
	e.Span = append(e.Span, span)
	e.Time = append(e.Time, time)
	e.Name = append(e.Name, b.eventNames.code(&e.Names, name))
	e.N++
	return uint32(e.N - 1)
}

// AddLink appends a link of the span row and returns its own row. Span rows MUST NOT descend.
func (b *Builder) AddLink(span uint32, trace TraceID, id SpanID, flags uint32) uint32 {
	l := &b.Batch.Links
	l.Span = append(l.Span, span)
	l.TraceID = append(l.TraceID, trace)
	l.SpanID = append(l.SpanID, id)
	l.Flags = append(l.Flags, flags)
	l.N++
	return uint32(l.N - 1)
}

// AddRow appends a row to a table that has no fixed columns (resources, scopes).
func (t *TableBuilder) AddRow() uint32 {
	t.t.N++
	return uint32(t.t.N - 1)
}

// TableBuilder finds and makes the sparse columns of one table.
type TableBuilder struct {
	t        *Table
	slots    []columnSlot // open addressing by key, scope and type
	used     int          // slots
	promoted int          // entries of Rest that are in columns by now
	spare    Rest         // memory of an earlier Rest
}

// columnSlot keeps the hash beside the column, so that a look-up among thousands
// of keys touches the memory of one column, and growth that of none.
type columnSlot struct {
	hash uint64
	c    *ColumnBuilder // nil: the slot is free
}

func (t *TableBuilder) reset() {
	text := int64(0)
	for _, s := range t.slots {
		if s.c != nil {
			text += int64(cap(s.c.C.Dict.Data))
		}
	}
	text += int64(cap(t.t.Rest.Texts.Data)) + int64(cap(t.spare.Texts.Data))
	if t.used > keepColumns || text > keepTextBytes {
		t.slots, t.used = nil, 0
		t.t.Rest, t.spare = Rest{}, Rest{}
	}
	t.t.Rest.reset()
	t.promoted = 0
	for _, s := range t.slots {
		if s.c != nil {
			s.c.reset()
		}
	}
	t.t.Cols = t.t.Cols[:0]
	t.t.N = 0
}

// Col gives the column of that name for this batch, made on first use. key is copied when kept.
func (t *TableBuilder) Col(scope Scope, key []byte, typ Type) *ColumnBuilder {
	c := t.slot(columnHash(scope, key, typ), scope, key, typ)
	if !c.listed {
		c.listed = true
		t.t.Cols = append(t.t.Cols, c.C)
	}
	return c
}

// slot gives the column of that name, which need not be one of this batch.
func (t *TableBuilder) slot(hash uint64, scope Scope, key []byte, typ Type) *ColumnBuilder {
	if t.used*2 >= len(t.slots) {
		t.grow()
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		c := t.slots[i].c
		if c == nil {
			c = &ColumnBuilder{C: &Column{Scope: scope, Type: typ, Key: string(key)}}
			t.slots[i] = columnSlot{hash, c}
			t.used++
			return c
		}
		if t.slots[i].hash == hash && c.named(scope, key, typ) {
			return c
		}
	}
}

func columnHash(scope Scope, key []byte, typ Type) uint64 {
	return HashBytes(key) ^ uint64(scope)<<17 ^ uint64(typ)<<7
}

func (t *TableBuilder) grow() {
	old := t.slots
	t.slots = make([]columnSlot, max(64, 2*len(old)))
	mask := uint64(len(t.slots) - 1)
	for _, s := range old {
		if s.c == nil {
			continue
		}
		i := s.hash & mask
		for t.slots[i].c != nil {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

// ColumnBuilder appends to one sparse column.
type ColumnBuilder struct {
	C      *Column
	text   textBuilder
	listed bool // among the Cols of the batch being built
}

func (c *ColumnBuilder) named(scope Scope, key []byte, typ Type) bool {
	return c.C.Type == typ && c.C.Scope == scope && c.C.Key == string(key)
}

func (c *ColumnBuilder) reset() {
	c.listed = false
	c.C.Rows, c.C.Nums, c.C.Codes = c.C.Rows[:0], c.C.Nums[:0], c.C.Codes[:0]
	c.text.reset(&c.C.Dict)
}

// AddText sets the value of a row. Rows MUST NOT descend; a second value for the
// last row replaces the first, as a map would.
func (c *ColumnBuilder) AddText(row uint32, v []byte) { c.addCode(row, c.text.code(&c.C.Dict, v)) }

func (c *ColumnBuilder) addCode(row, code uint32) {
	if n := len(c.C.Rows); n > 0 && c.C.Rows[n-1] == row {
		c.C.Codes[n-1] = code
		return
	}
	c.C.Rows = append(c.C.Rows, row)
	c.C.Codes = append(c.C.Codes, code)
}

// AddNum sets the value of a row in the representation of Column.Nums; see AddText.
func (c *ColumnBuilder) AddNum(row uint32, v uint64) {
	if n := len(c.C.Rows); n > 0 && c.C.Rows[n-1] == row {
		c.C.Nums[n-1] = v
		return
	}
	c.C.Rows = append(c.C.Rows, row)
	c.C.Nums = append(c.C.Nums, v)
}

// textBuilder gives codes of texts, and gives up looking for equal ones when
// nearly every value is new: the look-up then costs more than it saves.
type textBuilder struct {
	in     Interner
	added  int
	plain  bool
	last   uint32 // code of the value before, the commonest answer
	filled bool
}

const tryTexts = 128

func (t *textBuilder) code(d *Dict, v []byte) uint32 {
	if t.filled && bytes.Equal(d.At(t.last), v) {
		return t.last
	}
	if t.plain {
		t.last = d.Append(v)
		return t.last
	}
	t.last, t.filled = t.in.Intern(d, v), true
	t.added++
	if t.added%tryTexts == 0 && t.in.used > t.added*7/8 {
		t.plain = true
	}
	return t.last
}

func (t *textBuilder) reset(d *Dict) {
	t.in.Reset()
	d.Reset()
	t.added, t.plain, t.filled = 0, false, false
}
