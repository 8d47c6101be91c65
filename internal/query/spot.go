package query

// spot is where the values of fields are read for a span: with one of its events or
// links, and with one of its parents. What is not there is none.
type spot struct{ row, child, parent int }

const none = -1

// reach is what fields read beside the span itself.
type reach struct{ events, links, parents bool }

func (n reach) with(f Field) reach {
	if f.Parent {
		n.parents = true
		return n
	}
	switch f.Level() {
	case LevelEvent:
		n.events = true
	case LevelLink:
		n.links = true
	}
	return n
}

func reachOf(operands ...Operand) (n reach) {
	for _, o := range operands {
		WalkOperand(o, func(f Field) { n = n.with(f) })
	}
	return n
}

func reachOfFields(fields []Field) (n reach) {
	for _, f := range fields {
		n = n.with(f)
	}
	return n
}

func (n reach) and(o reach) reach {
	return reach{n.events || o.events, n.links || o.links, n.parents || o.parents}
}

// anything reports whether a span can have more than one place, or none.
func (n reach) anything() bool { return n.events || n.links || n.parents }

var nowhere = []int{none}

// each calls f with every place that the span has for what n reaches, until it
// answers true. Where there is no event, link or parent, the place is without one,
// unless must says that it is needed.
func (r *Reader) each(n, must reach, row int, f func(spot) bool) bool {
	parents := nowhere
	if n.parents {
		if found := r.parents(row); len(found) > 0 || must.parents {
			parents = found
		}
	}
	lo, hi := none, 0
	if n.events || n.links {
		of, needed := r.b.Events.Span, must.events
		if n.links {
			of, needed = r.b.Links.Span, must.links
		}
		if first, end := children(of, row); first < end || needed {
			lo, hi = first, end
		}
	}
	for _, parent := range parents {
		for child := lo; child < hi; child++ {
			if f(spot{row, child, parent}) {
				return true
			}
		}
	}
	return false
}

// parents gives the other rows of the trace that have the id which the span names as
// its parent's.
func (r *Reader) parents(row int) []int {
	s := &r.b.Spans
	if r.byID == nil {
		r.byID = map[spanKey][]int{}
		for row, id := range s.SpanID {
			k := spanKey{s.TraceID[row], id}
			r.byID[k] = append(r.byID[k], row)
		}
	}
	if s.Parent[row].IsZero() {
		return nil
	}
	rows := r.byID[spanKey{s.TraceID[row], s.Parent[row]}]
	if s.Parent[row] != s.SpanID[row] {
		return rows
	}
	var others []int
	for _, o := range rows {
		if o != row {
			others = append(others, o)
		}
	}
	return others
}
