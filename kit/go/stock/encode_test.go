package stock_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	clew "github.com/clew-dev/clew/kit/go"
)

// encoded runs a program of spans under a kit and returns the last message that went out, read by the generated code.
func encoded(t testing.TB, run func(context.Context)) *tracepb.Span {
	t.Helper()
	none := func(string) (string, bool) { return "", false }
	k := clew.Start(t.Context(), clew.Service("test", "1"), clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(none))
	defer k.Stop(context.Background())
	var out []byte
	k.OnEnd(func(v *clew.SpanView) { out = append([]byte(nil), v.Bytes()...) })
	run(context.Background())
	if out == nil {
		t.Fatal("no span went out")
	}
	span := &tracepb.Span{}
	if err := proto.Unmarshal(out, span); err != nil {
		t.Fatalf("the generated code does not read what the kit wrote: %v", err)
	}
	if n := len(span.ProtoReflect().GetUnknown()); n > 0 {
		t.Fatalf("%d bytes are in fields that OTLP does not have", n)
	}
	return span
}

// model is what a span must say, kept in the plainest way.
type model struct {
	name    string
	attrs   []*commonpb.KeyValue
	events  []*tracepb.Span_Event
	links   []*tracepb.Span_Link
	status  tracepb.Status
	dropped uint32
}

func (m *model) set(kv *commonpb.KeyValue) {
	for i, have := range m.attrs {
		if have.Key == kv.Key {
			m.attrs[i] = kv
			return
		}
	}
	if len(m.attrs) == 128 {
		m.dropped++
		return
	}
	m.attrs = append(m.attrs, kv)
}

// text is a text as it may go out, written without a look at how the kit does it.
func text(s string, most int) string {
	cut := s
	if len(cut) > most {
		cut = cut[:most]
		for i := 0; i < 4 && len(cut) > most-4; i++ {
			if utf8.RuneStart(s[len(cut)]) {
				break
			}
			cut = cut[:len(cut)-1]
		}
	}
	out := strings.ToValidUTF8(cut, "\uFFFD")
	for len(out) > most {
		_, size := utf8.DecodeLastRuneInString(out)
		out = out[:len(out)-size]
	}
	return out
}

var words = []string{"GET", "/orders/{id}", "", "näh", "日本語", "\xff\xfe", "a\x00b", strings.Repeat("x", 4095) + "é", strings.Repeat("y", 127), strings.Repeat("z", 128)}

// random makes an attribute, and what it must become.
func random(r *rand.Rand) (clew.Attr, *commonpb.KeyValue) {
	key := fmt.Sprintf("key.%d", r.IntN(160))
	if r.IntN(10) == 0 {
		key = words[3+r.IntN(2)] + key
	}
	word := func() string { return words[r.IntN(len(words))] }
	var a clew.Attr
	v := &commonpb.AnyValue{}
	array := &commonpb.ArrayValue{}
	n := r.IntN(4)
	switch r.IntN(9) {
	case 0:
		s := word()
		a, v.Value = clew.String(key, s), &commonpb.AnyValue_StringValue{StringValue: text(s, 4096)}
	case 1:
		i := int64(r.Uint64() >> r.IntN(64))
		a, v.Value = clew.Int64(key, i), &commonpb.AnyValue_IntValue{IntValue: i}
	case 2:
		f := []float64{0, -0.5, math.Inf(1), math.MaxFloat64, r.Float64()}[r.IntN(5)]
		a, v.Value = clew.Float(key, f), &commonpb.AnyValue_DoubleValue{DoubleValue: f}
	case 3:
		b := r.IntN(2) == 0
		a, v.Value = clew.Bool(key, b), &commonpb.AnyValue_BoolValue{BoolValue: b}
	case 4:
		d := time.Duration(r.Int64N(int64(time.Hour)))
		a, v.Value = clew.Duration(key, d), &commonpb.AnyValue_DoubleValue{DoubleValue: d.Seconds()}
	case 5:
		list := make([]string, n)
		for i := range list {
			list[i] = word()
			array.Values = append(array.Values, &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: text(list[i], 4096)}})
		}
		a, v.Value = clew.Strings(key, list), &commonpb.AnyValue_ArrayValue{ArrayValue: array}
	case 6:
		list := make([]int64, n*60)
		for i := range list {
			list[i] = -r.Int64N(1 << 40)
			if i < 128 {
				array.Values = append(array.Values, &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: list[i]}})
			}
		}
		a, v.Value = clew.Ints(key, list), &commonpb.AnyValue_ArrayValue{ArrayValue: array}
	case 7:
		list := make([]float64, n)
		for i := range list {
			list[i] = r.NormFloat64()
			array.Values = append(array.Values, &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: list[i]}})
		}
		a, v.Value = clew.Floats(key, list), &commonpb.AnyValue_ArrayValue{ArrayValue: array}
	default:
		list := make([]bool, n)
		for i := range list {
			list[i] = r.IntN(2) == 0
			array.Values = append(array.Values, &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: list[i]}})
		}
		a, v.Value = clew.Bools(key, list), &commonpb.AnyValue_ArrayValue{ArrayValue: array}
	}
	return a, &commonpb.KeyValue{Key: key, Value: v}
}

// few makes the attributes of an event or a link, and what they must become.
func few(r *rand.Rand) (attrs []clew.Attr, want []*commonpb.KeyValue, dropped uint32) {
	var m model
	for range r.IntN(50) {
		a, kv := random(r)
		attrs = append(attrs, a)
		m.attrs = append(m.attrs, kv)
	}
	// The last value of a key in the place of its first.
	first := map[string]int{}
	for _, kv := range m.attrs {
		if i, ok := first[kv.Key]; ok {
			if i < len(want) {
				want[i] = kv
			}
			continue
		}
		first[kv.Key] = len(first)
		if len(want) == 32 {
			dropped++
			continue
		}
		want = append(want, kv)
	}
	return attrs, want, dropped
}

// step does one thing to a span and to its model.
func (m *model) step(r *rand.Rand, s clew.Active) {
	switch r.IntN(12) {
	case 0:
		m.name = text(words[r.IntN(len(words))], 256)
		s.SetName(words[0])
		s.SetName(m.name)
	case 1:
		attrs, want, dropped := few(r)
		name := words[r.IntN(len(words))]
		s.Event(name, attrs...)
		m.events = append(m.events, &tracepb.Span_Event{Name: text(name, 256), Attributes: want, DroppedAttributesCount: dropped})
	case 2:
		attrs, want, dropped := few(r)
		to := clew.SpanContext{Flags: 3, Remote: r.IntN(2) == 0, State: []string{"", "ot=th:8,a=b"}[r.IntN(2)]}
		to.TraceID[r.IntN(16)], to.SpanID[r.IntN(8)] = 1, 2
		s.Link(to, attrs...)
		flags := uint32(0x103)
		if to.Remote {
			flags |= 0x200
		}
		m.links = append(m.links, &tracepb.Span_Link{
			TraceId: to.TraceID[:], SpanId: to.SpanID[:], TraceState: to.State, Attributes: want, DroppedAttributesCount: dropped, Flags: flags,
		})
	case 3:
		message := words[r.IntN(len(words))]
		s.FailText(message)
		if m.status.Code != tracepb.Status_STATUS_CODE_OK {
			m.status.Code, m.status.Message = tracepb.Status_STATUS_CODE_ERROR, text(message, 4096)
		}
	case 4:
		if r.IntN(20) == 0 {
			s.Ok()
			m.status.Code, m.status.Message = tracepb.Status_STATUS_CODE_OK, ""
		}
	default:
		a, kv := random(r)
		s.Set(a)
		m.set(kv)
	}
}

// compare says what the message has that the model has not, and the reverse.
func (m *model) compare(t *testing.T, got *tracepb.Span) {
	t.Helper()
	if got.Name != m.name {
		t.Errorf("name is %q, not %q", got.Name, m.name)
	}
	if got.DroppedAttributesCount != m.dropped {
		t.Errorf("dropped attributes are %d, not %d", got.DroppedAttributesCount, m.dropped)
	}
	if !proto.Equal(got.Status, &m.status) && (got.Status != nil || m.status.Code != 0) {
		t.Errorf("status is %v, not %v", got.Status, &m.status)
	}
	for _, e := range got.Events {
		e.TimeUnixNano = 0
	}
	want := &tracepb.Span{Attributes: m.attrs, Events: m.events, Links: m.links}
	have := &tracepb.Span{Attributes: got.Attributes, Events: got.Events, Links: got.Links}
	if !proto.Equal(have, want) {
		t.Errorf("the message has\n%.2000v\nnot\n%.2000v", have, want)
	}
}

func TestRandomSpansAreReadByTheGeneratedCode(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 7))
		m := &model{name: "first"}
		got := encoded(t, func(ctx context.Context) {
			_, s := clew.Span(ctx, "first")
			for range r.IntN(300) {
				m.step(r, s)
			}
			s.End()
		})
		m.events, got.DroppedEventsCount = m.events[:min(len(m.events), 128)], 0
		m.compare(t, got)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzSpan sets texts that nobody would think of.
func FuzzSpan(f *testing.F) {
	f.Add("name", "key", "value", "message", int64(1), 0.5)
	f.Add("", "\xff", strings.Repeat("é", 3000), "\x00", int64(math.MinInt64), math.Inf(-1))
	f.Add(strings.Repeat("日", 100), strings.Repeat("k", 300), "\xf0\x9f", "", int64(0), -0.0)
	f.Fuzz(func(t *testing.T, name, key, value, message string, i int64, d float64) {
		got := encoded(t, func(ctx context.Context) {
			_, s := clew.Span(ctx, name, clew.String(key, value))
			s.Set(clew.Int64(key+"i", i), clew.Float(key+"f", d), clew.Strings(key+"s", []string{value, name}), clew.String(key, name), clew.String(key, value))
			s.Event(name, clew.String(key, value), clew.Int64(key, i))
			s.Fail(errors.New(message))
			s.End()
		})
		if got.Name != text(name, 256) || got.Status.Message != text(message, 4096) {
			t.Errorf("name %q, message %q", got.Name, got.Status.Message)
		}
		seen := map[string]bool{}
		for _, kv := range got.Attributes {
			if seen[kv.Key] {
				t.Errorf("key %q is there twice", kv.Key)
			}
			seen[kv.Key] = true
		}
		if k := text(key, 256); k != "" && len(key) < 250 && (len(got.Attributes) == 0 || got.Attributes[0].GetValue().GetStringValue() != text(value, 4096)) {
			t.Errorf("the first attribute is %v, not %q", got.Attributes, value)
		}
	})
}
