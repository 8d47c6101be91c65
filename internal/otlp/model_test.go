package otlp_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// now is the time of receipt in all tests.
const now = int64(1_700_000_000_000_000_000)

// The model of a span is what both a generated message and a Batch are turned into for
// comparison. Attributes are text with their type, so that NaN equals NaN.
type modelSpan struct {
	Trace, ID, Parent, State, Name, Message string
	Kind, Status, Flags                     uint32
	Start, End                              uint64
	Attrs                                   modelAttrs
	DroppedEvents, DroppedLinks             uint64
	Events, Links                           []modelChild
	Resource, Scope                         modelRow
}

type modelAttrs struct {
	Values  map[string]string
	Dropped uint64
}

type modelChild struct {
	Time                   uint64
	Name, Trace, ID, State string
	Flags                  uint32
	Attrs                  modelAttrs
}

type modelRow struct {
	Attrs                 modelAttrs
	Name, Version, Schema string
}

// ofMessage gives the model of each span of the generated types in order of the wire.
func ofMessage(td *tracepb.TracesData) []modelSpan {
	var out []modelSpan
	for _, rs := range td.ResourceSpans {
		res := modelRow{Schema: rs.SchemaUrl, Attrs: pbAttrs(rs.Resource.GetAttributes(), rs.Resource.GetDroppedAttributesCount())}
		for _, ss := range rs.ScopeSpans {
			scope := modelRow{Schema: ss.SchemaUrl, Name: ss.Scope.GetName(), Version: ss.Scope.GetVersion(),
				Attrs: pbAttrs(ss.Scope.GetAttributes(), ss.Scope.GetDroppedAttributesCount())}
			for _, s := range ss.Spans {
				m := modelSpan{
					Trace: string(s.TraceId), ID: string(s.SpanId), Parent: strings.Trim(string(s.ParentSpanId), "\x00"),
					State: s.TraceState, Name: s.Name, Message: s.Status.GetMessage(),
					Kind: uint32(s.Kind), Status: uint32(s.Status.GetCode()), Flags: s.Flags,
					Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano,
					Attrs:         pbAttrs(s.Attributes, s.DroppedAttributesCount),
					DroppedEvents: uint64(s.DroppedEventsCount), DroppedLinks: uint64(s.DroppedLinksCount),
					Resource: res, Scope: scope,
				}
				if m.Parent != "" {
					m.Parent = string(s.ParentSpanId)
				}
				for _, e := range s.Events {
					m.Events = append(m.Events, modelChild{Time: e.TimeUnixNano, Name: e.Name, Attrs: pbAttrs(e.Attributes, e.DroppedAttributesCount)})
				}
				for _, l := range s.Links {
					m.Links = append(m.Links, modelChild{Trace: linkID(l.TraceId, 16), ID: linkID(l.SpanId, 8), State: l.TraceState, Flags: l.Flags,
						Attrs: pbAttrs(l.Attributes, l.DroppedAttributesCount)})
				}
				out = append(out, m)
			}
		}
	}
	return out
}

// linkID gives the id of a link; no id and the id of zeros are the same in a Batch.
func linkID(id []byte, n int) string {
	if len(id) == 0 {
		id = make([]byte, n)
	}
	return string(id)
}

func pbAttrs(kvs []*commonpb.KeyValue, dropped uint32) modelAttrs {
	a := modelAttrs{Values: map[string]string{}, Dropped: uint64(dropped)}
	for _, kv := range kvs {
		a.Values[kv.Key] = pbValue(kv.Value)
	}
	return a
}

func pbValue(v *commonpb.AnyValue) string {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return "s:" + x.StringValue
	case *commonpb.AnyValue_BytesValue:
		return "x:" + string(x.BytesValue)
	case *commonpb.AnyValue_BoolValue, *commonpb.AnyValue_IntValue, *commonpb.AnyValue_DoubleValue:
		return string(pbText(nil, v)) + ":scalar"
	}
	return "v:" + string(pbText(nil, v))
}

// pbText is the canonical text of a generated value, written by recursion.
func pbText(dst []byte, v *commonpb.AnyValue) []byte {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return telemetry.AppendValueString(dst, []byte(x.StringValue))
	case *commonpb.AnyValue_BytesValue:
		return telemetry.AppendValueBytes(dst, x.BytesValue)
	case *commonpb.AnyValue_BoolValue:
		if x.BoolValue {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case *commonpb.AnyValue_IntValue:
		return telemetry.AppendValueInt(dst, x.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return telemetry.AppendValueDouble(dst, x.DoubleValue)
	case *commonpb.AnyValue_ArrayValue:
		dst = append(dst, '[')
		for i, e := range x.ArrayValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = pbText(dst, e)
		}
		return append(dst, ']')
	case *commonpb.AnyValue_KvlistValue:
		dst = append(dst, '{')
		for i, kv := range x.KvlistValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = pbText(telemetry.AppendValueKey(dst, []byte(kv.Key)), kv.Value)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// ofBatch gives the model of each row of a Batch in order of rows.
func ofBatch(b *telemetry.Batch) []modelSpan {
	b = telemetry.Settle(b)
	spans := telemetry.IndexRows(&b.Spans.Table)
	events := telemetry.IndexRows(&b.Events.Table)
	links := telemetry.IndexRows(&b.Links.Table)
	resources := telemetry.IndexRows(&b.Resources)
	scopes := telemetry.IndexRows(&b.Scopes)
	row := func(t *telemetry.Table, cells []telemetry.Cell) modelRow {
		a, i := cellsOf(t, cells)
		return modelRow{Attrs: a, Name: i.text["name"], Version: i.text["version"], Schema: i.text["schema_url"]}
	}
	s := &b.Spans
	out := make([]modelSpan, s.N)
	for r := range s.N {
		a, i := cellsOf(&s.Table, spans.Row(r))
		m := modelSpan{
			Trace: string(s.TraceID[r][:]), ID: string(s.SpanID[r][:]), State: i.text["trace_state"],
			Name: s.Names.Str(s.Name[r]), Message: i.text["status.message"],
			Kind: uint32(s.Kind[r]), Status: uint32(s.Status[r]), Flags: s.Flags[r],
			Start: uint64(s.Start[r]), End: uint64(s.Start[r] + s.Duration[r]),
			Attrs: a, DroppedEvents: i.num["dropped_events_count"], DroppedLinks: i.num["dropped_links_count"],
			Resource: row(&b.Resources, resources.Row(int(s.Resource[r]))), Scope: row(&b.Scopes, scopes.Row(int(s.Scope[r]))),
		}
		if !s.Parent[r].IsZero() {
			m.Parent = string(s.Parent[r][:])
		}
		out[r] = m
	}
	for r := range b.Events.N {
		a, _ := cellsOf(&b.Events.Table, events.Row(r))
		m := &out[b.Events.Span[r]]
		m.Events = append(m.Events, modelChild{Time: uint64(b.Events.Time[r]), Name: b.Events.Names.Str(b.Events.Name[r]), Attrs: a})
	}
	for r := range b.Links.N {
		a, i := cellsOf(&b.Links.Table, links.Row(r))
		m := &out[b.Links.Span[r]]
		m.Links = append(m.Links, modelChild{Trace: string(b.Links.TraceID[r][:]), ID: string(b.Links.SpanID[r][:]),
			Flags: b.Links.Flags[r], State: i.text["trace_state"], Attrs: a})
	}
	return out
}

type intrinsics struct {
	text map[string]string
	num  map[string]uint64
}

func cellsOf(t *telemetry.Table, cells []telemetry.Cell) (modelAttrs, intrinsics) {
	a := modelAttrs{Values: map[string]string{}}
	in := intrinsics{map[string]string{}, map[string]uint64{}}
	for _, cell := range cells {
		c := t.Cols[cell.Col]
		if c.Scope == telemetry.ScopeIntrinsic {
			if c.Type.IsText() {
				in.text[c.Key] = c.Dict.Str(c.Codes[cell.Pos])
			} else {
				in.num[c.Key] = c.Nums[cell.Pos]
			}
			continue
		}
		if _, ok := a.Values[c.Key]; ok {
			panic("key " + c.Key + " has two values in one row")
		}
		var v string
		switch c.Type {
		case telemetry.TypeString, telemetry.TypeBytes, telemetry.TypeValue:
			v = string(c.Type) + ":" + c.Dict.Str(c.Codes[cell.Pos])
		case telemetry.TypeInt:
			v = string(telemetry.AppendValueInt(nil, int64(c.Nums[cell.Pos]))) + ":scalar"
		case telemetry.TypeDouble:
			v = string(telemetry.AppendValueDouble(nil, math.Float64frombits(c.Nums[cell.Pos]))) + ":scalar"
		case telemetry.TypeBool:
			v = map[uint64]string{0: "false", 1: "true"}[c.Nums[cell.Pos]] + ":scalar"
		}
		a.Values[c.Key] = v
	}
	a.Dropped = in.num["dropped_attributes_count"]
	return a, in
}

// decode reads a protobuf request that must be sound.
func decode(t testing.TB, body []byte) (*telemetry.Batch, otlp.Report) {
	t.Helper()
	b := telemetry.NewBuilder()
	b.Reset("t")
	var d otlp.Decoder
	report, err := d.DecodeTraces(b, body, now, otlp.Limits{})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return &b.Batch, report
}

func decodeJSON(t testing.TB, body []byte) (*telemetry.Batch, otlp.Report) {
	t.Helper()
	b := telemetry.NewBuilder()
	b.Reset("t")
	var d otlp.Decoder
	report, err := d.DecodeTracesJSON(b, body, now, otlp.Limits{})
	if err != nil {
		t.Fatalf("decode JSON: %v\n%.2000s", err, body)
	}
	return &b.Batch, report
}

// gen makes random requests in which every field of OTLP occurs.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 7))} }

func (g gen) id(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	b[g.IntN(n)] |= 1
	return b
}

func (g gen) text() string {
	words := []string{"", "a", "GET /cart", "naïve ☃ 🚀", "\"quoted\\\"", "line\nbreak\tand \u0001", "@at", "x\x00y", "/path</script>"}
	if g.IntN(4) == 0 {
		return strings.Repeat(words[g.IntN(len(words))], 1+g.IntN(40))
	}
	return words[g.IntN(len(words))]
}

func (g gen) key() string {
	keys := []string{"http.method", "http.status", "db.statement", "k", "@type", "@@", "ключ", "a b", "service.name", ""}
	return keys[g.IntN(len(keys))]
}

func (g gen) value(depth int) *commonpb.AnyValue {
	switch g.IntN(9) {
	case 0, 1:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: g.text()}}
	case 2:
		ints := []int64{0, -1, 1, math.MaxInt64, math.MinInt64, 200, int64(g.Uint64())}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: ints[g.IntN(len(ints))]}}
	case 3:
		doubles := []float64{0, math.Copysign(0, -1), 1, 0.1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 5e-324, g.NormFloat64()}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: doubles[g.IntN(len(doubles))]}}
	case 4:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: g.IntN(2) == 0}}
	case 5:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: g.id(1 + g.IntN(20))}}
	case 6:
		return &commonpb.AnyValue{}
	case 7:
		if depth == 0 {
			break
		}
		a := &commonpb.ArrayValue{}
		for range g.IntN(4) {
			a.Values = append(a.Values, g.value(depth-1))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: a}}
	case 8:
		if depth == 0 {
			break
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: g.attrs(4, depth-1)}}}
	}
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 7}}
}

func (g gen) attrs(most, depth int) []*commonpb.KeyValue {
	var out []*commonpb.KeyValue
	for range g.IntN(most + 1) {
		out = append(out, &commonpb.KeyValue{Key: g.key(), Value: g.value(depth)})
	}
	return out
}

func (g gen) count() uint32 {
	if g.IntN(3) > 0 {
		return 0
	}
	return g.Uint32()
}

func (g gen) request() *tracepb.TracesData {
	td := &tracepb.TracesData{}
	for range g.IntN(4) {
		rs := &tracepb.ResourceSpans{SchemaUrl: g.text()}
		if g.IntN(5) > 0 {
			rs.Resource = &resourcepb.Resource{Attributes: g.attrs(6, 2), DroppedAttributesCount: g.count(),
				EntityRefs: []*commonpb.EntityRef{{Type: "host", IdKeys: []string{"host.id"}}}}
		}
		for range g.IntN(4) {
			ss := &tracepb.ScopeSpans{SchemaUrl: g.text()}
			if g.IntN(5) > 0 {
				ss.Scope = &commonpb.InstrumentationScope{Name: g.text(), Version: g.text(), Attributes: g.attrs(3, 1), DroppedAttributesCount: g.count()}
			}
			for range g.IntN(12) {
				ss.Spans = append(ss.Spans, g.span())
			}
			rs.ScopeSpans = append(rs.ScopeSpans, ss)
		}
		td.ResourceSpans = append(td.ResourceSpans, rs)
	}
	return td
}

func (g gen) span() *tracepb.Span {
	s := &tracepb.Span{
		TraceId: g.id(16), SpanId: g.id(8), TraceState: g.text(), Name: g.text(),
		Kind: tracepb.Span_SpanKind(g.IntN(6)), Flags: g.count(),
		StartTimeUnixNano: uint64(now + g.Int64N(1e15) - 5e14), EndTimeUnixNano: uint64(now + g.Int64N(1e9)),
		Attributes: g.attrs(12, 5), DroppedAttributesCount: g.count(), DroppedEventsCount: g.count(), DroppedLinksCount: g.count(),
	}
	switch g.IntN(3) {
	case 0:
		s.ParentSpanId = g.id(8)
	case 1:
		s.ParentSpanId = make([]byte, 8)
	}
	if g.IntN(2) == 0 {
		s.Status = &tracepb.Status{Code: tracepb.Status_StatusCode(g.IntN(3)), Message: g.text()}
	}
	for range g.IntN(3) {
		s.Events = append(s.Events, &tracepb.Span_Event{TimeUnixNano: uint64(g.Int64()), Name: g.text(), Attributes: g.attrs(4, 2), DroppedAttributesCount: g.count()})
	}
	for range g.IntN(3) {
		s.Links = append(s.Links, &tracepb.Span_Link{TraceId: g.id(16), SpanId: g.id(8), TraceState: g.text(), Flags: g.count(),
			Attributes: g.attrs(4, 2), DroppedAttributesCount: g.count()})
	}
	return s
}
