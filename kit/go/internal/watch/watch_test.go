package watch_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/watch"
)

const (
	internal = 1
	server   = 2
)

func id(n uint64) (s watch.SpanID) {
	binary.BigEndian.PutUint64(s[:], n)
	return s
}

func trace(n uint64) (t watch.TraceID) {
	binary.BigEndian.PutUint64(t[8:], n)
	return t
}

func root(n uint64) watch.Span {
	return watch.Span{Trace: trace(n), ID: id(n), Kind: internal, Name: "root", Start: 1}
}

func TestOpenSpansAreBounded(t *testing.T) {
	r := watch.New()
	for n := range uint64(watch.MaxOpen + 2) {
		r.Started(context.Background(), root(n+1))
	}
	if got := r.Overflow(); got != 2 {
		t.Errorf("%d spans were over the limit, want 2", got)
	}
	if got := len(r.Stale(time.Now(), time.Hour)); got != watch.MaxOpen {
		t.Errorf("%d spans are known, want %d", got, watch.MaxOpen)
	}
	r.Ended(trace(1), id(1), internal, nil)
	r.Started(context.Background(), root(watch.MaxOpen+9))
	if got := r.Overflow(); got != 2 {
		t.Errorf("there was no room after an end: %d over the limit", got)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	r := watch.New()
	g := r.Open()
	defer g.Close()
	for n := range uint64(watch.MaxRecords + 3) {
		r.Started(g.Context(context.Background()), root(1))
		r.Ended(trace(1), id(1), internal, []byte{byte(n)})
	}
	if got := g.Result(); len(got.Records) != watch.MaxRecords || got.Dropped != 3 {
		t.Errorf("kept %d and dropped %d, want %d and 3", len(got.Records), got.Dropped, watch.MaxRecords)
	}
}

func TestFindingsAreBoundedAndSaidOnce(t *testing.T) {
	r := watch.New()
	r.Started(context.Background(), watch.Span{Trace: trace(1), ID: id(1), Kind: server, Name: "GET /"})
	for n := range uint64(watch.MaxFindings + 3) {
		s := root(n + 2)
		s.Name = fmt.Sprint("lost ", n)
		r.Started(context.Background(), s)
	}
	if got := len(r.Findings()); got != watch.MaxFindings {
		t.Errorf("got %d findings, want %d", got, watch.MaxFindings)
	}
	for range 3 {
		r.Started(context.Background(), root(9_999_999))
	}
	got := r.Findings()
	if len(got) != 1 || got[0].Problem != watch.Lost || !strings.Contains(got[0].Site, "watch/watch_test.go:") {
		t.Errorf("got %v, want one with its place", got)
	}
	if n := r.TakeLost(); n != watch.MaxFindings+6 {
		t.Errorf("counted %d, want every one", n)
	}
}

// Where a context cannot have been lost nothing is said.
func TestIntendedRootsAreNotLost(t *testing.T) {
	r := watch.New()
	s := root(1)
	r.Started(context.Background(), s) // No request is being served.
	r.Started(context.Background(), watch.Span{Trace: trace(2), ID: id(2), Kind: server, Name: "GET /"})
	asked, linked, child, other := root(3), root(4), root(5), root(6)
	asked.Intended, linked.Links = true, []watch.TraceID{trace(2)}
	child.Trace, child.Parent = trace(2), id(2)
	other.Kind = server
	for _, s := range []watch.Span{asked, linked, child, other} {
		r.Started(context.Background(), s)
	}
	if got := r.Findings(); len(got) != 0 || r.TakeLost() != 0 {
		t.Errorf("got %v", got)
	}
	r.Ended(trace(2), id(2), server, nil)
	r.Ended(trace(6), id(6), server, nil)
	r.Started(context.Background(), root(7))
	if n := r.TakeLost(); n != 0 {
		t.Errorf("counted %d after the last request has ended", n)
	}
}

// Two tests that run at the same time see their own traces and those linked to them; what neither began belongs to neither.
func TestGroupsAreApart(t *testing.T) {
	r := watch.New()
	a, b := r.Open(), r.Open()
	defer b.Close()
	both := func(s watch.Span, ctx context.Context, record string) {
		r.Started(ctx, s)
		r.Ended(s.Trace, s.ID, s.Kind, []byte(record))
	}
	both(root(1), a.Context(context.Background()), "a")
	linked := root(2)
	linked.Links = []watch.TraceID{trace(1)}
	both(linked, context.Background(), "linked to a")
	both(root(3), b.Context(context.Background()), "b")
	both(root(4), context.Background(), "nobody's")
	if got := fmt.Sprintf("%s %s", a.Result().Records, b.Result().Records); got != "[a linked to a] [b]" {
		t.Errorf("got %s", got)
	}
	a.Close()
	a.Close()
	both(root(5), context.Background(), "the only one's")
	both(root(6), a.Context(context.Background()), "too late")
	if got := fmt.Sprintf("%s %s", a.Result().Records, b.Result().Records); got != "[a linked to a] [b the only one's]" {
		t.Errorf("got %s", got)
	}
}

// A parent that the watch never saw is one of another tracer provider, and may well be open.
func TestForeignParentsAreNotLate(t *testing.T) {
	r := watch.New()
	child := root(2)
	child.Trace, child.Parent = trace(1), id(1)
	r.Started(context.Background(), child)
	r.Ended(child.Trace, child.ID, internal, nil)
	if got := r.Findings(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestLateSpansAreFound(t *testing.T) {
	r := watch.New()
	parent, during, after := root(1), root(2), root(3)
	during.Trace, during.Parent, during.Name = trace(1), id(1), "during"
	after.Trace, after.Parent, after.Name = trace(1), id(1), "after"
	r.Started(context.Background(), parent)
	r.Started(context.Background(), during)
	r.Ended(parent.Trace, parent.ID, internal, nil)
	r.Ended(during.Trace, during.ID, internal, nil)
	// As many ends as one generation holds do not make it forget.
	for n := range uint64(32_768) {
		r.Started(context.Background(), root(n+10))
		r.Ended(trace(n+10), id(n+10), internal, nil)
	}
	r.Started(context.Background(), after)
	got := r.Findings()
	if len(got) != 2 || got[0].Problem != watch.Late || got[0].Name != "during" || got[1].Name != "after" {
		t.Errorf("got %v, want both children", got)
	}
}

func TestInstallPrefersWhoWatchesAll(t *testing.T) {
	sampled, all := watch.NewSampled(), watch.New()
	if watch.Install(sampled) != sampled || watch.Install(all) != all || watch.Install(sampled) != all || watch.Install(watch.New()) != all {
		t.Error("the wrong registry is in force")
	}
	watch.Remove(sampled)
	if watch.Current() != all {
		t.Error("removing another one took it out of force")
	}
	watch.Remove(all)
	if watch.Current() != nil {
		t.Error("it is still in force")
	}
}
