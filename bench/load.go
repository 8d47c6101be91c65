package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// load is a file of frames, each a uint32 length (little-endian) and one export
// request of a single instance of a service, in the order in which the instances
// would have sent them; and what is known of it.
type load struct {
	path   string
	shape  string
	frames int
	bytes  int64
	facts  facts
}

// facts are the right answers to the questions that are asked.
type facts struct {
	spans, traces int
	from, to      int64            // start times of all spans lie in [from, to), Unix nanoseconds
	sample        map[traceID]int  // spans of some traces
	slowest       []ranked         // the 20 traces with the slowest spans of the three predicates
	matching      map[traceID]bool // all traces with such a span
	checkouts     map[traceID]bool // traces in which a checkout calls what related asks for
	slowStock     map[traceID]bool // traces with a slow call of the stock to its database
	needle        map[traceID]bool // traces with the needle in a statement's text
	names         map[string]bool  // span names
}

type traceID [16]byte

type ranked struct {
	id       traceID
	duration int64
}

// needle is looked for in the text of statements; three predicates are those of predicates.
const needle = "sku = 4242"

const predicates = `{ resource.service.name = "payment" && kind = client && duration > 40ms }`

// related asks for the slow calls of the stock to its database that are part of a checkout.
const related = `{ name = "` + checkoutName + `" && kind = server } >> { resource.service.name = "stock" && kind = client && duration > 12ms }`

const checkoutName = "POST /checkout"

func (f *facts) note(service string, s *tracepb.Span) {
	f.spans++
	f.names[s.Name] = true
	start := int64(s.StartTimeUnixNano)
	f.from = min(f.from, start)
	f.to = max(f.to, start+1)
	id := traceID(s.TraceId)
	if _, sampled := f.sample[id]; sampled {
		f.sample[id]++
	}
	duration := int64(s.EndTimeUnixNano - s.StartTimeUnixNano)
	if service == "payment" && s.Kind == client && duration > 40e6 {
		f.slowest = append(f.slowest, ranked{id, duration})
		f.matching[id] = true
	}
	if s.Name == checkoutName && s.Kind == server {
		f.checkouts[id] = true
	}
	if service == "stock" && s.Kind == client && duration > 12e6 {
		f.slowStock[id] = true
	}
	for _, a := range s.Attributes {
		if a.Key == "db.query.text" && strings.Contains(a.Value.GetStringValue(), needle) {
			f.needle[id] = true
		}
	}
}

// settle reduces the ranking to one row a trace, ordered as the store orders:
// slowest first, ties by trace id. A checkout is the root of its trace, so that
// all slow calls of its trace are below it.
func (f *facts) settle() {
	maps.DeleteFunc(f.checkouts, func(id traceID, _ bool) bool { return !f.slowStock[id] })
	f.slowStock = nil
	slices.SortFunc(f.slowest, func(a, b ranked) int {
		if a.duration != b.duration {
			return int(max(min(b.duration-a.duration, 1), -1))
		}
		return slices.Compare(a.id[:], b.id[:])
	})
	seen := map[traceID]bool{}
	f.slowest = slices.DeleteFunc(f.slowest, func(r ranked) bool {
		was := seen[r.id]
		seen[r.id] = true
		return was
	})
	f.slowest = f.slowest[:min(len(f.slowest), 20)]
}

// instance is one process of a service, which collects spans until it sends.
type instance struct {
	resource *resourcepb.Resource
	service  string
	spans    []*tracepb.Span
}

// perFrame is the batch of a stock exporter, in spans.
const perFrame = 512

// sampled is the number of traces whose spans are counted for the look-ups.
const sampled = 300

type maker struct {
	r         *rand.Rand
	batch     int // spans a frame
	out       *bufio.Writer
	load      *load
	instances map[string]*instance
	order     []*instance
}

// makeLoad writes a load of at least spans spans in frames of batch, which ends about now.
func makeLoad(path, shape string, spans, batch int, seed uint64) (*load, error) {
	next, err := shapeOf(shape)
	if err != nil {
		return nil, err
	}
	return makeLoadOf(path, shape, next, spans, batch, seed)
}

// makeLoadOf is makeLoad with a shape of the caller's: next emits a trace.
func makeLoadOf(path, shape string, next func(m *maker, id traceID, start int64) error, spans, batch int, seed uint64) (*load, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make the load: %w", err)
	}
	defer f.Close()
	m := &maker{
		r: rand.New(rand.NewPCG(seed, 0x636c6577)), batch: batch, out: bufio.NewWriterSize(f, 1<<20), instances: map[string]*instance{},
		load: &load{path: path, shape: shape, facts: facts{from: math.MaxInt64, sample: map[traceID]int{}, needle: map[traceID]bool{}, names: map[string]bool{},
			matching: map[traceID]bool{}, checkouts: map[traceID]bool{}, slowStock: map[traceID]bool{}}},
	}
	// Spans arrive at about 11,500 a second of their own time, so that all lie in the last minutes.
	start := time.Now().Add(-time.Duration(float64(spans)/11_500*1e9) - 5*time.Second).UnixNano()
	every := max(spans/23/sampled, 1)
	for m.load.facts.spans < spans {
		id := m.traceID()
		if m.load.facts.traces%every == 0 && len(m.load.facts.sample) < sampled {
			m.load.facts.sample[id] = 0
		}
		m.load.facts.traces++
		at := start + int64(float64(m.load.facts.spans)/11_500*1e9)
		if err := next(m, id, at); err != nil {
			return nil, err
		}
	}
	for _, in := range m.order {
		if err := m.send(in); err != nil {
			return nil, err
		}
	}
	m.load.facts.settle()
	if err := m.out.Flush(); err != nil {
		return nil, fmt.Errorf("make the load: %w", err)
	}
	// What is not on the disk now, the kernel writes while acknowledgements are measured, which wait for the same disk.
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("make the load: %w", err)
	}
	return m.load, nil
}

func (m *maker) traceID() (id traceID) {
	binary.BigEndian.PutUint64(id[:8], m.r.Uint64())
	binary.BigEndian.PutUint64(id[8:], m.r.Uint64()|1)
	return id
}

func (m *maker) spanID() []byte {
	return binary.BigEndian.AppendUint64(nil, m.r.Uint64()|1)
}

// emit hands a finished span to its instance, which sends when it has enough.
func (m *maker) emit(service string, replica int, s *tracepb.Span) error {
	m.load.facts.note(service, s)
	key := fmt.Sprintf("%s-%05x", service, replica*7919)
	in := m.instances[key]
	if in == nil {
		in = &instance{service: service, resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
			text("service.name", service), text("service.namespace", "shop"), text("service.version", fmt.Sprintf("3.%d.%d", len(service), replica%2)),
			text("service.instance.id", key), text("deployment.environment.name", "production"), text("telemetry.sdk.language", language[service]),
			text("telemetry.sdk.name", "opentelemetry"), text("telemetry.sdk.version", "1.39.0"), text("host.name", fmt.Sprintf("node-%02d", (len(service)*3+replica)%20)),
			text("k8s.pod.name", key), text("cloud.region", "eu-west-1"),
		}}}
		m.instances[key] = in
		m.order = append(m.order, in)
	}
	in.spans = append(in.spans, s)
	if len(in.spans) < m.batch {
		return nil
	}
	return m.send(in)
}

func (m *maker) send(in *instance) error {
	if len(in.spans) == 0 {
		return nil
	}
	slices.SortStableFunc(in.spans, func(a, b *tracepb.Span) int { return int(max(min(int64(a.EndTimeUnixNano-b.EndTimeUnixNano), 1), -1)) })
	frame, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   in.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "shop/" + in.service, Version: "1.4.0"}, Spans: in.spans}},
		SchemaUrl:  "https://opentelemetry.io/schemas/1.38.0",
	}}})
	if err != nil {
		return fmt.Errorf("make the load: %w", err)
	}
	in.spans = in.spans[:0]
	m.load.frames++
	m.load.bytes += int64(len(frame))
	if _, err := m.out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(frame)))); err != nil {
		return fmt.Errorf("make the load: %w", err)
	}
	_, err = m.out.Write(frame)
	return err
}

// each calls fn with every frame in order until it or the file ends.
func (l *load) each(fn func(n int, frame []byte) error) error {
	f, err := os.Open(l.path)
	if err != nil {
		return fmt.Errorf("read the load: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := range l.frames {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return fmt.Errorf("read the load: frame %d: %w", n, err)
		}
		frame := make([]byte, binary.LittleEndian.Uint32(size[:]))
		if _, err := io.ReadFull(r, frame); err != nil {
			return fmt.Errorf("read the load: frame %d: %w", n, err)
		}
		if err := fn(n, frame); err != nil {
			return err
		}
	}
	return nil
}
