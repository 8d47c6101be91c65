package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
)

// picked gives some rows of a batch as a batch.
func picked(b *telemetry.Batch, want func(i int) bool) *telemetry.Batch {
	var rows []uint32
	for i := range b.Spans.N {
		if want(i) {
			rows = append(rows, uint32(i))
		}
	}
	out := telemetry.NewBuilder()
	out.Reset(b.Tenant)
	out.AppendPicked(b, rows)
	return &out.Batch
}

// Spans of a trace that lies in several segments are stored once when they are sent
// again, and those that are new, or differ under the same id, are kept, whether the
// segments have few rows of it or too many to read all.
func TestRepeatsInLongTrace(t *testing.T) {
	const parts = 3
	for _, rows := range []int{store.LongTrace - 1, store.LongTrace, store.LongTrace + 1, 3 * store.LongTrace} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			e := newEngine(t)
			defer e.Abandon()
			all := plain(storetest.Tenant, 1, 1, parts*rows+100, time.Now().UnixNano())
			for p := range parts {
				e.Send(t, picked(all, func(i int) bool { return i < parts*rows && i%parts == p }))
				if err := e.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			const again = 200 // from everywhere
			repeats := 0
			late := picked(all, func(i int) bool {
				is := i < parts*rows && i%(parts*rows/again) == 0
				if is {
					repeats++
				}
				return is || i >= parts*rows
			})
			e.Send(t, late)
			other := picked(all, func(i int) bool { return i == 7 })
			other.Spans.Duration[0] = 99
			e.Send(t, other)
			before := e.Status()
			if n := before.Counters["duplicates_dropped"]; n != int64(repeats) || repeats < again {
				t.Errorf("%d repeats were dropped of %d", n, repeats)
			}
			if n := before.Counters["id_collisions"]; n != 1 {
				t.Errorf("%d collisions, want 1", n)
			}
			got, err := e.Trace(context.Background(), storetest.Tenant, all.Spans.TraceID[0], store.TraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Batch.Spans.N != all.Spans.N+1 {
				t.Errorf("%d spans, want %d", got.Batch.Spans.N, all.Spans.N+1)
			}
		})
	}
}

// A trace over the limit is refused when it is asked for and left out of what is
// searched, with the limit, and takes the answer from no other trace. At the limit
// it is there, whole.
func TestTraceOverTheLimit(t *testing.T) {
	const limit = 100
	ctx := context.Background()
	e := limitedLog(t, 64<<20, store.Options{TraceSpans: limit})
	now := time.Now().UnixNano()
	long, small := plain(storetest.Tenant, 1, 1, limit+1, now), plain(storetest.Tenant, 2, 1, 3, now)
	for _, b := range []*telemetry.Batch{long, small} { // a parent for the relation
		for i := range b.Spans.N {
			if i > 0 {
				b.Spans.Parent[i] = b.Spans.SpanID[0]
			}
		}
	}
	e.Send(t, picked(long, func(i int) bool { return i < limit/2 }))
	if err := e.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	e.Send(t, picked(long, func(i int) bool { return i >= limit/2 && i < limit }))
	e.Send(t, small)
	queries := []string{`{ }`, `{ kind = server } >> { name = "op" }`, `{ } | count() > 1`, `{ } >> { } | count() > 1`}
	ask := func(when string, traces int, partial string) {
		t.Helper()
		for _, q := range queries {
			p, err := query.Compile(q)
			if err != nil {
				t.Fatal(err)
			}
			for _, order := range []store.Order{store.OrderNewest, store.OrderSlowest, store.OrderSpans} {
				r, err := e.Search(ctx, storetest.Tenant, p, store.SearchOptions{Order: order})
				if err != nil {
					t.Fatalf("%s, %s: %v", when, q, err)
				}
				if len(r.Traces) != traces || !strings.HasPrefix(r.Partial, partial) || (partial == "") != (r.Partial == "") {
					t.Errorf("%s, %s: %d traces, partial %q", when, q, len(r.Traces), r.Partial)
				}
			}
		}
		_, err := e.Trace(ctx, storetest.Tenant, long.Spans.TraceID[0], store.TraceOptions{})
		if (err == nil) != (partial == "") || (err != nil && (telemetry.KindOf(err) != telemetry.KindExhausted || !strings.HasSuffix(partial, err.Error()[:30]))) {
			t.Errorf("%s: the trace itself gives %v", when, err)
		}
	}
	ask("at the limit", 2, "")
	e.Send(t, picked(long, func(i int) bool { return i == limit }))
	ask("over the limit", 1, "left out: trace "+long.Spans.TraceID[0].String()[:24])
	if err := e.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	ask("over the limit, in segments", 1, "left out: trace "+long.Spans.TraceID[0].String()[:24])
}

// Traces that are too long to be shown end no answer: what ranks behind them is on
// the same page, or on one that the cursor leads to.
func TestPagesGoOnBehindTracesOverTheLimit(t *testing.T) {
	const limit, short, over = 10, 5, 4
	ctx := context.Background()
	e := limitedLog(t, 64<<20, store.Options{TraceSpans: limit})
	now := time.Now().UnixNano()
	for n := range short + over {
		spans, start := limit+1, now+int64(n) // those over the limit are first in every order
		if n < short {
			spans = 1 + n
		}
		b := plain(storetest.Tenant, uint64(n+1), 1, spans, start)
		for i := range b.Spans.N {
			b.Spans.Duration[i] = int64(n)
		}
		e.Send(t, b)
	}
	for _, text := range []string{`{ }`, `{ kind = server || kind = internal } | count() > 0`, `{ } && { }`} {
		p, err := query.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, order := range []store.Order{store.OrderNewest, store.OrderSlowest, store.OrderSpans} {
			for _, size := range []int{1, 2, 3, short, short + 1} {
				o, seen := store.SearchOptions{Order: order, Limit: size}, []int{}
				for page := 0; page == 0 || o.Cursor != ""; page++ {
					r, err := e.Search(ctx, storetest.Tenant, p, o)
					if err != nil {
						t.Fatal(err)
					}
					if want := min(size, short-len(seen)); len(r.Traces) != want {
						t.Fatalf("%s by %s, page %d: %d traces, want %d", text, order, page, len(r.Traces), want)
					}
					if page == 0 && !strings.HasPrefix(r.Partial, "left out: ") {
						t.Errorf("%s by %s: partial %q", text, order, r.Partial)
					}
					for _, x := range r.Traces {
						seen = append(seen, x.Spans)
					}
					o.Cursor = r.Cursor
				}
				if want := []int{5, 4, 3, 2, 1}; !slices.Equal(seen, want) {
					t.Errorf("%s by %s in pages of %d: %v, want %v", text, order, size, seen, want)
				}
			}
		}
	}
}
