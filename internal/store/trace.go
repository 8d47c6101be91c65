package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Trace implements Store. It reads row ranges in Go: a table scan of DuckDB would
// take tens of milliseconds before the first byte.
func (e *Embedded) Trace(ctx context.Context, tenant string, id telemetry.TraceID, o TraceOptions) (*Trace, error) {
	v := e.view(tenant, Range{})
	defer v.release()
	share := &traceShare{room: &e.traceRoom}
	out, err := e.traceIn(ctx, v, id, v.freshOf([]telemetry.TraceID{id})[0], o, nil, share)
	if err != nil {
		share.release()
		return nil, err
	}
	out.share = share
	return out, nil
}

// traceIn joins what segments have of the trace, as far as it is wanted, with
// what is in memory. Without a share its memory is bounded by who asks.
func (e *Embedded) traceIn(ctx context.Context, v *view, id telemetry.TraceID, fresh []*telemetry.Batch, o TraceOptions, w *segment.Want, share *traceShare) (*Trace, error) {
	t := gathering{id: id, most: cmp.Or(o.MaxSpans, e.o.TraceSpans), share: share}
	for _, b := range fresh {
		t.add(b, b.Spans.N)
	}
	out := &Trace{Partial: v.partial}
	for _, h := range v.segments {
		if t.refused != nil {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "trace %s: %w", id, err)
		}
		if err := t.read(h.seg, w); err != nil {
			out.Partial = e.unreadable(h, err)
		}
	}
	if t.refused != nil {
		return nil, t.refused
	}
	if t.total == 0 {
		if out.Partial != "" {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "trace %s: not found in what can be read; %s", id, out.Partial)
		}
		return nil, telemetry.Errorf(telemetry.KindNotFound, "trace %s: not found; it may have expired or not arrived yet", id)
	}
	if t.total > t.most {
		return nil, tooLong(id, t.total, t.most)
	}
	out.Batch = joinTrace(t.parts)
	return out, nil
}

// freshOf gives what is in memory of each of the traces, in one pass over it.
func (v *view) freshOf(ids []telemetry.TraceID) [][]*telemetry.Batch {
	out := make([][]*telemetry.Batch, len(ids))
	if len(v.fresh) == 0 {
		return out
	}
	if len(ids) == 1 { // comparing is cheaper than looking up
		for _, b := range v.fresh {
			if rows := rowsOfTrace(b, ids[0]); len(rows) > 0 {
				out[0] = append(out[0], pick(b, rows))
			}
		}
		return out
	}
	at := make(map[telemetry.TraceID]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	for _, b := range v.fresh {
		rows := map[int][]uint32{}
		for row, id := range b.Spans.TraceID {
			if i, ok := at[id]; ok {
				rows[i] = append(rows[i], uint32(row))
			}
		}
		for i, r := range rows {
			out[i] = append(out[i], pick(b, r))
		}
	}
	return out
}

// loadRows is how many rows of traces are loaded before they are looked at: a page
// of very long traces must not be in memory as a whole.
const loadRows = 256 << 10

// loader reads complete traces of the view as far as they are wanted, some at a
// time: the first of those asked for, as many as loadRows allow, and one at least.
// It gives nil for one that is not there, and for one over the limit, which makes
// the answer partial.
func (v *view) loader(w *segment.Want) func(context.Context, []telemetry.TraceID) ([]*telemetry.Batch, error) {
	return func(ctx context.Context, ids []telemetry.TraceID) ([]*telemetry.Batch, error) {
		traces, errs := make([]*Trace, len(ids)), make([]error, len(ids))
		fresh := v.freshOf(ids)
		var next, rows atomic.Int64
		var wg sync.WaitGroup
		for range min(v.e.turns.workers(), len(ids)) {
			wg.Go(func() {
				for rows.Load() < loadRows {
					i := int(next.Add(1)) - 1
					if i >= len(ids) {
						return
					}
					if errs[i] = v.e.turns.do(ctx, func() (err error) {
						traces[i], err = v.e.traceIn(ctx, v, ids[i], fresh[i], TraceOptions{}, w, nil)
						return err
					}); errs[i] == nil {
						rows.Add(int64(traces[i].Batch.Spans.N))
					}
				}
			})
		}
		wg.Wait()
		out := make([]*telemetry.Batch, min(int(next.Load()), len(ids)))
		for i := range out {
			t := traces[i]
			switch {
			case errs[i] == nil:
				out[i] = t.Batch
				v.partial = cmp.Or(v.partial, t.Partial)
			case errors.Is(errs[i], errTooLong):
				v.leaveOut(errs[i])
			case telemetry.KindOf(errs[i]) != telemetry.KindNotFound:
				return nil, errs[i]
			}
		}
		return out, nil
	}
}

// wanted is what the answer to a plan needs to know of its traces; nil for everything.
func wanted(p *query.Plan) *segment.Want {
	if p.Metrics != nil && p.Metrics.Compare != nil {
		return nil
	}
	w := &segment.Want{}
	for _, f := range slices.Concat(p.Fields, p.Select) {
		w.Events = w.Events || f.Level() == query.LevelEvent
		w.Links = w.Links || f.Level() == query.LevelLink
		switch {
		case f.Intrinsic == query.StatusMessage:
			w.Attributes = append(w.Attributes, segment.Attribute{Scope: telemetry.ScopeIntrinsic, Key: telemetry.KeyStatusMessage})
		case f.Scope != telemetry.ScopeIntrinsic:
			for _, key := range f.Keys() {
				w.Attributes = append(w.Attributes, segment.Attribute{Scope: cmp.Or(f.Scope, telemetry.ScopeSpan), Key: key})
			}
		}
	}
	return w
}

// errTooLong says what helps against a trace that no answer may hold.
var errTooLong = errors.New("raise limits.trace_spans in the charter")

func tooLong(id telemetry.TraceID, spans, most int) error {
	return telemetry.Errorf(telemetry.KindExhausted, "trace %s has %d spans, the limit is %d: %w", id, spans, most, errTooLong)
}

// leaveOut notes that the answer lacks a trace which is too long, so that one such
// trace does not take the answer from all others.
func (v *view) leaveOut(why error) {
	v.partial = cmp.Or(v.partial, "left out: "+why.Error())
}

// pick copies a few rows out of a large batch.
func pick(b *telemetry.Batch, rows []uint32) *telemetry.Batch {
	out := telemetry.NewBuilder()
	out.Reset(b.Tenant)
	out.AppendPicked(b, rows)
	return &out.Batch
}

// joinTrace makes one batch of the parts in order of start, then span id and kind, then
// of receipt, so that it does not tell where they lie.
func joinTrace(parts []*telemetry.Batch) *telemetry.Batch {
	all := parts[0]
	if len(parts) > 1 {
		b := telemetry.NewBuilder()
		b.Reset(all.Tenant)
		for _, p := range parts {
			b.AppendRows(p, nil)
		}
		all = &b.Batch
	}
	s := &all.Spans
	order := make([]uint32, s.N)
	for i := range order {
		order[i] = uint32(i)
	}
	byTime := func(a, b uint32) int {
		return cmp.Or(cmp.Compare(s.Start[a], s.Start[b]), cmp.Compare(s.SpanID[a].Uint64(), s.SpanID[b].Uint64()), cmp.Compare(s.Kind[a], s.Kind[b]),
			cmp.Compare(s.Seq[a], s.Seq[b]), cmp.Compare(a, b))
	}
	if slices.IsSortedFunc(order, byTime) {
		return all
	}
	slices.SortFunc(order, byTime)
	return telemetry.Gather(all, order)
}
