package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tagValue is a value of a field and the number of spans that have it.
type tagValue struct {
	value query.Value
	count int64
}

// tagValues lists the distinct values of a field among the spans for which where
// holds, the most frequent first, then by value, and whether there are more than
// limit. Of attributes with two types the first is counted.
func (d *duck) tagValues(ctx context.Context, src sources, within query.Range, f query.Field, prefix string, where query.Expr, limit int) (out []tagValue, more bool, err error) {
	f.Parent = false // what a parent can have is what a span has
	if !fieldLowerable(f) {
		return nil, false, telemetry.Errorf(telemetry.KindInvalid, "values of %s cannot be listed: the field is calculated for each span and stored nowhere; use it in conditions, and list another one", f)
	}
	if !lowerable(where) || src.lists(where) {
		return nil, false, telemetry.Errorf(telemetry.KindInvalid, "values of %s where %s cannot be listed: use a simpler filter", f, query.ExprString(where))
	}
	err = d.do(ctx, 0, func(ctx context.Context, c *duckConn) error {
		sh := &shape{leaves: []query.Expr{where}, labels: []query.Field{f}, within: within}
		var fields []query.Field
		query.WalkFields(where, func(f query.Field) { fields = append(fields, f) })
		trace, err := c.traceTable(ctx, src, append(fields, f))
		if err != nil {
			return err
		}
		sh.trace = trace
		var u *union
		if f.Level() == query.LevelEvent || f.Level() == query.LevelLink {
			u, err = c.childUnion(ctx, src.within(within), sh)
		} else {
			u, err = c.union(ctx, src.within(within), sh)
		}
		if err != nil {
			return err
		}
		labels := u.labelNames(1)
		if len(labels) == 0 {
			return nil
		}
		cond := []string{"coalesce(" + strings.Join(casts(labels), ", ") + ") IS NOT NULL"}
		if prefix != "" {
			if !u.has("g0_s") {
				return nil
			}
			cond = append(cond, "starts_with(g0_s, "+text(prefix)+")")
		}
		list := strings.Join(labels, ", ")
		statement := fmt.Sprintf("SELECT %s, count(*) AS n FROM %s WHERE %s GROUP BY %s ORDER BY n DESC, %s LIMIT %d", list, u.sql, sqlAnd(cond...), list, list, limit+1)
		return c.rows(ctx, statement, func(row []any) error {
			at := func(column string) int { return slices.Index(labels, column) }
			n, ok := row[len(labels)].(int64)
			if !ok {
				return fmt.Errorf("count %v has type %T", row[len(labels)], row[len(labels)])
			}
			out = append(out, tagValue{labelOf(f, 0, at, row), n})
			return nil
		})
	})
	if more = len(out) > limit; more {
		out = out[:limit]
	}
	return out, more, err
}

func casts(cols []string) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c + "::VARCHAR"
	}
	return out
}

// childUnion gives a row for every distinct value that a span has in its events or
// links, so that values are counted in spans.
func (c *duckConn) childUnion(ctx context.Context, src sources, sh *shape) (*union, error) {
	f := sh.labels[0]
	table, file := childTable(f), "events.parquet"
	if table == segment.TableLinks {
		file = "links.parquet"
	}
	var branches []branch
	for _, seg := range src.segments {
		if seg.meta.File(file) == nil {
			continue
		}
		plain := *sh
		plain.labels = nil
		b, s := segmentBranch(seg, &plain, src.maxSeq)
		k := newScan(seg, table)
		v := k.childField(f)
		if b.where == sqlFalse || v.present == sqlFalse {
			continue
		}
		labelValues(b.cols, 0, v)
		span := k.fixed("span")
		for _, read := range []*scan{s, k} {
			if err := read.verify(); err != nil {
				return nil, err
			}
		}
		b.from += " JOIN (SELECT DISTINCT " + span + " AS of"
		for _, p := range labelParts {
			if x := b.cols[labelColumn(0, p.name)]; x != "" {
				b.from += ", " + x + " AS " + p.name
				b.cols[labelColumn(0, p.name)] = "k." + p.name
			}
		}
		b.from += " FROM " + k.from(file) + ") k ON k.of = " + s.rowNumber()
		branches = append(branches, b)
	}
	u := joinBranches(sh, branches)
	fresh, err := c.freshChildren(ctx, src, sh)
	if err != nil || fresh == nil {
		return u, err
	}
	return joinBranches(sh, append(branches, *fresh)), nil
}

// freshChildren is childUnion for what is in memory.
func (c *duckConn) freshChildren(ctx context.Context, src sources, sh *shape) (*branch, error) {
	return c.freshFlat(ctx, src, sh, func(_ int, r *query.Reader, row int) []query.Value {
		vals := r.Values(sh.labels[0], row)
		slices.SortFunc(vals, func(a, b query.Value) int {
			return query.CompareGroups([]query.Value{a}, []query.Value{b})
		})
		return slices.Compact(vals)
	})
}

// freshFlat makes a batch that has a row for each of some values of each span in
// memory, and reads it as any other. What Go can say of the condition is said of the
// span and kept with its rows; fields of the whole trace are left to SQL.
func (c *duckConn) freshFlat(ctx context.Context, src sources, sh *shape, of func(batch int, r *query.Reader, row int) []query.Value) (*branch, error) {
	flat := telemetry.NewBuilder()
	value := query.Field{Scope: telemetry.ScopeSpan, Key: "value"}
	res, scope := flat.Resources.AddRow(), flat.Scopes.AddRow()
	var parts []query.Expr
	leaf := spanParts(sh.leaves[0], &parts)
	for n, b := range src.fresh {
		r := query.NewReader(b)
		held := make([][]bool, len(parts))
		for i, e := range parts {
			held[i] = query.Match(e, r)
		}
		for row := range b.Spans.N {
			if !sh.within.Contains(b.Spans.Start[row]) || (src.maxSeq != 0 && b.Spans.Seq[row] > src.maxSeq) {
				continue
			}
			for _, v := range of(n, r, row) {
				at := flat.AddSpan(telemetry.Span{TraceID: b.Spans.TraceID[row], Start: b.Spans.Start[row], Resource: res, Scope: scope}, nil)
				putValue(&flat.Spans, value.Key, at, v)
				for i := range parts {
					if held[i][row] {
						putValue(&flat.Spans, partKey(i), at, query.Value{Type: query.TypeBool, Int: 1})
					}
				}
			}
		}
	}
	only := sources{fresh: []*telemetry.Batch{&flat.Batch}}
	return c.freshBranch(ctx, only, &shape{leaves: []query.Expr{leaf}, labels: []query.Field{value}, within: sh.within, trace: sh.trace})
}

func partKey(i int) string { return fmt.Sprint("part ", i) }

// spanParts takes what reads no field of the whole trace out of a condition and puts
// a boolean attribute of the flat batch in its place.
func spanParts(e query.Expr, parts *[]query.Expr) query.Expr {
	if !readsTrace(e) {
		*parts = append(*parts, e)
		part := query.Field{Scope: telemetry.ScopeSpan, Key: partKey(len(*parts) - 1)}
		return query.Compare{Op: query.OpEq, L: query.Ref{Field: part}, R: query.Lit{Value: query.Value{Type: query.TypeBool, Int: 1}}}
	}
	all := func(xs []query.Expr) []query.Expr {
		out := make([]query.Expr, len(xs))
		for i, x := range xs {
			out[i] = spanParts(x, parts)
		}
		return out
	}
	switch e := e.(type) {
	case query.And:
		return query.And{Xs: all(e.Xs)}
	case query.Or:
		return query.Or{Xs: all(e.Xs)}
	case query.Not:
		return query.Not{X: spanParts(e.X, parts)}
	}
	return e
}

// putValue sets an attribute of a span that is being built.
func putValue(t *telemetry.TableBuilder, key string, row uint32, v query.Value) {
	col := func(typ telemetry.Type) *telemetry.ColumnBuilder { return t.Col(telemetry.ScopeSpan, []byte(key), typ) }
	switch v.Type {
	case query.TypeString:
		col(telemetry.TypeString).AddText(row, []byte(v.Str))
	case query.TypeFloat:
		col(telemetry.TypeDouble).AddNum(row, floatBits(v.Float))
	case query.TypeBool:
		col(telemetry.TypeBool).AddNum(row, uint64(v.Int))
	default:
		col(telemetry.TypeInt).AddNum(row, uint64(v.Int))
	}
}
