package store

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// lowerable reports whether SQL can answer the condition exactly. The rest is left
// to the evaluation of whole traces: comparisons of an event or link with anything
// but a constant, the time of an event, counts of children, numbers of nested sets,
// what a parent has, powers, and all but equality of a parent's id.
func lowerable(e query.Expr) bool {
	switch e := e.(type) {
	case query.And:
		return allLowerable(e.Xs)
	case query.Or:
		return allLowerable(e.Xs)
	case query.Not:
		return lowerable(e.X)
	case query.Exists:
		return !e.Field.Parent
	case query.Compare:
		ok, child, whole, part := true, false, false, false
		see := func(f query.Field) {
			whole = whole || f.Level() == query.LevelTrace
			part = part || f.Level() != query.LevelTrace
			child = child || f.Level() == query.LevelEvent || f.Level() == query.LevelLink
			ok = ok && !f.Parent && f.Intrinsic != query.EventTime && !shapeField(f)
			ok = ok && (f.Intrinsic != query.ParentID || e.Op == query.OpEq || e.Op == query.OpNe)
		}
		query.WalkOperand(e.L, see)
		query.WalkOperand(e.R, see)
		ok = ok && !raises(e.L) && !raises(e.R)
		_, ref := e.L.(query.Ref)
		_, lit := e.R.(query.Lit)
		if parent := isField(e.L, query.ParentID) || isField(e.R, query.ParentID); parent || child {
			return ok && ref && lit
		}
		return ok && !(whole && part)
	}
	return true
}

// raises reports whether the operand has a power, whose last bits are not the same
// in DuckDB and in Go.
func raises(o query.Operand) bool {
	a, ok := o.(query.Arith)
	return ok && (a.Op == '^' || raises(a.L) || raises(a.R))
}

// fieldLowerable reports whether there are columns with the values of a field.
func fieldLowerable(f query.Field) bool {
	switch f.Intrinsic {
	case query.ParentID, query.EventTime, query.NestedSetParent:
		return false
	}
	return !f.Parent && !shapeField(f)
}

// shapeField reports whether the field is a number that follows from the parents of
// all spans of the trace: every span has it, and only Go knows it.
func shapeField(f query.Field) bool {
	switch f.Intrinsic {
	case query.ChildCount, query.NestedSetLeft, query.NestedSetRight, query.NestedSetParentLeft:
		return true
	}
	return false
}

// labelsLowerable reports the same of labels, of which a row has one value each.
func labelsLowerable(fields []query.Field) bool {
	return !slices.ContainsFunc(fields, func(f query.Field) bool { return !fieldLowerable(f) || childTable(f) != 0 })
}

func argLowerable(o query.Operand) bool {
	if o == nil {
		return true
	}
	whole, part, ok := false, false, true
	query.WalkOperand(o, func(f query.Field) {
		whole = whole || f.Level() == query.LevelTrace
		part = part || f.Level() != query.LevelTrace
		ok = ok && fieldLowerable(f) && childTable(f) == 0
	})
	_, ref := o.(query.Ref)
	return ok && !raises(o) && (!whole || (ref && !part))
}

func allLowerable(xs []query.Expr) bool {
	for _, x := range xs {
		if !lowerable(x) {
			return false
		}
	}
	return true
}

func isField(o query.Operand, i query.Intrinsic) bool {
	r, ok := o.(query.Ref)
	return ok && r.Field.Intrinsic == i
}

// condition writes e over the spans of a segment. Where SQL cannot say it, the
// answer is too wide rather than too narrow: true, or false below a negation.
func (s *scan) condition(e query.Expr, positive bool) string {
	switch e := e.(type) {
	case query.Const:
		if e.Value {
			return sqlTrue
		}
		return sqlFalse
	case query.And:
		return sqlAnd(s.conditions(e.Xs, positive)...)
	case query.Or:
		return sqlOr(s.conditions(e.Xs, positive)...)
	case query.Not:
		return sqlNot(s.condition(e.X, !positive))
	case query.Exists:
		if !lowerable(e) {
			return wide(positive)
		}
		if t := childTable(e.Field); t != 0 {
			return s.child(t, func(c *scan) string { return c.childField(e.Field).present })
		}
		return s.field(e.Field).present
	case query.Compare:
		if !lowerable(e) || s.seg.lists(e) {
			return wide(positive)
		}
		return s.compare(e)
	}
	return sqlFalse
}

// wide stands for a condition that SQL cannot say.
func wide(positive bool) string {
	if positive {
		return sqlTrue
	}
	return sqlFalse
}

func (s *scan) conditions(xs []query.Expr, positive bool) []string {
	out := make([]string, len(xs))
	for i, x := range xs {
		out[i] = s.condition(x, positive)
	}
	return out
}

func childTable(f query.Field) byte {
	switch f.Level() {
	case query.LevelEvent:
		return segment.TableEvents
	case query.LevelLink:
		return segment.TableLinks
	}
	return 0
}

// child is the condition that one event or link of the span fulfils cond.
func (s *scan) child(table byte, cond func(c *scan) string) string {
	file := "events.parquet"
	if table == segment.TableLinks {
		file = "links.parquet"
	}
	if s.seg.meta.File(file) == nil {
		return sqlFalse
	}
	c := newScan(s.seg, table)
	where := cond(c)
	if where == sqlFalse {
		return sqlFalse
	}
	span := c.fixed("span")
	for t, cols := range c.used {
		for col := range cols {
			s.use(t, col)
		}
	}
	return s.rowNumber() + " IN (SELECT " + span + " FROM " + c.from(file) + " WHERE " + where + ")"
}

func (s *scan) childField(f query.Field) values {
	switch f.Intrinsic {
	case query.EventName:
		return values{str: s.fixed("name"), present: sqlTrue}
	case query.LinkTraceID:
		return values{str: "replace(" + s.fixed("trace_id") + "::VARCHAR, '-', '')", present: sqlTrue}
	case query.LinkSpanID:
		return values{str: "lpad(lower(to_hex(" + s.fixed("span_id") + ")), 16, '0')", present: sqlTrue}
	}
	return s.attribute(f.Scope, f.Keys()...)
}

// compare writes one comparison. Those that read nothing but the resource or the
// scope are answered here, once per row of those small tables.
func (s *scan) compare(e query.Compare) string {
	if small := onlyLevel(e); small == query.LevelResource || small == query.LevelInstrumentation {
		return s.small(e, small)
	}
	if r, ok := e.L.(query.Ref); ok {
		if t := childTable(r.Field); t != 0 {
			return s.child(t, func(c *scan) string {
				if id, ok := idEquals(e); ok {
					return c.fixed(id.column) + id.op + id.literal
				}
				return compareValues(e, side{values: c.childField(r.Field)}, c.operand(e.R))
			})
		}
		if lit, ok := e.R.(query.Lit); ok {
			switch r.Field.Intrinsic {
			case query.TraceIDField, query.SpanIDField:
				if id, ok := idEquals(e); ok {
					return s.fixed(id.column) + id.op + id.literal
				}
			case query.ParentID:
				return s.parent(e.Op, lit.Value.Str)
			case query.NestedSetParent:
				return s.nested(e, lit.Value)
			}
		}
		if r.Field.Scope == 0 {
			return s.compareUnscoped(e, r.Field)
		}
	}
	return compareValues(e, s.operand(e.L), s.operand(e.R))
}

// compareUnscoped avoids the CASE of unscoped where only one side has the key.
func (s *scan) compareUnscoped(e query.Compare, f query.Field) string {
	if s.attribute(telemetry.ScopeSpan, f.Keys()...).present == sqlFalse {
		if _, ok := e.R.(query.Lit); ok {
			f.Scope = telemetry.ScopeResource
			e.L = query.Ref{Field: f}
			return s.small(e, query.LevelResource)
		}
	}
	return compareValues(e, s.operand(e.L), s.operand(e.R))
}

// onlyLevel gives the level that all fields of the comparison have in common.
func onlyLevel(e query.Compare) query.Level {
	var levels []query.Level
	see := func(f query.Field) { levels = append(levels, f.Level()) }
	query.WalkOperand(e.L, see)
	query.WalkOperand(e.R, see)
	for _, l := range levels {
		if l != levels[0] {
			return query.LevelSpan
		}
	}
	return levels[0]
}

func (s *scan) small(e query.Expr, level query.Level) string {
	if level == query.LevelResource {
		return rowsIn(s.fixed("resource"), heldRows(e, s.seg.resources, &telemetry.Table{N: 1}))
	}
	return rowsIn(s.fixed("scope"), heldRows(e, &telemetry.Table{N: 1}, s.seg.scopes))
}

// heldRows evaluates a condition on resources or scopes for each of their rows, by
// the evaluator that defines what it means. The other table has one empty row.
func heldRows(e query.Expr, resources, scopes *telemetry.Table) []bool {
	n := max(resources.N, scopes.N)
	b := &telemetry.Batch{Resources: *resources, Scopes: *scopes}
	b.Spans.N = n
	b.Spans.Resource, b.Spans.Scope = make([]uint32, n), make([]uint32, n)
	for i := range n {
		b.Spans.Resource[i] = uint32(min(i, resources.N-1))
		b.Spans.Scope[i] = uint32(min(i, scopes.N-1))
	}
	held := make([]bool, n)
	r := query.NewReader(b)
	for i := range held {
		held[i] = r.Eval(e, i)
	}
	return held
}

// idCompare is `column op literal` of an id in the type in which it is stored.
type idCompare struct{ column, op, literal string }

func idEquals(e query.Compare) (idCompare, bool) {
	r, ok := e.L.(query.Ref)
	lit, ok2 := e.R.(query.Lit)
	if !ok || !ok2 || (e.Op != query.OpEq && e.Op != query.OpNe) {
		return idCompare{}, false
	}
	op := map[query.Op]string{query.OpEq: " = ", query.OpNe: " <> "}[e.Op]
	switch r.Field.Intrinsic {
	case query.TraceIDField, query.LinkTraceID:
		id, err := telemetry.ParseTraceID(lit.Value.Str)
		return idCompare{"trace_id", op, uuid(id)}, err == nil
	case query.SpanIDField, query.LinkSpanID:
		id, err := telemetry.ParseSpanID(lit.Value.Str)
		return idCompare{"span_id", op, strconv.FormatUint(id.Uint64(), 10) + "::UBIGINT"}, err == nil
	}
	return idCompare{}, false
}

// parent compares the id of the parent, which is stored as a distance to its row
// where it is in the same file.
func (s *scan) parent(op query.Op, hex string) string {
	id, err := telemetry.ParseSpanID(hex)
	if err != nil {
		return sqlFalse
	}
	n := strconv.FormatUint(id.Uint64(), 10) + "::UBIGINT"
	dist, pid := s.fixed("parent_dist"), s.fixed("parent_id")
	s.use(s.table, "span_id")
	in := s.rowNumber() + " - " + dist + " IN (SELECT p.file_row_number FROM read_parquet(" + text(s.seg.dir+"/spans.parquet") +
		", file_row_number = true) p WHERE p.span_id = " + n + ")"
	is := "(CASE WHEN " + dist + " = 0 THEN " + pid + " = " + n + " ELSE " + in + " END)"
	if op == query.OpNe {
		return sqlAnd(dist+" IS NOT NULL", sqlNot(is))
	}
	return sqlAnd(dist+" IS NOT NULL", is)
}

// nested lowers nestedSetParent, of which only the sign means something: −1 for
// roots, positive for all others.
func (s *scan) nested(e query.Compare, lit query.Value) string {
	probe := telemetry.Batch{Spans: telemetry.Spans{Table: telemetry.Table{N: 2}, Parent: []telemetry.SpanID{{}, {1}}}}
	root, other := query.Eval(e, &probe, 0), query.Eval(e, &probe, 1)
	dist := s.fixed("parent_dist")
	switch {
	case root && other:
		return sqlTrue
	case root:
		return dist + " IS NULL"
	case other:
		return dist + " IS NOT NULL"
	}
	return sqlFalse
}

// operand gives the expressions of one side of a comparison. Literals are kept in
// lit, because how they are written depends on what they are compared with.
func (s *scan) operand(o query.Operand) side {
	switch o := o.(type) {
	case query.Lit:
		return side{lit: &o.Value}
	case query.Ref:
		return side{values: s.field(o.Field)}
	case query.Arith:
		return side{values: values{dbl: arith(o, s.number)}}
	}
	return side{}
}

// number gives the one number of a row as a DOUBLE; empty: there never is one.
func (s *scan) number(o query.Operand) string {
	return numberOf(o, s.field, s.number)
}

// side is one operand of a comparison.
type side struct {
	values
	lit *query.Value
}

func numberOf(o query.Operand, field func(query.Field) values, number func(query.Operand) string) string {
	switch o := o.(type) {
	case query.Lit:
		return double(o.Value.Number())
	case query.Ref:
		v := field(o.Field)
		switch {
		case v.num == "":
			return v.dbl
		case v.dbl == "":
			return "CAST(" + v.num + " AS DOUBLE)"
		}
		return "coalesce(CAST(" + v.num + " AS DOUBLE), " + v.dbl + ")"
	case query.Arith:
		return arith(o, number)
	}
	return ""
}

func arith(a query.Arith, number func(query.Operand) string) string {
	l, r := number(a.L), number(a.R)
	if l == "" || r == "" {
		return ""
	}
	return "(" + l + " " + string(a.Op) + " " + r + ")" // % is C's remainder, as Go's is; fmod is not
}

var sqlOps = map[query.Op]string{query.OpEq: " = ", query.OpNe: " <> ", query.OpGt: " > ", query.OpGe: " >= ", query.OpLt: " < ", query.OpLe: " <= "}

// compareValues joins what can be compared: the pairs of expressions with types
// that fit each other.
func compareValues(e query.Compare, l, r side) string {
	if e.Regex != nil {
		return sqlOr(match(e, l.str), compareList(e, l.list))
	}
	if r.lit != nil {
		return sqlOr(compareLiteral(e.Op, l.values, *r.lit), compareList(e, l.list))
	}
	if l.lit != nil {
		return sqlFalse // constants stand on the right, and two constants are folded
	}
	op := sqlOps[e.Op]
	plain := func(a, b string) string {
		if a == "" || b == "" {
			return sqlFalse
		}
		return a + op + b
	}
	return sqlOr(
		plain(l.str, r.str), plain(l.num, r.num), plain(l.boolean, r.boolean), plain(l.enum, r.enum),
		compareDoubles(e.Op, asDouble(l.num), r.dbl), compareDoubles(e.Op, l.dbl, asDouble(r.num)), compareDoubles(e.Op, l.dbl, r.dbl),
	)
}

func asDouble(x string) string {
	if x == "" {
		return ""
	}
	return "CAST(" + x + " AS DOUBLE)"
}

// compareDoubles follows Go: NaN is unequal to everything and nothing else, while
// DuckDB takes it for equal to itself and greater than all numbers.
func compareDoubles(op query.Op, a, b string) string {
	if a == "" || b == "" {
		return sqlFalse
	}
	if op == query.OpNe {
		return "(" + a + " <> " + b + " OR (isnan(" + a + ") AND " + b + " IS NOT NULL))"
	}
	return "(" + a + sqlOps[op] + b + " AND NOT isnan(" + a + ") AND NOT isnan(" + b + "))"
}

func compareLiteral(op query.Op, l values, v query.Value) string {
	sign := sqlOps[op]
	var out []string
	add := func(column, literal string) {
		if column != "" {
			out = append(out, column+sign+literal)
		}
	}
	switch {
	case v.Type == query.TypeString:
		add(l.str, text(v.Str))
	case v.Type == query.TypeBool:
		add(l.boolean, strconv.FormatBool(v.Int != 0))
	case v.Type == query.TypeStatus || v.Type == query.TypeKind:
		add(l.enum, integer(v.Int))
	case v.Type == query.TypeFloat && math.IsNaN(v.Float):
		if op == query.OpNe {
			for _, c := range []string{l.num, l.dbl} {
				if c != "" {
					out = append(out, c+" IS NOT NULL")
				}
			}
		}
	case v.Type.IsNumeric():
		if v.Type == query.TypeFloat {
			add(asDouble(l.num), double(v.Float))
		} else {
			add(l.num, integer(v.Int))
		}
		if l.dbl != "" {
			x := l.dbl + sign + double(v.Number())
			if op == query.OpGt || op == query.OpGe {
				x = "(" + x + " AND NOT isnan(" + l.dbl + "))"
			}
			out = append(out, x)
		}
	}
	return sqlOr(out...)
}

// match lowers a regular expression over the whole value. A list of plain words,
// which is what dashboards send for chosen values, becomes a list of constants:
// those can be looked up in a column's dictionary.
func match(e query.Compare, column string) string {
	if column == "" {
		return sqlFalse
	}
	source := e.R.(query.Lit).Value.Str
	if !strings.ContainsAny(source, `\.+*?()[]{}^$`) {
		words := strings.Split(source, "|")
		for i, w := range words {
			words[i] = text(w)
		}
		in := " IN ("
		if e.Op == query.OpNotMatch {
			in = " NOT IN ("
		}
		return column + in + strings.Join(words, ", ") + ")"
	}
	m := "regexp_full_match(" + column + ", " + text(e.Pattern) + ")"
	if e.Op == query.OpNotMatch {
		return "NOT " + m
	}
	return m
}
