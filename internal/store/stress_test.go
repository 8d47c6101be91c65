package store_test

import (
	"context"
	"errors"
	"math/rand"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Everything at once: senders of several tenants, some of which repeat
// themselves, while others flush, read, search, tail and let rows expire. What was
// acknowledged and not expired is there, once, and nothing of another tenant.
func TestEverythingAtOnce(t *testing.T) {
	dir := t.TempDir()
	openStore := func() *store.Embedded {
		s, err := store.Open(context.Background(), store.Options{Dir: dir, FreshBytes: 256 << 10, FreshAge: time.Second,
			Retention: func(tenant string) store.Retention {
				if tenant == "short" {
					return store.Retention{DiskBytes: 64 << 10}
				}
				return store.Retention{}
			},
			OpenLog: func(notBefore wal.Position) (*wal.Log, error) {
				return wal.Open(filepath.Join(dir, "log"), wal.Options{NotBefore: notBefore, SegmentBytes: 1 << 20, MaxRecordBytes: 1 << 20})
			}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := openStore()
	p := pipeline.NewLog(s.Log(), pipeline.LogOptions{LastSeq: s.LastSeq(), Consumers: []pipeline.Consumer{s}})
	s.Follow(p)
	plan, err := query.Compile(`{ resource.service.name = "checkout" }`)
	if err != nil {
		t.Fatal(err)
	}
	tenants := []string{"alpha", "beta", "gamma", "short"}
	type sent struct {
		mu    sync.Mutex
		spans map[telemetry.TraceID]map[telemetry.SpanID]bool
	}
	known := map[string]*sent{}
	for _, n := range tenants {
		known[n] = &sent{spans: map[telemetry.TraceID]map[telemetry.SpanID]bool{}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var refused, accepted atomic.Int64
	var g sync.WaitGroup
	for w := range 8 {
		g.Go(func() {
			tenant := tenants[w%len(tenants)]
			gen := storetest.NewGen(int64(w), time.Now().UnixNano())
			r := rand.New(rand.NewSource(int64(w)))
			var old []*telemetry.Batch
			for ctx.Err() == nil {
				batches := gen.Trace(tenant, 1+r.Intn(60))
				if len(old) > 0 && r.Intn(3) == 0 {
					batches = append(batches, old[r.Intn(len(old))])
				}
				for _, b := range batches {
					c := telemetry.NewBuilder() // Write may change its batch
					c.Reset(tenant)
					c.AppendRows(b, nil)
					if err := p.Write(&c.Batch); err != nil {
						if k := telemetry.KindOf(err); k != telemetry.KindExhausted {
							t.Errorf("write: %v", err)
							return
						}
						refused.Add(1)
						time.Sleep(5 * time.Millisecond)
						continue
					}
					accepted.Add(1)
					k := known[tenant]
					k.mu.Lock()
					m := k.spans[b.Spans.TraceID[0]]
					if m == nil {
						m = map[telemetry.SpanID]bool{}
						k.spans[b.Spans.TraceID[0]] = m
					}
					for _, id := range b.Spans.SpanID {
						m[id] = true
					}
					k.mu.Unlock()
					if len(old) < 200 {
						old = append(old, b)
					} else {
						old[r.Intn(200)] = b
					}
				}
			}
		})
	}
	verify := func(s *store.Embedded, tenant string, id telemetry.TraceID, want map[telemetry.SpanID]bool, exact bool) {
		got, err := s.Trace(context.Background(), tenant, id, store.TraceOptions{})
		if err != nil {
			t.Errorf("tenant %s trace %s: %v", tenant, id, err)
			return
		}
		have := map[telemetry.SpanID]int{}
		for _, x := range got.Batch.Spans.SpanID {
			if have[x]++; have[x] > 1 {
				t.Errorf("tenant %s trace %s: span %s is there %d times", tenant, id, x, have[x])
			}
		}
		for x := range want {
			if have[x] == 0 {
				t.Errorf("tenant %s trace %s: acknowledged span %s is missing", tenant, id, x)
			}
		}
		if exact && len(have) != len(want) {
			t.Logf("tenant %s trace %s: %d spans, %d acknowledged", tenant, id, len(have), len(want))
		}
	}
	for w := range 2 {
		g.Go(func() { // reads
			for ctx.Err() == nil {
				tenant := tenants[w]
				k := known[tenant]
				k.mu.Lock()
				var id telemetry.TraceID
				want := map[telemetry.SpanID]bool{}
				for i, m := range k.spans { // any
					id = i
					for x := range m {
						want[x] = true
					}
					break
				}
				k.mu.Unlock()
				if len(want) == 0 {
					time.Sleep(time.Millisecond)
					continue
				}
				verify(s, tenant, id, want, false)
				for _, other := range tenants {
					if other != tenant {
						if _, err := s.Trace(context.Background(), other, id, store.TraceOptions{}); telemetry.KindOf(err) != telemetry.KindNotFound {
							t.Errorf("tenant %s sees a trace of %s: %v", other, tenant, err)
						}
					}
				}
			}
		})
	}
	g.Go(func() { // searches
		for ctx.Err() == nil {
			if _, err := s.Search(context.Background(), "alpha", plan, store.SearchOptions{}); err != nil && telemetry.KindOf(err) != telemetry.KindExhausted {
				t.Errorf("search: %v", err)
			}
			if _, err := s.Services(context.Background(), "beta", store.Range{}); err != nil {
				t.Errorf("services: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	g.Go(func() {
		for ctx.Err() == nil {
			if err := s.Flush(context.Background()); err != nil {
				t.Errorf("flush: %v", err)
			}
			s.Status()
			time.Sleep(50 * time.Millisecond)
		}
	})
	for _, tenant := range tenants[:2] {
		g.Go(func() {
			err := s.Tail(ctx, tenant, plan, func(b *telemetry.Batch, _ int64) error {
				if b != nil && b.Tenant != tenant {
					t.Errorf("tail of %s got rows of %s", tenant, b.Tenant)
				}
				return nil
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("tail: %v", err)
			}
		})
	}
	g.Wait()
	t.Logf("%d accepted, %d refused, %+v", accepted.Load(), refused.Load(), s.Status())
	check := func(s *store.Embedded) {
		for _, tenant := range tenants[:3] {
			for id, want := range known[tenant].spans {
				verify(s, tenant, id, want, true)
				if t.Failed() {
					return
				}
			}
		}
	}
	check(s)
	s.Abandon()
	s = openStore()
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore()
	defer s.Close()
	check(s)
}
