package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// randomRelation writes relations of filters that mostly can be marked.
func randomRelation(rng *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	if depth > 0 && rng.IntN(3) > 0 {
		return "(" + randomRelation(rng, depth-1) + " " + one(">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~", "&&", "||") +
			" " + randomRelation(rng, depth-1) + ")"
	}
	return one("{ }", "{ status = error }", "{ kind = server }", "{ duration > 12ms }", `{ name = "SELECT" }`, `{ resource.service.name = "web" }`,
		`{ resource.service.name != "db" }`, `{ .zone = "eu" }`, "{ span.n > 0 }", "{ event:name = \"retry\" }", "{ span.rare != nil }",
		"{ nestedSetParent < 0 }", "{ false }", `{ parent.zone = "eu" && duration > 5ms }`, "{ !(parent:status = error) && kind = server || parent:id = nil }",
		"{ parent.n * 2 > parent.f && !(parent.rare != nil) }", "{ "+randomFilter(rng, 1)+" }")
}

// TestRelationsAgainstModel runs random relations over random traces that lie in
// one place and in several, over ranges of time and over what a page may see.
func TestRelationsAgainstModel(t *testing.T) {
	rounds, queries := 2, 50
	if testing.Short() {
		rounds, queries = 1, 20
	}
	ctx := context.Background()
	marked := 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 11))
		all := randomSpans(rng, 500+1400*round)
		dir := t.TempDir()
		d := openTestDuck(t, dir)
		var sets []*bench
		for _, how := range arrangements {
			sets = append(sets, arrange(t, d, dir, how, all))
		}
		for range queries {
			text := randomRelation(rng, 1+rng.IntN(2))
			if rng.IntN(4) == 0 {
				text += " | count() > 1"
			}
			p, err := query.Compile(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			within := everything
			if rng.IntN(2) == 0 {
				within = query.Range{Start: base + int64(rng.IntN(60))*1e8, End: base + int64(61+rng.IntN(60))*1e8}
			}
			order := []Order{OrderNewest, OrderSlowest, OrderSpans}[rng.IntN(3)]
			for i, b := range sets {
				if related(b.src, byRelations(p), leastMarkBytes) {
					marked++
				}
				if err := checkSearch(ctx, b, p, within, order, 1+rng.IntN(60)); err != nil {
					t.Fatalf("round %d, %s, %s, %v:\n%s\n%v", round, arrangements[i], order, within, text, err)
				}
			}
		}
	}
	if marked < rounds*queries {
		t.Errorf("only %d of %d questions were answered by marks", marked, rounds*queries*len(arrangements))
	}
}

// Conditions on a parent alone are relations; those that compare it with the span, or
// need the whole trace for another reason, are left to the evaluator.
func TestParentsAreRelations(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(2, 16)), 100)
	dir := t.TempDir()
	b := arrange(t, openTestDuck(t, dir), dir, "segments", all)
	for text, want := range map[string]string{
		`{ parent:name = "a" }`:                             "1 > 0",
		`{ status = ok && parent:name = "a" }`:              "1 > 0",
		`{ !(parent:name = "a") && .b && parent:id = nil }`: "2 !> (1 !> 0)",
		`{ .a || parent.b + 1 > parent.c }`:                 "0 || (2 > 1)",
		`{ .a } >> { parent.b }`:                            "0 >> (2 > 1)",
		`{ .a }`:                                            "",
		`{ parent:name = name }`:                            "",
		`{ parent:childCount > 1 }`:                         "",
		`{ parent.b && traceDuration > 1s }`:                "",
		`({ parent.b } | count() > 1) >> { }`:               "",
		`{ .a && (.b || parent.c) }`:                        "",
	} {
		p, err := query.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		shape := byRelations(p)
		got := ""
		if related(b.src, shape, leastMarkBytes) {
			got = relationText(shape.Spans)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func relationText(e *query.SpanExpr) string {
	if e.Op == "" {
		return fmt.Sprint(e.Leaf)
	}
	side := func(e *query.SpanExpr) string {
		if e.Op != "" {
			return "(" + relationText(e) + ")"
		}
		return relationText(e)
	}
	return side(e.L) + " " + e.Op + " " + side(e.R)
}

// Relations over more conditions than can be marked are answered too.
func TestRelationsOfManyFilters(t *testing.T) {
	ctx := context.Background()
	all := randomSpans(rand.New(rand.NewPCG(2, 12)), 300)
	dir := t.TempDir()
	b := arrange(t, openTestDuck(t, dir), dir, "mixed", all)
	text := "{ status = error }"
	for n := 1; n <= maxMarkedLeaves+1; n++ {
		p, err := query.Compile(text + " || ({ kind = server } >> { status = ok })")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := related(b.src, p, leastMarkBytes), len(p.Leaves) <= maxMarkedLeaves; got != want {
			t.Errorf("%d conditions: marked %v, want %v", len(p.Leaves), got, want)
		}
		if err := checkSearch(ctx, b, p, everything, OrderSlowest, 25); err != nil {
			t.Errorf("%s: %v", p.Text, err)
		}
		text += ` || { name = "SELECT" }`
	}
}

// Marks that would take too much memory are not made.
func TestRelationsOfManyRows(t *testing.T) {
	p, err := query.Compile("{ status = error } >> { kind = server }")
	if err != nil {
		t.Fatal(err)
	}
	all := randomSpans(rand.New(rand.NewPCG(2, 13)), 100)
	dir := t.TempDir()
	b := arrange(t, openTestDuck(t, dir), dir, "segments", all)
	for memory, bytes := range map[int64]int{1 << 20: leastMarkBytes, 2 * leastMarkBytes: leastMarkBytes, 2*leastMarkBytes + 2<<20: leastMarkBytes + 1<<20} {
		most := bytes * 8 / (len(p.Leaves) + 1)
		for _, rows := range []int{most - 100, most + 100} {
			meta := *b.src.segments[0].meta
			meta.Rows = rows
			seg := *b.src.segments[0]
			seg.meta = &meta
			d := &duck{memory: memory}
			if got := related(sources{segments: []*segmentSource{&seg}}, p, d.markBytes()); got != (rows < most) {
				t.Errorf("%d bytes of memory, %d rows: marked %v", memory, rows, got)
			}
		}
	}
}

// A scan and DuckDB mark the same rows: where both have a mark of the range, which
// rows without any other need not have.
func TestScansMarkAsDuckDBDoes(t *testing.T) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(4, 19))
	dir := t.TempDir()
	b := arrange(t, openTestDuck(t, dir), dir, "segments", randomSpans(rng, 900))
	scanned := 0
	for range 700 {
		p, err := query.Compile(randomRelation(rng, 2))
		if err != nil {
			t.Fatal(err)
		}
		shape := byRelations(p)
		if !related(b.src, shape, leastMarkBytes) || !allColumnar(b.src, shape.Leaves) {
			continue
		}
		scanned++
		src, within := b.src, query.Range{Start: base + int64(rng.IntN(60))*1e8, End: base + int64(61+rng.IntN(60))*1e8}
		if rng.IntN(3) == 0 {
			within = everything
		}
		if rng.IntN(2) == 0 {
			src.maxSeq = base + rng.Int64N(900)
		}
		compareMarks(ctx, t, b, src, shape, within)
	}
	if scanned < 30 {
		t.Errorf("only %d questions were marked by a scan", scanned)
	}
}

func compareMarks(ctx context.Context, t *testing.T, b *bench, src sources, p *query.Plan, within query.Range) {
	t.Helper()
	got, err := markScan(ctx, src, p, within)
	if err != nil {
		t.Fatal(err)
	}
	var want []*place
	if err := b.duck.do(ctx, time.Minute, func(ctx context.Context, c *duckConn) (err error) {
		want, err = c.markSQL(ctx, src, p, within)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	leaves := uint64(1)<<len(p.Leaves) - 1
	for n := range want {
		if got[n].later != want[n].later || got[n].rows != want[n].rows {
			t.Fatalf("place %d: got %v, %d rows, want %v, %d", n, got[n].later, got[n].rows, want[n].later, want[n].rows)
		}
		for row := range want[n].rows {
			g, w := got[n].of(row), want[n].of(row)
			if g&leaves != w&leaves || g&leaves != 0 && g != w {
				t.Fatalf("%v over %v up to %d: row %d of place %d has the marks %b, want %b", p.Leaves, within, src.maxSeq, row, n, g, w)
			}
		}
	}
}

func TestNextBit(t *testing.T) {
	plane := make([]uint64, 4)
	for _, row := range []int{0, 63, 64, 130, 200} {
		plane[row/64] |= 1 << (row % 64)
	}
	for _, c := range []struct{ from, to, want int }{
		{0, 256, 0}, {1, 256, 63}, {1, 63, 63}, {63, 64, 63}, {64, 65, 64}, {65, 130, 130}, {65, 131, 130}, {131, 256, 200}, {201, 256, 256}, {201, 230, 230}, {5, 5, 5}, {256, 256, 256},
	} {
		if got := nextBit(plane, c.from, c.to); got != c.want {
			t.Errorf("from %d to %d: got %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

// A calculation whose time runs out in one of its sides is refused whole, although
// the other had been answered.
func TestUnfinishedCalculation(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(4, 15)), 400)
	dir := t.TempDir()
	b := arrange(t, openTestDuck(t, dir), dir, "mixed", all)
	p, err := query.Compile("({ } | rate()) / ({ parent:id != nil } | rate())")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := query.NewSteps(base, base+1e12, 1e12)
	if err != nil {
		t.Fatal(err)
	}
	o := metricsSpec{plan: p, steps: steps, timeout: 2 * time.Second}
	o.load = func(ctx context.Context, _ []telemetry.TraceID) ([]*telemetry.Batch, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if series, err := b.duck.metrics(context.Background(), b.src, o); telemetry.KindOf(err) != telemetry.KindExhausted {
		t.Errorf("got %d series and %v, want an exhausted error", len(series), err)
	}
	o.load, o.timeout = b.load, 0
	if series, err := b.duck.metrics(context.Background(), b.src, o); err != nil || len(series) != 1 || !(series[0].Values[0] > 1) {
		t.Errorf("with time: got %v and %v, want all spans by those with a parent", series, err)
	}
}

// A search whose time runs out among the traces that it evaluates answers with
// what it has found, and says so; without anybody to tell, it is an error.
func TestUnfinishedSearch(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(4, 14)), 4*8*loadChunk)
	dir := t.TempDir()
	b := arrange(t, openTestDuck(t, dir), dir, "mixed", all)
	p, err := query.Compile("{ event:timeSinceStart >= 0ms }")
	if err != nil {
		t.Fatal(err)
	}
	first := true
	o := searchSpec{plan: p, within: everything, order: OrderNewest, limit: 5, timeout: 2 * time.Second}
	o.load = func(ctx context.Context, ids []telemetry.TraceID) ([]*telemetry.Batch, error) {
		if len(ids) == loadChunk && !first {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		first = false
		return b.load(ctx, ids)
	}
	if _, _, err := b.duck.search(context.Background(), b.src, o); telemetry.KindOf(err) != telemetry.KindExhausted {
		t.Errorf("nobody to tell: got %v", err)
	}
	var why string
	first, o.unfinished = true, func(w string) { why = w }
	found, next, err := b.duck.search(context.Background(), b.src, o)
	if err != nil || len(found) != 5 || next == nil || !strings.Contains(why, fmt.Sprintf("after %d of the traces", loadChunk)) {
		t.Errorf("got %d traces, more behind %v, %q, %v", len(found), next, why, err)
	}
	first = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := b.duck.search(ctx, b.src, o); telemetry.KindOf(err) != telemetry.KindUnavailable {
		t.Errorf("cancelled: got %v", err)
	}
}

// stuckReader waits in the middle of a walk until the question's time is over.
type stuckReader struct {
	structureReader
	open *atomic.Int64
	wait func()
}

func (s *stuckReader) Read(ranges []segment.Rows, f segment.Fields) (*telemetry.Spans, error) {
	s.wait()
	return s.structureReader.Read(ranges, f)
}

func (s *stuckReader) Close() {
	s.open.Add(-1)
	s.structureReader.Close()
}

// A walk over relations that is past its time, or cancelled, is refused at once,
// and nobody reads any longer: all that it had open is closed.
func TestRelationsStop(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(4, 47)), 2000)
	p, err := query.Compile("{ } >> { }")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	for name, how := range map[string]struct {
		timeout time.Duration
		cancel  bool
		kind    telemetry.Kind
		says    string
	}{
		"time":      {300 * time.Millisecond, false, telemetry.KindExhausted, "query took over 300ms: narrow the time range or add a filter"},
		"cancelled": {time.Minute, true, telemetry.KindUnavailable, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			b := arrange(t, d, t.TempDir(), "segments", all)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			over, stop := context.WithTimeout(context.Background(), how.timeout+time.Second)
			defer stop()
			var open, walks atomic.Int64
			wait := func() {
				walks.Add(1)
				if how.cancel {
					cancel()
					return
				}
				<-over.Done()
			}
			for _, seg := range b.src.segments {
				inner := seg.structure
				seg.structure = func() (structureReader, error) {
					s, err := inner()
					open.Add(1)
					return &stuckReader{s, &open, wait}, err
				}
			}
			_, _, err := d.search(ctx, b.src, searchSpec{plan: p, within: everything, order: OrderNewest, limit: 5, timeout: how.timeout, load: b.load})
			if telemetry.KindOf(err) != how.kind || !strings.Contains(err.Error(), how.says) {
				t.Errorf("got %v", err)
			}
			if walks.Load() == 0 || open.Load() != 0 {
				t.Errorf("%d walks, of which %d places are still open", walks.Load(), open.Load())
			}
			if err := checkSearch(context.Background(), arrange(t, d, t.TempDir(), "segments", all), p, everything, OrderNewest, 500); err != nil {
				t.Errorf("the next question: %v", err)
			}
		})
	}
}
