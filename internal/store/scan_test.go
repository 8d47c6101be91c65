package store

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Which searches are scanned, and that they answer as the model does; later pages
// are DuckDB's, so that checkSearch compares one with the other.
func TestScannedSearches(t *testing.T) {
	ctx := context.Background()
	all := randomSpans(rand.New(rand.NewPCG(4, 46)), 300)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	for _, how := range arrangements {
		b := arrange(t, d, dir, how, all)
		for text, scanned := range map[string]bool{
			`{ resource.service.name = "web" && kind = client && duration > 2ms }`: true,
			`{ status = error || !(name =~ "S.*") }`:                               true,
			"{ duration != 10ms && duration <= 40ms }":                             true,
			"{ false }":                              true,
			"{ } | by(name)":                         true,
			"{ } | count() > 1":                      false,
			`{ span.zone =~ "e.*" }`:                 false,
			"{ .n > 0 }":                             false,
			"{ parent:name = name }":                 false,
			"{ rootName != nil }":                    false,
			"{ kind = server } && { kind = client }": false,
		} {
			p, err := query.Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, order := range []Order{OrderNewest, OrderSlowest, OrderSpans} {
				if got := scanRank(b.src, searchSpec{plan: p, order: order, limit: 20}); got != (scanned && order != OrderSpans) {
					t.Errorf("%s by %s: scanned %v", text, order, got)
				}
				for _, within := range []query.Range{everything, {Start: base + 3e8, End: base + 30e8}} {
					if err := checkSearch(ctx, b, p, within, order, 20); err != nil {
						t.Errorf("%s, %s by %s: %v", how, text, order, err)
					}
				}
			}
		}
	}
}

// Of traces with the same key those with the smallest ids are the first, also when they
// are in the blocks that are read last.
func TestScannedTies(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(4, 47)), 300)
	for i := range all.Spans.N {
		all.Spans.Start[i], all.Spans.Duration[i] = base, 5
		all.Spans.TraceID[i] = telemetry.TraceID{0: byte(4 - i%3), 14: byte(i >> 8), 15: byte(i)}
	}
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	p, err := query.Compile("{ }")
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range arrangements {
		b := arrange(t, d, dir, how, all)
		for _, order := range []Order{OrderNewest, OrderSlowest} {
			if err := checkSearch(context.Background(), b, p, everything, order, 7); err != nil {
				t.Errorf("%s by %s: %v", how, order, err)
			}
		}
	}
}

// A trace whose key grows with each of its rows takes no more memory than others.
func TestTopOfGrowingTraces(t *testing.T) {
	least := &atomic.Int64{}
	w := &topWorker{o: searchSpec{limit: 2}, least: least, best: map[telemetry.TraceID]int64{}}
	for i := range 10_000 {
		w.add(searchKey{int64(i), telemetry.TraceID{15: byte(i % 5)}})
		if len(w.best) > 3 || len(w.order) > 100 {
			t.Fatalf("after %d rows: %d traces, %d entries", i, len(w.best), len(w.order))
		}
	}
	if got := w.best[telemetry.TraceID{15: 4}]; got != 9999 || least.Load() != 9997 {
		t.Errorf("the last trace has the key %d, and keys below %d are left out", got, least.Load())
	}
}

// countedScan stops after some blocks until the question's time is over.
type countedScan struct {
	spanScan
	open, reads *atomic.Int64
	stop        func()
}

func (s *countedScan) Read(b *telemetry.Batch, rows segment.Rows, f segment.ScanFields) error {
	if s.reads.Add(1) == 2 {
		s.stop()
	}
	return s.spanScan.Read(b, rows, f)
}

func (s *countedScan) Close() {
	s.open.Add(-1)
	s.spanScan.Close()
}

// A scan whose time is over, or that is cancelled, in the middle is refused, reads
// no further block than those at hand, and leaves no segment open.
func TestScanStops(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(4, 45)), 4000)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	steps, err := query.NewSteps(base, base+100e8, 100e8)
	if err != nil {
		t.Fatal(err)
	}
	p, err := query.Compile("{ } | quantile_over_time(duration, .9)")
	if err != nil {
		t.Fatal(err)
	}
	for name, how := range map[string]struct {
		timeout time.Duration
		cancel  bool
		kind    telemetry.Kind
		says    string
	}{
		"time":      {50 * time.Millisecond, false, telemetry.KindExhausted, "query took over 50ms"},
		"cancelled": {time.Minute, true, telemetry.KindUnavailable, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			b := arrange(t, d, t.TempDir(), "segments", all)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var open, reads atomic.Int64
			over, end := context.WithTimeout(context.Background(), how.timeout+time.Second)
			defer end()
			stop := func() {
				if how.cancel {
					cancel()
					return
				}
				<-over.Done()
			}
			for _, seg := range b.src.segments {
				inner := seg.scan
				seg.scan = func(columns ...string) (spanScan, error) {
					s, err := inner(columns...)
					open.Add(1)
					return &countedScan{s, &open, &reads, stop}, err
				}
			}
			_, err := d.metrics(ctx, b.src, metricsSpec{plan: p, steps: steps, timeout: how.timeout})
			if telemetry.KindOf(err) != how.kind || !strings.Contains(err.Error(), how.says) {
				t.Errorf("got %v", err)
			}
			if open.Load() != 0 {
				t.Errorf("%d segments are still open", open.Load())
			}
		})
	}
}
