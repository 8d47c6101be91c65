package otlp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/clew-dev/clew/internal/telemetry"
)

// DecodeZipkinJSON is DecodeTraces for a list of spans of Zipkin's version 2 in JSON.
// They become OTLP first, by OpenTelemetry's rules for the two:
//
//	localEndpoint.serviceName       service.name of the resource
//	local, remote address and port  network.local.…, network.peer.…; a remote name peer.service
//	kind                            kind; none is internal
//	timestamp, duration             start and end, microseconds as nanoseconds
//	annotations                     events; "name": {…} is a name with attributes
//	otel.status_code, error         status; other tags are attributes of text
//	otel.scope.name, .version       scope, by their old names otel.library.… too
//	shared, debug                   zipkin.shared, zipkin.debug
//
// Zipkin has no word for a request of which a part was taken: a span without sound
// ids is an error of the whole. Ids shorter than OTLP's are padded with zeros.
func (d *Decoder) DecodeZipkinJSON(b *telemetry.Builder, body []byte, now int64, lim Limits) (Report, error) {
	if cap(d.json) < len(body) {
		d.json = make([]byte, 0, len(body))
	}
	z := zipkin{transcoder: &transcoder{in: body, out: d.json[:0]}}
	err := z.spans()
	d.json = z.out
	if err != nil {
		d.finish()
		return Report{}, invalid(err)
	}
	return d.DecodeTraces(b, d.json, now, lim)
}

// zipkin rewrites spans one by one. Those that follow one another and have the same
// service and scope share a resource of the output.
type zipkin struct {
	*transcoder
	span   zipkinSpan
	moved  []byte // a span on its way to the next resource
	tagKey []byte

	open      bool // a resource is being written
	run       zipkinScope
	resources int // where the lengths of the open messages stand
	scopes    int
}

// zipkinScope is what spans of one resource and scope have in common.
type zipkinScope struct{ service, name, version []byte }

func (s *zipkinScope) equal(o *zipkinScope) bool {
	return bytes.Equal(s.service, o.service) && bytes.Equal(s.name, o.name) && bytes.Equal(s.version, o.version)
}

func (s *zipkinScope) set(o *zipkinScope) {
	s.service = append(s.service[:0], o.service...)
	s.name = append(s.name[:0], o.name...)
	s.version = append(s.version[:0], o.version...)
}

// zipkinSpan is what must be known of a span before the rest can be written. Its
// buffers are used again.
type zipkinSpan struct {
	trace         telemetry.TraceID
	id, parent    telemetry.SpanID
	start, length uint64 // nanoseconds
	started       bool
	noted         uint64 // the earliest annotation
	kind          uint64
	tags          int // where they stand in the input; 0: nowhere
	scope         zipkinScope
	local, remote zipkinEndpoint

	failed        bool // has the tag error
	statusMessage []byte
	statusCode    uint64
}

type zipkinEndpoint struct {
	name, ipv4, ipv6 []byte
	port             uint64
}

func (e *zipkinEndpoint) clear() {
	e.name, e.ipv4, e.ipv6, e.port = e.name[:0], e.ipv4[:0], e.ipv6[:0], 0
}

func (s *zipkinSpan) clear() {
	local, remote, scope, message := s.local, s.remote, s.scope, s.statusMessage
	local.clear()
	remote.clear()
	scope.set(&zipkinScope{})
	*s = zipkinSpan{kind: telemetry.KindInternalOp, noted: math.MaxUint64, local: local, remote: remote, scope: scope, statusMessage: message[:0]}
}

// spans rewrites a whole request.
func (z *zipkin) spans() error {
	if z.want('[', "an array of spans") {
		z.path = append(z.path, step{"spans", 0})
		for n := 0; z.more(n, ']'); n++ {
			z.path[0].index = n
			z.oneSpan()
		}
		z.path = z.path[:0]
	}
	if z.err == nil {
		if z.peek(); z.pos < len(z.in) {
			z.fail("there is more after the end: %s", z.seen())
		}
	}
	z.closeRun()
	return z.err
}

func (z *zipkin) oneSpan() {
	from := len(z.out)
	z.span.clear()
	z.message(2, func(*transcoder) { z.fields() })
	if z.err != nil || z.open && z.run.equal(&z.span.scope) {
		return
	}
	// What a span belongs to is known at its end only: it moves behind the heads.
	z.moved = append(z.moved[:0], z.out[from:]...)
	z.out = z.out[:from]
	z.closeRun()
	z.openRun()
	z.out = append(z.out, z.moved...)
}

func (z *zipkin) openRun() {
	z.open = true
	z.run.set(&z.span.scope)
	z.tag(1, wireBytes)
	z.resources = len(z.out)
	z.out = append(z.out, make([]byte, lengthBytes)...)
	z.tag(2, wireBytes)
	z.scopes = len(z.out)
	z.out = append(z.out, make([]byte, lengthBytes)...)
}

// closeRun writes scope and resource behind the spans: the order of fields is free.
func (z *zipkin) closeRun() {
	if !z.open || z.err != nil {
		return
	}
	z.open = false
	if len(z.run.name) > 0 || len(z.run.version) > 0 {
		z.message(1, func(t *transcoder) {
			t.bytes(1, z.run.name)
			t.bytes(2, z.run.version)
		})
	}
	z.close(z.scopes)
	if len(z.run.service) > 0 {
		z.message(1, func(*transcoder) { z.attribute(1, []byte(telemetry.KeyServiceName), z.run.service) })
	}
	z.close(z.resources)
}

// fields reads a span and writes it.
func (z *zipkin) fields() {
	s := &z.span
	z.object(func(t *transcoder, name string) {
		switch name {
		case "traceId":
			z.id(name, s.trace[:])
		case "id":
			z.id(name, s.id[:])
		case "parentId":
			z.id(name, s.parent[:])
		case "name":
			z.textField(5)
		case "kind":
			z.kind()
		case "timestamp":
			s.start = z.micros(name)
			s.started = s.start > 0
		case "duration":
			s.length = z.micros(name)
		case "localEndpoint":
			z.endpoint(name, &s.local)
		case "remoteEndpoint":
			z.endpoint(name, &s.remote)
		case "annotations":
			z.list(11, name, func(*transcoder) { z.annotation() })
		case "tags":
			z.peek()
			s.tags = z.pos
			z.skip()
		case "shared", "debug":
			if !z.null() && z.bool() {
				z.flag("zipkin." + name)
			}
		case "binaryAnnotations":
			z.fail("binaryAnnotations are of Zipkin's version 1; send spans of version 2")
		default:
			z.skip()
		}
	})
	if z.err == nil {
		z.finishSpan()
	}
}

// finishSpan writes what follows from several fields.
func (z *zipkin) finishSpan() {
	s := &z.span
	switch {
	case s.trace == telemetry.TraceID{}:
		z.fail("the span has no traceId")
	case s.id == telemetry.SpanID{}:
		z.fail("the span has no id")
	}
	z.bytes(1, s.trace[:])
	z.bytes(2, s.id[:])
	// A span that names itself as its parent has none.
	if (s.parent != telemetry.SpanID{}) && s.parent != s.id {
		z.bytes(4, s.parent[:])
	}
	z.varint(6, s.kind)
	if !s.started && s.noted < math.MaxUint64 {
		s.start = s.noted
	}
	z.fixed(7, s.start)
	end := s.start + s.length
	if end < s.start {
		end = math.MaxUint64
	}
	z.fixed(8, end)
	s.scope.service = append(s.scope.service[:0], s.local.name...)
	z.address("network.local", "zipkin.local_endpoint.ipv6", &s.local)
	z.address("network.peer", "zipkin.remote_endpoint.ipv6", &s.remote)
	if len(s.remote.name) > 0 {
		z.attribute(9, []byte("peer.service"), s.remote.name)
	}
	// Tags come behind, since the last value of a key holds: what a service says
	// itself goes before what follows from an endpoint.
	z.tags()
	z.status()
}

// id reads a number in hexadecimal and fills dst from its end. An empty text is none.
func (z *zipkin) id(field string, dst []byte) {
	if z.null() {
		return
	}
	z.path = append(z.path, step{field, -1})
	v := z.text()
	var padded [2 * len(telemetry.TraceID{})]byte
	if len(v) > 2*len(dst) {
		z.fail("%.40q has over %d hexadecimal digits", v, 2*len(dst))
	} else {
		digits := padded[:2*len(dst)]
		for i := range digits {
			digits[i] = '0'
		}
		copy(digits[len(digits)-len(v):], v)
		if _, err := hex.Decode(dst, digits); err != nil {
			z.fail("%.40q is not hexadecimal", v)
		}
	}
	z.path = z.path[:len(z.path)-1]
}

var zipkinKinds = map[string]uint64{
	"": telemetry.KindInternalOp, "CLIENT": telemetry.KindClient, "SERVER": telemetry.KindServer,
	"PRODUCER": telemetry.KindProducer, "CONSUMER": telemetry.KindConsumer,
}

func (z *zipkin) kind() {
	if z.null() {
		return
	}
	k, ok := zipkinKinds[string(z.text())]
	if !ok {
		k = math.MaxInt32 // a number that the Decoder does not know either, and counts
	}
	z.span.kind = k
}

// micros reads microseconds as nanoseconds; what these cannot hold is their largest number.
func (z *zipkin) micros(field string) uint64 {
	if z.null() {
		return 0
	}
	z.path = append(z.path, step{field, -1})
	v := z.unsigned()
	z.path = z.path[:len(z.path)-1]
	if v > math.MaxUint64/1000 {
		return math.MaxUint64
	}
	return v * 1000
}

func (z *zipkin) endpoint(field string, e *zipkinEndpoint) {
	z.path = append(z.path, step{field, -1})
	copyText := func(dst *[]byte) {
		if !z.null() {
			*dst = append((*dst)[:0], z.text()...)
		}
	}
	z.object(func(t *transcoder, name string) {
		switch name {
		case "serviceName":
			copyText(&e.name)
		case "ipv4":
			copyText(&e.ipv4)
		case "ipv6":
			copyText(&e.ipv6)
		case "port":
			if z.null() {
				break
			}
			if e.port = z.unsigned(); e.port > math.MaxUint16 {
				z.fail("port %d is over %d", e.port, math.MaxUint16)
			}
		default:
			z.skip()
		}
	})
	z.path = z.path[:len(z.path)-1]
}

// address writes an endpoint's address and port; of two addresses the second has
// an attribute of its own.
func (z *zipkin) address(prefix, second string, e *zipkinEndpoint) {
	v := e.ipv4
	if len(v) == 0 {
		v = e.ipv6
	} else if len(e.ipv6) > 0 {
		z.attribute(9, []byte(second), e.ipv6)
	}
	if len(v) > 0 {
		z.attribute(9, []byte(prefix+".address"), v)
	}
	if e.port > 0 {
		z.message(9, func(t *transcoder) {
			t.bytes(1, []byte(prefix+".port"))
			t.message(2, func(*transcoder) { z.varint(int(anyInt), e.port) })
		})
	}
}

// attribute writes a KeyValue of text.
func (z *zipkin) attribute(num int, key, value []byte) {
	z.message(num, func(t *transcoder) {
		t.bytes(1, key)
		t.message(2, func(t *transcoder) { t.bytes(int(anyString), value) })
	})
}

// flag writes an attribute that is true.
func (z *zipkin) flag(key string) {
	z.message(9, func(t *transcoder) {
		t.bytes(1, []byte(key))
		t.message(2, func(*transcoder) { z.varint(int(anyBool), 1) })
	})
}

func (z *zipkin) varint(num int, v uint64) {
	z.tag(num, wireVarint)
	z.out = binary.AppendUvarint(z.out, v)
}

func (z *zipkin) fixed(num int, v uint64) {
	z.tag(num, wireFixed64)
	z.out = binary.LittleEndian.AppendUint64(z.out, v)
}
