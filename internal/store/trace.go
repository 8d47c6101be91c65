package store

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// maxTraceSpans is what one Trace answers at most unless the caller says otherwise.
const maxTraceSpans = 1_000_000

// Trace implements Store. It reads row ranges in Go: a table scan of DuckDB would
// take tens of milliseconds before the first byte.
func (e *Embedded) Trace(ctx context.Context, tenant string, id telemetry.TraceID, o TraceOptions) (*Trace, error) {
	v := e.view(tenant, Range{})
	defer v.release()
	return e.traceIn(ctx, v, id, v.freshOf([]telemetry.TraceID{id})[0], o, nil)
}

// traceIn joins what segments have of the trace, as far as it is wanted, with
// what is in memory.
func (e *Embedded) traceIn(ctx context.Context, v *view, id telemetry.TraceID, fresh []*telemetry.Batch, o TraceOptions, w *segment.Want) (*Trace, error) {
	most := o.MaxSpans
	if most == 0 {
		most = maxTraceSpans
	}
	out := &Trace{Partial: v.partial}
	parts, total := fresh, 0
	for _, b := range fresh {
		total += b.Spans.N
	}
	for _, h := range v.segments {
		if err := ctx.Err(); err != nil {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "trace %s: %w", id, err)
		}
		b, err := h.seg.TracePart(id, w)
		if err != nil {
			out.Partial = e.unreadable(h, err)
			continue
		}
		if b != nil {
			parts = append(parts, b)
			total += b.Spans.N
		}
	}
	if total == 0 {
		if out.Partial != "" {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "trace %s: not found in what can be read; %s", id, out.Partial)
		}
		return nil, telemetry.Errorf(telemetry.KindNotFound, "trace %s: not found; it may have expired or not arrived yet", id)
	}
	if total > most {
		return nil, tooLong(id, total, most)
	}
	out.Batch = joinTrace(parts)
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

// loader reads complete traces of the view as far as they are wanted, some at a
// time; nil for one that is not there.
func (v *view) loader(w *segment.Want) func(context.Context, []telemetry.TraceID) ([]*telemetry.Batch, error) {
	return func(ctx context.Context, ids []telemetry.TraceID) ([]*telemetry.Batch, error) {
		traces, errs := make([]*Trace, len(ids)), make([]error, len(ids))
		fresh := v.freshOf(ids)
		var next atomic.Int64
		var wg sync.WaitGroup
		for range min(runtime.GOMAXPROCS(0), len(ids)) {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
					traces[i], errs[i] = v.e.traceIn(ctx, v, ids[i], fresh[i], TraceOptions{}, w)
				}
			})
		}
		wg.Wait()
		out := make([]*telemetry.Batch, len(ids))
		for i, t := range traces {
			switch {
			case errs[i] == nil:
				out[i] = t.Batch
				v.partial = cmp.Or(v.partial, t.Partial)
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
		case f.Scope == 0:
			w.Attributes = append(w.Attributes, segment.Attribute{Scope: telemetry.ScopeSpan, Key: f.Key})
		case f.Scope != telemetry.ScopeIntrinsic:
			w.Attributes = append(w.Attributes, segment.Attribute{Scope: f.Scope, Key: f.Key})
		}
	}
	return w
}

func tooLong(id telemetry.TraceID, spans, most int) error {
	return telemetry.Errorf(telemetry.KindExhausted, "trace %s has %d spans, the limit is %d: search in it by query, or raise limits.trace_spans in the charter", id, spans, most)
}

// pick copies a few rows out of a large batch.
func pick(b *telemetry.Batch, rows []uint32) *telemetry.Batch {
	out := telemetry.NewBuilder()
	out.Reset(b.Tenant)
	out.AppendPicked(b, rows)
	return &out.Batch
}

// joinTrace makes one batch of the parts in order of start, then span id.
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
		return cmp.Or(cmp.Compare(s.Start[a], s.Start[b]), cmp.Compare(s.SpanID[a].Uint64(), s.SpanID[b].Uint64()), cmp.Compare(s.Kind[a], s.Kind[b]))
	}
	if slices.IsSortedFunc(order, byTime) {
		return all
	}
	slices.SortFunc(order, byTime)
	return telemetry.Gather(all, order)
}
