package store

import (
	"slices"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// element gives the element e of a list by type. The canonical text keeps integers
// and doubles apart, and writes a double that JSON cannot say as an object.
var element = values{
	str:     "(CASE WHEN json_type(e) = 'VARCHAR' THEN e ->> '$' END)",
	num:     "(CASE WHEN json_type(e) IN ('UBIGINT', 'BIGINT') THEN TRY_CAST(e AS BIGINT) END)",
	dbl:     `(CASE json_type(e) WHEN 'DOUBLE' THEN TRY_CAST(e AS DOUBLE) WHEN 'OBJECT' THEN TRY_CAST(e ->> '$."@double"' AS DOUBLE) END)`,
	boolean: "(CASE WHEN json_type(e) = 'BOOLEAN' THEN TRY_CAST(e AS BOOLEAN) END)",
}

// compareList is a comparison of the elements of a list with a constant or a pattern,
// as the evaluator does it: one has to fulfil it, and with != and !~ none may be
// equal or match.
func compareList(e query.Compare, list string) string {
	if list == "" {
		return sqlFalse
	}
	one := func(op query.Op) string {
		e := e
		e.Op = op
		var cond string
		if e.Regex != nil {
			cond = match(e, element.str)
		} else {
			cond = compareLiteral(op, element, e.R.(query.Lit).Value)
		}
		if cond == sqlFalse {
			return sqlFalse
		}
		// What stands where a list could be may be any text to DuckDB, which checks it.
		items := "json_extract(CASE WHEN json_valid(" + list + ") THEN " + list + " END, '$[*]')"
		return "coalesce(len(list_filter(" + items + ", lambda e: coalesce(" + cond + ", FALSE))) > 0, FALSE)"
	}
	switch e.Op {
	case query.OpNe:
		return sqlAnd(one(query.OpNe), sqlNot(one(query.OpEq)))
	case query.OpNotMatch:
		return sqlAnd(one(query.OpNotMatch), sqlNot(one(query.OpMatch)))
	}
	return one(e.Op)
}

// lists reports whether the comparison is of an attribute that is a list in this
// segment with something else than a constant. SQL could say it as a product of both
// sides; the evaluator says it.
func (s *segmentSource) lists(e query.Compare) bool {
	_, lit := e.R.(query.Lit)
	return !lit && (s.listed(e.L) || s.listed(e.R))
}

func (s *segmentSource) listed(o query.Operand) bool {
	ref, ok := o.(query.Ref)
	if !ok {
		return false // the number of a calculation is no list
	}
	f := ref.Field
	of := func(scope telemetry.Scope, key string) bool {
		return f.Has(key) && (scope == f.Scope || f.Scope == 0 && (scope == telemetry.ScopeSpan || scope == telemetry.ScopeResource))
	}
	for i := range s.meta.Columns {
		if c := &s.meta.Columns[i]; c.Type == telemetry.TypeValue && of(c.Scope, c.Key) {
			return true
		}
	}
	return slices.ContainsFunc(slices.Concat(s.resources.Cols, s.scopes.Cols), func(c *telemetry.Column) bool {
		return c.Type == telemetry.TypeValue && of(c.Scope, c.Key)
	})
}

// lists reports whether one of the conditions compares a list so somewhere, and only
// whole traces answer it.
func (s sources) lists(conditions ...query.Expr) bool {
	var compares []query.Compare
	for _, e := range conditions {
		compares = comparisons(compares, e)
	}
	return slices.ContainsFunc(compares, func(e query.Compare) bool {
		return slices.ContainsFunc(s.segments, func(seg *segmentSource) bool { return seg.lists(e) })
	})
}

// comparisons appends those that a condition is made of.
func comparisons(dst []query.Compare, e query.Expr) []query.Compare {
	switch e := e.(type) {
	case query.And:
		for _, x := range e.Xs {
			dst = comparisons(dst, x)
		}
	case query.Or:
		for _, x := range e.Xs {
			dst = comparisons(dst, x)
		}
	case query.Not:
		return comparisons(dst, e.X)
	case query.Compare:
		return append(dst, e)
	}
	return dst
}

// conditions are those that a plan's spans are found by before whole traces are read.
func conditions(p *query.Plan) []query.Expr {
	out := slices.Clone(p.Leaves)
	for _, s := range p.Stages {
		if s.Kind == query.StageFilter {
			out = append(out, s.Filter)
		}
	}
	if p.Metrics != nil && p.Metrics.Compare != nil {
		out = append(out, p.Metrics.Compare.Selection)
	}
	return out
}
