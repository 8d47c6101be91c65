package store

import (
	"slices"

	"github.com/clew-dev/clew/internal/query"
)

// byRelations gives a plan whose spans are those of p, with conditions on parents said
// as relations, which are found without loading traces: { A && parent:name = "x" } is
// { name = "x" } > { A }, and with a negation !>. It gives p itself when there is no
// such condition, or one that compares a span with its parent. Stages are left out.
func byRelations(p *query.Plan) *query.Plan {
	if p.Metrics != nil && p.Metrics.Calculation != nil || !slices.ContainsFunc(p.Leaves, readsParent) {
		return p
	}
	r := &relations{of: p}
	out := &query.Plan{NeedsStructure: true}
	if out.Spans = r.spans(p.Spans); r.failed {
		return p
	}
	out.Leaves = r.leaves
	out.NeedsTrace = slices.ContainsFunc(out.Leaves, readsTrace)
	return out
}

type relations struct {
	of     *query.Plan
	leaves []query.Expr
	failed bool
}

func (r *relations) spans(e *query.SpanExpr) *query.SpanExpr {
	switch e.Op {
	case "":
		return r.condition(r.of.Leaves[e.Leaf])
	case query.OpPipe:
		r.failed = true
		return e
	}
	return &query.SpanExpr{Op: e.Op, L: r.spans(e.L), R: r.spans(e.R)}
}

func (r *relations) leaf(e query.Expr) *query.SpanExpr {
	r.leaves = append(r.leaves, e)
	return &query.SpanExpr{Leaf: len(r.leaves) - 1}
}

// condition gives the spans for which e holds.
func (r *relations) condition(e query.Expr) *query.SpanExpr {
	if !readsParent(e) {
		return r.leaf(e)
	}
	switch e := e.(type) {
	case query.Or:
		out := r.condition(e.Xs[0])
		for _, x := range e.Xs[1:] {
			out = &query.SpanExpr{Op: "||", L: out, R: r.condition(x)}
		}
		return out
	case query.And:
		var own, parents []query.Expr
		for _, x := range e.Xs {
			if readsParent(x) {
				parents = append(parents, x)
			} else {
				own = append(own, x)
			}
		}
		out := r.leaf(query.And{Xs: own})
		for _, x := range parents {
			out = r.child(x, out)
		}
		return out
	}
	return r.child(e, r.leaf(query.Const{Value: true}))
}

// child gives those of the spans for whose parent e holds.
func (r *relations) child(e query.Expr, of *query.SpanExpr) *query.SpanExpr {
	op := ">"
	if not, ok := e.(query.Not); ok {
		op, e = "!>", not.X
	}
	own, ok := ofParent(e)
	if !ok {
		r.failed = true
		return of
	}
	return &query.SpanExpr{Op: op, L: r.leaf(own), R: of}
}

// ofParent gives the condition that a parent fulfils itself, when e is about nothing else.
func ofParent(e query.Expr) (query.Expr, bool) {
	switch e := e.(type) {
	case query.Exists:
		e.Field.Parent = false
		return e, true
	case query.Compare:
		l, ok := parentOperand(e.L)
		r, ok2 := parentOperand(e.R)
		e.L, e.R = l, r
		return e, ok && ok2
	}
	return e, false
}

func parentOperand(o query.Operand) (query.Operand, bool) {
	switch o := o.(type) {
	case query.Ref:
		is := o.Field.Parent
		o.Field.Parent = false
		return o, is
	case query.Arith:
		l, ok := parentOperand(o.L)
		r, ok2 := parentOperand(o.R)
		return query.Arith{Op: o.Op, L: l, R: r}, ok && ok2
	}
	return o, true
}

func readsParent(e query.Expr) (yes bool) {
	query.WalkFields(e, func(f query.Field) { yes = yes || f.Parent })
	return yes
}
