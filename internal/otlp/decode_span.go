package otlp

import (
	"fmt"

	"github.com/clew-dev/clew/internal/telemetry"
)

// span is the span being read: its fields may come in any order, so that nothing is
// known of it until its end.
type span struct {
	trace         telemetry.TraceID
	id            telemetry.SpanID
	parent        telemetry.SpanID
	state         []byte
	name          []byte
	message       []byte
	start, end    uint64
	kind          uint8
	status        uint8
	marks         uint8
	flags         uint32
	droppedAttrs  uint32
	droppedEvents uint64
	droppedLinks  uint64
	haveStatus    bool
}

type event struct {
	time     int64
	name     []byte
	from, to int // of Decoder.evAttrs.items
	sender   uint32
	ours     int
}

type link struct {
	trace    telemetry.TraceID
	id       telemetry.SpanID
	state    []byte
	flags    uint32
	from, to int // of Decoder.linkAttrs.items
	sender   uint32
	ours     int
}

// readSpan collects a span in d.span and the lists. wrong says why the span must be
// rejected; it is empty when the span is sound. An error is one of the whole request.
func (d *Decoder) readSpan(body []byte) (wrong string, err error) {
	d.span = span{}
	s := &d.span
	d.scratch = d.scratch[:0]
	d.events, d.links = d.events[:0], d.links[:0]
	for _, l := range []*attrList{&d.spanAttrs, &d.evAttrs, &d.linkAttrs} {
		l.clear()
	}
	d.spanAttrs.begin()
	counts := d.report.Counts
	var trace, id, parent, state, name, status []byte
	attrs, events, links := 0, 0, 0
	c := cursor{rest: body}
	for c.next() {
		switch c.num {
		case 1:
			if c.is(wireBytes) {
				trace = c.data
			}
		case 2:
			if c.is(wireBytes) {
				id = c.data
			}
		case 3:
			if c.is(wireBytes) {
				state = c.data
			}
		case 4:
			if c.is(wireBytes) {
				parent = c.data
			}
		case 5:
			if c.is(wireBytes) {
				name = c.data
			}
		case 6:
			if c.is(wireVarint) {
				s.kind = d.enum(c.value, telemetry.KindConsumer)
			}
		case 7:
			if c.is(wireFixed64) {
				s.start = c.value
			}
		case 8:
			if c.is(wireFixed64) {
				s.end = c.value
			}
		case 9:
			if !c.is(wireBytes) {
				break
			}
			if err := d.spanAttrs.add(d, c.data, &s.marks); err != nil {
				return "", atIndex(err, "attributes", attrs)
			}
			attrs++
		case 10:
			if c.is(wireVarint) {
				s.droppedAttrs = uint32(c.value)
			}
		case 11:
			if !c.is(wireBytes) {
				break
			}
			if err := d.readEvent(c.data); err != nil {
				return "", atIndex(err, "events", events)
			}
			events++
		case 12:
			if c.is(wireVarint) {
				s.droppedEvents = uint64(uint32(c.value))
			}
		case 13:
			if !c.is(wireBytes) {
				break
			}
			if err := d.readLink(c.data); err != nil {
				return "", atIndex(err, "links", links)
			}
			links++
		case 14:
			if c.is(wireVarint) {
				s.droppedLinks = uint64(uint32(c.value))
			}
		case 15:
			if !c.is(wireBytes) {
				break
			}
			if s.haveStatus {
				return "", twice("status")
			}
			s.haveStatus, status = true, c.data
		case 16:
			if c.is(wireFixed32) {
				s.flags = uint32(c.value)
			}
		}
	}
	if c.err != nil {
		return "", c.err
	}
	if err := d.readStatus(status); err != nil {
		return "", at(err, "status")
	}
	if wrong := s.ids(trace, id, parent); wrong != "" {
		d.report.Counts = counts // of a span that is not stored, the rejection alone counts
		return wrong, nil
	}
	s.droppedEvents += uint64(events - len(d.events))
	s.droppedLinks += uint64(links - len(d.links))
	s.name = d.mend(name, d.lim.ValueBytes, &s.marks)
	s.state = d.mend(state, d.lim.ValueBytes, &s.marks)
	s.message = d.mend(s.message, d.lim.ValueBytes, &s.marks)
	return "", nil
}

// ids copies the ids into the span and says what is wrong with them, if anything.
func (s *span) ids(trace, id, parent []byte) string {
	if len(trace) != len(s.trace) {
		return fmt.Sprintf("trace_id has %d bytes, not %d", len(trace), len(s.trace))
	}
	if len(id) != len(s.id) {
		return fmt.Sprintf("span_id has %d bytes, not %d", len(id), len(s.id))
	}
	if len(parent) != 0 && len(parent) != len(s.parent) {
		return fmt.Sprintf("parent_span_id has %d bytes, not %d or none", len(parent), len(s.parent))
	}
	copy(s.trace[:], trace)
	copy(s.id[:], id)
	copy(s.parent[:], parent)
	if s.trace.IsZero() {
		return "trace_id is all zeros"
	}
	if s.id.IsZero() {
		return "span_id is all zeros"
	}
	return ""
}

// enum gives v if it is at most most, else 0, which is "unspecified" in all enums of OTLP.
func (d *Decoder) enum(v uint64, most uint8) uint8 {
	if v > uint64(most) {
		d.report.Counts[UnknownEnum]++
		return 0
	}
	return uint8(v)
}

func (d *Decoder) readStatus(body []byte) error {
	c := cursor{rest: body}
	for c.next() {
		switch c.num {
		case 2:
			if c.is(wireBytes) {
				d.span.message = c.data
			}
		case 3:
			if c.is(wireVarint) {
				d.span.status = d.enum(c.value, telemetry.StatusError)
			}
		}
	}
	return c.err
}

func (d *Decoder) readEvent(body []byte) error {
	l := &d.evAttrs
	over := d.over(len(d.events), d.lim.SpanEvents, d.b.Batch.Events.N, d.lim.Events)
	counts, scratch, marks := d.report.Counts, len(d.scratch), d.span.marks
	l.begin()
	e := event{from: len(l.items)}
	var name []byte
	c := cursor{rest: body}
	for i := 0; c.next(); {
		switch c.num {
		case 1:
			if c.is(wireFixed64) {
				t, off := instant(c.value)
				e.time = t
				if off {
					d.clockOff()
				}
			}
		case 2:
			if c.is(wireBytes) {
				name = c.data
			}
		case 3:
			if !c.is(wireBytes) {
				break
			}
			if err := l.add(d, c.data, &d.span.marks); err != nil {
				return atIndex(err, "attributes", i)
			}
			i++
		case 4:
			if c.is(wireVarint) {
				e.sender = uint32(c.value)
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	if over != notOver {
		l.items = l.items[:e.from]
		d.report.Counts, d.scratch, d.span.marks = counts, d.scratch[:scratch], marks
		d.report.Counts[[...]Reason{perSpan: ManySpanEvents, perRequest: ManyEvents}[over]]++
		return nil
	}
	e.to, e.ours = len(l.items), l.dropped
	e.name = d.mend(name, d.lim.ValueBytes, &d.span.marks)
	d.events = append(d.events, e)
	return nil
}

func (d *Decoder) readLink(body []byte) error {
	l := &d.linkAttrs
	over := d.over(len(d.links), d.lim.SpanLinks, d.b.Batch.Links.N, d.lim.Links)
	counts, scratch, marks := d.report.Counts, len(d.scratch), d.span.marks
	l.begin()
	k := link{from: len(l.items)}
	var trace, id, state []byte
	c := cursor{rest: body}
	for i := 0; c.next(); {
		switch c.num {
		case 1:
			if c.is(wireBytes) {
				trace = c.data
			}
		case 2:
			if c.is(wireBytes) {
				id = c.data
			}
		case 3:
			if c.is(wireBytes) {
				state = c.data
			}
		case 4:
			if !c.is(wireBytes) {
				break
			}
			if err := l.add(d, c.data, &d.span.marks); err != nil {
				return atIndex(err, "attributes", i)
			}
			i++
		case 5:
			if c.is(wireVarint) {
				k.sender = uint32(c.value)
			}
		case 6:
			if c.is(wireFixed32) {
				k.flags = uint32(c.value)
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	// An id of no bytes is the zero id, which links of baggage-like use may have.
	bad := len(trace) != 0 && len(trace) != len(k.trace) || len(id) != 0 && len(id) != len(k.id)
	if over != notOver || bad {
		l.items = l.items[:k.from]
		d.report.Counts, d.scratch, d.span.marks = counts, d.scratch[:scratch], marks
		d.report.Counts[[...]Reason{notOver: InvalidLinkID, perSpan: ManySpanLinks, perRequest: ManyLinks}[over]]++
		return nil
	}
	copy(k.trace[:], trace)
	copy(k.id[:], id)
	k.to, k.ours = len(l.items), l.dropped
	k.state = d.mend(state, d.lim.ValueBytes, &d.span.marks)
	d.links = append(d.links, k)
	return nil
}

type overLimit uint8

const (
	notOver overLimit = iota
	perSpan
	perRequest
)

func (d *Decoder) over(ofSpan, maxOfSpan, ofBatch, maxOfBatch int) overLimit {
	if ofSpan >= maxOfSpan {
		return perSpan
	}
	if ofBatch+ofSpan >= maxOfBatch {
		return perRequest
	}
	return notOver
}

// clockOff marks the span and counts it once.
func (d *Decoder) clockOff() {
	if d.span.marks&telemetry.MarkClockOff == 0 {
		d.span.marks |= telemetry.MarkClockOff
		d.report.Counts[ClockOff]++
	}
}

// addSpan copies the span that readSpan has collected into the Builder.
func (d *Decoder) addSpan() error {
	if err := d.makeRows(); err != nil {
		return err
	}
	s := &d.span
	start, off := instant(s.start)
	end, endOff := instant(s.end)
	if off || endOff || d.far(start) {
		d.clockOff()
	}
	b := d.b
	row := b.AddSpan(telemetry.Span{
		TraceID: s.trace, SpanID: s.id, Parent: s.parent,
		Start: start, Duration: end - start,
		Kind: s.kind, Status: s.status, Flags: s.flags,
		Resource: d.resource.row, Scope: d.scope.row, Seq: d.now,
	}, s.name)
	l := &d.spanAttrs
	ours := l.put(d, l.items, row) + l.dropped
	d.dropped(&b.Spans, row, s.droppedAttrs, ours, &s.marks)
	d.intrinsicText(&b.Spans, telemetry.KeyTraceState, row, s.state)
	d.intrinsicText(&b.Spans, telemetry.KeyStatusMessage, row, s.message)
	d.intrinsicNum(&b.Spans, telemetry.KeyDroppedEvents, row, s.droppedEvents)
	d.intrinsicNum(&b.Spans, telemetry.KeyDroppedLinks, row, s.droppedLinks)
	for i := range d.events {
		e := &d.events[i]
		er := b.AddEvent(row, e.time, e.name)
		ours := d.evAttrs.put(d, d.evAttrs.items[e.from:e.to], er) + e.ours
		d.dropped(&b.Events, er, e.sender, ours, &s.marks)
	}
	for i := range d.links {
		k := &d.links[i]
		lr := b.AddLink(row, k.trace, k.id, k.flags)
		ours := d.linkAttrs.put(d, d.linkAttrs.items[k.from:k.to], lr) + k.ours
		d.dropped(&b.Links, lr, k.sender, ours, &s.marks)
		d.intrinsicText(&b.Links, telemetry.KeyTraceState, lr, k.state)
	}
	b.Batch.Spans.Marks[row] = s.marks | d.resource.marks | d.scope.marks
	return nil
}
