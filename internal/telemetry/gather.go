package telemetry

import "slices"

// Gather makes a new Batch of the given span rows of b in the given order, with
// their events, links, resources and scopes. A row MUST NOT be listed twice. It
// costs time in proportion to all of b, so it suits batches that are mostly wanted.
func Gather(b *Batch, rows []uint32) *Batch {
	b = Settle(b)
	out := NewBuilder()
	out.Reset(b.Tenant)
	s := &b.Spans
	newOf := make([]uint32, s.N)
	for i := range newOf {
		newOf[i] = noRow
	}
	resources := out.mergeRows(&out.Resources, &b.Resources, out.resourceOf)
	scopes := out.mergeRows(&out.Scopes, &b.Scopes, out.scopeOf)
	for n, r := range rows {
		newOf[r] = uint32(n)
		out.AddSpan(Span{TraceID: s.TraceID[r], SpanID: s.SpanID[r], Parent: s.Parent[r], Start: s.Start[r], Duration: s.Duration[r],
			Kind: s.Kind[r], Status: s.Status[r], Flags: s.Flags[r], Marks: s.Marks[r],
			Resource: resources[s.Resource[r]], Scope: scopes[s.Scope[r]], Seq: s.Seq[r]}, s.Names.At(s.Name[r]))
	}
	out.Spans.gatherCols(&s.Table, newOf)

	events := childOrder(b.Events.Span, newOf)
	eventOf := make([]uint32, b.Events.N)
	for i := range eventOf {
		eventOf[i] = noRow
	}
	for _, c := range events {
		eventOf[c.old] = out.AddEvent(c.span, b.Events.Time[c.old], b.Events.Names.At(b.Events.Name[c.old]))
	}
	out.Events.gatherCols(&b.Events.Table, eventOf)

	links := childOrder(b.Links.Span, newOf)
	linkOf := make([]uint32, b.Links.N)
	for i := range linkOf {
		linkOf[i] = noRow
	}
	for _, c := range links {
		linkOf[c.old] = out.AddLink(c.span, b.Links.TraceID[c.old], b.Links.SpanID[c.old], b.Links.Flags[c.old])
	}
	out.Links.gatherCols(&b.Links.Table, linkOf)
	return &out.Batch
}

type child struct{ span, old uint32 }

// childOrder lists the rows of a child table whose span is wanted, by new span
// row and then by their old order.
func childOrder(span, newOf []uint32) []child {
	var out []child
	for i, s := range span {
		if newOf[s] != noRow {
			out = append(out, child{newOf[s], uint32(i)})
		}
	}
	slices.SortFunc(out, func(a, b child) int {
		if a.span != b.span {
			return int(int64(a.span) - int64(b.span))
		}
		return int(int64(a.old) - int64(b.old))
	})
	return out
}

func (t *TableBuilder) gatherCols(src *Table, newOf []uint32) {
	type at struct{ row, pos uint32 }
	var order []at
	for _, c := range src.Cols {
		order = order[:0]
		for pos, r := range c.Rows {
			if newOf[r] != noRow {
				order = append(order, at{newOf[r], uint32(pos)})
			}
		}
		if len(order) == 0 {
			continue
		}
		slices.SortFunc(order, func(a, b at) int { return int(int64(a.row) - int64(b.row)) })
		to := t.Col(c.Scope, []byte(c.Key), c.Type)
		for _, o := range order {
			to.addFrom(c, o.pos, o.row)
		}
	}
}
