package otlp_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// small makes a request of two spans: fuzzing is as fast as its seeds are small.
func small(seed uint64) *tracepb.TracesData {
	g := newGen(seed)
	td := wrap(g.span(), g.span())
	for _, s := range td.ResourceSpans[0].ScopeSpans[0].Spans {
		s.Attributes = s.Attributes[:min(3, len(s.Attributes))]
	}
	td.ResourceSpans[0].Resource = &resourcepb.Resource{Attributes: g.attrs(2, 1)}
	return td
}

// seeds are requests of every shape, and what is left of some when they are cut or bent.
func seeds(f *testing.F) [][]byte {
	var out [][]byte
	for seed := range uint64(12) {
		body, err := proto.Marshal(small(seed))
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, body, body[:len(body)/2])
		for i := 7; i < len(body); i += 197 {
			bent := bytes.Clone(body)
			bent[i] ^= 0x41
			out = append(out, bent)
		}
	}
	noIDs, err := proto.Marshal(wrap(&tracepb.Span{TraceId: newGen(1).id(16), SpanId: newGen(1).id(8), Links: []*tracepb.Span_Link{{TraceState: "s"}}}))
	if err != nil {
		f.Fatal(err)
	}
	return append(out, nil, noIDs, inSpan(), inSpan(msg(9, msg(2, msg(5, bytes.Repeat([]byte{0x0a, 0x00}, 50))))), bytes.Repeat([]byte{0x0a, 0x00}, 500))
}

// spentOver runs read and gives what it allocates over 40 times its input and 1 MiB: a
// constant and a factor, and never what a length in the input says.
func spentOver(input int, read func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc-before.TotalAlloc) - int64(40*input+1<<20)
}

func FuzzDecodeTraces(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := telemetry.NewBuilder()
		b.Reset("t")
		var d otlp.Decoder
		var report otlp.Report
		var err error
		if over := spentOver(len(body), func() { report, err = d.DecodeTraces(b, body, now, otlp.Limits{}) }); over > 0 {
			t.Fatalf("%d bytes of input took %d bytes too many", len(body), over)
		}
		if err != nil {
			if telemetry.KindOf(err) != telemetry.KindInvalid {
				t.Fatalf("error of kind %v: %v", telemetry.KindOf(err), err)
			}
			return
		}
		td := &tracepb.TracesData{}
		if proto.Unmarshal(body, td) == nil && report.RejectedSpans == 0 && onlyCounts(report, otlp.ClockOff) {
			if diff := cmp.Diff(ofBatch(&b.Batch), ofMessage(td), cmpopts.EquateEmpty()); diff != "" && fits(td) {
				t.Fatalf("the generated types read something else (−got +want):\n%.3000s", diff)
			}
		}
		stable(t, &b.Batch)
	})
}

func FuzzDecodeTracesJSON(f *testing.F) {
	for seed := range uint64(12) {
		text := otlpJSON(f, small(seed), protojson.MarshalOptions{UseProtoNames: seed%2 == 0})
		f.Add(text)
		f.Add(text[:len(text)*2/3])
	}
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"\ud800","value":{"arrayValue":{"values":[null,{}]}}}]}]}]}]}`))
	f.Add([]byte(`{"a":[[[[{"b":{}}]]],1e9,"\\"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := telemetry.NewBuilder()
		b.Reset("t")
		var d otlp.Decoder
		var err error
		if over := spentOver(len(text), func() { _, err = d.DecodeTracesJSON(b, text, now, otlp.Limits{}) }); over > 0 {
			t.Fatalf("%d bytes of input took %d bytes too many", len(text), over)
		}
		if err != nil {
			if telemetry.KindOf(err) != telemetry.KindInvalid {
				t.Fatalf("error of kind %v: %v", telemetry.KindOf(err), err)
			}
			return
		}
		stable(t, &b.Batch)
	})
}

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,{"@bytes":"AA=="}],"@@k":null}`, `[{"@double":"NaN"}]`, `"\u0000"`, `[[[[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := otlp.ParseValue(text)
		if err != nil {
			return
		}
		canonical := v.Append(nil)
		again, err := otlp.ParseValue(canonical)
		if err != nil {
			t.Fatalf("%s: %v", canonical, err)
		}
		if got := again.Append(nil); !bytes.Equal(got, canonical) {
			t.Fatalf("%s became %s", canonical, got)
		}
	})
}

// stable asserts that what was decoded is encoded and decoded to the same, in both forms,
// with nothing cut or mended the second time.
func stable(t *testing.T, b *telemetry.Batch) {
	t.Helper()
	want := ofBatch(b)
	wide := otlp.Limits{ValueBytes: 8 << 20, NestedBytes: 1 << 30}
	for form, read := range map[string]func(*otlp.Decoder, *telemetry.Builder) (otlp.Report, error){
		"protobuf": func(d *otlp.Decoder, again *telemetry.Builder) (otlp.Report, error) {
			return d.DecodeTraces(again, otlp.AppendTraces(nil, b), now, wide)
		},
		"json": func(d *otlp.Decoder, again *telemetry.Builder) (otlp.Report, error) {
			return d.DecodeTracesJSON(again, otlp.AppendTracesJSON(nil, b), now, wide)
		},
	} {
		again := telemetry.NewBuilder()
		again.Reset("t")
		report, err := read(new(otlp.Decoder), again)
		if err != nil || report.RejectedSpans > 0 || !onlyCounts(report, otlp.ClockOff) {
			t.Fatalf("%s again: %+v, %v", form, report, err)
		}
		if diff := cmp.Diff(ofBatch(&again.Batch), want, cmpopts.EquateEmpty(), cmpopts.SortSlices(bySpan)); diff != "" {
			t.Fatalf("%s again differs (−got +want):\n%.3000s", form, diff)
		}
	}
}

// bySpan orders spans by id and, since an id may be there twice, by what else they hold.
func bySpan(a, b modelSpan) bool {
	if a.Trace+a.ID != b.Trace+b.ID {
		return a.Trace+a.ID < b.Trace+b.ID
	}
	if a.Start != b.Start {
		return a.Start < b.Start
	}
	return a.Name < b.Name
}

func onlyCounts(r otlp.Report, allowed ...otlp.Reason) bool {
	for _, reason := range allowed {
		r.Counts[reason] = 0
	}
	return r.Counts == [otlp.NumberOfReasons]int{}
}

// fits reports whether every time fits into the signed nanoseconds of a Batch.
func fits(td *tracepb.TracesData) bool {
	for _, rs := range td.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				if s.StartTimeUnixNano > 1<<63-1 || s.EndTimeUnixNano > 1<<63-1 {
					return false
				}
				for _, e := range s.Events {
					if e.TimeUnixNano > 1<<63-1 {
						return false
					}
				}
			}
		}
	}
	return true
}
