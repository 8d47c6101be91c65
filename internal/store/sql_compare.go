package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Limits of compare(…): every attribute is a statement, over a table that holds those of one pass.
const (
	maxComparedFields = 1000
	comparedAtOnce    = 8 // fields that are read in one pass over the spans
)

// compared answers compare(…): for every attribute its most frequent values among
// the spans of the selection and among all others.
func (c *duckConn) compared(ctx context.Context, src sources, o metricsSpec, leaf query.Expr) ([]query.Series, error) {
	fields, children, err := comparedFields(src, o.steps.Range)
	if err != nil {
		return nil, err
	}
	x := &comparison{c: c, src: src, o: o, leaf: leaf, lines: map[query.Field][]query.Series{}}
	if x.trace, err = c.traceTable(ctx, src, o.plan.Fields); err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(fields, comparedAtOnce) {
		if err := x.spanFields(ctx, chunk); err != nil {
			return nil, err
		}
	}
	for _, f := range children {
		if err := x.childField(ctx, f); err != nil {
			return nil, err
		}
	}
	var out []query.Series
	for _, f := range query.ComparedFields(slices.Concat(fields, children)) {
		out = append(out, x.lines[f]...)
	}
	return out, query.CheckCompared(len(out), o.steps)
}

// comparedFields gives the fields of spans, and those of events and links.
func comparedFields(src sources, within query.Range) (fields, children []query.Field, err error) {
	var attributes []query.Field
	for _, s := range tagNames(src, within, nameFilter{}, math.MaxInt) {
		for _, key := range s.Names {
			attributes = append(attributes, query.Field{Scope: s.Scope, Key: key})
		}
	}
	all := query.ComparedFields(attributes)
	if len(all) > maxComparedFields {
		return nil, nil, telemetry.Errorf(telemetry.KindExhausted, "compare meets %d attributes, the limit is %d: narrow the time range to spans with fewer", len(all), maxComparedFields)
	}
	for _, f := range all {
		if childTable(f) != 0 {
			children = append(children, f)
		} else {
			fields = append(fields, f)
		}
	}
	return fields, children, nil
}

// comparison collects the lines of every field.
type comparison struct {
	c     *duckConn
	src   sources
	o     metricsSpec
	leaf  query.Expr
	trace string
	lines map[query.Field][]query.Series
}

// spanFields reads the values of some fields of the spans in one pass.
func (x *comparison) spanFields(ctx context.Context, fields []query.Field) error {
	m, all := x.o.plan.Metrics.Compare, x.o.steps.Range
	sh := &shape{leaves: []query.Expr{x.leaf, query.And{Xs: []query.Expr{x.leaf, m.Selection}}}, labels: fields, within: all, trace: x.trace}
	u, err := x.c.union(ctx, x.src.within(all), sh)
	if err != nil {
		return err
	}
	side := fmt.Sprintf("(l1 AND start >= %s AND start < %s)::INTEGER", integer(m.Range.Start), integer(m.Range.End))
	return x.count(ctx, fields, []comparedRows{{side, u}})
}

// childField reads a field of events or links: a row for each value that a span
// has. What the selection's condition holds for is of the selection within its
// range, and of the baseline before and after.
func (x *comparison) childField(ctx context.Context, f query.Field) error {
	m, all := x.o.plan.Metrics.Compare, x.o.steps.Range
	in := query.And{Xs: []query.Expr{x.leaf, m.Selection}}
	first, last := max(all.Start, min(m.Range.Start, all.End)), max(all.Start, min(m.Range.End, all.End))
	var rows []comparedRows
	for _, p := range []struct {
		side   string
		leaf   query.Expr
		within query.Range
	}{
		{"0", query.And{Xs: []query.Expr{x.leaf, query.Not{X: m.Selection}}}, all},
		{"0", in, query.Range{Start: all.Start, End: first}},
		{"1", in, query.Range{Start: first, End: last}},
		{"0", in, query.Range{Start: last, End: all.End}},
	} {
		if p.within.Start >= p.within.End {
			continue
		}
		u, err := x.c.childUnion(ctx, x.src.within(p.within), &shape{leaves: []query.Expr{p.leaf}, labels: []query.Field{f}, within: p.within, trace: x.trace})
		if err != nil {
			return err
		}
		rows = append(rows, comparedRows{p.side, u})
	}
	return x.count(ctx, []query.Field{f}, rows)
}

// comparedRows are rows with the expression of the side that they are on.
type comparedRows struct {
	side string
	u    *union
}

// count keeps the rows in a table and asks it about each field.
func (x *comparison) count(ctx context.Context, fields []query.Field, rows []comparedRows) error {
	cols := make([][]columnDecl, len(fields))
	for i := range fields {
		for _, p := range labelParts {
			d := columnDecl{labelColumn(i, p.name), p.typ}
			if slices.ContainsFunc(rows, func(r comparedRows) bool { return r.u.has(d.name) }) {
				cols[i] = append(cols[i], d)
			}
		}
	}
	parts := make([]string, len(rows))
	for i, r := range rows {
		items := []string{r.side + " AS side", fmt.Sprintf("(start - %s) // %d AS step", integer(x.o.steps.Start), x.o.steps.Step)}
		for _, d := range slices.Concat(cols...) {
			if r.u.has(d.name) {
				items = append(items, d.name)
			} else {
				items = append(items, "NULL::"+d.typ+" AS "+d.name)
			}
		}
		parts[i] = "SELECT " + strings.Join(items, ", ") + " FROM " + r.u.sql
	}
	table, err := x.c.table(ctx, strings.Join(parts, "\nUNION ALL "))
	if err != nil {
		return err
	}
	for i, f := range fields {
		if err := x.field(ctx, f, i, cols[i], table); err != nil {
			return err
		}
	}
	return x.c.forget(ctx, table)
}

func (x *comparison) field(ctx context.Context, f query.Field, i int, cols []columnDecl, table string) error {
	if len(cols) == 0 {
		return nil
	}
	m := x.o.plan.Metrics.Compare
	sides := [2]query.ComparedSide{x.side(), x.side()}
	names := make([]string, len(cols))
	for j, d := range cols {
		names[j] = d.name
	}
	err := x.c.rows(ctx, x.statement(names, table), func(row []any) error {
		step, err := stepOf(row[1], x.o.steps)
		side, ok := row[0].(int32)
		place, ok2 := row[2].(int64)
		distinct, ok3 := row[4].(int64)
		if err != nil || !ok || !ok2 || !ok3 {
			return fmt.Errorf("comparison %v has unexpected types", row)
		}
		s := &sides[side]
		s.Distinct = int(distinct)
		n := float64Of(row[3])
		s.Total[step] += n
		if int(place) > m.Top {
			return nil
		}
		for len(s.Top) < int(place) {
			s.Top = append(s.Top, query.ComparedValue{Counts: make([]float64, x.o.steps.N)})
		}
		v := &s.Top[place-1]
		v.Value = labelOf(f, i, func(column string) int { return slices.Index(names, column) }, row[5:])
		v.Counts[step] = n
		return nil
	})
	x.lines[f] = m.Series(f, sides[0], sides[1])
	return err
}

func (x *comparison) side() query.ComparedSide {
	return query.ComparedSide{Total: make([]float64, x.o.steps.N)}
}

// statement counts values by side and step, ranks them by their number in all
// steps, and adds up those behind the last that is asked for.
func (x *comparison) statement(cols []string, table string) string {
	var there, same, picked, order []string
	for _, c := range cols {
		there = append(there, c+" IS NOT NULL")
		same = append(same, "c."+c+" IS NOT DISTINCT FROM r."+c)
		picked = append(picked, "any_value(c."+c+")")
		order = append(order, "("+c+" IS NULL)") // text, then numbers …, as query.CompareGroups
		if strings.HasSuffix(c, "_d") {
			order = append(order, "NOT isnan("+c+")") // Go has NaN first
		}
		order = append(order, c)
	}
	list, top := strings.Join(cols, ", "), x.o.plan.Metrics.Compare.Top
	return fmt.Sprintf(`WITH c AS MATERIALIZED (SELECT side, step, %s, count(*) AS n FROM %s WHERE %s GROUP BY ALL),
r AS (SELECT side, %s, row_number() OVER (PARTITION BY side ORDER BY sum(n) DESC, %s) AS place, count(*) OVER (PARTITION BY side) AS m FROM c GROUP BY side, %s)
SELECT c.side, c.step, least(place, %d) AS p, sum(n), any_value(m), %s FROM c JOIN r ON c.side = r.side AND %s GROUP BY c.side, c.step, p`,
		list, table, sqlOr(there...), list, strings.Join(order, ", "), list, top+1, strings.Join(picked, ", "), strings.Join(same, " AND "))
}
