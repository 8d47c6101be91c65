package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tagNames lists the attribute names that the sources know, by scope. It reads
// catalogues only: a name is listed when a segment or a batch in memory that can
// have spans in the range has it.
func tagNames(src sources, within query.Range, scope telemetry.Scope, prefix string, limit int) []TagScope {
	seen := map[telemetry.Scope]map[string]bool{}
	add := func(s telemetry.Scope, key string) {
		if s == telemetry.ScopeIntrinsic || (scope != 0 && s != scope) || !strings.HasPrefix(key, prefix) {
			return
		}
		if seen[s] == nil {
			seen[s] = map[string]bool{}
		}
		seen[s][key] = true
	}
	for _, seg := range src.within(within).segments {
		for i := range seg.meta.Columns {
			add(seg.meta.Columns[i].Scope, seg.meta.Columns[i].Key)
		}
	}
	for _, b := range src.fresh {
		for _, t := range b.Tables() {
			for _, c := range t.Cols {
				add(c.Scope, c.Key)
			}
		}
	}
	var out []TagScope
	for _, s := range []telemetry.Scope{telemetry.ScopeResource, telemetry.ScopeSpan, telemetry.ScopeEvent, telemetry.ScopeLink, telemetry.ScopeInstrumentation} {
		if seen[s] == nil {
			continue
		}
		names := make([]string, 0, len(seen[s]))
		for n := range seen[s] {
			names = append(names, n)
		}
		slices.Sort(names)
		out = append(out, TagScope{Scope: s, Names: names[:min(len(names), limit)]})
	}
	return out
}

// tagValue is a value of a field and the number of spans that have it.
type tagValue struct {
	value query.Value
	count int64
}

// tagValues lists the distinct values of a field among the spans for which where
// holds, the most frequent first, then by value, and whether there are more than
// limit. Of attributes with two types the first is counted.
func (d *duck) tagValues(ctx context.Context, src sources, within query.Range, f query.Field, prefix string, where query.Expr, limit int) (out []tagValue, more bool, err error) {
	if !lowerable(where) || !labelsLowerable([]query.Field{f}) || f.Intrinsic == query.NestedSetParent || f.Intrinsic == query.EventTime {
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

// freshChildren is childUnion for what is in memory: a batch that has a row for
// each distinct value of each span is made and read as any other.
func (c *duckConn) freshChildren(ctx context.Context, src sources, sh *shape) (*branch, error) {
	flat := telemetry.NewBuilder()
	f := sh.labels[0]
	attr := query.Field{Scope: telemetry.ScopeSpan, Key: "value"}
	res, scope := flat.Resources.AddRow(), flat.Scopes.AddRow()
	for _, b := range src.fresh {
		r := query.NewReader(b)
		for row, ok := range query.Match(sh.leaves[0], r) {
			if !ok || !sh.within.Contains(b.Spans.Start[row]) || (src.maxSeq != 0 && b.Spans.Seq[row] > src.maxSeq) {
				continue
			}
			vals := r.Values(f, row)
			slices.SortFunc(vals, func(a, b query.Value) int {
				return query.CompareGroups([]query.Value{a}, []query.Value{b})
			})
			for _, v := range slices.Compact(vals) {
				at := flat.AddSpan(telemetry.Span{TraceID: b.Spans.TraceID[row], Start: b.Spans.Start[row], Resource: res, Scope: scope}, nil)
				putValue(&flat.Spans, attr.Key, at, v)
			}
		}
	}
	only := sources{fresh: []*telemetry.Batch{&flat.Batch}}
	return c.freshBranch(ctx, only, &shape{leaves: []query.Expr{query.Const{Value: true}}, labels: []query.Field{attr}, within: sh.within})
}

// summaries counts spans by service, or by name and kind of one service. Entry
// points are spans of kind server and consumer; what has none counts all its spans.
func (d *duck) summaries(ctx context.Context, src sources, within query.Range, service *string) (out []Summary, err error) {
	svc := query.Field{Scope: telemetry.ScopeResource, Key: telemetry.KeyServiceName}
	sh := &shape{leaves: []query.Expr{query.Const{Value: true}}, within: within, duration: true,
		labels: []query.Field{svc, query.IntrinsicField(query.Kind), query.IntrinsicField(query.Status)}}
	if service != nil {
		lit := query.Lit{Value: query.Value{Type: query.TypeString, Str: *service}}
		sh.leaves[0] = query.Compare{Op: query.OpEq, L: query.Ref{Field: svc}, R: lit}
		sh.labels[0] = query.IntrinsicField(query.Name)
	}
	err = d.do(ctx, 0, func(ctx context.Context, c *duckConn) error {
		u, err := c.union(ctx, src.within(within), sh)
		if err != nil {
			return err
		}
		return c.rows(ctx, summarySQL(u, service != nil), func(v []any) error {
			s, err := readSummary(v)
			out = append(out, s)
			return err
		})
	})
	slices.SortFunc(out, func(a, b Summary) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return out, err
}

func summarySQL(u *union, operations bool) string {
	name, group := "''", "1"
	if u.has("g0_s") {
		name = "coalesce(g0_s, '')"
	}
	kind, status := "g1_e", "g2_e"
	if !u.has("g1_e") {
		return "SELECT 1 WHERE FALSE"
	}
	first, entry := "0", kind+" IN (2, 5)"
	if operations {
		first, group = kind, "1, 2"
	}
	inner := fmt.Sprintf(`SELECT %s AS name, %s AS kind, count(*) AS spans, count(*) FILTER (WHERE %s) AS entries,
 count(*) FILTER (WHERE %s = 2) AS errors, count(*) FILTER (WHERE %s AND %s = 2) AS entry_errors,
 quantile_disc(duration, [0.5, 0.95, 0.99]) AS q, quantile_disc(duration, [0.5, 0.95, 0.99]) FILTER (WHERE %s) AS eq, max(start) AS seen
 FROM %s GROUP BY %s`, name, first, entry, status, entry, status, entry, u.sql, group)
	return `SELECT name, kind::INTEGER, spans, CASE WHEN entries > 0 THEN entries ELSE spans END, CASE WHEN entries > 0 THEN entry_errors ELSE errors END,
 CASE WHEN entries > 0 THEN eq ELSE q END, seen FROM (` + inner + ")"
}

func readSummary(v []any) (Summary, error) {
	q, ok := v[5].([]any)
	if !ok || len(q) != 3 {
		return Summary{}, fmt.Errorf("quantiles %v have type %T", v[5], v[5])
	}
	num := func(x any) int64 {
		n, isNum := x.(int64)
		ok = ok && isNum
		return n
	}
	name, isText := v[0].(string)
	kind, isKind := v[1].(int32)
	s := Summary{Name: name, Kind: uint8(kind), Spans: num(v[2]), Requests: num(v[3]), Errors: num(v[4]),
		P50: num(q[0]), P95: num(q[1]), P99: num(q[2]), LastSeen: num(v[6])}
	if !ok || !isText || !isKind {
		return s, fmt.Errorf("summary %v has unexpected types", v)
	}
	return s, nil
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
