package api_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// batchOf builds a trace from "id<parent" words in order of start. A letter after
// the parent is the kind: c client, s server. An id or parent is one digit or
// letter; 0 is no parent.
func batchOf(words string) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	for i, w := range strings.Fields(words) {
		s := telemetry.Span{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: w[0]}, Start: int64(1000 + 10*i), Duration: 5}
		if w[2] != '0' {
			s.Parent = telemetry.SpanID{7: w[2]}
		}
		if len(w) > 3 {
			s.Kind = map[byte]uint8{'c': telemetry.KindClient, 's': telemetry.KindServer}[w[3]]
		}
		b.AddSpan(s, []byte{w[0]})
	}
	return &b.Batch
}

func TestTree(t *testing.T) {
	for _, tt := range []struct{ name, spans, want string }{
		{"none", "", ""},
		{"chain", "a<0 b<a c<b", "a0 b1 c2"},
		{"siblings by start", "a<0 b<a c<b d<a", "a0 b1 c2 d1"},
		{"parent starts later", "b<a a<0", "a0 b1"},
		{"missing parent", "a<0 b<x c<b", "a0 b0! c1"},
		{"only missing parents", "b<x c<y", "b0! c0!"},
		{"own parent", "a<a b<a", "a0! b1"},
		{"cycle of two", "a<b b<a", "a0! b1"},
		{"cycle with a tail", "r<0 a<c b<a c<b d<c", "r0 a0! b1 c2 d3"},
		{"two roots", "a<0 b<0 c<a", "a0 c1 b0"},
		{"client and server share an id", "a<0 b<ac b<as c<b", "a0 b1 b2 c3"},
		{"server before its client", "a<0 b<as b<ac c<b", "a0 b1 b2 c3"},
		{"the same id twice", "a<0 b<a b<a c<b", "a0 b1 c2 b1"},
		{"two clients under one id", "a<0 b<ac b<ac c<b", "a0 b1 c2 b1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := batchOf(tt.spans)
			rows, depth, missing := api.NewTree(&b.Spans).Order()
			var got []string
			for i, row := range rows {
				mark := ""
				if missing[row] {
					mark = "!"
				}
				got = append(got, fmt.Sprintf("%c%d%s", b.Spans.SpanID[row][7], depth[i], mark))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTreeOfAnything gives spans with random parents: every row must come once,
// and a row's depth is at most one more than the one before.
func TestTreeOfAnything(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		b := telemetry.NewBuilder()
		b.Reset("t")
		b.Resources.AddRow()
		b.Scopes.AddRow()
		n := r.Intn(12)
		for i := range n {
			b.AddSpan(telemetry.Span{SpanID: telemetry.SpanID{7: byte(1 + r.Intn(8))}, Parent: telemetry.SpanID{7: byte(r.Intn(10))},
				Kind: uint8(r.Intn(4)), Start: int64(i)}, nil)
		}
		rows, depth, _ := api.NewTree(&b.Batch.Spans).Order()
		sorted := slices.Sorted(slices.Values(rows))
		for i, row := range sorted {
			if row != uint32(i) {
				t.Fatalf("rows %v", rows)
			}
		}
		if len(rows) != n {
			t.Fatalf("%d of %d rows", len(rows), n)
		}
		for i, d := range depth {
			if i == 0 && d != 0 || i > 0 && d > depth[i-1]+1 {
				t.Fatalf("depths %v", depth)
			}
		}
	}
}

// TestDeepTree has a chain of 200,000 spans, which no recursion would survive cheaply.
func TestDeepTree(t *testing.T) {
	rows, depth, _ := api.NewTree(&chain(200_000).Spans).Order()
	if len(rows) != 200_000 || depth[199_999] != 199_999 {
		t.Errorf("%d rows", len(rows))
	}
}

func chain(n int) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset("t")
	b.Resources.AddRow()
	b.Scopes.AddRow()
	for i := range n {
		var s telemetry.Span
		binary.BigEndian.PutUint64(s.SpanID[:], uint64(i+1))
		if i > 0 {
			binary.BigEndian.PutUint64(s.Parent[:], uint64(i))
		}
		s.TraceID, s.Start, s.Duration = telemetry.TraceID{1}, int64(i), int64(n-i)
		b.AddSpan(s, fmt.Appendf(nil, "op %d", i%600))
	}
	return &b.Batch
}

// TestSkeletonReadsBack decodes a skeleton as openapi.yaml describes it.
func TestSkeletonReadsBack(t *testing.T) {
	b := batchOf("a<0s b<ac b<as c<b x<y")
	b.Spans.Duration[3] = -7
	b.Spans.Start[4] = 10 // before its trace began, were it not the earliest
	b.Spans.Status[1] = telemetry.StatusError
	b.Events.Span, b.Events.Time, b.Events.N = []uint32{0}, []int64{1}, 1
	b.Links.Span, b.Links.N = []uint32{2}, 1
	var out bytes.Buffer
	if err := api.WriteSkeleton(&out, &store.Trace{Batch: b, Partial: "why"}); err != nil {
		t.Fatal(err)
	}
	got := out.Bytes()
	n := binary.LittleEndian.Uint32(got)
	var h struct {
		TraceID        string
		Start          string
		Duration       int64
		Dicts          struct{ Services, Names []string }
		Count          int
		MissingParents int
		Partial        string
	}
	if err := json.Unmarshal(got[4:4+n], &h); err != nil {
		t.Fatal(err)
	}
	if h.Count != 5 || h.Start != "10" || h.Duration != 1030-10 || h.MissingParents != 1 || h.Partial != "why" {
		t.Errorf("header %+v", h)
	}
	body := got[4+n:]
	var columns [6][]int64
	for c := range columns {
		for range h.Count {
			var v int64
			var size int
			if c == 1 {
				v, size = binary.Varint(body)
			} else {
				u, m := binary.Uvarint(body)
				v, size = int64(u), m
			}
			columns[c] = append(columns[c], v)
			body = body[size:]
		}
	}
	var lines []string
	for i := range h.Count {
		lines = append(lines, fmt.Sprintf("%s depth %d start %d took %d service %q flags %09b", h.Dicts.Names[columns[4][i]], columns[0][i], columns[1][i],
			columns[2][i], h.Dicts.Services[columns[3][i]], columns[5][i]))
		if body[8*i+7] != h.Dicts.Names[columns[4][i]][0] {
			t.Errorf("span id of line %d: %x", i, body[8*i:8*i+8])
		}
	}
	want := []string{
		`a depth 0 start 990 took 5 service "" flags 000100010`,
		`b depth 1 start 10 took 5 service "" flags 000010011`,
		`b depth 2 start 10 took 5 service "" flags 001000010`,
		`c depth 3 start 10 took 0 service "" flags 100000000`,
		`x depth 0 start 0 took 5 service "" flags 010000000`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if len(body) != 8*h.Count {
		t.Errorf("%d bytes are left for ids", len(body))
	}
}

func BenchmarkSkeleton(b *testing.B) {
	tr := &store.Trace{Batch: chain(100_000)}
	size := 0
	for b.Loop() {
		var out bytes.Buffer
		if err := api.WriteSkeleton(&out, tr); err != nil {
			b.Fatal(err)
		}
		size = out.Len()
	}
	b.ReportMetric(float64(size)/100_000, "B/span")
}
