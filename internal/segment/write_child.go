package segment

import (
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// children places the rows of a child table (events, links) of the spans
// [lo, lo+n) of o: in order of the span, and as they were within a span. of
// gives the span rows of a source. It returns the number of children.
func (w *writer) children(o *order, lo, n int, of func(src int) []uint32) (place [][]uint32, total int) {
	next := slices.Grow(w.events[:0], n)[:n]
	clear(next)
	w.events = next
	place = make([][]uint32, len(o.sources))
	for i, pos := range o.pos {
		for _, span := range of(i) {
			if q := pos[span] - uint32(lo); q < uint32(n) {
				next[q]++
			}
		}
	}
	for q, k := range next {
		next[q] = uint32(total)
		total += int(k)
	}
	if total == 0 {
		return nil, 0
	}
	for i, pos := range o.pos {
		spans := of(i)
		place[i] = make([]uint32, len(spans))
		for r, span := range spans {
			place[i][r] = noRow
			if q := pos[span] - uint32(lo); q < uint32(n) {
				place[i][r] = next[q]
				next[q]++
			}
		}
	}
	return place, total
}

// childSpans fills the slab's wide numbers with the row of each child's span.
func (w *writer) childSpans(o *order, lo, first int, of func(src int) []uint32) *values {
	s := &w.slab
	wide := s.full()
	for i, place := range s.place {
		for r, span := range of(i) {
			if q := place[r]; q != noRow {
				wide[q] = uint64(first) + uint64(o.pos[i][span]) - uint64(lo)
			}
		}
	}
	return s.required()
}

func (w *writer) writeEvents(o *order, lo, n, first int, in *collected) error {
	events := func(i int) *telemetry.Events { return &o.sources[i].Events }
	spans := func(i int) []uint32 { return events(i).Span }
	place, total := w.children(o, lo, n, spans)
	if total == 0 {
		return nil
	}
	f, err := w.file(TableEvents)
	if err != nil {
		return err
	}
	s := &w.slab
	s.aim(place, 0, total)
	g := f.addGroups(total)
	f.column(g, colEventSpan, w.childSpans(o, lo, first, spans))
	f.column(g, colEventTime, scatterInts(s, func(i int) []int64 { return events(i).Time }))
	names, err := s.fixedTexts(func(i int) ([]uint32, *telemetry.Dict) { return events(i).Name, &events(i).Names })
	if err != nil {
		return columnError(&f.foot.cols[colEventName], err)
	}
	f.column(g, colEventName, names)
	if err := w.attributes(TableEvents, g, in); err != nil {
		return err
	}
	w.rows[TableEvents] += total
	return nil
}

func (w *writer) writeLinks(o *order, lo, n, first int, in *collected) error {
	links := func(i int) *telemetry.Links { return &o.sources[i].Links }
	spans := func(i int) []uint32 { return links(i).Span }
	place, total := w.children(o, lo, n, spans)
	if total == 0 {
		return nil
	}
	f, err := w.file(TableLinks)
	if err != nil {
		return err
	}
	s := &w.slab
	s.aim(place, 0, total)
	g := f.addGroups(total)
	f.column(g, colLinkSpan, w.childSpans(o, lo, first, spans))
	ids := make([]telemetry.TraceID, total)
	wide := make([]uint64, total)
	for i, place := range place {
		for r, q := range place {
			if q != noRow {
				ids[q] = links(i).TraceID[r]
				wide[q] = links(i).SpanID[r].Uint64()
			}
		}
	}
	f.column(g, colLinkTrace, &values{rows: total, ids: ids})
	f.column(g, colLinkID, &values{rows: total, nums: wide})
	f.column(g, colLinkFlags, scatterInts(s, func(i int) []uint32 { return links(i).Flags }))
	if err := w.attributes(TableLinks, g, in); err != nil {
		return err
	}
	w.rows[TableLinks] += total
	return nil
}
