package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Engine is a store under test and the log in front of it.
type Engine interface {
	store.Store
	// Send logs the batch and appends it, as an acknowledged request is, and gives
	// its place in the log, larger than every one before.
	Send(t testing.TB, b *telemetry.Batch) (seq int64)
	// Expire lets retention remove once, of every tenant, what has a place in the
	// log before that one. What is in one piece with later spans may stay.
	Expire(t testing.TB, before int64)
	// Crash ends the engine without a flush and opens it again on the same folder.
	Crash(t testing.TB) Engine
}

// Tenant is the tenant of most cases.
const Tenant = "acme"

// Base is the start of the generated spans: near to now, since stores clamp.
var Base = time.Now().Add(-10 * time.Minute).UnixNano()

// Run checks the contract. open gives a new, empty engine.
func Run(t *testing.T, open func(t testing.TB) Engine) {
	cases := []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"a trace is visible at once and complete", visible},
		{"an unknown trace is not found", unknown},
		{"a repeated batch is stored once", repeated},
		{"two records under one id are both kept and marked", collision},
		{"tenants see nothing of each other", tenants},
		{"spans of one trace may arrive around a flush", straddle},
		{"what was appended outlives a crash", crash},
		{"a span dated 2099 is found and disturbs nothing", future},
		{"random operations equal the model", func(t *testing.T, e Engine) { Random(t, e, 1, 150) }},
		{"answers do not depend on where rows are", arrangements},
		{"pages of a search are disjoint and complete", pages},
		{"a cursor keeps the range of its first page", movingRange},
		{"a cursor outlives a restart, and tells of what expired before or after one", cursors},
		{"a tail sees what arrives", tails},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			c.run(t, e)
		})
	}
}

// Dump writes a trace as text in which equal traces are equal: one line a span
// with everything but seq.
func Dump(b *telemetry.Batch) string {
	if b == nil {
		return ""
	}
	b = telemetry.Settle(b)
	rows, events, links := telemetry.IndexRows(&b.Spans.Table), telemetry.IndexRows(&b.Events.Table), telemetry.IndexRows(&b.Links.Table)
	resources, scopes := telemetry.IndexRows(&b.Resources), telemetry.IndexRows(&b.Scopes)
	s := &b.Spans
	lines := make([]string, s.N)
	for i := range lines {
		var w strings.Builder
		fmt.Fprintf(&w, "%d %s %s parent=%s %q dur=%d kind=%d status=%d flags=%x marks=%d", s.Start[i], s.TraceID[i], s.SpanID[i], s.Parent[i],
			s.Names.At(s.Name[i]), s.Duration[i], s.Kind[i], s.Status[i], s.Flags[i], s.Marks[i])
		key := func(what string, t *telemetry.Table, cells []telemetry.Cell) {
			fmt.Fprintf(&w, " %s%q", what, telemetry.AppendRowKey(nil, t, cells))
		}
		key("attrs=", &s.Table, rows.Row(i))
		key("res=", &b.Resources, resources.Row(int(s.Resource[i])))
		key("scope=", &b.Scopes, scopes.Row(int(s.Scope[i])))
		for j, span := range b.Events.Span {
			if int(span) == i {
				fmt.Fprintf(&w, " event(%d %q", b.Events.Time[j], b.Events.Names.At(b.Events.Name[j]))
				key("", &b.Events.Table, events.Row(j))
			}
		}
		for j, span := range b.Links.Span {
			if int(span) == i {
				fmt.Fprintf(&w, " link(%s %s %d", b.Links.TraceID[j], b.Links.SpanID[j], b.Links.Flags[j])
				key("", &b.Links.Table, links.Row(j))
			}
		}
		lines[i] = w.String()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// join makes one batch of many.
func join(batches ...*telemetry.Batch) *telemetry.Batch {
	b := telemetry.NewBuilder()
	b.Reset(batches[0].Tenant)
	for _, x := range batches {
		b.AppendRows(x, nil)
	}
	return &b.Batch
}

func send(t testing.TB, e Engine, batches ...*telemetry.Batch) telemetry.TraceID {
	t.Helper()
	for _, b := range batches {
		e.Send(t, b)
	}
	return batches[0].Spans.TraceID[0]
}

func wantTrace(t testing.TB, e Engine, tenant string, want ...*telemetry.Batch) {
	t.Helper()
	got, err := e.Trace(context.Background(), tenant, want[0].Spans.TraceID[0], store.TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Partial != "" {
		t.Fatalf("partial: %s", got.Partial)
	}
	if diff := cmp.Diff(Dump(got.Batch), Dump(join(want...))); diff != "" {
		t.Fatalf("trace differs (-got +want):\n%s", diff)
	}
	if !slices.IsSorted(got.Batch.Spans.Start) {
		t.Fatal("spans are not in order of start")
	}
}

func flush(t testing.TB, e Engine) {
	t.Helper()
	if err := e.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func visible(t *testing.T, e Engine) {
	tr := NewGen(1, Base).Trace(Tenant, 40)
	send(t, e, tr...)
	wantTrace(t, e, Tenant, tr...)
	flush(t, e)
	wantTrace(t, e, Tenant, tr...)
}

func unknown(t *testing.T, e Engine) {
	send(t, e, NewGen(2, Base).Trace(Tenant, 4)...)
	for range 2 {
		_, err := e.Trace(context.Background(), Tenant, telemetry.TraceID{1}, store.TraceOptions{})
		if telemetry.KindOf(err) != telemetry.KindNotFound {
			t.Fatalf("got %v, want a not_found error", err)
		}
		flush(t, e)
	}
}

func repeated(t *testing.T, e Engine) {
	g := NewGen(3, Base)
	tr, other := g.Trace(Tenant, 30), g.Trace(Tenant, 30)
	for round := range 4 { // fresh, flushed, flushed and reopened, merged with the other
		send(t, e, tr...)
		send(t, e, other...)
		send(t, e, tr...)
		wantTrace(t, e, Tenant, tr...)
		wantTrace(t, e, Tenant, other...)
		if got := e.Status().SpansStored; got != 60 {
			t.Fatalf("round %d: %d spans stored, want 60", round, got)
		}
		if round == 2 {
			e = e.Crash(t)
		}
		flush(t, e)
	}
}

func collision(t *testing.T, e Engine) {
	for _, flushed := range []bool{false, true} {
		tr := NewGen(4, Base).Trace(Tenant, 1)
		if flushed {
			tr = NewGen(5, Base).Trace(Tenant, 1)
		}
		send(t, e, tr...)
		if flushed {
			flush(t, e)
		}
		twin := join(tr...)
		twin.Spans.Duration[0]++
		send(t, e, twin)
		got, err := e.Trace(context.Background(), Tenant, twin.Spans.TraceID[0], store.TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Batch.Spans.N != 2 {
			t.Fatalf("flushed %v: %d spans, want both records", flushed, got.Batch.Spans.N)
		}
		if got.Batch.Spans.Marks[0]|got.Batch.Spans.Marks[1] != telemetry.MarkIDCollision {
			t.Fatalf("flushed %v: marks %v, want a collision marked", flushed, got.Batch.Spans.Marks)
		}
		send(t, e, twin)
		send(t, e, tr...)
		if got, _ := e.Trace(context.Background(), Tenant, twin.Spans.TraceID[0], store.TraceOptions{}); got.Batch.Spans.N != 2 {
			t.Fatalf("flushed %v: %d spans after repeats, want 2", flushed, got.Batch.Spans.N)
		}
	}
}

func tenants(t *testing.T, e Engine) {
	a := NewGen(6, Base).Trace("a", 10)
	b := NewGen(6, Base).Trace("b", 10) // the same ids in another tenant
	send(t, e, a...)
	for range 2 {
		if _, err := e.Trace(context.Background(), "b", a[0].Spans.TraceID[0], store.TraceOptions{}); telemetry.KindOf(err) != telemetry.KindNotFound {
			t.Fatalf("b sees a's trace: %v", err)
		}
		res, err := e.Search(context.Background(), "b", parse(t, "{}"), store.SearchOptions{})
		if err != nil || len(res.Traces) != 0 {
			t.Fatalf("b's search finds %d traces (%v), want none", len(res.Traces), err)
		}
		flush(t, e)
	}
	send(t, e, b...)
	wantTrace(t, e, "a", a...)
	wantTrace(t, e, "b", b...)
}

func straddle(t *testing.T, e Engine) {
	parts := NewGen(7, Base).Trace(Tenant, 200)
	for i := range parts {
		send(t, e, parts[i])
		if i%2 == 0 {
			flush(t, e)
		}
		wantTrace(t, e, Tenant, parts[:i+1]...)
	}
	e = e.Crash(t)
	wantTrace(t, e, Tenant, parts...)
}

func crash(t *testing.T, e Engine) {
	g := NewGen(8, Base)
	var all [][]*telemetry.Batch
	for i := range 6 {
		tr := g.Trace(Tenant, 20)
		all = append(all, tr)
		send(t, e, tr...)
		if i == 2 {
			flush(t, e)
		}
	}
	e = e.Crash(t)
	e = e.Crash(t)
	for _, tr := range all {
		wantTrace(t, e, Tenant, tr...)
	}
	if got := e.Status().SpansStored; got != 120 {
		t.Fatalf("%d spans stored, want 120", got)
	}
}

func future(t *testing.T, e Engine) {
	near := NewGen(9, Base).Trace(Tenant, 5)
	far := NewGen(10, time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()).Trace(Tenant, 5)
	old := NewGen(11, time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()).Trace(Tenant, 5)
	send(t, e, append(append(near, far...), old...)...)
	for range 2 {
		for _, tr := range [][]*telemetry.Batch{near, far, old} {
			byTrace := tr[:0:0]
			for _, b := range tr {
				if b.Spans.TraceID[0] == tr[0].Spans.TraceID[0] {
					byTrace = append(byTrace, b)
				}
			}
			wantTrace(t, e, Tenant, byTrace...)
		}
		flush(t, e)
	}
}

// shapes are queries of every form; answers are compared, not pinned.
var shapes = []string{
	`{}`, `{ status = error }`, `{ resource.service.name = "payment" && duration > 2ms }`,
	`{ span.http.route =~ "/c.*" && span.http.response.status_code >= 500 }`, `{ .app.score > 3 }`, `{ span.app.cached }`,
	`{ kind = consumer } && { status = error }`, `{ name = "GET" } || { name = "charge" }`,
	`{ resource.service.name = "gateway" } > { status = error }`, `{ kind = server } >> { span.db.query.text != nil }`,
	`{ event.exception.type = "shop.Deadline" }`, `{ status = error } | count() > 2`, `{} | avg(duration) > 3ms`,
	`({ status = error } | count() > 1) && { kind = server }`, `{} | { kind = server } >> { status = error }`, `{} | max(duration) > avg(duration)`,
	`{ span:childCount > 2 }`, `{} | by(event:name) | count() > 1`, `{ status = error } | select(nestedSetLeft, nestedSetRight, nestedSetParent)`,
	`{ span.app.mixed = 3 }`, `{ span.app.mixed = "text" }`, `{ span.rare.7 = "rare value" }`, `{ span.none = 1 }`,
}

func arrangements(t *testing.T, e Engine) {
	g := NewGen(20, Base)
	answers := func() []string {
		var out []string
		for _, q := range shapes {
			for _, order := range []store.Order{store.OrderNewest, store.OrderSlowest, store.OrderSpans} {
				res, err := e.Search(context.Background(), Tenant, parse(t, q), store.SearchOptions{Order: order, Limit: 7, SpansPerTrace: 3})
				if err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				res.Stats, res.Cursor = store.QueryStats{}, ""
				out = append(out, fmt.Sprintf("%s %s %+v", q, order, res))
			}
		}
		for _, q := range []string{`{} | rate() by (resource.service.name)`, `{ status = error } | count_over_time() by (name)`, `{} | quantile_over_time(duration, 0.5, 0.99) by (kind)`, `{} | avg_over_time(duration)`,
			`{} | count_over_time() by (name) | topk(2) with (exemplars = 5)`, `{} | quantile_over_time(duration, 0.9) by (kind) > 1ms with (exemplars = true)`,
			`{ kind = server } >> {} | rate() by (event:name) with (exemplars = 3)`, `{} | compare({ status = error }, 3)`, `{} >> {} | compare({ status = error })`} {
			res, err := e.Metrics(context.Background(), Tenant, parse(t, q), store.MetricsOptions{Range: store.Range{Start: Base, End: Base + int64(2*time.Minute)}, Step: 10 * time.Second})
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			res.Stats = store.QueryStats{}
			out = append(out, fmt.Sprintf("%s %+v", q, res))
		}
		return out
	}
	var again []*telemetry.Batch
	for i := range 60 {
		tr := g.Trace(Tenant, 1+i%30)
		send(t, e, tr...)
		again = append(again, tr...)
	}
	fresh := answers()
	flush(t, e)
	if diff := cmp.Diff(answers(), fresh); diff != "" {
		t.Fatalf("flushed differs from fresh (-flushed +fresh):\n%s", diff)
	}
	for _, b := range again[:40] { // repeats change nothing
		send(t, e, b)
	}
	if diff := cmp.Diff(answers(), fresh); diff != "" {
		t.Fatalf("after repeats (-got +want):\n%s", diff)
	}
	for i := range 20 {
		send(t, e, g.Trace(Tenant, 5+i)...)
	}
	mixed := answers()
	flush(t, e)
	if diff := cmp.Diff(answers(), mixed); diff != "" {
		t.Fatalf("flushed differs from mixed (-flushed +mixed):\n%s", diff)
	}
}

func pages(t *testing.T, e Engine) {
	g := NewGen(30, Base)
	want := map[telemetry.TraceID]bool{}
	for i := range 50 {
		want[send(t, e, g.Trace(Tenant, 3)...)] = true
		if i == 20 {
			flush(t, e)
		}
	}
	for i, order := range []store.Order{store.OrderNewest, store.OrderSlowest, store.OrderSpans} {
		late, later := NewGen(int64(31+i), Base), []telemetry.TraceID{}
		got := map[telemetry.TraceID]bool{}
		cursor := ""
		for page := 0; ; page++ {
			res, err := e.Search(context.Background(), Tenant, parse(t, "{}"), store.SearchOptions{Order: order, Limit: 7, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range res.Traces {
				if got[f.TraceID] {
					t.Fatalf("trace %s is on two pages", f.TraceID)
				}
				got[f.TraceID] = true
			}
			if cursor = res.Cursor; cursor == "" {
				break
			}
			if page >= 2 { // what arrives now must not show, and segments are merged under the cursor
				later = append(later, send(t, e, late.Trace(Tenant, 3+page)...))
				flush(t, e)
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Fatalf("%s: pages differ (-got +want):\n%s", order, diff)
		}
		for _, id := range later { // the next order may see what this one must not
			want[id] = true
		}
	}
}

func cursors(t *testing.T, e Engine) {
	page := func(cursor string) (*store.SearchResult, error) {
		return e.Search(context.Background(), Tenant, parse(t, "{}"), store.SearchOptions{Order: store.OrderNewest, Limit: 2, Cursor: cursor})
	}
	first := func() string {
		t.Helper()
		res, err := page("")
		if err != nil || len(res.Traces) != 2 || res.Cursor == "" {
			t.Fatalf("first page: %+v, %v", res, err)
		}
		return res.Cursor
	}
	g := NewGen(77, Base)
	var last int64
	for range 5 {
		for _, b := range g.Trace(Tenant, 3) {
			last = e.Send(t, b)
		}
	}
	flush(t, e)
	old := first()
	e.Expire(t, last+1)
	for range 5 {
		send(t, e, g.Trace(Tenant, 3)...)
	}
	flush(t, e)
	fresh := first()
	for _, when := range []string{"", "after a restart", "after two"} {
		if _, err := page(old); telemetry.KindOf(err) != telemetry.KindConflict {
			t.Errorf("%s a cursor of before some data expired gives %v", when, err)
		}
		if res, err := page(fresh); err != nil || len(res.Traces) != 2 {
			t.Errorf("%s a cursor of before it gives %+v, %v", when, res, err)
		}
		e = e.Crash(t)
	}
}

// A range in words moves with the clock; a cursor keeps the one of its first page.
func movingRange(t *testing.T, e Engine) {
	g := NewGen(78, Base)
	want := map[telemetry.TraceID]bool{}
	from, to := int64(math.MaxInt64), int64(0)
	for range 9 {
		for _, b := range g.Trace(Tenant, 3) {
			want[b.Spans.TraceID[0]] = true
			e.Send(t, b)
			for _, start := range b.Spans.Start {
				from, to = min(from, start), max(to, start)
			}
		}
	}
	page := func(text, cursor string, later int64) (*store.SearchResult, error) {
		return e.Search(context.Background(), Tenant, parse(t, "{}"), store.SearchOptions{Limit: 2, Cursor: cursor, RangeText: text,
			Range: store.Range{Start: from + later, End: to + 1 + later}})
	}
	got, cursor := map[telemetry.TraceID]bool{}, ""
	for n := int64(0); ; n++ {
		res, err := page("now-1h now", cursor, n*(to-from))
		if err != nil {
			t.Fatalf("page %d: %v", n, err)
		}
		for _, f := range res.Traces {
			got[f.TraceID] = true
		}
		if res.Cursor == "" {
			break
		}
		cursor = res.Cursor
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("pages differ (-got +want):\n%s", diff)
	}
	for _, other := range []string{"now-2h now", ""} {
		if _, err := page(other, cursor, 0); telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("a cursor of another range gives %v", err)
		}
	}
}

func tails(t *testing.T, e Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got := make(chan int, 64)
	started := make(chan error, 1)
	g := NewGen(40, Base)
	go func() {
		started <- e.Tail(ctx, Tenant, parse(t, `{ name = "charge" }`), func(b *telemetry.Batch, missed int64) error {
			n := 0
			if b != nil {
				n = b.Spans.N
			}
			select {
			case got <- n:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	// The tail starts at an unknown moment: traces are sent until one is seen.
	for seen := 0; seen == 0; {
		send(t, e, g.Trace(Tenant, 20)...)
		select {
		case n := <-got:
			seen += n
		case err := <-started:
			t.Fatalf("tail ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-started; err != nil {
		t.Fatalf("tail: %v", err)
	}
}

func parse(t testing.TB, q string) *query.Plan {
	t.Helper()
	p, err := query.Compile(q)
	if err != nil {
		t.Fatalf("parse %s: %v", q, err)
	}
	return p
}
