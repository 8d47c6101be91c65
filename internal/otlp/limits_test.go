package otlp_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tight are limits that small requests reach.
var tight = otlp.Limits{
	Attributes: 3, ResourceAttributes: 2, KeyBytes: 8, ValueBytes: 16, NestedBytes: 42,
	SpanEvents: 2, SpanLinks: 2, Spans: 4, Events: 5, Links: 5, Columns: 6, ClockSkew: time.Hour,
}

func sound() *tracepb.Span {
	return &tracepb.Span{TraceId: newGen(1).id(16), SpanId: newGen(2).id(8), StartTimeUnixNano: uint64(now), EndTimeUnixNano: uint64(now)}
}

func wrap(spans ...*tracepb.Span) *tracepb.TracesData {
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}}
}

func array(v ...*commonpb.AnyValue) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: v}}}
}

func list(kvs ...*commonpb.KeyValue) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: kvs}}}
}

func text(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func raw(b []byte) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: b}}
}

func deep(levels int) *commonpb.AnyValue {
	v := text("x")
	for i := range levels {
		if i%2 == 0 {
			v = array(v)
		} else {
			v = list(&commonpb.KeyValue{Key: "k", Value: v})
		}
	}
	return v
}

func kv(key string, v *commonpb.AnyValue) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: v}
}

// TestLimits asserts each limit on both sides: what is stored, what is counted and
// which marks the span gets. Each case is read from protobuf and from JSON.
func TestLimits(t *testing.T) {
	const (
		truncated = telemetry.MarkTruncated
		overflow  = telemetry.MarkAttrsOverflow
		clock     = telemetry.MarkClockOff
	)
	many := func(n int) []*commonpb.KeyValue {
		var out []*commonpb.KeyValue
		for i := range n {
			out = append(out, str(fmt.Sprint("k", i), "v"))
		}
		return out
	}
	for _, test := range []struct {
		name   string
		change func(*tracepb.Span)
		counts map[otlp.Reason]int
		marks  uint8
		check  func(modelSpan) string // what is stored
		want   string
	}{
		{name: "attributes at the limit", change: func(s *tracepb.Span) { s.Attributes = many(3) },
			check: keys, want: "k0 k1 k2 dropped 0"},
		{name: "attributes over the limit", change: func(s *tracepb.Span) { s.Attributes, s.DroppedAttributesCount = many(5), 10 },
			counts: map[otlp.Reason]int{otlp.ManyAttributes: 2}, marks: overflow, check: keys, want: "k0 k1 k2 dropped 12"},
		{name: "a repeated key replaces at the limit", change: func(s *tracepb.Span) { s.Attributes = append(many(3), num("k1", 7)) },
			check: func(m modelSpan) string { return keys(m) + " " + m.Attrs.Values["k1"] }, want: "k0 k1 k2 dropped 0 7:scalar"},
		{name: "key at the limit", change: func(s *tracepb.Span) { s.Attributes = []*commonpb.KeyValue{str("12345678", "v")} },
			check: keys, want: "12345678 dropped 0"},
		{name: "key over the limit", change: func(s *tracepb.Span) { s.Attributes = []*commonpb.KeyValue{str("123456789", "v"), str("k", "v")} },
			counts: map[otlp.Reason]int{otlp.LongKey: 1}, marks: overflow, check: keys, want: "k dropped 1"},
		{name: "value at the limit", change: func(s *tracepb.Span) { s.Attributes = []*commonpb.KeyValue{str("k", strings.Repeat("x", 16))} },
			check: value, want: "s:xxxxxxxxxxxxxxxx"},
		{name: "value over the limit is cut at a rune", change: func(s *tracepb.Span) { s.Attributes = []*commonpb.KeyValue{str("k", "xxxxxxxxxxxxxx☃y")} },
			counts: map[otlp.Reason]int{otlp.LongValue: 1}, marks: truncated, check: value, want: "s:xxxxxxxxxxxxxx"},
		{name: "bytes over the limit", change: func(s *tracepb.Span) { s.Attributes = []*commonpb.KeyValue{kv("k", raw(make([]byte, 17)))} },
			counts: map[otlp.Reason]int{otlp.LongValue: 1}, marks: truncated, check: value, want: "x:" + strings.Repeat("\x00", 16)},
		{name: "name, state and message over the limit", change: func(s *tracepb.Span) {
			s.Name, s.TraceState, s.Status = strings.Repeat("n", 20), strings.Repeat("s", 20), &tracepb.Status{Message: strings.Repeat("m", 20)}
		}, counts: map[otlp.Reason]int{otlp.LongValue: 3}, marks: truncated,
			check: func(m modelSpan) string { return m.Name + m.State + m.Message }, want: strings.Repeat("n", 16) + strings.Repeat("s", 16) + strings.Repeat("m", 16)},
		{name: "nested value over the limit stays well formed", change: func(s *tracepb.Span) {
			s.Attributes = []*commonpb.KeyValue{kv("k", array(text("12345678"), array(text("12345678"), text("never")), text("never")))}
		}, counts: map[otlp.Reason]int{otlp.LargeNested: 2}, marks: truncated, check: value, want: `v:["12345678",["123"]]`},
		{name: "nested text of a request over the limit", change: func(s *tracepb.Span) {
			v := array(text("1234567890"))
			s.Attributes = []*commonpb.KeyValue{kv("a", array(v, v)), kv("b", array(v, v)), kv("c", array(v, v))}
		}, counts: map[otlp.Reason]int{otlp.LargeNested: 4}, marks: truncated,
			check: func(m modelSpan) string { return m.Attrs.Values["c"] }, want: `v:[["12"]]`},
		{name: "events at the limit", change: func(s *tracepb.Span) { s.Events = []*tracepb.Span_Event{{Name: "a"}, {Name: "b"}} },
			check: children, want: "a b / dropped 0 0"},
		{name: "events over the limit", change: func(s *tracepb.Span) {
			s.Events, s.DroppedEventsCount = []*tracepb.Span_Event{{Name: "a"}, {Name: "b"}, {Name: "c", Attributes: many(9)}}, 1
		}, counts: map[otlp.Reason]int{otlp.ManySpanEvents: 1}, check: children, want: "a b / dropped 2 0"},
		{name: "attributes of events have a limit of their own", change: func(s *tracepb.Span) {
			s.Attributes = many(3)
			s.Events = []*tracepb.Span_Event{{Attributes: many(3)}, {Attributes: many(4)}}
		}, counts: map[otlp.Reason]int{otlp.ManyAttributes: 1}, marks: overflow,
			check: func(m modelSpan) string { return fmt.Sprint(len(m.Events[1].Attrs.Values), m.Events[1].Attrs.Dropped) }, want: "3 1"},
		{name: "links over the limit", change: func(s *tracepb.Span) {
			l := &tracepb.Span_Link{TraceId: newGen(1).id(16), SpanId: newGen(1).id(8), TraceState: "s"}
			s.Links = []*tracepb.Span_Link{l, l, l, l}
		}, counts: map[otlp.Reason]int{otlp.ManySpanLinks: 2}, check: children, want: "/ s s dropped 0 2"},
		{name: "a link without ids is kept", change: func(s *tracepb.Span) { s.Links = []*tracepb.Span_Link{{TraceState: "s"}} },
			check: children, want: "/ s dropped 0 0"},
		{name: "a link with a short id is dropped", change: func(s *tracepb.Span) {
			s.Links = []*tracepb.Span_Link{{TraceId: make([]byte, 8), TraceState: "s"}}
		}, counts: map[otlp.Reason]int{otlp.InvalidLinkID: 1}, check: children, want: "/ dropped 0 1"},
		{name: "clock at the limit", change: func(s *tracepb.Span) { s.StartTimeUnixNano = uint64(now + int64(time.Hour)) },
			check: times, want: fmt.Sprint(now+int64(time.Hour), " ", now)},
		{name: "clock before the limit", change: func(s *tracepb.Span) { s.StartTimeUnixNano = uint64(now - int64(time.Hour) - 1) },
			counts: map[otlp.Reason]int{otlp.ClockOff: 1}, marks: clock, check: times, want: fmt.Sprint(now-int64(time.Hour)-1, " ", now)},
		{name: "no start", change: func(s *tracepb.Span) { s.StartTimeUnixNano = 0 },
			counts: map[otlp.Reason]int{otlp.ClockOff: 1}, marks: clock, check: times, want: fmt.Sprint(0, " ", now)},
		{name: "times after 2262", change: func(s *tracepb.Span) {
			s.StartTimeUnixNano, s.EndTimeUnixNano = math.MaxUint64, math.MaxUint64
			s.Events = []*tracepb.Span_Event{{TimeUnixNano: math.MaxUint64}}
		}, counts: map[otlp.Reason]int{otlp.ClockOff: 1}, marks: clock, check: times, want: fmt.Sprint(int64(math.MaxInt64), " ", int64(math.MaxInt64))},
		{name: "unknown enums", change: func(s *tracepb.Span) { s.Kind, s.Status = 77, &tracepb.Status{Code: -1} },
			counts: map[otlp.Reason]int{otlp.UnknownEnum: 2}, check: func(m modelSpan) string { return fmt.Sprint(m.Kind, m.Status) }, want: "0 0"},
		{name: "depth at the limit", change: func(s *tracepb.Span) {
			s.Attributes = []*commonpb.KeyValue{kv("k", list())}
		}, check: value, want: "v:{}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sound()
			test.change(s)
			td := wrap(s)
			body, err := proto.Marshal(td)
			if err != nil {
				t.Fatal(err)
			}
			for form, read := range map[string]func(*otlp.Decoder, *telemetry.Builder) (otlp.Report, error){
				"protobuf": func(d *otlp.Decoder, b *telemetry.Builder) (otlp.Report, error) {
					return d.DecodeTraces(b, body, now, tight)
				},
				"json": func(d *otlp.Decoder, b *telemetry.Builder) (otlp.Report, error) {
					return d.DecodeTracesJSON(b, otlpJSON(t, td, protojson.MarshalOptions{}), now, tight)
				},
			} {
				b := telemetry.NewBuilder()
				b.Reset("t")
				report, err := read(new(otlp.Decoder), b)
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				var counts [otlp.NumberOfReasons]int
				for r, n := range test.counts {
					counts[r] = n
				}
				if report.Counts != counts {
					t.Errorf("%s: counts %v, want %v", form, report.Counts, counts)
				}
				if got := b.Batch.Spans.Marks[0]; got != test.marks {
					t.Errorf("%s: marks %05b, want %05b", form, got, test.marks)
				}
				if got := test.check(ofBatch(&b.Batch)[0]); got != test.want {
					t.Errorf("%s: stored %q, want %q", form, got, test.want)
				}
			}
		})
	}
}

func keys(m modelSpan) string {
	var out []string
	for k := range m.Attrs.Values {
		out = append(out, k)
	}
	slices.Sort(out)
	return strings.Join(out, " ") + fmt.Sprint(" dropped ", m.Attrs.Dropped)
}

func value(m modelSpan) string { return m.Attrs.Values["k"] }

func times(m modelSpan) string { return fmt.Sprint(int64(m.Start), " ", int64(m.End)) }

func children(m modelSpan) string {
	var out []string
	for _, e := range m.Events {
		out = append(out, e.Name)
	}
	out = append(out, "/")
	for _, l := range m.Links {
		out = append(out, l.State)
	}
	return strings.Join(out, " ") + fmt.Sprintf(" dropped %d %d", m.DroppedEvents, m.DroppedLinks)
}

func TestDepth(t *testing.T) {
	for levels, cut := range map[int]int{otlp.MaxDepth: 0, otlp.MaxDepth + 1: 1, otlp.MaxDepth + 500: 1} {
		s := sound()
		s.Attributes = []*commonpb.KeyValue{kv("k", deep(levels)), str("after", "v")}
		body, err := proto.Marshal(wrap(s))
		if err != nil {
			t.Fatal(err)
		}
		batch, report := decode(t, body)
		got := ofBatch(batch)[0].Attrs.Values["k"]
		if report.Counts[otlp.DeepNested] != cut || strings.Count(got, "[")+strings.Count(got, "{") != otlp.MaxDepth {
			t.Errorf("%d levels: counted %d, stored %s", levels, report.Counts[otlp.DeepNested], got)
		}
		if marked := batch.Spans.Marks[0]&telemetry.MarkTruncated != 0; marked != (cut > 0) {
			t.Errorf("%d levels: marked %v", levels, marked)
		}
		if ofBatch(batch)[0].Attrs.Values["after"] != "s:v" {
			t.Errorf("%d levels: the attribute after is lost", levels)
		}
		if levels > 100 {
			continue // protojson refuses more
		}
		fromJSON, report := decodeJSON(t, otlpJSON(t, wrap(s), protojson.MarshalOptions{}))
		if report.Counts[otlp.DeepNested] != cut || ofBatch(fromJSON)[0].Attrs.Values["k"] != got {
			t.Errorf("%d levels in JSON: counted %d, stored %s", levels, report.Counts[otlp.DeepNested], ofBatch(fromJSON)[0].Attrs.Values["k"])
		}
	}
}

// TestDepthOfAMillion reads nesting that no recursive parser survives.
func TestDepthOfAMillion(t *testing.T) {
	const levels = 1_000_000
	open, shut := `{"arrayValue":{"values":[`, `]}}`
	text := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101","spanId":"0101010101010101","attributes":[{"key":"k","value":` +
		strings.Repeat(open, levels) + strings.Repeat(shut, levels) + `}],"unknown":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}]}]}]}`
	batch, report := decodeJSON(t, []byte(text))
	if report.Spans != 1 || report.Counts[otlp.DeepNested] != 1 {
		t.Errorf("report %+v", report)
	}
	if got := ofBatch(batch)[0].Attrs.Values["k"]; got != "v:"+strings.Repeat("[", 32)+"null"+strings.Repeat("]", 32) {
		t.Errorf("stored %s", got)
	}
}

func TestRequestLimits(t *testing.T) {
	read := func(td *tracepb.TracesData) (*telemetry.Batch, otlp.Report, error) {
		body, err := proto.Marshal(td)
		if err != nil {
			t.Fatal(err)
		}
		b := telemetry.NewBuilder()
		b.Reset("t")
		report, err := new(otlp.Decoder).DecodeTraces(b, body, now, tight)
		return &b.Batch, report, err
	}
	if _, report, err := read(wrap(sound(), sound(), sound(), sound())); err != nil || report.Spans != 4 {
		t.Errorf("four spans: %+v, %v", report, err)
	}
	if _, _, err := read(wrap(sound(), sound(), sound(), sound(), sound())); telemetry.KindOf(err) != telemetry.KindInvalid || !strings.Contains(err.Error(), "more than 4 spans") {
		t.Errorf("five spans: %v", err)
	}
	two := func() *tracepb.Span {
		s := sound()
		s.Events = []*tracepb.Span_Event{{}, {}}
		s.Links = []*tracepb.Span_Link{{}, {}}
		return s
	}
	batch, report, err := read(wrap(two(), two(), two()))
	if err != nil || batch.Events.N != 5 || batch.Links.N != 5 || report.Counts[otlp.ManyEvents] != 1 || report.Counts[otlp.ManyLinks] != 1 {
		t.Errorf("six events and links: %d, %d, %+v, %v", batch.Events.N, batch.Links.N, report, err)
	}
	if m := ofBatch(batch); m[2].DroppedEvents != 1 || m[2].DroppedLinks != 1 {
		t.Errorf("dropped counts %d, %d, want 1, 1", m[2].DroppedEvents, m[2].DroppedLinks)
	}
	var spans []*tracepb.Span
	for i := range 4 {
		s := sound()
		s.Attributes = []*commonpb.KeyValue{num(fmt.Sprint("a", i), 1), num(fmt.Sprint("b", i), 1)}
		spans = append(spans, s)
	}
	batch, report, err = read(wrap(spans...))
	if err != nil || report.Counts[otlp.ManyColumns] != 2 || batch.Spans.Marks[3]&telemetry.MarkAttrsOverflow == 0 || ofBatch(batch)[3].Attrs.Dropped != 2 {
		t.Errorf("eight columns: %+v, %v", report, err)
	}
	// The same keys with another type are columns as well.
	for _, s := range spans {
		s.Attributes = []*commonpb.KeyValue{str("a", "v")}
	}
	spans[3].Attributes = []*commonpb.KeyValue{num("a", 1), kv("b", raw(nil)), kv("c", text(""))}
	if _, report, err = read(wrap(spans...)); err != nil || report.Counts[otlp.ManyColumns] != 0 {
		t.Errorf("four columns: %+v, %v", report, err)
	}
	td := wrap(sound())
	td.ResourceSpans[0].Resource = &resourcepb.Resource{Attributes: []*commonpb.KeyValue{str("a", "1"), str("b", "2"), str("c", strings.Repeat("x", 20))}}
	if batch, report, err = read(td); err != nil || report.Counts[otlp.ManyAttributes] != 1 || batch.Spans.Marks[0] != telemetry.MarkAttrsOverflow {
		t.Errorf("three resource attributes: %+v, marks %b, %v", report, batch.Spans.Marks[0], err)
	}
}

func TestTextIsMended(t *testing.T) {
	body, err := proto.Marshal(wrap(&tracepb.Span{TraceId: newGen(1).id(16), SpanId: newGen(2).id(8), StartTimeUnixNano: uint64(now),
		Name: "NAME", TraceState: "STATE", Status: &tracepb.Status{Message: "MESSAGE"},
		Attributes: []*commonpb.KeyValue{str("KEY", "VALUE"), str("KEY", "VALUF"), kv("nested", array(text("VALUE"))), kv("raw", raw([]byte("VALUE")))},
		Events:     []*tracepb.Span_Event{{Name: "EVENT"}}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"NAME", "STATE", "MESSAGE", "KEY", "VALUE", "EVENT"} {
		body = []byte(strings.ReplaceAll(string(body), name, name[:1]+"\xff\xc0"+name[3:]))
	}
	batch, report := decode(t, body)
	m := ofBatch(batch)[0]
	got := strings.Join([]string{m.Name, m.State, m.Message, m.Events[0].Name, m.Attrs.Values["K\uFFFD"], m.Attrs.Values["nested"], m.Attrs.Values["raw"]}, " ")
	want := "N\uFFFDE S\uFFFDTE M\uFFFDSAGE E\uFFFDNT s:VALUF v:[\"V\uFFFDUE\"] x:V\xff\xc0UE"
	if got != want {
		t.Errorf("stored %q\nwant   %q", got, want)
	}
	if report.Counts[otlp.MendedText] != 8 || batch.Spans.Marks[0] != telemetry.MarkTextMended {
		t.Errorf("counted %d, marks %b", report.Counts[otlp.MendedText], batch.Spans.Marks[0])
	}
	batch, report = decodeJSON(t, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101","spanId":"0101010101010101","startTimeUnixNano":1700000000000000000,`+
		`"name":"\ud83d\ude80 a\ud800b \u00e9 `+"\xfe"+`"}]}]}]}`))
	if got, want := ofBatch(batch)[0].Name, "🚀 a\uFFFDb é \uFFFD"; got != want || report.Counts[otlp.MendedText] != 1 {
		t.Errorf("JSON text %q, want %q; counted %d", got, want, report.Counts[otlp.MendedText])
	}
}

func TestBadIDsRejectTheirSpanOnly(t *testing.T) {
	id := func(n int) []byte { return newGen(1).id(n) }
	for name, change := range map[string]func(*tracepb.Span){
		"trace_id has 0 bytes, not 16":              func(s *tracepb.Span) { s.TraceId = nil },
		"trace_id has 8 bytes, not 16":              func(s *tracepb.Span) { s.TraceId = id(8) },
		"trace_id has 17 bytes, not 16":             func(s *tracepb.Span) { s.TraceId = id(17) },
		"trace_id is all zeros":                     func(s *tracepb.Span) { s.TraceId = make([]byte, 16) },
		"span_id has 16 bytes, not 8":               func(s *tracepb.Span) { s.SpanId = id(16) },
		"span_id is all zeros":                      func(s *tracepb.Span) { s.SpanId = make([]byte, 8) },
		"parent_span_id has 7 bytes, not 8 or none": func(s *tracepb.Span) { s.ParentSpanId = id(7) },
	} {
		bad := sound()
		bad.Name, bad.Attributes, bad.Events = strings.Repeat("x", 20000), []*commonpb.KeyValue{str("only here", "v")}, []*tracepb.Span_Event{{}}
		change(bad)
		td := wrap(sound(), bad, sound(), bad)
		body, err := proto.Marshal(td)
		if err != nil {
			t.Fatal(err)
		}
		for form, batchOf := range map[string]func() (*telemetry.Batch, otlp.Report){
			"protobuf": func() (*telemetry.Batch, otlp.Report) { return decode(t, body) },
			"json": func() (*telemetry.Batch, otlp.Report) {
				return decodeJSON(t, otlpJSON(t, td, protojson.MarshalOptions{}))
			},
		} {
			batch, report := batchOf()
			want := otlp.Report{Spans: 2, RejectedSpans: 2, FirstRejected: "resource_spans[0].scope_spans[0].spans[1]: " + name}
			want.Counts[otlp.InvalidID] = 2
			if report != want {
				t.Errorf("%s, %s: report %+v", name, form, report)
			}
			if batch.Spans.N != 2 || batch.Events.N != 0 || len(batch.Spans.Cols) != 0 {
				t.Errorf("%s, %s: something of the rejected spans is stored", name, form)
			}
		}
	}
}
