package store

import (
	"context"
	"fmt"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

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
		if !u.has("g1_e") {
			return nil // no spans at all
		}
		out, err = c.readSummaries(ctx, summarySQL(u, service != nil))
		return err
	})
	return out, err
}

// summarySQL gives a row for the entry points and a row for the other spans of
// each name, so that quantiles are worked out once.
func summarySQL(u *union, operations bool) string {
	name, kind := "''", "0"
	if u.has("g0_s") {
		name = "coalesce(g0_s, '')"
	}
	if operations {
		kind = "g1_e"
	}
	return "SELECT " + name + ", " + kind + "::INTEGER, g1_e IN (2, 5), count(*), count(*) FILTER (WHERE g2_e = 2)," +
		" quantile_disc(duration, [0.5, 0.95, 0.99]), max(start) FROM " + u.sql + " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
}

// readSummaries joins the two rows of a name. Their order brings entry points
// last: where there are any, requests, errors and quantiles are theirs alone.
func (c *duckConn) readSummaries(ctx context.Context, statement string) ([]Summary, error) {
	var out []Summary
	err := c.rows(ctx, statement, func(v []any) error {
		name, isText := v[0].(string)
		kind, isKind := v[1].(int32)
		q, isList := v[5].([]any)
		if !isText || !isKind || !isList || len(q) != 3 {
			return fmt.Errorf("summary %v has unexpected types", v)
		}
		ok := true
		num := func(x any) int64 {
			n, isNum := x.(int64)
			ok = ok && isNum
			return n
		}
		s := Summary{Name: name, Kind: uint8(kind), Spans: num(v[3]), Requests: num(v[3]), Errors: num(v[4]),
			P50: num(q[0]), P95: num(q[1]), P99: num(q[2]), LastSeen: num(v[6])}
		if !ok {
			return fmt.Errorf("summary %v has unexpected types", v)
		}
		if n := len(out) - 1; n >= 0 && out[n].Name == s.Name && out[n].Kind == s.Kind {
			s.Spans += out[n].Spans
			s.LastSeen = max(s.LastSeen, out[n].LastSeen)
			out = out[:n]
		}
		out = append(out, s)
		return nil
	})
	return out, err
}
