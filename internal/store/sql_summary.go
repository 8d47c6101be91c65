package store

import (
	"context"
	"fmt"
	"strings"

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
		out, err = c.readSummaries(ctx, summaryRows(u, service != nil))
		return err
	})
	return out, err
}

// summaryQuantiles are those of a Summary.
var summaryQuantiles = []float64{0.5, 0.95, 0.99}

// summaryGroup are the columns of summaryRows that make a group: the entry points and
// the other spans of each name are apart.
var summaryGroup = []string{"name", "kind", "entry"}

// summaryRows gives a row a span.
func summaryRows(u *union, operations bool) string {
	name, kind := "''", "0"
	if u.has("g0_s") {
		name = "coalesce(g0_s, '')"
	}
	if operations {
		kind = "g1_e"
	}
	return "(SELECT " + name + " AS name, " + kind + "::INTEGER AS kind, g1_e IN (2, 5) AS entry, g2_e = 2 AS error, start, duration AS v FROM " + u.sql + ")"
}

// summaryKey is a group.
type summaryKey struct {
	name  string
	kind  int32
	entry bool
}

func (k *summaryKey) read(v []any) error {
	var ok [3]bool
	k.name, ok[0] = v[0].(string)
	k.kind, ok[1] = v[1].(int32)
	k.entry, ok[2] = v[2].(bool)
	if ok != [3]bool{true, true, true} {
		return fmt.Errorf("summary %v has unexpected types", v)
	}
	return nil
}

// readSummaries joins the two groups of a name. Their order brings entry points
// last: where there are any, requests, errors and quantiles are theirs alone.
func (c *duckConn) readSummaries(ctx context.Context, rows string) ([]Summary, error) {
	statement, counts, err := c.rankedSQL(ctx, rows, summaryGroup, summaryQuantiles, ", count(*) FILTER (WHERE error) AS errors, max(start) AS last")
	if err != nil {
		return nil, err
	}
	ranks, err := c.readRanks(ctx, statement)
	if err != nil {
		return nil, err
	}
	var out []Summary
	group := strings.Join(summaryGroup, ", ")
	err = c.rows(ctx, "SELECT "+group+", sum(cnt)::BIGINT, sum(errors)::BIGINT, max(last) FROM "+counts+" GROUP BY "+group+" ORDER BY "+group, func(v []any) error {
		var k summaryKey
		if err := k.read(v); err != nil {
			return err
		}
		q := ranks[k]
		s := Summary{Name: k.name, Kind: uint8(k.kind), P50: q[0], P95: q[1], P99: q[2]}
		for i, to := range []*int64{&s.Spans, &s.Errors, &s.LastSeen} {
			n, ok := v[3+i].(int64)
			if !ok {
				return fmt.Errorf("summary %v has unexpected types", v)
			}
			*to = n
		}
		s.Requests = s.Spans
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

// readRanks gives the quantiles of every group.
func (c *duckConn) readRanks(ctx context.Context, statement string) (map[summaryKey][3]int64, error) {
	out := map[summaryKey][3]int64{}
	err := c.rows(ctx, statement, func(v []any) error {
		var k summaryKey
		if err := k.read(v); err != nil {
			return err
		}
		value, isNumber := v[3].(int64)
		hits, isList := v[4].([]any)
		q := out[k]
		if !isNumber || !isList || len(hits) != len(q) {
			return fmt.Errorf("quantiles %v have unexpected types", v)
		}
		for i := range q {
			if hits[i] != nil {
				q[i] = value
			}
		}
		out[k] = q
		return nil
	})
	return out, err
}
