package otlp

import (
	"io"
	"math"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Traces is a batch on its way out, as TracesData in protobuf form, which has the same
// shape as ExportTraceServiceRequest, or in OTLP/JSON: ids in hexadecimal, enums as
// numbers, 64-bit integers as strings. Spans are grouped by resource and scope in order
// of first use and keep their order within a group. The batch is only read.
type Traces struct{ w *walk }

// NewTraces prepares b for being written, any number of times.
func NewTraces(b *telemetry.Batch) Traces { return Traces{newWalk(b)} }

// Proto measures the protobuf form, in which a group of spans has its length in front.
func (t Traces) Proto() Proto {
	var s sizer
	t.w.traces(&s, listName)
	return Proto{t.w, s.n, s.sizes}
}

// Proto is a batch of which every length in protobuf is known.
type Proto struct {
	w     *walk
	size  int
	sizes []int
}

// Size is how many bytes Write writes.
func (p Proto) Size() int { return p.size }

// Write writes the batch to out in pieces of about pieceBytes, and ends with its first error.
func (p Proto) Write(out io.Writer) error {
	w := protoWriter{pieces: pieces{out: out}, sizes: p.sizes}
	p.w.traces(&w, listName)
	return w.sendRest()
}

// WriteJSON writes the batch to out as an object with one list, in pieces as Proto.Write.
func (t Traces) WriteJSON(out io.Writer, list string) error {
	w := jsonWriter{pieces{out: out, b: []byte{'{'}}}
	t.w.traces(&w, list)
	w.b = append(w.b, '}')
	return w.sendRest()
}

// listName is what OTLP/JSON calls the list of a batch.
const listName = "resourceSpans"

// AppendTraces appends b in protobuf form.
func AppendTraces(dst []byte, b *telemetry.Batch) []byte {
	p := NewTraces(b).Proto()
	w := protoWriter{pieces: pieces{b: slices.Grow(dst, p.size)}, sizes: p.sizes}
	p.w.traces(&w, listName)
	return w.b
}

// AppendTracesJSON is AppendTraces in OTLP/JSON.
func AppendTracesJSON(dst []byte, b *telemetry.Batch) []byte {
	w := jsonWriter{pieces{b: append(dst, '{')}}
	newWalk(b).traces(&w, listName)
	return append(w.b, '}')
}

// field is a field of an OTLP message in both forms.
type field struct {
	num  int
	name string
}

// writer writes one of the two forms. Elements of a list stand between list and endList.
type writer interface {
	list(f field)
	endList()
	element(f field) // a message in a list
	message(f field) // a message of its own
	end()            // of an element or a message
	group(f field)   // an element that may be large
	endGroup()
	spanDone() bool // false: nobody takes more
	text(f field, v []byte)
	bytes(f field, v []byte)
	id(f field, v []byte)
	small(f field, v uint64) // varint that JSON writes as a number
	int(f field, v int64)    // varint that JSON writes as a string
	time(f field, v uint64)  // fixed64
	flags(f field, v uint32) // fixed32
	double(f field, v float64)
	bool(f field, v bool)
}

// walk visits a batch in the order of the wire.
type walk struct {
	b                                       *telemetry.Batch
	spans, events, links, resources, scopes *telemetry.RowIndex
	eventsOf, linksOf                       []uint32 // first event, link of each span; N+1 entries
	next                                    []int32  // next span of the same group, −1 at the end
	groups                                  []group
	roots                                   []int32 // first group of each resource
}

// group is the spans of one resource and one scope.
type group struct {
	resource, scope uint32
	head, tail      int32 // spans
	next            int32 // next group of the resource, −1 at the end
}

func newWalk(b *telemetry.Batch) *walk {
	b = telemetry.Settle(b)
	w := &walk{
		b:         b,
		spans:     telemetry.IndexRows(&b.Spans.Table),
		events:    telemetry.IndexRows(&b.Events.Table),
		links:     telemetry.IndexRows(&b.Links.Table),
		resources: telemetry.IndexRows(&b.Resources),
		scopes:    telemetry.IndexRows(&b.Scopes),
		eventsOf:  starts(b.Events.Span, b.Spans.N),
		linksOf:   starts(b.Links.Span, b.Spans.N),
		next:      make([]int32, b.Spans.N),
	}
	type pair struct{ resource, scope uint32 }
	known := map[pair]int32{}
	last := map[uint32]int32{} // last group of a resource
	for row := range b.Spans.N {
		w.next[row] = -1
		p := pair{b.Spans.Resource[row], b.Spans.Scope[row]}
		g, ok := known[p]
		if ok {
			w.next[w.groups[g].tail] = int32(row)
			w.groups[g].tail = int32(row)
			continue
		}
		g = int32(len(w.groups))
		w.groups = append(w.groups, group{p.resource, p.scope, int32(row), int32(row), -1})
		known[p] = g
		if before, ok := last[p.resource]; ok {
			w.groups[before].next = g
		} else {
			w.roots = append(w.roots, g)
		}
		last[p.resource] = g
	}
	return w
}

// starts gives the first child of each of n spans, for children in ascending order of span.
func starts(span []uint32, n int) []uint32 {
	first := make([]uint32, n+1)
	for _, s := range span {
		first[s+1]++
	}
	for i := range n {
		first[i+1] += first[i]
	}
	return first
}

// traces writes the batch, or a part of it when nobody takes more.
func (w *walk) traces(o writer, list string) {
	o.list(field{1, list})
	for _, root := range w.roots {
		o.group(field{1, list})
		w.resource(o, w.groups[root].resource)
		o.list(field{2, "scopeSpans"})
		for g := root; g >= 0; g = w.groups[g].next {
			if !w.scopeSpans(o, &w.groups[g]) {
				return
			}
		}
		o.endList()
		w.intrinsicText(o, field{3, "schemaUrl"}, &w.b.Resources, w.resources, w.groups[root].resource, telemetry.KeySchemaURL)
		o.endGroup()
	}
	o.endList()
}

func (w *walk) resource(o writer, row uint32) {
	o.message(field{1, "resource"})
	w.attributes(o, field{1, "attributes"}, &w.b.Resources, w.resources, row)
	w.dropped(o, field{2, "droppedAttributesCount"}, &w.b.Resources, w.resources, row, telemetry.KeyDroppedAttributes)
	o.end()
}

func (w *walk) scopeSpans(o writer, g *group) (wanted bool) {
	t, x := &w.b.Scopes, w.scopes
	o.group(field{2, "scopeSpans"})
	o.message(field{1, "scope"})
	w.intrinsicText(o, field{1, "name"}, t, x, g.scope, telemetry.KeyScopeName)
	w.intrinsicText(o, field{2, "version"}, t, x, g.scope, telemetry.KeyScopeVersion)
	w.attributes(o, field{3, "attributes"}, t, x, g.scope)
	w.dropped(o, field{4, "droppedAttributesCount"}, t, x, g.scope, telemetry.KeyDroppedAttributes)
	o.end()
	o.list(field{2, "spans"})
	for row := g.head; row >= 0; row = w.next[row] {
		o.element(field{2, "spans"})
		w.span(o, uint32(row))
		o.end()
		if !o.spanDone() {
			return false
		}
	}
	o.endList()
	w.intrinsicText(o, field{3, "schemaUrl"}, t, x, g.scope, telemetry.KeySchemaURL)
	o.endGroup()
	return true
}

func (w *walk) span(o writer, row uint32) {
	s, t, x := &w.b.Spans, &w.b.Spans.Table, w.spans
	o.id(field{1, "traceId"}, s.TraceID[row][:])
	o.id(field{2, "spanId"}, s.SpanID[row][:])
	w.intrinsicText(o, field{3, "traceState"}, t, x, row, telemetry.KeyTraceState)
	if !s.Parent[row].IsZero() {
		o.id(field{4, "parentSpanId"}, s.Parent[row][:])
	}
	if name := s.Names.At(s.Name[row]); len(name) > 0 {
		o.text(field{5, "name"}, name)
	}
	if s.Kind[row] != 0 {
		o.small(field{6, "kind"}, uint64(s.Kind[row]))
	}
	o.time(field{7, "startTimeUnixNano"}, uint64(s.Start[row]))
	o.time(field{8, "endTimeUnixNano"}, uint64(s.Start[row]+s.Duration[row]))
	w.attributes(o, field{9, "attributes"}, t, x, row)
	w.dropped(o, field{10, "droppedAttributesCount"}, t, x, row, telemetry.KeyDroppedAttributes)
	if from, to := w.eventsOf[row], w.eventsOf[row+1]; from < to {
		o.list(field{11, "events"})
		for e := from; e < to; e++ {
			w.event(o, e)
		}
		o.endList()
	}
	w.dropped(o, field{12, "droppedEventsCount"}, t, x, row, telemetry.KeyDroppedEvents)
	if from, to := w.linksOf[row], w.linksOf[row+1]; from < to {
		o.list(field{13, "links"})
		for l := from; l < to; l++ {
			w.link(o, l)
		}
		o.endList()
	}
	w.dropped(o, field{14, "droppedLinksCount"}, t, x, row, telemetry.KeyDroppedLinks)
	// The status stands there even when nothing is in it, as senders write it: Grafana's
	// data source takes each span's for granted and fails on a trace without one.
	o.message(field{15, "status"})
	if message := intrinsic(t, x, row, telemetry.KeyStatusMessage, telemetry.TypeString); message != nil {
		o.text(field{2, "message"}, message.text)
	}
	if s.Status[row] != 0 {
		o.small(field{3, "code"}, uint64(s.Status[row]))
	}
	o.end()
	if s.Flags[row] != 0 {
		o.flags(field{16, "flags"}, s.Flags[row])
	}
}

func (w *walk) event(o writer, row uint32) {
	e := &w.b.Events
	o.element(field{11, "events"})
	o.time(field{1, "timeUnixNano"}, uint64(e.Time[row]))
	if name := e.Names.At(e.Name[row]); len(name) > 0 {
		o.text(field{2, "name"}, name)
	}
	w.attributes(o, field{3, "attributes"}, &e.Table, w.events, row)
	w.dropped(o, field{4, "droppedAttributesCount"}, &e.Table, w.events, row, telemetry.KeyDroppedAttributes)
	o.end()
}

func (w *walk) link(o writer, row uint32) {
	l := &w.b.Links
	o.element(field{13, "links"})
	o.id(field{1, "traceId"}, l.TraceID[row][:])
	o.id(field{2, "spanId"}, l.SpanID[row][:])
	w.intrinsicText(o, field{3, "traceState"}, &l.Table, w.links, row, telemetry.KeyTraceState)
	w.attributes(o, field{4, "attributes"}, &l.Table, w.links, row)
	w.dropped(o, field{5, "droppedAttributesCount"}, &l.Table, w.links, row, telemetry.KeyDroppedAttributes)
	if l.Flags[row] != 0 {
		o.flags(field{6, "flags"}, l.Flags[row])
	}
	o.end()
}

// cell is one sparse value.
type cell struct {
	text []byte
	num  uint64
}

func cellAt(c *telemetry.Column, pos uint32) cell {
	if c.Type.IsText() {
		return cell{text: c.Dict.At(c.Codes[pos])}
	}
	return cell{num: c.Nums[pos]}
}

// intrinsic gives a field of a row that is kept as a sparse column, or nil.
func intrinsic(t *telemetry.Table, x *telemetry.RowIndex, row uint32, key string, typ telemetry.Type) *cell {
	for _, at := range x.Row(int(row)) {
		if c := t.Cols[at.Col]; c.Scope == telemetry.ScopeIntrinsic && c.Key == key && c.Type == typ {
			v := cellAt(c, at.Pos)
			return &v
		}
	}
	return nil
}

func (w *walk) intrinsicText(o writer, f field, t *telemetry.Table, x *telemetry.RowIndex, row uint32, key string) {
	if v := intrinsic(t, x, row, key, telemetry.TypeString); v != nil {
		o.text(f, v.text)
	}
}

// dropped writes a count. OTLP has 32 bits for it; our own drops may have taken it over that.
func (w *walk) dropped(o writer, f field, t *telemetry.Table, x *telemetry.RowIndex, row uint32, key string) {
	if v := intrinsic(t, x, row, key, telemetry.TypeInt); v != nil {
		o.small(f, min(v.num, math.MaxUint32))
	}
}

func (w *walk) attributes(o writer, f field, t *telemetry.Table, x *telemetry.RowIndex, row uint32) {
	open := false
	for _, at := range x.Row(int(row)) {
		c := t.Cols[at.Col]
		if c.Scope == telemetry.ScopeIntrinsic {
			continue
		}
		if !open {
			o.list(f)
			open = true
		}
		o.element(f)
		o.text(field{1, "key"}, []byte(c.Key))
		o.message(field{2, "value"})
		writeScalar(o, c.Type, cellAt(c, at.Pos))
		o.end()
		o.end()
	}
	if open {
		o.endList()
	}
}

func writeScalar(o writer, typ telemetry.Type, v cell) {
	switch typ {
	case telemetry.TypeString:
		o.text(field{int(anyString), "stringValue"}, v.text)
	case telemetry.TypeInt:
		o.int(field{int(anyInt), "intValue"}, int64(v.num))
	case telemetry.TypeDouble:
		o.double(field{int(anyDouble), "doubleValue"}, math.Float64frombits(v.num))
	case telemetry.TypeBool:
		o.bool(field{int(anyBool), "boolValue"}, v.num != 0)
	case telemetry.TypeBytes:
		o.bytes(field{int(anyBytes), "bytesValue"}, v.text)
	case telemetry.TypeValue:
		nested, err := ParseValue(v.text)
		if err != nil {
			// The text is not canonical, so that nothing is known of its type but that it is text.
			o.text(field{int(anyString), "stringValue"}, v.text)
			return
		}
		writeValue(o, &nested)
	}
}

// writeValue writes the inside of an AnyValue; ParseValue has bounded the depth.
func writeValue(o writer, v *Value) {
	switch v.Kind {
	case ValueString:
		writeScalar(o, telemetry.TypeString, cell{text: v.Text})
	case ValueInt:
		writeScalar(o, telemetry.TypeInt, cell{num: v.Num})
	case ValueDouble:
		writeScalar(o, telemetry.TypeDouble, cell{num: v.Num})
	case ValueBool:
		writeScalar(o, telemetry.TypeBool, cell{num: v.Num})
	case ValueBytes:
		writeScalar(o, telemetry.TypeBytes, cell{text: v.Text})
	case ValueArray:
		o.message(field{int(anyArray), "arrayValue"})
		o.list(field{1, "values"})
		for i := range v.Items {
			o.element(field{1, "values"})
			writeValue(o, &v.Items[i])
			o.end()
		}
		o.endList()
		o.end()
	case ValueList:
		o.message(field{int(anyList), "kvlistValue"})
		o.list(field{1, "values"})
		for i := range v.Items {
			o.element(field{1, "values"})
			o.text(field{1, "key"}, v.Keys[i])
			o.message(field{2, "value"})
			writeValue(o, &v.Items[i])
			o.end()
			o.end()
		}
		o.endList()
		o.end()
	}
}
