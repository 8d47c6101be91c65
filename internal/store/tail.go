package store

import (
	"context"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tailRows bounds the rows of one call of a tail's function.
const tailRows = 1000

// tail follows what arrives for a tenant: it is woken by appends and reads rows
// it has not seen from snapshots, so that a slow reader costs the store nothing.
type tail struct {
	wake chan struct{}
	rows int64 // rows appended since the reader last looked; guarded by tenant.mu
}

// notify wakes the tails. t.mu MUST be held.
func (t *tenant) notify(rows int) {
	for w := range t.tails {
		w.rows += int64(rows)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Tail implements Store.
func (e *Embedded) Tail(ctx context.Context, name string, p *query.Plan, fn func(*telemetry.Batch, int64) error) error {
	leaf, err := tailLeaf(p)
	if err != nil {
		return err
	}
	e.mu.Lock()
	t, err := e.admitTenantLocked(name)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	t.users++
	e.mu.Unlock()
	w := &tail{wake: make(chan struct{}, 1)}
	t.mu.Lock()
	t.tails[w] = struct{}{}
	g, at := t.active, t.active.rows
	t.mu.Unlock()
	e.leave(t)
	defer func() {
		t.mu.Lock()
		delete(t.tails, w)
		t.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.ctx.Done():
			return telemetry.Errorf(telemetry.KindUnavailable, "tail: the store is closing")
		case <-w.wake:
		}
		t.mu.Lock()
		arrived := w.rows
		w.rows = 0
		runs, bases, end := g.snapshot(), g.bases, g.rows
		moved := t.active != g
		next := t.active
		t.mu.Unlock()
		seen := int64(end - at)
		if err := tailRuns(runs, bases, at, leaf, fn); err != nil {
			return err
		}
		at = end
		if moved {
			// The generation was flushed. What came after it is in the next one,
			// unless a second flush overtook this reader: then rows are missed.
			g, at = next, 0
			t.mu.Lock()
			runs, bases, end = g.snapshot(), g.bases, g.rows
			arrived += w.rows
			w.rows = 0
			t.mu.Unlock()
			if err := tailRuns(runs, bases, 0, leaf, fn); err != nil {
				return err
			}
			seen += int64(end)
			at = end
		}
		if missed := arrived - seen; missed > 0 {
			e.counters.add("tail_missed", missed)
			if err := fn(nil, missed); err != nil {
				return err
			}
		}
	}
}

// tailRuns calls fn with the matching rows from row number `from` on.
func tailRuns(runs []*telemetry.Batch, bases []uint32, from uint32, leaf query.Expr, fn func(*telemetry.Batch, int64) error) error {
	for i, b := range runs {
		first := uint32(0)
		if from > bases[i] {
			first = from - bases[i]
		}
		var rows []uint32
		reader := query.NewReader(b)
		for r := first; r < uint32(b.Spans.N); r++ {
			if reader.Eval(leaf, int(r)) {
				rows = append(rows, r)
			}
			if len(rows) == tailRows || (r+1 == uint32(b.Spans.N) && len(rows) > 0) {
				if err := fn(pick(b, rows), 0); err != nil {
					return err
				}
				rows = nil
			}
		}
	}
	return nil
}

// tailLeaf gives the condition of a plan that a tail can decide span by span.
func tailLeaf(p *query.Plan) (query.Expr, error) {
	leaf := onlyFilter(p)
	if leaf == nil || p.NeedsTrace {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "a tail decides span by span: write a single filter { … } without relations, stages and fields of the whole trace")
	}
	return leaf, nil
}

// onlyFilter gives the condition of a plan that is a single filter, else nil.
func onlyFilter(p *query.Plan) query.Expr {
	if p.Metrics != nil || p.Spans.Op != "" || len(p.Stages) > 0 {
		return nil
	}
	return p.Leaves[0]
}
