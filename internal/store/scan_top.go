package store

import (
	"container/heap"
	"context"
	"math"
	"slices"
	"sync/atomic"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// scanRank reports whether the first page of a search is found by a scan: the plan
// is one condition over columns. Later pages have to know of all traces that were
// on the pages before, which DuckDB does.
func scanRank(src sources, o searchSpec) bool {
	p, ok := sqlPipeline(o.plan)
	return ok && o.after == nil && o.order != OrderSpans && len(p.leaves) == 1 && len(p.aggregates) == 0 && columnar(src, p.leaves[0])
}

// rankScan gives the first traces of the order, one more than the limit if there
// are so many. As soon as a worker has that many, rows that could not enter are
// left out before anything else is read of them.
func (c *duckConn) rankScan(ctx context.Context, src sources, o searchSpec) ([]searchKey, error) {
	p, _ := sqlPipeline(o.plan)
	s := &scanner{src: src.within(o.within), fields: o.plan.Fields,
		extra: segment.ScanFields{Trace: true, Start: o.order == OrderNewest, Duration: o.order == OrderSlowest}}
	shared := &atomic.Int64{}
	shared.Store(math.MinInt64)
	workers := make([]blockWorker, src.turns.workers())
	for i := range workers {
		workers[i] = &topWorker{s: s, o: o, condition: blockCondition(p.leaves[0]), least: shared, best: map[telemetry.TraceID]int64{}}
	}
	if err := s.run(ctx, workers); err != nil {
		return nil, err
	}
	best := map[telemetry.TraceID]int64{}
	for _, w := range workers {
		for id, key := range w.(*topWorker).best {
			if old, ok := best[id]; !ok || key > old {
				best[id] = key
			}
		}
	}
	keys := make([]searchKey, 0, len(best))
	for id, key := range best {
		keys = append(keys, searchKey{key, id})
	}
	slices.SortFunc(keys, func(a, b searchKey) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return keys[:min(len(keys), o.limit+1)], nil
}

// topWorker keeps the traces with the largest keys of the rows that it sees.
type topWorker struct {
	s         *scanner
	o         searchSpec
	condition condition
	least     *atomic.Int64 // of all workers: keys below cannot be in the answer
	best      map[telemetry.TraceID]int64
	order     keyHeap // the last of the order on top; entries whose key best has left behind are stale
	chosen    []int32
}

func (w *topWorker) skip(longest int64) bool {
	return w.o.order == OrderSlowest && longest < w.least.Load()
}

func (w *topWorker) keys(b *block) ([]int64, error) {
	if w.o.order == OrderSlowest {
		err := b.need(segment.ScanFields{Duration: true})
		return b.batch.Spans.Duration, err
	}
	err := b.need(segment.ScanFields{Start: true})
	return b.batch.Spans.Start, err
}

func (w *topWorker) block(b *block) error {
	key, err := w.keys(b)
	if err != nil {
		return err
	}
	least := w.least.Load()
	w.chosen = slices.Grow(w.chosen[:0], b.rows.Hi-b.rows.Lo)
	for i, k := range key[:b.rows.Hi-b.rows.Lo] {
		if k >= least {
			w.chosen = append(w.chosen, int32(i))
		}
	}
	if len(w.chosen) == 0 {
		return nil
	}
	chosen, err := b.visible(w.chosen, w.o.within, w.s.src.maxSeq)
	if err != nil || len(chosen) == 0 {
		return err
	}
	if chosen, err = w.condition.filter(b, chosen); err != nil || len(chosen) == 0 {
		return err
	}
	if err := b.need(segment.ScanFields{Trace: true}); err != nil {
		return err
	}
	for _, row := range chosen {
		w.add(searchKey{key[row], b.batch.Spans.TraceID[row]})
	}
	return nil
}

// add enters a trace, or a larger key of one that is there.
func (w *topWorker) add(k searchKey) {
	old, there := w.best[k.ID]
	switch {
	case there && old >= k.Key:
		return
	case !there && len(w.best) > w.o.limit:
		w.settle()
		if !k.before(w.order[0]) {
			return
		}
		delete(w.best, heap.Pop(&w.order).(searchKey).ID)
	}
	w.best[k.ID] = k.Key
	heap.Push(&w.order, k)
	w.settle()
	if len(w.best) > w.o.limit {
		w.raise(w.order[0].Key)
	}
}

// settle takes stale entries off the top, and all of them when they are many: a
// trace of very many spans leaves one behind each time its key grows.
func (w *topWorker) settle() {
	if len(w.order) > 2*len(w.best)+64 {
		w.order = w.order[:0]
		for id, key := range w.best {
			w.order = append(w.order, searchKey{key, id})
		}
		heap.Init(&w.order)
	}
	for {
		key, ok := w.best[w.order[0].ID]
		if ok && key == w.order[0].Key {
			return
		}
		heap.Pop(&w.order)
	}
}

// raise tells all workers that enough traces have keys of at least key.
func (w *topWorker) raise(key int64) {
	for {
		old := w.least.Load()
		if old >= key || w.least.CompareAndSwap(old, key) {
			return
		}
	}
}
