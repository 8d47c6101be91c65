package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// shape says which rows and columns a statement wants of every source. A row is
// wanted when one of the leaves holds for it and it starts within the range.
//
//	trace_id, start, duration, span_id, spans   fixed columns, as asked for
//	l0, l1 …                             whether leaf i holds, when there is more than one
//	g0_s, g0_n, g0_d, g0_b, g0_e …       label i: its value as text, integer, float, boolean, enumeration; one is not NULL
//	a_n, a_d                             the number of an aggregate: integer or float
type shape struct {
	leaves   []query.Expr
	labels   []query.Field
	arg      query.Operand
	argOnly  bool // only rows with a number are wanted
	within   query.Range
	duration bool
	spanID   bool
	spans    bool   // how many spans the trace has
	trace    string // name of the table of whole traces, when leaves or labels read one
}

// columnDecl is a column of the union and its type.
type columnDecl struct{ name, typ string }

// branch is one source's part of the union.
type branch struct {
	from  string
	where string
	cols  map[string]string
}

var labelParts = []columnDecl{{"s", "VARCHAR"}, {"n", "BIGINT"}, {"d", "DOUBLE"}, {"b", "BOOLEAN"}, {"e", "INTEGER"}}

func labelColumn(i int, part string) string { return "g" + strconv.Itoa(i) + "_" + part }

func leafColumn(i int) string { return "l" + strconv.Itoa(i) }

// decls lists all columns that the shape may have; those that no source fills are
// left out later.
func (sh *shape) decls() []columnDecl {
	out := []columnDecl{{"trace_id", "UUID"}, {"start", "BIGINT"}}
	if sh.duration {
		out = append(out, columnDecl{"duration", "BIGINT"})
	}
	if sh.spanID {
		out = append(out, columnDecl{"span_id", "UBIGINT"})
	}
	if sh.spans {
		out = append(out, columnDecl{"spans", "BIGINT"})
	}
	if len(sh.leaves) > 1 {
		for i := range sh.leaves {
			out = append(out, columnDecl{leafColumn(i), "BOOLEAN"})
		}
	}
	for i := range sh.labels {
		for _, p := range labelParts {
			out = append(out, columnDecl{labelColumn(i, p.name), p.typ})
		}
	}
	if sh.arg != nil {
		out = append(out, columnDecl{"a_n", "BIGINT"}, columnDecl{"a_d", "DOUBLE"})
	}
	return out
}

// union is the rows of all sources in one form, ready to stand behind FROM.
type union struct {
	sql  string
	cols map[string]bool // that some source fills
}

func (u *union) has(column string) bool { return u.cols[column] }

// union builds the statement's rows and copies what is in memory into a table.
func (c *duckConn) union(ctx context.Context, src sources, sh *shape) (*union, error) {
	var branches []branch
	for _, seg := range src.segments {
		b, s := segmentBranch(seg, sh, src.maxSeq)
		if b.where == sqlFalse {
			continue
		}
		if err := s.verify(); err != nil {
			return nil, err
		}
		branches = append(branches, b)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	fresh, err := c.freshBranch(ctx, src, sh)
	if err != nil {
		return nil, err
	}
	if fresh != nil {
		branches = append(branches, *fresh)
	}
	return joinBranches(sh, branches), nil
}

func joinBranches(sh *shape, branches []branch) *union {
	u := &union{cols: map[string]bool{}}
	var decls []columnDecl
	for _, d := range sh.decls() {
		fixed := !strings.HasPrefix(d.name, "g") && !strings.HasPrefix(d.name, "a_")
		filled := slices.ContainsFunc(branches, func(b branch) bool { return b.cols[d.name] != "" })
		if fixed || filled {
			u.cols[d.name] = true
			decls = append(decls, d)
		}
	}
	selects := func(b branch) string {
		items := make([]string, len(decls))
		for i, d := range decls {
			x := b.cols[d.name]
			if x == "" {
				x = "NULL::" + d.typ
			}
			items[i] = x + " AS " + d.name
		}
		return "SELECT " + strings.Join(items, ", ") + " FROM " + b.from + " WHERE " + b.where
	}
	if len(branches) == 0 {
		none := branch{from: "range(0)", where: sqlFalse, cols: map[string]string{}}
		u.sql = "(" + selects(none) + ")"
		return u
	}
	parts := make([]string, len(branches))
	for i, b := range branches {
		parts[i] = selects(b)
	}
	u.sql = "(" + strings.Join(parts, "\nUNION ALL ") + ")"
	return u
}

// segmentBranch is the part of one segment.
func segmentBranch(seg *segmentSource, sh *shape, maxSeq int64) (branch, *scan) {
	s := newScan(seg, segment.TableSpans)
	b := branch{cols: map[string]string{"trace_id": s.fixed("trace_id"), "start": s.start()}}
	if sh.duration {
		b.cols["duration"] = s.fixed("duration_ns")
	}
	if sh.spanID {
		b.cols["span_id"] = s.fixed("span_id")
	}
	if sh.spans {
		b.cols["spans"] = "tr.spans"
	}
	conds := make([]string, len(sh.leaves))
	for i, e := range sh.leaves {
		conds[i] = s.condition(e, true)
		b.cols[leafColumn(i)] = coalesceFalse(conds[i])
	}
	where := []string{sqlOr(conds...)}
	if where[0] == sqlFalse {
		b.where = sqlFalse
		return b, s
	}
	if seg.meta.MinStart < sh.within.Start {
		where = append(where, s.start()+" >= "+integer(sh.within.Start))
	}
	if seg.meta.MaxStart >= sh.within.End {
		where = append(where, s.start()+" < "+integer(sh.within.End))
	}
	if maxSeq != 0 && seg.meta.MaxSeq > maxSeq {
		where = append(where, s.fixed("seq")+" <= "+integer(maxSeq))
	}
	for i, f := range sh.labels {
		labelValues(b.cols, i, s.field(f))
	}
	if sh.arg != nil {
		if is := argument(b.cols, s.argument(sh.arg)); sh.argOnly {
			where = append(where, is)
		}
	}
	if b.where = sqlAnd(where...); b.where == sqlFalse {
		return b, s
	}
	b.from = s.from("spans.parquet") + sh.joinTrace("s.trace_id")
	return b, s
}

func (sh *shape) joinTrace(id string) string {
	if sh.trace == "" {
		return ""
	}
	return " LEFT JOIN " + sh.trace + " tr ON tr.trace_id = " + id
}

func coalesceFalse(x string) string {
	if x == sqlTrue || x == sqlFalse {
		return x
	}
	return "coalesce(" + x + ", FALSE)"
}

// labelValues fills the columns of label i so that at most one of them is not
// NULL: a row whose attribute has two types counts under the first.
func labelValues(cols map[string]string, i int, v values) {
	var before []string
	for _, p := range []struct{ part, x string }{{"s", v.str}, {"n", v.num}, {"d", v.dbl}, {"b", v.boolean}, {"e", v.enum}} {
		if p.x == "" {
			continue
		}
		x := p.x
		switch p.part {
		case "d":
			x = "(" + x + " + 0)" // −0 and 0 are one label
		case "e":
			x += "::INTEGER"
		}
		if len(before) > 0 {
			x = "(CASE WHEN " + strings.Join(before, " AND ") + " THEN " + x + " END)"
		}
		cols[labelColumn(i, p.part)] = x
		before = append(before, p.x+" IS NULL")
	}
}

// argument is the number that an aggregate reads, by type.
func (s *scan) argument(o query.Operand) values {
	if r, ok := o.(query.Ref); ok {
		return s.field(r.Field)
	}
	return values{dbl: s.number(o)}
}

// argument fills a_n and a_d and gives the condition that there is a number; NaN
// is none.
func argument(cols map[string]string, v values) string {
	var is []string
	if v.num != "" {
		cols["a_n"] = v.num
		is = append(is, v.num+" IS NOT NULL")
	}
	if v.dbl != "" {
		number := v.dbl + " IS NOT NULL AND NOT isnan(" + v.dbl + ")"
		x := "CASE WHEN NOT isnan(" + v.dbl + ") THEN " + v.dbl + " END"
		if v.num != "" {
			x = "CASE WHEN " + v.num + " IS NULL AND NOT isnan(" + v.dbl + ") THEN " + v.dbl + " END"
		}
		cols["a_d"] = "(" + x + ")"
		is = append(is, "("+number+")")
	}
	return sqlOr(is...)
}

// labelOf reads the value of label i from the row of an answer; at gives the
// place of a column, or -1.
func labelOf(f query.Field, i int, at func(column string) int, row []any) query.Value {
	for _, p := range labelParts {
		j := at(labelColumn(i, p.name))
		if j < 0 || row[j] == nil {
			continue
		}
		switch v := row[j].(type) {
		case string:
			return query.Value{Type: query.TypeString, Str: v}
		case int64:
			t := query.TypeInt
			if f.Type() == query.TypeDuration {
				t = query.TypeDuration
			}
			return query.Value{Type: t, Int: v}
		case int32:
			return query.Value{Type: f.Type(), Int: int64(v)}
		case float64:
			return query.Value{Type: query.TypeFloat, Float: v}
		case bool:
			if v {
				return query.Value{Type: query.TypeBool, Int: 1}
			}
			return query.Value{Type: query.TypeBool}
		}
	}
	return query.Value{Type: query.TypeNil}
}

// labelNames lists the columns of the labels that exist, for GROUP BY.
func (u *union) labelNames(n int) []string {
	var out []string
	for i := range n {
		for _, p := range labelParts {
			if c := labelColumn(i, p.name); u.has(c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// traceTable makes the table of whole traces that trace fields are read from: over
// all sources, whatever the range of the query.
func (c *duckConn) traceTable(ctx context.Context, src sources, fields []query.Field) (string, error) {
	return c.traceFacts(ctx, src, fields, false)
}

// traceFacts is traceTable, with the number of spans when that is asked for.
func (c *duckConn) traceFacts(ctx context.Context, src sources, fields []query.Field, spans bool) (string, error) {
	var duration, root bool
	for _, f := range fields {
		duration = duration || f.Intrinsic == query.TraceDuration
		root = root || f.Intrinsic == query.RootName || f.Intrinsic == query.RootService
	}
	if !duration && !root && !spans {
		return "", nil
	}
	isRoot := query.Compare{Op: query.OpLt, L: query.Ref{Field: query.IntrinsicField(query.NestedSetParent)},
		R: query.Lit{Value: query.Value{Type: query.TypeInt}}}
	sh := &shape{within: everything, duration: duration, spanID: root}
	sel := []string{"trace_id", "NULL::BIGINT AS duration", "NULL::VARCHAR AS root_name", "NULL::VARCHAR AS root_service"}
	if duration || spans {
		sh.leaves = append(sh.leaves, query.Const{Value: true})
	}
	if spans {
		sel = append(sel, "count(*) AS spans")
	}
	if duration {
		const low, high = "(-9223372036854775808)", "9223372036854775807"
		// Ends and durations stay at the limits of 64 bits, as query.SaturatingAdd does.
		end := "CASE WHEN start BETWEEN 0 AND 4611686018427387903 AND duration BETWEEN 0 AND 4611686018427387903 THEN start + duration" +
			" ELSE CAST(greatest(least(start::HUGEINT + duration, " + high + "), " + low + ") AS BIGINT) END"
		sel[1] = "CAST(greatest(least(max(" + end + ")::HUGEINT - min(start), " + high + "), " + low + ") AS BIGINT) AS duration"
	}
	if root {
		sh.leaves = append(sh.leaves, isRoot)
		sh.labels = []query.Field{query.IntrinsicField(query.Name), {Scope: telemetry.ScopeResource, Key: telemetry.KeyServiceName}}
	}
	u, err := c.union(ctx, src, sh)
	if err != nil {
		return "", err
	}
	if root {
		service := "NULL::VARCHAR"
		if u.has("g1_s") {
			service = "g1_s"
		}
		name := "NULL::VARCHAR"
		if u.has("g0_s") {
			name = "g0_s"
		}
		first := "arg_min({'name': " + name + ", 'service': " + service + "}, {'start': start, 'span': span_id})"
		if duration || spans {
			first += " FILTER (WHERE l1)"
		}
		sel[2] = "(" + first + ").name AS root_name"
		sel[3] = "(" + first + ").service AS root_service"
	}
	return c.table(ctx, fmt.Sprintf("SELECT %s FROM %s GROUP BY trace_id", strings.Join(sel, ", "), u.sql))
}
