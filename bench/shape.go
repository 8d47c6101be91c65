package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// shapes of load. The shop is the one that figures are quoted for; the others
// are there so that a trick which fits only the shop shows itself.
var shapes = []string{"shop", "wide", "huge-trace", "high-cardinality"}

// shapeOf gives the function that emits the next trace of a shape.
func shapeOf(name string) (func(m *maker, id traceID, start int64) error, error) {
	switch name {
	case "shop":
		ways := journeys()
		return func(m *maker, id traceID, start int64) error {
			w := 0
			for n := m.r.IntN(100); n >= ways[w].weight; w++ {
				n -= ways[w].weight
			}
			v := &visit{m: m, id: id, replicas: map[string]int{}}
			_, _, err := v.walk(ways[w].journey, nil, start)
			return err
		}, nil
	case "wide":
		return wideTrace, nil
	case "huge-trace":
		return hugeTrace, nil
	case "high-cardinality":
		return manyKeysTrace, nil
	}
	return nil, fmt.Errorf("unknown shape %q; write one of %s", name, strings.Join(shapes, ", "))
}

// visit is one trace through the shop.
type visit struct {
	m        *maker
	id       traceID
	replicas map[string]int // the instance of each service that serves this trace
}

// walk emits a step and all that it calls, and says when it ended and whether it
// failed. Its depth is that of the journeys, which are written down.
func (v *visit) walk(s *step, parent []byte, start int64) (end int64, failed bool, err error) {
	r := v.m.r
	span := v.m.spanID()
	took := s.ms * math.Exp(r.NormFloat64()*0.35)
	if r.IntN(400) == 0 {
		took *= 12
	}
	now := start + int64(took*1e6/3)
	for _, c := range s.calls {
		if r.Float64() > c.chance {
			continue
		}
		for range 1 + r.IntN(c.most) {
			until, bad, err := v.walk(c.to, span, now+r.Int64N(60_000))
			if err != nil {
				return 0, false, err
			}
			if c.to.kind != consumer { // nobody waits for a consumer, or fails with it
				now = until
				failed = failed || bad
			}
		}
	}
	end = now + int64(took*1e6*2/3)
	out := &tracepb.Span{TraceId: v.id[:], SpanId: span, ParentSpanId: parent, Name: s.name, Kind: s.kind,
		StartTimeUnixNano: uint64(start), EndTimeUnixNano: uint64(end), Attributes: s.attrs(r), Flags: 0x101}
	if own := r.IntN(1500) == 0; own || failed {
		failed = true
		fail(r, out, s, own)
	}
	if s.kind == consumer {
		out.Links = []*tracepb.Span_Link{{TraceId: v.id[:], SpanId: parent}}
	}
	replica, known := v.replicas[s.service]
	if !known {
		replica = r.IntN(3)
		v.replicas[s.service] = replica
	}
	return end, failed, v.m.emit(s.service, replica, out)
}

// fail marks a span as failed, with an exception where the failure began.
func fail(r *rand.Rand, out *tracepb.Span, s *step, own bool) {
	out.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	a := attrs(out.Attributes)
	a.set(whole("http.response.status_code", 500))
	a.set(whole("rpc.grpc.status_code", 13))
	if !own {
		return
	}
	out.Status.Message = "deadline exceeded"
	out.Events = []*tracepb.Span_Event{{TimeUnixNano: out.EndTimeUnixNano - 1000, Name: "exception", Attributes: attrs{
		text("exception.type", "shop.DeadlineExceeded"), text("exception.message", fmt.Sprintf("no answer after %d ms, attempt %d", r.IntN(2000), 1+r.IntN(4))),
		text("exception.stacktrace", "at "+s.service+"."+s.name+"\n at middleware.trace\n at server.handle\n"),
	}}}
}

// flat emits a trace of a root and n-1 spans below earlier ones, with attributes by fill.
func flat(m *maker, id traceID, start int64, service string, n int, fill func(i int) attrs) error {
	spans := make([][]byte, 0, n)
	for i := range n {
		span := m.spanID()
		var parent []byte
		if i > 0 {
			parent = spans[i-1-m.r.IntN(min(i, 40))]
		}
		spans = append(spans, span)
		begin := start + int64(i)*20_000
		if err := m.emit(service, i%3, &tracepb.Span{TraceId: id[:], SpanId: span, ParentSpanId: parent, Name: fmt.Sprintf("step %d", i%50), Kind: internal,
			StartTimeUnixNano: uint64(begin), EndTimeUnixNano: uint64(begin + 10_000 + m.r.Int64N(5_000_000)), Attributes: fill(i)}); err != nil {
			return err
		}
	}
	return nil
}

// wideTrace has spans with forty attributes of a known set of keys.
func wideTrace(m *maker, id traceID, start int64) error {
	return flat(m, id, start, "catalog", 20, func(int) attrs {
		a := make(attrs, 40)
		for k := range a {
			switch k % 4 {
			case 0:
				a[k] = text(fmt.Sprintf("wide.text.%02d", k), fmt.Sprintf("value-%d", m.r.IntN(1000)))
			case 1:
				a[k] = whole(fmt.Sprintf("wide.whole.%02d", k), m.r.IntN(1<<20))
			case 2:
				a[k] = broken(fmt.Sprintf("wide.broken.%02d", k), m.r.Float64())
			default:
				a[k] = truth(fmt.Sprintf("wide.truth.%02d", k), m.r.IntN(2) == 0)
			}
		}
		return a
	})
}

// hugeTrace has 50,000 spans.
func hugeTrace(m *maker, id traceID, start int64) error {
	return flat(m, id, start, "orders", 50_000, func(i int) attrs {
		return attrs{text("batch.item", fmt.Sprintf("item-%06d", i)), whole("batch.size", 50_000)}
	})
}

// manyKeysTrace never repeats a value, and seldom a key.
func manyKeysTrace(m *maker, id traceID, start int64) error {
	return flat(m, id, start, "finder", 20, func(int) attrs {
		return attrs{
			text("request.id", fmt.Sprintf("%016x%016x", m.r.Uint64(), m.r.Uint64())),
			text("url.full", fmt.Sprintf("https://shop.example/item/%x?session=%x", m.r.Uint64(), m.r.Uint64())),
			text(fmt.Sprintf("label.%05d", m.r.IntN(20_000)), fmt.Sprintf("%x", m.r.Uint32())),
			whole("epoch", int(m.r.Uint32())),
		}
	})
}
