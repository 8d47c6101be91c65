package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// What is read of a trace for a question says as much of it as the whole trace:
// which spans match, and what an answer shows of them.
func TestPartOfATraceIsEnough(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 5))
	all := randomSpans(rng, 240)
	folder := filepath.Join(t.TempDir(), "seg")
	if err := wal.OS.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	meta, _, err := segment.Write(wal.OS, folder, []*telemetry.Batch{all}, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(wal.OS, folder, meta, segment.Options{Cache: segment.NewCache(1 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ids := map[telemetry.TraceID]bool{}
	for _, id := range all.Spans.TraceID {
		ids[id] = true
	}
	for range 60 {
		text := randomQuery(rng) + " | select(event:name, span.rare, link.kind, resource.zone, .n, statusMessage)"
		p, err := query.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for id := range ids {
			part, err := s.TracePart(id, wanted(p))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := s.Trace(id)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := answerOf(p, part), answerOf(p, whole); got != want {
				t.Fatalf("%s, trace %s: got %s, want %s", text, id, got, want)
			}
		}
	}
}

// answerOf prints what a search answers of a trace.
func answerOf(p *query.Plan, b *telemetry.Batch) string {
	sets := query.EvalTrace(p, query.NewReader(b), everything)
	return fmt.Sprintf("%+v", describe(&found{searchKey{0, b.Spans.TraceID[0]}, b, sets}, p, SearchOptions{SpansPerTrace: 100}))
}

// Traces of memory are found for one id and for many at once.
func TestFreshOf(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(22, 5)), 300)
	v := &view{e: &Embedded{}}
	for n := range 3 {
		v.fresh = append(v.fresh, telemetry.Gather(all, rowsWhere(all, func(i int) bool { return i%3 == n })))
	}
	ids := []telemetry.TraceID{all.Spans.TraceID[0], {9, 9, 9}, all.Spans.TraceID[7], all.Spans.TraceID[150]}
	many := v.freshOf(ids)
	for i, id := range ids {
		want := len(rowsOfTrace(all, id))
		for how, parts := range map[string][]*telemetry.Batch{"many": many[i], "one": v.freshOf([]telemetry.TraceID{id})[0]} {
			got := 0
			for _, b := range parts {
				got += len(rowsOfTrace(b, id))
				if b.Spans.N != len(rowsOfTrace(b, id)) {
					t.Errorf("%s: trace %s has rows of another", how, id)
				}
			}
			if got != want {
				t.Errorf("%s: trace %s has %d rows, want %d", how, id, got, want)
			}
		}
	}
	if _, err := v.loader(nil)(context.Background(), nil); err != nil {
		t.Error(err)
	}
}
