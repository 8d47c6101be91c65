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

// Limits of compare(…): every attribute is a statement.
const (
	maxComparedFields = 1000
	comparedAtOnce    = 16 // fields whose columns are in one union
)

// compared answers compare(…): for every attribute its most frequent values among
// the spans of the selection and among all others.
func (c *duckConn) compared(ctx context.Context, src sources, o metricsSpec, leaf query.Expr) ([]query.Series, error) {
	fields, children, err := comparedFields(src, o.steps.Range)
	if err != nil {
		return nil, err
	}
	x := &comparison{c: c, src: src, o: o, parts: comparedParts(o, leaf), lines: map[query.Field][]query.Series{}}
	if x.trace, err = c.traceTable(ctx, src, o.plan.Fields); err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(fields, comparedAtOnce) {
		if err := x.ask(ctx, chunk, c.union); err != nil {
			return nil, err
		}
	}
	for _, f := range children {
		if err := x.ask(ctx, []query.Field{f}, c.childUnion); err != nil {
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
	for _, s := range tagNames(src, within, 0, "", math.MaxInt) {
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

// comparedPart is a condition and a range whose spans are of one side.
type comparedPart struct {
	side   int // 0 baseline, 1 selection
	leaf   query.Expr
	within query.Range
}

// comparedParts divides the spans of the plan: what the selection's condition holds
// for is of the selection within its range, and of the baseline before and after.
func comparedParts(o metricsSpec, leaf query.Expr) []comparedPart {
	m, all := o.plan.Metrics.Compare, o.steps.Range
	in := query.And{Xs: []query.Expr{leaf, m.Selection}}
	first, last := max(all.Start, min(m.Range.Start, all.End)), max(all.Start, min(m.Range.End, all.End))
	out := []comparedPart{
		{0, query.And{Xs: []query.Expr{leaf, query.Not{X: m.Selection}}}, all},
		{0, in, query.Range{Start: all.Start, End: first}},
		{1, in, query.Range{Start: first, End: last}},
		{0, in, query.Range{Start: last, End: all.End}},
	}
	return slices.DeleteFunc(out, func(p comparedPart) bool { return p.within.Start >= p.within.End })
}

// comparison collects the lines of every field.
type comparison struct {
	c     *duckConn
	src   sources
	o     metricsSpec
	parts []comparedPart
	trace string
	lines map[query.Field][]query.Series
}

// ask runs a statement for each of some fields that share their unions.
func (x *comparison) ask(ctx context.Context, fields []query.Field, rows func(context.Context, sources, *shape) (*union, error)) error {
	unions := make([]*union, len(x.parts))
	for i, p := range x.parts {
		u, err := rows(ctx, x.src.within(p.within), &shape{leaves: []query.Expr{p.leaf}, labels: fields, within: p.within, trace: x.trace})
		if err != nil {
			return err
		}
		unions[i] = u
	}
	for i, f := range fields {
		if err := x.field(ctx, f, i, unions); err != nil {
			return err
		}
	}
	return nil
}

// comparedColumns lists the columns of label i that some part fills.
func comparedColumns(unions []*union, i int) []columnDecl {
	var out []columnDecl
	for _, p := range labelParts {
		d := columnDecl{labelColumn(i, p.name), p.typ}
		if slices.ContainsFunc(unions, func(u *union) bool { return u.has(d.name) }) {
			out = append(out, d)
		}
	}
	return out
}

func (x *comparison) field(ctx context.Context, f query.Field, i int, unions []*union) error {
	cols := comparedColumns(unions, i)
	if len(cols) == 0 {
		return nil
	}
	m := x.o.plan.Metrics.Compare
	sides := [2]query.ComparedSide{x.side(), x.side()}
	names := make([]string, len(cols))
	for j, d := range cols {
		names[j] = d.name
	}
	err := x.c.rows(ctx, x.statement(cols, unions), func(row []any) error {
		step, err := stepOf(row[1], x.o.steps)
		side, ok := row[0].(int32)
		rank, ok2 := row[2].(int64)
		distinct, ok3 := row[4].(int64)
		if err != nil || !ok || !ok2 || !ok3 {
			return fmt.Errorf("comparison %v has unexpected types", row)
		}
		s := &sides[side]
		s.Distinct = int(distinct)
		n := float64Of(row[3])
		s.Total[step] += n
		if int(rank) > m.Top {
			return nil
		}
		for len(s.Top) < int(rank) {
			s.Top = append(s.Top, query.ComparedValue{Counts: make([]float64, x.o.steps.N)})
		}
		v := &s.Top[rank-1]
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
func (x *comparison) statement(cols []columnDecl, unions []*union) string {
	var names, there, same, picked, order []string
	for i, d := range cols {
		names = append(names, d.name)
		there = append(there, d.name+" IS NOT NULL")
		same = append(same, "c."+d.name+" IS NOT DISTINCT FROM r."+d.name)
		picked = append(picked, "any_value(c."+d.name+")")
		order = append(order, fmt.Sprintf("(%s IS NULL)", d.name)) // text, then numbers …, as query.CompareGroups
		if strings.HasSuffix(d.name, "_d") {
			order = append(order, fmt.Sprintf("NOT isnan(%s)", d.name)) // Go has NaN first
		}
		order = append(order, cols[i].name)
	}
	parts := make([]string, len(unions))
	for i, u := range unions {
		items := []string{fmt.Sprintf("%d AS side", x.parts[i].side), fmt.Sprintf("(start - %s) // %d AS step", integer(x.o.steps.Start), x.o.steps.Step)}
		for _, d := range cols {
			if u.has(d.name) {
				items = append(items, d.name)
			} else {
				items = append(items, "NULL::"+d.typ+" AS "+d.name)
			}
		}
		parts[i] = "SELECT " + strings.Join(items, ", ") + " FROM " + u.sql
	}
	list, top := strings.Join(names, ", "), x.o.plan.Metrics.Compare.Top
	return fmt.Sprintf(`WITH c AS (SELECT side, step, %s, count(*) AS n FROM (%s) WHERE %s GROUP BY ALL),
r AS (SELECT side, %s, row_number() OVER (PARTITION BY side ORDER BY sum(n) DESC, %s) AS place, count(*) OVER (PARTITION BY side) AS m FROM c GROUP BY side, %s)
SELECT c.side, c.step, least(place, %d) AS p, sum(n), any_value(m), %s FROM c JOIN r ON c.side = r.side AND %s GROUP BY c.side, c.step, p`,
		list, strings.Join(parts, "\nUNION ALL "), sqlOr(there...), list, strings.Join(order, ", "), list, top+1, strings.Join(picked, ", "), strings.Join(same, " AND "))
}
