package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// candidates finds the traces that can match by SQL, loads them in the order of
// their ids and calls f with those that do match. What SQL asks is too wide at
// times and never too narrow: every leaf that a match needs has to hold somewhere
// in the trace, and one that can give a span has to hold within the range.
func (c *duckConn) candidates(ctx context.Context, src sources, p *query.Plan, within query.Range,
	load func(context.Context, []telemetry.TraceID) ([]*telemetry.Batch, error), f func(*telemetry.Batch, []query.Spanset) error) error {
	var ids []telemetry.TraceID
	evaluate := func() error {
		done := 0
		err := loadEach(ctx, ids, load, func(i int, b *telemetry.Batch) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			done = i + 1
			if b = visible(b, src.maxSeq); b == nil {
				return nil
			}
			if sets := query.EvalTrace(p, query.NewReader(b), within); len(sets) > 0 {
				return f(b, sets)
			}
			return nil
		})
		if err == nil {
			done = len(ids)
		}
		c.seen += done
		ids = ids[:0]
		return cmp.Or(ctx.Err(), err) // the end of the time says more than what was read when it came
	}
	err := c.candidateIDs(ctx, src, p, within, func(id telemetry.TraceID) error {
		if ids = append(ids, id); len(ids) < loadChunk {
			return nil
		}
		return evaluate()
	})
	if err != nil {
		return err
	}
	return evaluate()
}

// candidateIDs calls f with the traces that can match, in the order of their ids.
func (c *duckConn) candidateIDs(ctx context.Context, src sources, p *query.Plan, within query.Range, f func(telemetry.TraceID) error) error {
	if shape := byRelations(p); related(src, shape, c.d.markBytes()) {
		return c.relate(ctx, src, shape, within, "", func(keys []searchKey) error {
			for _, k := range keys {
				if err := f(k.ID); err != nil {
					return err
				}
			}
			return nil
		})
	}
	statement, err := c.candidateStatement(ctx, src, p, within)
	if err != nil {
		return err
	}
	return c.rows(ctx, statement, func(v []any) error {
		id, err := traceID(v[0])
		if err != nil {
			return err
		}
		return f(id)
	})
}

func (c *duckConn) candidateStatement(ctx context.Context, src sources, p *query.Plan, within query.Range) (string, error) {
	read := src.within(within)
	sh := &shape{leaves: p.Leaves, within: within}
	if p.NeedsStructure {
		read, sh.within = src, everything
	}
	var err error
	if sh.trace, err = c.traceTable(ctx, src, p.Fields); err != nil {
		return "", err
	}
	u, err := c.union(ctx, read, sh)
	if err != nil {
		return "", err
	}
	return candidateSQL(p, within, u), nil
}

func candidateSQL(p *query.Plan, within query.Range, u *union) string {
	if len(p.Leaves) == 1 {
		return "SELECT DISTINCT trace_id FROM " + u.sql + " ORDER BY trace_id"
	}
	var out []string
	for i, gives := range outputs(p.Spans, make([]bool, len(p.Leaves))) {
		if gives {
			out = append(out, leafColumn(i))
		}
	}
	having := sqlAnd(needed(p.Spans), fmt.Sprintf("bool_or(start >= %s AND start < %s AND (%s))",
		integer(within.Start), integer(within.End), strings.Join(out, " OR ")))
	return "SELECT trace_id FROM " + u.sql + " GROUP BY trace_id HAVING " + having + " ORDER BY trace_id"
}

// needed is the condition over a trace without which no span can come out of e.
func needed(e *query.SpanExpr) string {
	if e.Op == "" {
		return fmt.Sprintf("bool_or(%s)", leafColumn(e.Leaf))
	}
	switch {
	case e.Op == query.OpPipe:
		return needed(e.L)
	case e.Op == "||":
		return sqlOr(needed(e.L), needed(e.R))
	case e.Op[0] == '!':
		return needed(e.R)
	}
	return sqlAnd(needed(e.L), needed(e.R))
}

// outputs marks the leaves whose spans can be in the answer.
func outputs(e *query.SpanExpr, out []bool) []bool {
	switch {
	case e.Op == "":
		out[e.Leaf] = true
	case e.Op == query.OpPipe:
		outputs(e.L, out)
	case e.Op == "&&" || e.Op == "||" || e.Op[0] == '&':
		outputs(e.L, out)
		outputs(e.R, out)
	default:
		outputs(e.R, out)
	}
	return out
}
