package telemetry

import "math/bits"

// ReserveLike makes room for rows rows that are like those of another Builder: rows
// of one sender after those before them. What grows by the request is otherwise
// copied each time that it has doubled, into memory that nobody has touched yet. Of a
// few rows that are heavy nothing is learnt about many: there is room for twice the rows
// of like at most, and for reserveBytes.
func (b *Builder) ReserveLike(like *Builder, rows int) {
	n := like.Batch.Spans.N
	if n == 0 {
		return
	}
	if each := like.Batch.Bytes() / int64(n); each > 0 {
		rows = int(min(int64(rows), reserveBytes/each))
	}
	g := growth{n, min(rows, 2*n)}
	from, to := &like.Batch, &b.Batch
	to.Spans.reserve(g.to)
	b.names.reserveLike(&to.Spans.Names, &like.names, &from.Spans.Names, g)
	e := &to.Events
	n = g.of(from.Events.N)
	e.Span, e.Time, e.Name = room(e.Span, n), room(e.Time, n), room(e.Name, n)
	b.eventNames.reserveLike(&e.Names, &like.eventNames, &from.Events.Names, g)
	l := &to.Links
	n = g.of(from.Links.N)
	l.Span, l.TraceID, l.SpanID, l.Flags = room(l.Span, n), room(l.TraceID, n), room(l.SpanID, n), room(l.Flags, n)
	b.Spans.reserveLike(&like.Spans, g)
	b.Events.reserveLike(&like.Events, g)
	b.Links.reserveLike(&like.Links, g)
}

// reserveBytes bounds what is reserved, which nobody has sent yet and no limit counts.
const reserveBytes = 32 << 20

// growth says how much of something is expected in to rows when there is some in from.
type growth struct{ from, to int }

// of gives a little more than the share, since another doubling near the end would
// cost the most.
func (g growth) of(n int) int { return int(int64(n) * int64(g.to) / int64(g.from) * 17 / 16) }

// reserveValues is how many values a column must have to be worth it.
const reserveValues = 512

func (t *TableBuilder) reserveLike(like *TableBuilder, g growth) {
	for _, c := range like.t.Cols {
		if len(c.Rows) < reserveValues {
			continue
		}
		hash := columnHash(c.Scope, []byte(c.Key), c.Type)
		old, to := like.slot(hash, c.Scope, []byte(c.Key), c.Type), t.slot(hash, c.Scope, []byte(c.Key), c.Type)
		n := g.of(len(c.Rows))
		to.C.Rows = room(to.C.Rows, n)
		if !c.Type.IsText() {
			to.C.Nums = room(to.C.Nums, n)
			continue
		}
		to.C.Codes = room(to.C.Codes, n)
		to.text.reserveLike(&to.C.Dict, &old.text, &c.Dict, g)
	}
	from, to := &like.t.Rest, &t.t.Rest
	if from.Len() < reserveValues {
		return
	}
	n := g.of(from.Len())
	to.Rows, to.Types, to.Nums = room(to.Rows, n), room(to.Types, n), room(to.Nums, n)
	to.Keys.reserve(n, g.of(len(from.Keys.Data)))
	to.Texts.reserve(g.of(from.Texts.Len()), g.of(len(from.Texts.Data)))
}

// reserve makes room for more entries of so many bytes together.
func (d *Dict) reserve(entries, bytes int) {
	d.Offsets, d.Data = room(d.Offsets, entries+1), room(d.Data, bytes)
}

// reserveLike expects as many texts as another has, where those repeat, and otherwise
// more with the rows.
func (t *textBuilder) reserveLike(d *Dict, like *textBuilder, from *Dict, g growth) {
	if from.Len() < reserveValues {
		return
	}
	if like.plain {
		d.reserve(g.of(from.Len()), g.of(len(from.Data)))
		return
	}
	d.reserve(from.Len(), len(from.Data))
	if len(t.in.slots) == 0 {
		t.in.slots = make([]slot, 1<<bits.Len(uint(2*like.in.used)))
	}
}
