package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// maxTraceSpans is what one Trace answers at most unless the caller says otherwise.
const maxTraceSpans = 1_000_000

// Trace implements Store. It reads row ranges in Go: a table scan of DuckDB would
// take tens of milliseconds before the first byte.
func (e *Embedded) Trace(ctx context.Context, tenant string, id telemetry.TraceID, o TraceOptions) (*Trace, error) {
	v := e.view(tenant, Range{})
	defer v.release()
	return e.traceIn(ctx, v, id, o)
}

func (e *Embedded) traceIn(ctx context.Context, v *view, id telemetry.TraceID, o TraceOptions) (*Trace, error) {
	most := o.MaxSpans
	if most == 0 {
		most = maxTraceSpans
	}
	out := &Trace{Partial: v.partial}
	var parts []*telemetry.Batch
	total := 0
	for _, h := range v.segments {
		if err := ctx.Err(); err != nil {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "trace %s: %w", id, err)
		}
		b, err := h.seg.Trace(id)
		if err != nil {
			out.Partial = e.unreadable(h, err)
			continue
		}
		if b != nil {
			parts = append(parts, b)
			total += b.Spans.N
		}
	}
	for _, b := range v.fresh {
		if rows := rowsOfTrace(b, id); len(rows) > 0 {
			parts = append(parts, pick(b, rows))
			total += len(rows)
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
