package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// Every part passes at a small share of its size. The binary is the one that make
// build leaves in bin.
func TestScale(t *testing.T) {
	binary := "../bin/clew"
	if _, err := os.Stat(binary); err != nil {
		t.Skip("bin/clew is not built; make test builds it first")
	}
	var table strings.Builder
	if err := runScale(t.Context(), scaleOptions{clew: binary, seed: 1, share: 0.01}, &table, io.Discard); err != nil {
		t.Fatalf("%v\n%s", err, table.String())
	}
	for _, part := range []string{"one trace of 20000 spans", "500 keys of one service", "20 tenants", "traces over 20 minutes", "folder of 0.0"} {
		if !strings.Contains(table.String(), part) {
			t.Errorf("the table has nothing of %s:\n%s", part, table.String())
		}
	}
}

func TestScaleRefuses(t *testing.T) {
	for _, c := range []struct {
		o    scaleOptions
		want string
	}{
		{scaleOptions{share: 0}, "over 0"},
		{scaleOptions{share: 101}, "100 at most"},
		{scaleOptions{share: 1, parts: []string{"age", "size"}}, `unknown part "size"; write some of trace,keys`},
	} {
		if err := runScale(t.Context(), c.o, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v gives %v", c.o, err)
		}
	}
}

// Spans of the turns are one trace: each once, each with its parent, starts all over.
func TestBigTrace(t *testing.T) {
	b := &bigTrace{id: traceID{15: 1}, start: 1, spans: 5000}
	ids, parents := map[string]bool{}, map[string]bool{}
	for n := range 2 {
		from, to := b.spans*n/2, b.spans*(n+1)/2
		l, err := makeLoadOf(t.TempDir()+"/load", "big", b.turn(from, to), to-from, perFrame, 1)
		if err != nil {
			t.Fatal(err)
		}
		first, last := uint64(1<<63), uint64(0)
		for _, s := range decode(t, l) {
			ids[string(s.SpanId)] = true
			parents[string(s.ParentSpanId)] = true
			first, last = min(first, s.StartTimeUnixNano), max(last, s.StartTimeUnixNano)
		}
		if int64(last-first) < bigSpread/2 {
			t.Errorf("turn %d has starts within %d ns", n, last-first)
		}
	}
	delete(parents, "") // of the root
	for id := range parents {
		if !ids[id] {
			t.Errorf("parent %x is no span", id)
		}
	}
	if len(ids) != b.spans {
		t.Errorf("%d spans of %d", len(ids), b.spans)
	}
}

func TestSteadiness(t *testing.T) {
	for _, c := range []struct {
		cost []float64
		want float64
	}{{[]float64{1, 1, 1}, 1}, {[]float64{1, 1, 5, 5, 2, 2}, 0.5}, {[]float64{4}, 1}, {[]float64{2, 1}, 2}} {
		if got := steadiness(c.cost); got != c.want {
			t.Errorf("steadiness of %v is %v, want %v", c.cost, got, c.want)
		}
	}
}

func TestCounted(t *testing.T) {
	page := []byte("# HELP x\na_total{reason=\"b\"} 7\nother 1\n")
	if n, err := counted(page, `a_total{reason="b"} `); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := counted(page, `a_total{reason="c"} `); err == nil {
		t.Error("a sample that is not there is counted")
	}
}
