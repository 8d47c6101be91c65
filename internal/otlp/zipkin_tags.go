package otlp

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/clew-dev/clew/internal/telemetry"
)

// annotation reads an annotation and writes it as an event.
func (z *zipkin) annotation() {
	z.object(func(t *transcoder, name string) {
		switch name {
		case "timestamp":
			at := z.micros(name)
			if at > 0 {
				z.span.noted = min(z.span.noted, at)
			}
			z.fixed(1, at)
		case "value":
			if !z.null() {
				z.event(z.text())
			}
		default:
			z.skip()
		}
	})
}

// event writes the name of an event. OpenTelemetry's exporters write an event that
// has attributes as "name": {…}; what is not quite that is a name.
func (z *zipkin) event(value []byte) {
	if len(value) > 0 && value[0] == '"' {
		in := transcoder{in: value, out: z.out}
		name := append([]byte(nil), in.text()...)
		if in.want(':', "a colon") {
			in.bytes(2, name)
			in.flatObject()
			if in.peek(); in.err == nil && in.pos == len(in.in) {
				z.out = in.out
				return
			}
		}
	}
	z.bytes(2, value)
}

// flatObject writes the members of an object of scalars as attributes of an event.
func (t *transcoder) flatObject() {
	if !t.want('{', "an object") {
		return
	}
	for n := 0; ; n++ {
		key, ok := t.key(n)
		if !ok {
			return
		}
		t.message(3, func(t *transcoder) {
			t.bytes(1, key)
			t.message(2, (*transcoder).scalar)
		})
	}
}

// scalar writes a JSON scalar as the AnyValue that it is.
func (t *transcoder) scalar() {
	if t.err != nil {
		return
	}
	switch t.peek() {
	case '"':
		t.bytes(int(anyString), t.text())
	case 't', 'f':
		v := byte(0)
		if t.bool() {
			v = 1
		}
		t.out = append(t.out, byte(anyBool)<<3|wireVarint, v)
	case '{', '[', 'n':
		t.fail("a scalar is wanted, not %s", t.seen())
	default:
		t.numeric()
	}
}

// numeric writes a number as an integer if it is one.
func (t *transcoder) numeric() {
	v := string(t.number())
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		t.tag(int(anyInt), wireVarint)
		t.out = binary.AppendUvarint(t.out, uint64(n))
		return
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		t.fail("%.40q is not a number", v)
	}
	t.tag(int(anyDouble), wireFixed64)
	t.out = binary.LittleEndian.AppendUint64(t.out, math.Float64bits(f))
}

// tags reads the tags of a span, whose place was noted when they came by, and writes
// those that have no field of their own as attributes.
func (z *zipkin) tags() {
	if z.err != nil || z.span.tags == 0 {
		return
	}
	after := z.pos
	z.pos = z.span.tags
	z.path = append(z.path, step{"tags", -1})
	if !z.null() && z.want('{', "an object") {
		for n := 0; ; n++ {
			key, ok := z.key(n)
			if !ok {
				break
			}
			z.tagKey = append(z.tagKey[:0], key...)
			if value, ok := z.tagValue(); ok && z.err == nil {
				z.oneTag(string(z.tagKey), value)
			}
		}
	}
	if z.err == nil {
		z.path = z.path[:len(z.path)-1]
		z.pos = after
	}
}

// tagValue reads a text. Numbers and booleans, which some senders write, are taken
// as they stand; null is no tag.
func (z *zipkin) tagValue() ([]byte, bool) {
	if z.err != nil || z.null() {
		return nil, false
	}
	switch z.peek() {
	case '"':
		return z.text(), true
	case 't', 'f':
		return strconv.AppendBool(nil, z.bool()), true
	case '{', '[':
		z.fail("the tag %.40q is no text: %s", z.tagKey, z.seen())
		return nil, false
	}
	return z.number(), true
}

func (z *zipkin) oneTag(key string, value []byte) {
	s := &z.span
	switch key {
	case "otel.status_code":
		if code, ok := zipkinStatus[string(value)]; ok {
			s.statusCode = code
			return
		}
	case "error":
		if string(value) != "false" {
			s.failed = true
			s.statusMessage = s.statusMessage[:0]
			if string(value) != "true" {
				s.statusMessage = append(s.statusMessage, value...)
			}
			return
		}
	case "otel.scope.name", "otel.library.name":
		s.scope.name = append(s.scope.name[:0], value...)
		return
	case "otel.scope.version", "otel.library.version":
		s.scope.version = append(s.scope.version[:0], value...)
		return
	case "otel.dropped_attributes_count", "otel.dropped_events_count", "otel.dropped_links_count":
		if n, ok := digits(value); ok && n <= math.MaxUint32 {
			z.varint(zipkinDropped[key], n)
			return
		}
	}
	z.attribute(9, []byte(key), value)
}

var zipkinStatus = map[string]uint64{"OK": telemetry.StatusOK, "ERROR": telemetry.StatusError}

var zipkinDropped = map[string]int{"otel.dropped_attributes_count": 10, "otel.dropped_events_count": 12, "otel.dropped_links_count": 14}

// status writes the status: an error is one by its tag alone, unless the code says
// that all is well.
func (z *zipkin) status() {
	s := &z.span
	if s.failed && s.statusCode == telemetry.StatusOK {
		z.attribute(9, []byte("error"), s.statusMessage)
		s.failed = false
		s.statusMessage = s.statusMessage[:0]
	}
	if s.failed {
		s.statusCode = telemetry.StatusError
	}
	if s.statusCode == 0 {
		return
	}
	z.message(15, func(t *transcoder) {
		t.bytes(2, s.statusMessage)
		z.varint(3, s.statusCode)
	})
}
