package otlp

import (
	"fmt"
	"math"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Decoder reads OTLP trace requests into a Builder. The zero value is ready. It keeps
// its buffers from request to request and nothing else; one goroutine at a time may use it.
type Decoder struct {
	b      *telemetry.Builder
	lim    Limits
	now    int64
	report Report

	span      span
	spanAttrs attrList
	resAttrs  attrList
	scopeAttr attrList
	events    []event
	links     []link
	evAttrs   attrList
	linkAttrs attrList
	scratch   []byte // mended texts and nested values of one span, its resource and its scope
	text      []byte // one text within a nested value
	nested    int    // bytes of canonical text in this request
	seenSpans int
	resource  lazyRow
	scope     lazyRow
	json      []byte // the protobuf form of a JSON request
}

// lazyRow is a resource or scope that gets its row with its first span, so that a
// million empty ResourceSpans cost nothing.
type lazyRow struct {
	body   []byte // Resource or InstrumentationScope
	schema []byte
	row    uint32
	made   bool
	marks  uint8 // what was mended or cut in it, marked on each of its spans
}

// Buffers over these sizes are given back after a request.
const (
	keepItems   = 1 << 12
	keepScratch = 1 << 20
)

// DecodeTraces appends the spans of an ExportTraceServiceRequest in protobuf form to b,
// which the caller has Reset. now is the time of receipt in Unix nanoseconds; it becomes
// Seq of every row. An error is of telemetry.KindInvalid, names the field and means that
// b holds an unknown part of the request: Reset it. body is neither kept nor changed.
func (d *Decoder) DecodeTraces(b *telemetry.Builder, body []byte, now int64, lim Limits) (Report, error) {
	d.start(b, now, lim)
	err := d.request(body)
	for _, t := range []*telemetry.TableBuilder{&b.Spans, &b.Events, &b.Links} {
		t.SettleRest()
	}
	report := d.report
	d.finish()
	if err != nil {
		return Report{}, invalid(err)
	}
	return report, nil
}

// DecodeTracesJSON is DecodeTraces for the JSON form: ids are hexadecimal, enums are
// numbers or names, 64-bit integers strings or numbers, fields are named in lower camel
// case or as in the .proto file.
func (d *Decoder) DecodeTracesJSON(b *telemetry.Builder, body []byte, now int64, lim Limits) (Report, error) {
	if cap(d.json) < len(body) {
		// The protobuf form is shorter than the text: growing would cost more memory than this.
		d.json = make([]byte, 0, len(body))
	}
	t := transcoder{in: body, out: d.json[:0]}
	err := t.traces()
	d.json = t.out
	if err != nil {
		d.finish()
		return Report{}, invalid(err)
	}
	return d.DecodeTraces(b, d.json, now, lim)
}

func (d *Decoder) start(b *telemetry.Builder, now int64, lim Limits) {
	d.b, d.now, d.lim, d.report = b, now, lim.filled(), Report{}
	d.nested, d.seenSpans = 0, 0
	d.spanAttrs.start(&b.Spans, telemetry.ScopeSpan, d.lim.Attributes, d.lim.Columns, true)
	d.evAttrs.start(&b.Events, telemetry.ScopeEvent, d.lim.Attributes, d.lim.Columns, true)
	d.linkAttrs.start(&b.Links, telemetry.ScopeLink, d.lim.Attributes, d.lim.Columns, true)
	d.resAttrs.start(&b.Resources, telemetry.ScopeResource, d.lim.ResourceAttributes, d.lim.Columns, false)
	d.scopeAttr.start(&b.Scopes, telemetry.ScopeInstrumentation, d.lim.ResourceAttributes, d.lim.Columns, false)
}

// finish forgets the request and gives back what a strange one has made large.
func (d *Decoder) finish() {
	d.b = nil
	d.resource, d.scope = lazyRow{}, lazyRow{}
	d.span = span{}
	for _, l := range []*attrList{&d.spanAttrs, &d.evAttrs, &d.linkAttrs, &d.resAttrs, &d.scopeAttr} {
		l.finish()
	}
	clear(d.events[:cap(d.events)])
	clear(d.links[:cap(d.links)])
	if cap(d.events) > keepItems {
		d.events = nil
	}
	if cap(d.links) > keepItems {
		d.links = nil
	}
	if cap(d.scratch) > keepScratch {
		d.scratch = nil
	}
	if cap(d.text) > keepScratch {
		d.text = nil
	}
	if cap(d.json) > keepScratch {
		d.json = nil
	}
}

func (d *Decoder) request(body []byte) error {
	c := cursor{rest: body}
	for i := 0; c.next(); {
		if c.num != 1 {
			continue
		}
		if !c.is(wireBytes) {
			break
		}
		if err := d.resourceSpans(c.data, i); err != nil {
			return atIndex(err, "resource_spans", i)
		}
		i++
	}
	return c.err
}

// resourceSpans reads a message twice: its resource and schema URL may come after
// the spans on the wire. The first pass steps over the spans by their length.
func (d *Decoder) resourceSpans(body []byte, rs int) error {
	d.resource = lazyRow{}
	c := cursor{rest: body}
	have := false
	for c.next() {
		switch c.num {
		case 1:
			if !c.is(wireBytes) {
				break
			}
			if have {
				return twice("resource")
			}
			have, d.resource.body = true, c.data
		case 2:
			c.is(wireBytes)
		case 3:
			if c.is(wireBytes) {
				d.resource.schema = c.data
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	c = cursor{rest: body}
	for i := 0; c.next(); {
		if c.num != 2 {
			continue
		}
		if err := d.scopeSpans(c.data, rs, i); err != nil {
			return atIndex(err, "scope_spans", i)
		}
		i++
	}
	if !d.resource.made {
		return d.checkResource()
	}
	return nil
}

func (d *Decoder) scopeSpans(body []byte, rs, ss int) error {
	d.scope = lazyRow{}
	c := cursor{rest: body}
	have := false
	for c.next() {
		switch c.num {
		case 1:
			if !c.is(wireBytes) {
				break
			}
			if have {
				return twice("scope")
			}
			have, d.scope.body = true, c.data
		case 2:
			c.is(wireBytes)
		case 3:
			if c.is(wireBytes) {
				d.scope.schema = c.data
			}
		}
	}
	if c.err != nil {
		return c.err
	}
	c = cursor{rest: body}
	for i := 0; c.next(); {
		if c.num != 2 {
			continue
		}
		if d.seenSpans++; d.seenSpans > d.lim.Spans {
			return fmt.Errorf("the request has more than %d spans; send smaller batches", d.lim.Spans)
		}
		wrong, err := d.readSpan(c.data)
		if err != nil {
			return atIndex(err, "spans", i)
		}
		if wrong == "" {
			if err := d.addSpan(); err != nil {
				return err
			}
			d.report.Spans++
		} else {
			d.report.RejectedSpans++
			d.report.Counts[InvalidID]++
			if d.report.FirstRejected == "" {
				d.report.FirstRejected = fmt.Sprintf("resource_spans[%d].scope_spans[%d].spans[%d]: %s", rs, ss, i, wrong)
			}
		}
		i++
	}
	if !d.scope.made {
		return d.checkScope()
	}
	return nil
}

// instant gives an OTLP time as signed nanoseconds; times after 2262-04-11 become that instant.
func instant(v uint64) (t int64, off bool) {
	if v > math.MaxInt64 {
		return math.MaxInt64, true
	}
	return int64(v), false
}

// far reports whether t is further than the clock skew from the time of receipt.
func (d *Decoder) far(t int64) bool {
	gap := time.Duration(t - d.now)
	return gap > d.lim.ClockSkew || -gap > d.lim.ClockSkew
}
