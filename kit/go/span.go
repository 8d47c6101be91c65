package clew

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// span is one span that this process started and that has a state: a recorded one, or the unsampled root of a trace, which keeps what a
// summary needs. Children of an unsampled root have no span of their own, see interior.
//
// Attributes, events and links are encoded to the fields of OTLP's Span when they are set, into a buffer that goes back to a pool at the
// end; what else the message has is appended at the end. So a span is one allocation, and nothing is copied but once into the exporter.
// What only some spans have is in the buffer too, which keeps the allocation small.
type span struct {
	// noop.Span gives methods that later versions of the API may add. All spans share one, and none of its methods is reached as long as
	// ours are complete.
	*noop.Span

	kit   *Kit
	scope uint32

	flags  trace.TraceFlags
	kind   Kind
	mode   spanMode
	remote bool // the parent is in another process

	trace  trace.TraceID
	id     trace.SpanID
	parent trace.SpanID
	state  string
	start  time.Time
	// over is the local parent until the end: a span that ends after it is late.
	over *span

	mu     sync.Mutex // guards what follows
	name   string
	buf    *buffer // nil until something is set, and after the end
	status codes.Code

	ended atomic.Bool
}

// counts of elements that are kept and dropped.
type counts struct {
	kept    uint16
	dropped uint32
}

type spanMode uint8

const (
	// recording: the span goes out.
	recording spanMode = iota
	// summarised: an unsampled root. It goes out as a summary if it fails.
	summarised
	// silent: an unsampled root that may not send a summary, because the policy or the rate says so.
	silent
)

var sharedNoop noop.Span

// buffer is what a span encodes into. The first headroom bytes stay free for the tag and the length.
type buffer struct {
	b          []byte
	seen       uint64 // a bit for each key that was set, by hash: no bit, no duplicate
	statusText string
	attributes counts
	events     counts
	links      counts
}

const (
	headroom = 6
	// keptBuffer bounds the buffers that are used again, so that one huge span does not stay in memory for ever.
	keptBuffer = 16 << 10
)

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, headroom, 1024)} }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	if cap(b.b) <= keptBuffer {
		*b = buffer{b: b.b[:headroom]}
		buffers.Put(b)
	}
}

// content is the buffer of a span that gets something to keep. The caller holds mu, or is the only one who knows the span.
func (s *span) content() *buffer {
	if s.buf == nil {
		s.buf = takeBuffer()
	}
	return s.buf
}

// Fields of opentelemetry/proto/trace/v1/trace.proto.
const (
	elementField = 2 // of ScopeSpans

	spanTraceID           = 1
	spanID                = 2
	spanState             = 3
	spanParent            = 4
	spanName              = 5
	spanKind              = 6
	spanStart             = 7
	spanEnd               = 8
	spanAttributes        = 9
	spanDroppedAttributes = 10
	spanEvents            = 11
	spanDroppedEvents     = 12
	spanLinks             = 13
	spanDroppedLinks      = 14
	spanStatus            = 15
	spanFlags             = 16

	statusMessage = 2
	statusCode    = 3

	eventTime              = 1
	eventName              = 2
	eventAttributes        = 3
	eventDroppedAttributes = 4

	linkTraceID           = 1
	linkSpanID            = 2
	linkState             = 3
	linkAttributes        = 4
	linkDroppedAttributes = 5
	linkFlags             = 6

	// Bits of flags beside those of traceparent.
	flagHasRemote = 0x100
	flagRemote    = 0x200
)

func (s *span) identity() SpanContext {
	return SpanContext{TraceID: s.trace, SpanID: s.id, Flags: s.flags, State: s.state}
}

// keeps says whether the span takes attributes, events and status.
func (s *span) keeps() bool { return s.mode != silent && !s.ended.Load() }

// set records attributes. The caller holds mu, or is the only one who knows the span.
func (s *span) set(attrs []Attr) {
	for i := range attrs {
		if attrs[i].kind() != noKind {
			s.setOne(&attrs[i])
		}
	}
}

func (s *span) setOne(a *Attr) {
	k := s.kit
	key := wire.Text(a.key, maxKey)
	limited := len(key) < len(a.key)
	if key == "" {
		s.content().attributes.dropped++
		k.counters.SpanLimited.Add(1)
		return
	}
	a, max, ok := k.redact(a, key)
	if !ok {
		return
	}
	buf := s.content()
	bit := keyBit(key)
	from, to := 0, 0
	if buf.seen&bit != 0 {
		from, to = findAttribute(buf.b, key)
	}
	if from == 0 && int(buf.attributes.kept) >= k.limits.attributes {
		buf.attributes.dropped++
		k.counters.SpanLimited.Add(1)
		return
	}
	b, cut := a.append(buf.b, spanAttributes, key, max)
	if len(b) > maxSpan {
		// The capacity stays, so that the next one does not grow it again.
		buf.b = b[:len(buf.b)]
		buf.attributes.dropped++
		k.counters.SpanLimited.Add(1)
		return
	}
	if from != 0 {
		b = moveIn(b, from, to, len(buf.b))
	} else {
		buf.attributes.kept++
		buf.seen |= bit
	}
	buf.b = b
	if cut && max == k.limits.value || limited {
		k.counters.SpanLimited.Add(1)
	}
}

// keyBit is one of 64 bits for a key.
func keyBit(key string) uint64 {
	n := len(key)
	mixed := uint64(n)<<24 | uint64(key[0])<<16 | uint64(key[n-1])<<8 | uint64(key[n/2])
	return 1 << (mixed * 0x9e3779b97f4a7c15 >> 58)
}

// findAttribute returns where the attribute with this key stands in the fields of a span, or zeros. from is never 0 when it is found,
// because of the headroom.
func findAttribute(b []byte, key string) (from, to int) {
	rest := b[headroom:]
	for {
		f, after, ok := wire.Next(rest)
		if !ok {
			return 0, 0
		}
		if f.Number == spanAttributes {
			if k, _, ok := wire.Next(f.Data); ok && string(k.Data) == key {
				return len(b) - len(rest), len(b) - len(after)
			}
		}
		rest = after
	}
}

// moveIn puts b[end:], the new value of an attribute, in the place of b[from:to], the old one: a key that is set again keeps its place.
func moveIn(b []byte, from, to, end int) []byte {
	fresh := len(b) - end
	if fresh == to-from {
		copy(b[from:to], b[end:])
		return b[:end]
	}
	value := takeBuffer()
	value.b = append(value.b, b[end:]...)
	rest := copy(b[from+fresh:], b[to:end])
	copy(b[from:], value.b[headroom:])
	value.release()
	return b[:from+fresh+rest]
}

// addEvent records an event. The caller holds mu.
func (s *span) addEvent(name string, at time.Time, attrs []Attr) {
	k, buf := s.kit, s.content()
	if int(buf.events.kept) >= k.limits.events {
		buf.events.dropped++
		return
	}
	b, mark := wire.Begin(buf.b, spanEvents)
	b = wire.AppendFixed64(b, eventTime, uint64(at.UnixNano()))
	b = wire.AppendString(b, eventName, wire.Text(name, maxName))
	b = k.appendAttributes(b, eventAttributes, eventDroppedAttributes, k.limits.eventAttributes, attrs)
	buf.keep(wire.End(b, mark), &buf.events)
}

// addLink records a link. The caller holds mu, or is the only one who knows the span. Links to nothing are left out.
func (s *span) addLink(l *Link) {
	k := s.kit
	if !l.IsValid() {
		return
	}
	buf := s.content()
	if int(buf.links.kept) >= k.limits.links {
		buf.links.dropped++
		return
	}
	b, mark := wire.Begin(buf.b, spanLinks)
	b = wire.AppendBytes(b, linkTraceID, l.TraceID[:])
	b = wire.AppendBytes(b, linkSpanID, l.SpanID[:])
	if l.State != "" {
		b = wire.AppendString(b, linkState, l.State)
	}
	b = k.appendAttributes(b, linkAttributes, linkDroppedAttributes, k.limits.linkAttributes, l.Attrs)
	flags := uint32(l.Flags) | flagHasRemote
	if l.Remote {
		flags |= flagRemote
	}
	buf.keep(wire.End(wire.AppendFixed32(b, linkFlags, flags), mark), &buf.links)
}

// keep takes over b, the bytes with one more element, unless that makes the span too large.
func (buf *buffer) keep(b []byte, c *counts) {
	if len(b) > maxSpan {
		buf.b = b[:len(buf.b)]
		c.dropped++
		return
	}
	buf.b = b
	c.kept++
}

// setStatus applies the rules of the specification: unset never overwrites, ok is final, only an error has a text.
func (s *span) setStatus(code codes.Code, text string) {
	if code < s.status || code > codes.Ok {
		return
	}
	s.status = code
	if code == codes.Error {
		text = wire.Text(text, s.kit.limits.value)
	} else {
		text = ""
	}
	if text != "" || s.buf != nil {
		s.content().statusText = text
	}
}

// now is this moment on the clock of the span's start, which costs half of what reading the time of day costs. An unsampled root has not
// looked at the time of day, and clocks may have been set since the kit did.
func (s *span) now() time.Time {
	if s.mode != recording {
		return time.Now()
	}
	return s.start.Add(time.Since(s.start))
}

// finish ends the span and hands it on. Only the first call does something. The zero time is now; the clock is read only for what goes out.
func (s *span) finish(end time.Time) {
	if end.IsZero() && s.mode == recording {
		end = s.now()
	}
	s.mu.Lock()
	if s.ended.Load() {
		s.mu.Unlock()
		return
	}
	k := s.kit
	if s.over != nil && s.over.ended.Load() {
		late := Bool("clew.late", true)
		s.setOne(&late)
		k.counters.SpanLate.Add(1)
	}
	s.over = nil
	buf := s.buf
	s.buf = nil
	s.ended.Store(true)
	s.mu.Unlock()
	// Nothing below needs the lock: whoever comes later sees that the span has ended.
	if s.mode != recording {
		s.finishUnsampled(buf, end)
		return
	}
	k.counters.SpanLive.Add(-1, s.id[0])
	if buf == nil {
		buf = takeBuffer()
	}
	s.send(buf, end)
}

// finishUnsampled ends an unsampled root: it sends a summary when the root has failed.
func (s *span) finishUnsampled(buf *buffer, end time.Time) {
	failed := s.mode == summarised && s.status == codes.Error
	if failed && end.IsZero() {
		end = s.now()
	}
	if failed && s.kit.summaries.take(time.Now()) {
		now := s.now()
		s.start = now.Add(s.start.Sub(now))
		if buf == nil {
			buf = takeBuffer()
		}
		buf.b = wire.AppendBoolAttr(buf.b, spanAttributes, "clew.sampling.summary", true)
		s.send(buf, end)
		return
	}
	if buf != nil {
		buf.release()
	}
}

// send completes the message in buf and gives it to the exporter, to hooks and to whoever watches.
func (s *span) send(buf *buffer, end time.Time) {
	k := s.kit
	finish := s.start.Add(end.Sub(s.start))
	if finish.Before(s.start) {
		finish = s.start
	}
	buf.b = s.appendRest(buf, finish)
	k.deliver(s, finish, buf.statusText, prefix(buf.b))
	buf.release()
}

// appendRest appends what is not encoded before the end.
func (s *span) appendRest(buf *buffer, end time.Time) []byte {
	b := append(buf.b, spanTraceID<<3|2, 16)
	b = append(b, s.trace[:]...)
	b = append(b, spanID<<3|2, 8)
	b = append(b, s.id[:]...)
	if s.state != "" && s.mode == recording {
		b = wire.AppendString(b, spanState, s.state)
	}
	flags := uint32(s.flags) | flagHasRemote
	if s.mode != recording {
		flags = flagHasRemote
	}
	if s.parent.IsValid() {
		b = append(b, spanParent<<3|2, 8)
		b = append(b, s.parent[:]...)
		if s.remote {
			flags |= flagRemote
		}
	}
	b = wire.AppendString(b, spanName, s.name)
	b = append(b, spanKind<<3, byte(s.kind))
	b = wire.AppendFixed64(b, spanStart, uint64(s.start.UnixNano()))
	b = wire.AppendFixed64(b, spanEnd, uint64(end.UnixNano()))
	b = appendDropped(b, spanDroppedAttributes, buf.attributes.dropped)
	b = appendDropped(b, spanDroppedEvents, buf.events.dropped)
	b = appendDropped(b, spanDroppedLinks, buf.links.dropped)
	switch s.status {
	case codes.Ok:
		b = append(b, spanStatus<<3|2, 2, statusCode<<3, 1)
	case codes.Error:
		var mark int
		b, mark = wire.Begin(b, spanStatus)
		if buf.statusText != "" {
			b = wire.AppendString(b, statusMessage, buf.statusText)
		}
		b = wire.End(append(b, statusCode<<3, 2), mark)
	}
	return wire.AppendFixed32(b, spanFlags, flags)
}

func appendDropped(b []byte, field int, n uint32) []byte {
	if n == 0 {
		return b
	}
	return wire.AppendUint(b, field, uint64(n))
}

// prefix writes tag and length right before the message, into the headroom, and returns the whole element.
func prefix(b []byte) []byte {
	n := uint64(len(b) - headroom)
	at := headroom - 1 - wire.SizeVarint(n)
	b[at] = elementField<<3 | byte(wire.Bytes)
	wire.AppendVarint(b[:at+1], n)
	return b[at:]
}
