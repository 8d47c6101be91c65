package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// hop is a trace of one span that links to others.
type hop struct {
	id   int
	at   time.Duration // after the first
	to   []int
	lost bool // not stored
}

func hopID(n int) telemetry.TraceID { return telemetry.TraceID{0: 1, 14: byte(n >> 8), 15: byte(n)} }

func hops(t *testing.T, list []hop) *apitest.Fake {
	t.Helper()
	f := apitest.New()
	for _, h := range list {
		if h.lost {
			continue
		}
		b := telemetry.NewBuilder()
		b.Reset("default")
		res, scope := b.Resources.AddRow(), b.Scopes.AddRow()
		b.Resources.Col(telemetry.ScopeResource, []byte(telemetry.KeyServiceName), telemetry.TypeString).AddText(res, fmt.Appendf(nil, "s%d", h.id))
		row := b.AddSpan(telemetry.Span{TraceID: hopID(h.id), SpanID: telemetry.SpanID{7: 1}, Start: apitest.Now.Add(h.at).UnixNano(), Duration: int64(time.Second),
			Kind: telemetry.KindConsumer, Resource: res, Scope: scope}, fmt.Appendf(nil, "process %d", h.id))
		for i, to := range h.to {
			b.AddLink(row, hopID(to), telemetry.SpanID{6: byte(i >> 8), 7: byte(i + 1)}, 1)
		}
		if err := f.Append(&b.Batch, apitest.Now.UnixNano()+int64(h.id), 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

type linkedAnswer struct {
	Traces  []struct{ TraceID, RootService string }
	Links   []struct{ FromTrace, ToTrace string }
	Missing []string
	More    bool
}

func askLinked(t *testing.T, f *apitest.Fake, id int) (shown string, a linkedAnswer) {
	t.Helper()
	w := get(api.New(options(t, f)), apitest.Request("GET", "/api/traces/"+hopID(id).String()+"/linked"))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	name := map[string]string{}
	var out []string
	for _, one := range a.Traces {
		name[one.TraceID] = one.RootService
		out = append(out, one.RootService)
	}
	for _, l := range a.Links {
		out = append(out, name[l.FromTrace]+">"+name[l.ToTrace])
	}
	if a.More {
		out = append(out, "more")
	}
	for range a.Missing {
		out = append(out, "missing")
	}
	return strings.Join(out, " "), a
}

// TestLinkedTraces: whichever trace of a story is asked for, the answer is the same story.
func TestLinkedTraces(t *testing.T) {
	for _, tt := range []struct {
		name string
		hops []hop
		want string
		from []int
	}{
		{"alone", []hop{{id: 1}, {id: 2}}, "s1", []int{1}},
		{"chain over a bus", []hop{{id: 1}, {id: 2, at: 2, to: []int{1}}, {id: 3, at: 3, to: []int{2}}}, "s1 s2 s3 s2>s1 s3>s2", []int{1, 2, 3}},
		{"fan-out and batch", []hop{{id: 1}, {id: 2, at: 2, to: []int{1}}, {id: 3, at: 3, to: []int{1}}, {id: 4, at: 4, to: []int{2, 3}}}, "s1 s2 s3 s4 s2>s1 s3>s1 s4>s2 s4>s3", []int{1, 4}},
		{"circle and self", []hop{{id: 1, to: []int{2, 1}}, {id: 2, at: 1, to: []int{1}}}, "s1 s2 s1>s1 s1>s2 s2>s1", []int{1, 2}},
		{"cause not stored", []hop{{id: 1, lost: true}, {id: 2, to: []int{1}}}, "s2 missing", []int{2}},
		{"hours in a queue", []hop{{id: 1}, {id: 2, at: 24 * time.Hour, to: []int{1}}, {id: 3, at: 24*time.Hour + 2*time.Second, to: []int{1}}}, "s1 s2 s2>s1", []int{1}},
	} {
		f := hops(t, tt.hops)
		for _, from := range tt.from {
			if got, _ := askLinked(t, f, from); got != tt.want {
				t.Errorf("%s from %d: %s, want %s", tt.name, from, got, tt.want)
			}
		}
	}
}

// TestLinkedIsBounded: a long chain and a wide fan end, and say that there is more.
func TestLinkedIsBounded(t *testing.T) {
	chain := func(n int) (out []hop) {
		for i := range n {
			h := hop{id: i + 1, at: time.Duration(i) * time.Second}
			if i > 0 {
				h.to = []int{i}
			}
			out = append(out, h)
		}
		return out
	}
	fan := func(n int) []hop {
		out := []hop{{id: 1}}
		for i := range n {
			out = append(out, hop{id: i + 2, at: time.Duration(i) * time.Second, to: []int{1}})
		}
		return out
	}
	batch := func(n int) []hop {
		to := []int{}
		out := []hop{}
		for i := range n {
			to = append(to, i+2)
			out = append(out, hop{id: i + 2})
		}
		return append(out, hop{id: 1, at: time.Hour, to: to})
	}
	// One trace with n links to spans of one other: only the number of links is over.
	same := func(n int) []hop {
		return []hop{{id: 1, to: slices.Repeat([]int{2}, n), at: time.Hour}, {id: 2}}
	}
	for _, tt := range []struct {
		name   string
		hops   []hop
		traces int
		more   bool
	}{
		{"512 links", same(512), 2, false}, {"513 links", same(513), 2, true}, {"9000 links", same(9000), 2, true},
		{"chain of 9", chain(9), 9, false}, {"chain of 10", chain(10), 9, true},
		{"fan of 63", fan(63), 64, false}, {"fan of 64", fan(64), 64, true}, {"fan of 200", fan(200), 64, true},
		{"batch of 63", batch(63), 64, false}, {"batch of 64", batch(64), 64, true},
	} {
		_, a := askLinked(t, hops(t, tt.hops), 1)
		if len(a.Traces) != tt.traces || a.More != tt.more {
			t.Errorf("%s: %d traces, more %v", tt.name, len(a.Traces), a.More)
		}
		if !slices.ContainsFunc(a.Traces, func(one struct{ TraceID, RootService string }) bool { return one.RootService == "s1" }) {
			t.Errorf("%s: the trace itself is not in its picture", tt.name)
		}
	}
}
