package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func load1(t *testing.T, shape string, spans int, seed uint64) *load {
	t.Helper()
	l, err := makeLoad(filepath.Join(t.TempDir(), "load"), shape, spans, perFrame, seed)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

type spanOf struct {
	service string
	*tracepb.Span
}

func decode(t *testing.T, l *load) []spanOf {
	t.Helper()
	var out []spanOf
	err := l.each(func(_ int, frame []byte) error {
		var d tracepb.TracesData
		if err := proto.Unmarshal(frame, &d); err != nil {
			return err
		}
		for _, rs := range d.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					out = append(out, spanOf{rs.Resource.Attributes[0].Value.GetStringValue(), s})
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The shop has the form that figures are quoted for.
func TestShopLoad(t *testing.T) {
	l := load1(t, "shop", 60_000, 1)
	spans := decode(t, l)
	services, roots := map[string]bool{}, map[string]bool{}
	attributes := 0
	ids := map[string]bool{}
	for _, s := range spans {
		services[s.service] = true
		attributes += len(s.Attributes)
		ids[string(s.TraceId)+string(s.SpanId)] = true
		if len(s.ParentSpanId) == 0 {
			roots[s.Name] = true
		}
	}
	for _, s := range spans {
		if len(s.ParentSpanId) > 0 && !ids[string(s.TraceId)+string(s.ParentSpanId)] {
			t.Fatalf("span %x has no parent in the load", s.SpanId)
		}
	}
	perTrace := float64(len(spans)) / float64(l.facts.traces)
	perSpan := float64(l.bytes) / float64(len(spans))
	if len(services) != 14 || len(roots) != 6 || perTrace < 20 || perTrace > 26 || perSpan < 270 || perSpan > 360 || len(ids) != len(spans) {
		t.Errorf("%d services, %d journeys, %.1f spans a trace, %.0f bytes and %.1f attributes a span, %d ids for %d spans",
			len(services), len(roots), perTrace, perSpan, float64(attributes)/float64(len(spans)), len(ids), len(spans))
	}
}

// The same seed gives the same load but for its start.
func TestLoadIsDeterministic(t *testing.T) {
	a, b, other := decode(t, load1(t, "shop", 3000, 7)), decode(t, load1(t, "shop", 3000, 7)), decode(t, load1(t, "shop", 3000, 8))
	same := func(x, y []spanOf) bool {
		return slices.EqualFunc(x, y, func(p, q spanOf) bool {
			return p.service == q.service && bytes.Equal(p.TraceId, q.TraceId) && bytes.Equal(p.SpanId, q.SpanId) && p.Name == q.Name &&
				p.EndTimeUnixNano-p.StartTimeUnixNano == q.EndTimeUnixNano-q.StartTimeUnixNano && len(p.Attributes) == len(q.Attributes)
		})
	}
	if !same(a, b) {
		t.Error("one seed gives two loads")
	}
	if same(a, other) {
		t.Error("two seeds give one load")
	}
}

// The facts are what a plain reading of the load gives.
func TestFacts(t *testing.T) {
	l := load1(t, "shop", 60_000, 1)
	longest := map[traceID]int64{}
	holds := map[traceID]bool{}
	counts := map[traceID]int{}
	for _, s := range decode(t, l) {
		id := traceID(s.TraceId)
		counts[id]++
		d := int64(s.EndTimeUnixNano - s.StartTimeUnixNano)
		if s.service == "payment" && s.Kind == client && d > 40e6 {
			longest[id] = max(longest[id], d)
		}
		for _, a := range s.Attributes {
			if a.Key == "db.query.text" && strings.Contains(a.Value.GetStringValue(), needle) {
				holds[id] = true
			}
		}
	}
	f := l.facts
	if len(f.sample) < 100 || len(f.slowest) != 20 || len(longest) < 20 {
		t.Fatalf("%d traces sampled, %d of %d ranked: too few to measure by", len(f.sample), len(f.slowest), len(longest))
	}
	for id, n := range f.sample {
		if counts[id] != n {
			t.Errorf("trace %x has %d spans, the facts say %d", id, counts[id], n)
		}
	}
	for i, r := range f.slowest {
		if longest[r.id] != r.duration {
			t.Errorf("place %d: longest span %d, the facts say %d", i, longest[r.id], r.duration)
		}
		delete(longest, r.id)
	}
	for id, d := range longest {
		if d > f.slowest[19].duration {
			t.Errorf("trace %x with %d belongs among the slowest", id, d)
		}
	}
	if len(holds) != len(f.needle) {
		t.Errorf("%d traces hold the needle, the facts say %d", len(holds), len(f.needle))
	}
}

func TestOtherShapes(t *testing.T) {
	for shape, attributes := range map[string]int{"wide": 40, "huge-trace": 2, "high-cardinality": 4} {
		l := load1(t, shape, 2000, 1)
		for _, s := range decode(t, l) {
			if len(s.Attributes) != attributes {
				t.Fatalf("%s: a span has %d attributes; want %d", shape, len(s.Attributes), attributes)
			}
		}
		if shape == "huge-trace" && l.facts.spans != 50_000 {
			t.Errorf("the huge trace has %d spans", l.facts.spans)
		}
		if y, err := yardstick(l); err != nil || y < 1000 {
			t.Errorf("%s: yardstick %f, %v", shape, y, err)
		}
	}
	if _, err := makeLoad(filepath.Join(t.TempDir(), "x"), "round", 1, 1, 1); err == nil || !strings.Contains(err.Error(), "write one of shop, wide") {
		t.Errorf("an unknown shape gives %v", err)
	}
}

func TestProcReadings(t *testing.T) {
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	own, err := ownCPU()
	if err != nil || own < before-0.05 || own > before+1 {
		t.Errorf("CPU by /proc %f, by getrusage %f, %v", before, own, err)
	}
	now, peak, err := memoryOf(os.Getpid())
	if err != nil || now < 1 || peak < now {
		t.Errorf("memory now %f, peak %f, %v", now, peak, err)
	}
	all, err := machineCPU()
	if err != nil || all < own {
		t.Errorf("CPU of the machine %f, %v", all, err)
	}
	if others, err := bystanders(); err != nil || others > all || others < 0 {
		t.Errorf("CPU of other programs %f of %f, %v", others, all, err)
	}
	if _, err := cpuOf(1 << 30); err == nil {
		t.Error("a process that is not there has CPU time")
	}
}

// A crash in the middle of work loses nothing that was acknowledged. The binary is
// the one that make build leaves in bin.
func TestLedger(t *testing.T) {
	binary := "../bin/clew"
	if _, err := os.Stat(binary); err != nil {
		t.Skip("bin/clew is not built; make test builds it first")
	}
	r, err := runLedger(t.Context(), binary, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.err(); err != nil || r.Acknowledged < 4*ledgerSpans {
		t.Errorf("%v; %+v", err, r)
	}
}
