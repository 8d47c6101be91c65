package otlp

import (
	"encoding/binary"
	"encoding/hex"
	"math"
)

// traces rewrites a whole request.
func (t *transcoder) traces() error {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "resourceSpans", "resource_spans":
			t.list(1, "resource_spans", (*transcoder).resourceSpans)
		default:
			t.skip()
		}
	})
	if t.err == nil && t.peek() != 0 || t.err == nil && t.pos < len(t.in) {
		t.fail("there is more after the end: %s", t.seen())
	}
	return t.err
}

// object calls member for each member of an object. name holds until the value is read.
func (t *transcoder) object(member func(t *transcoder, name string)) {
	if t.null() || !t.want('{', "an object") {
		return
	}
	for n := 0; ; n++ {
		name, ok := t.key(n)
		if !ok {
			return
		}
		member(t, intern(name))
	}
}

// intern gives the known field names without an allocation; any other is "".
func intern(name []byte) string { return fieldNames[string(name)] }

var fieldNames = func() map[string]string {
	m := map[string]string{}
	for _, n := range []string{
		"resourceSpans", "resource_spans", "resource", "scopeSpans", "scope_spans", "schemaUrl", "schema_url",
		"scope", "spans", "attributes", "droppedAttributesCount", "dropped_attributes_count", "name", "version",
		"traceId", "trace_id", "spanId", "span_id", "traceState", "trace_state", "parentSpanId", "parent_span_id",
		"kind", "startTimeUnixNano", "start_time_unix_nano", "endTimeUnixNano", "end_time_unix_nano",
		"events", "droppedEventsCount", "dropped_events_count", "links", "droppedLinksCount", "dropped_links_count",
		"status", "flags", "message", "code", "timeUnixNano", "time_unix_nano", "key", "value", "values",
		"stringValue", "string_value", "boolValue", "bool_value", "intValue", "int_value", "doubleValue", "double_value",
		"arrayValue", "array_value", "kvlistValue", "kvlist_value", "bytesValue", "bytes_value",
		// Of Zipkin.
		"id", "parentId", "timestamp", "duration", "debug", "shared", "localEndpoint", "remoteEndpoint",
		"serviceName", "ipv4", "ipv6", "port", "annotations", "tags", "binaryAnnotations",
	} {
		m[n] = n
	}
	return m
}()

// list writes each element of an array as a message of the field.
func (t *transcoder) list(num int, field string, element func(*transcoder)) {
	if t.null() || !t.want('[', "an array") {
		return
	}
	t.path = append(t.path, step{field, 0})
	top := len(t.path) - 1
	for n := 0; t.more(n, ']'); n++ {
		t.path[top].index = n
		t.message(num, element)
	}
	t.path = t.path[:top]
}

// single writes an object as a message of the field; null writes nothing.
func (t *transcoder) single(num int, field string, body func(*transcoder)) {
	if t.null() {
		return
	}
	t.path = append(t.path, step{field, -1})
	t.message(num, body)
	t.path = t.path[:len(t.path)-1]
}

// lengthBytes is the room for the length of a message before it is known.
const lengthBytes = 4

func (t *transcoder) message(num int, body func(*transcoder)) {
	t.tag(num, wireBytes)
	from := len(t.out)
	t.out = append(t.out, 0, 0, 0, 0)
	body(t)
	t.close(from)
}

// close writes the length of the message that begins after the room at from. A short
// one is moved to use one byte; the others keep a varint with leading zeros.
func (t *transcoder) close(from int) {
	n := len(t.out) - from - lengthBytes
	switch {
	case n < 0x80:
		t.out[from] = byte(n)
		copy(t.out[from+1:], t.out[from+lengthBytes:])
		t.out = t.out[:from+1+n]
	case n < 1<<(7*lengthBytes):
		t.out[from] = byte(n) | 0x80
		t.out[from+1] = byte(n>>7) | 0x80
		t.out[from+2] = byte(n>>14) | 0x80
		t.out[from+3] = byte(n >> 21)
	default:
		t.fail("a message is over 256 MiB")
	}
}

func (t *transcoder) tag(num, wire int) {
	t.out = binary.AppendUvarint(t.out, uint64(num<<3|wire))
}

func (t *transcoder) bytes(num int, v []byte) {
	t.tag(num, wireBytes)
	t.out = binary.AppendUvarint(t.out, uint64(len(v)))
	t.out = append(t.out, v...)
}

func (t *transcoder) textField(num int) {
	if !t.null() {
		t.bytes(num, t.text())
	}
}

func (t *transcoder) varintField(num int) {
	if !t.null() {
		t.tag(num, wireVarint)
		t.out = binary.AppendUvarint(t.out, t.unsigned())
	}
}

func (t *transcoder) timeField(num int) {
	if !t.null() {
		t.tag(num, wireFixed64)
		t.out = binary.LittleEndian.AppendUint64(t.out, t.unsigned())
	}
}

func (t *transcoder) flagsField(num int) {
	if t.null() {
		return
	}
	v := t.unsigned()
	if v > math.MaxUint32 {
		t.fail("flags %d are over 32 bits", v)
	}
	t.tag(num, wireFixed32)
	t.out = binary.LittleEndian.AppendUint32(t.out, uint32(v))
}

func (t *transcoder) idField(num int) {
	if t.null() {
		return
	}
	v := t.text()
	t.tag(num, wireBytes)
	t.out = binary.AppendUvarint(t.out, uint64(len(v)/2))
	var err error
	if t.out, err = hex.AppendDecode(t.out, v); err != nil {
		t.fail("id %.40q is not hexadecimal", v)
	}
}

// enumField writes a number or one of the names; a name that is not known becomes a
// number that is not known either.
func (t *transcoder) enumField(num int, names map[string]uint64) {
	if t.null() {
		return
	}
	var v uint64
	if t.err == nil && t.peek() == '"' {
		name := t.text()
		var ok bool
		if v, ok = names[string(name)]; !ok {
			if v, ok = digits(name); !ok {
				v = math.MaxInt32
			}
		}
	} else {
		v = uint64(t.signed())
	}
	t.tag(num, wireVarint)
	t.out = binary.AppendUvarint(t.out, v)
}

var kindNames = map[string]uint64{
	"SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2,
	"SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5,
}

var statusNames = map[string]uint64{"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}

func (t *transcoder) resourceSpans() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "resource":
			t.single(1, "resource", (*transcoder).resource)
		case "scopeSpans", "scope_spans":
			t.list(2, "scope_spans", (*transcoder).scopeSpans)
		case "schemaUrl", "schema_url":
			t.textField(3)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) resource() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "attributes":
			t.list(1, "attributes", (*transcoder).keyValue)
		case "droppedAttributesCount", "dropped_attributes_count":
			t.varintField(2)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) scopeSpans() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "scope":
			t.single(1, "scope", (*transcoder).scope)
		case "spans":
			t.list(2, "spans", (*transcoder).span)
		case "schemaUrl", "schema_url":
			t.textField(3)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) scope() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "name":
			t.textField(1)
		case "version":
			t.textField(2)
		case "attributes":
			t.list(3, "attributes", (*transcoder).keyValue)
		case "droppedAttributesCount", "dropped_attributes_count":
			t.varintField(4)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) span() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "traceId", "trace_id":
			t.idField(1)
		case "spanId", "span_id":
			t.idField(2)
		case "traceState", "trace_state":
			t.textField(3)
		case "parentSpanId", "parent_span_id":
			t.idField(4)
		case "name":
			t.textField(5)
		case "kind":
			t.enumField(6, kindNames)
		case "startTimeUnixNano", "start_time_unix_nano":
			t.timeField(7)
		case "endTimeUnixNano", "end_time_unix_nano":
			t.timeField(8)
		case "attributes":
			t.list(9, "attributes", (*transcoder).keyValue)
		case "droppedAttributesCount", "dropped_attributes_count":
			t.varintField(10)
		case "events":
			t.list(11, "events", (*transcoder).event)
		case "droppedEventsCount", "dropped_events_count":
			t.varintField(12)
		case "links":
			t.list(13, "links", (*transcoder).link)
		case "droppedLinksCount", "dropped_links_count":
			t.varintField(14)
		case "status":
			t.single(15, "status", (*transcoder).status)
		case "flags":
			t.flagsField(16)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) status() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "message":
			t.textField(2)
		case "code":
			t.enumField(3, statusNames)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) event() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "timeUnixNano", "time_unix_nano":
			t.timeField(1)
		case "name":
			t.textField(2)
		case "attributes":
			t.list(3, "attributes", (*transcoder).keyValue)
		case "droppedAttributesCount", "dropped_attributes_count":
			t.varintField(4)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) link() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "traceId", "trace_id":
			t.idField(1)
		case "spanId", "span_id":
			t.idField(2)
		case "traceState", "trace_state":
			t.textField(3)
		case "attributes":
			t.list(4, "attributes", (*transcoder).keyValue)
		case "droppedAttributesCount", "dropped_attributes_count":
			t.varintField(5)
		case "flags":
			t.flagsField(6)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) keyValue() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "key":
			t.textField(1)
		case "value":
			t.single(2, "value", (*transcoder).anyValue)
		default:
			t.skip()
		}
	})
}

// anyValue calls itself through arrays and key-value lists, to one level more than
// MaxDepth: the Decoder then finds the level that it has to cut and count.
func (t *transcoder) anyValue() {
	t.object(func(t *transcoder, name string) {
		switch name {
		case "stringValue", "string_value":
			t.textField(int(anyString))
		case "boolValue", "bool_value":
			if !t.null() {
				b := byte(0)
				if t.bool() {
					b = 1
				}
				t.out = append(t.out, byte(anyBool)<<3|wireVarint, b)
			}
		case "intValue", "int_value":
			if !t.null() {
				t.tag(int(anyInt), wireVarint)
				t.out = binary.AppendUvarint(t.out, uint64(t.signed()))
			}
		case "doubleValue", "double_value":
			if !t.null() {
				t.tag(int(anyDouble), wireFixed64)
				t.out = binary.LittleEndian.AppendUint64(t.out, math.Float64bits(t.double()))
			}
		case "bytesValue", "bytes_value":
			if !t.null() {
				t.bytes(int(anyBytes), t.base64())
			}
		case "arrayValue", "array_value":
			t.nested(anyArray, (*transcoder).arrayValue)
		case "kvlistValue", "kvlist_value":
			t.nested(anyList, (*transcoder).listValue)
		default:
			t.skip()
		}
	})
}

func (t *transcoder) nested(kind anyKind, body func(*transcoder)) {
	if t.depth == MaxDepth {
		if t.null() {
			return
		}
		t.skip()
		t.bytes(int(kind), nil)
		return
	}
	t.depth++
	t.single(int(kind), containerNames[kind], body)
	t.depth--
}

func (t *transcoder) arrayValue() {
	t.object(func(t *transcoder, name string) {
		if name == "values" {
			t.list(1, "values", (*transcoder).anyValue)
		} else {
			t.skip()
		}
	})
}

func (t *transcoder) listValue() {
	t.object(func(t *transcoder, name string) {
		if name == "values" {
			t.list(1, "values", (*transcoder).keyValue)
		} else {
			t.skip()
		}
	})
}
