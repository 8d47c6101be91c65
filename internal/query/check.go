package query

import (
	"strings"
)

// checker builds the typed form of a parsed query and refuses what has no meaning.
type checker struct {
	text        string
	plan        *Plan
	comparisons int
}

func (c *checker) fail(pos int, format string, args ...any) error {
	return fail(c.text, pos, format, args...)
}

// Plan checks the types and gives the plan.
func (q *Query) Plan() (*Plan, error) {
	c := &checker{text: q.text, plan: &Plan{Text: q.String()}}
	var err error
	if c.plan.Spans, err = c.spanset(q.spans); err != nil {
		return nil, err
	}
	for i := range q.stages {
		s := &q.stages[i]
		if c.plan.Metrics != nil {
			return nil, c.fail(s.pos, "%s after a metrics function: %s has to be the last stage", s.name, c.plan.Metrics.Name)
		}
		if err := c.stage(s); err != nil {
			return nil, err
		}
	}
	return c.plan, nil
}

func (c *checker) spanset(s *spanset) (*SpanExpr, error) {
	if s.op == "" {
		e, err := c.condition(s.expr)
		if err != nil {
			return nil, err
		}
		c.plan.Leaves = append(c.plan.Leaves, e)
		return &SpanExpr{Leaf: len(c.plan.Leaves) - 1}, nil
	}
	if s.op != "&&" && s.op != "||" {
		c.plan.NeedsStructure = true
	}
	l, err := c.spanset(s.l)
	if err != nil {
		return nil, err
	}
	r, err := c.spanset(s.r)
	if err != nil {
		return nil, err
	}
	return &SpanExpr{Op: s.op, L: l, R: r}, nil
}

// condition checks the inside of a filter; nothing inside means true.
func (c *checker) condition(n *node) (Expr, error) {
	if n == nil {
		return Const{true}, nil
	}
	e, err := c.boolean(n)
	if err != nil {
		return nil, err
	}
	WalkFields(e, c.plan.note)
	return e, nil
}

func (c *checker) boolean(n *node) (Expr, error) {
	switch n.kind {
	case nodeAll, nodeAny:
		return c.chain(n)
	case nodeUnary:
		if n.op == "!" {
			x, err := c.boolean(n.kids[0])
			if err != nil {
				return nil, err
			}
			return negate(x), nil
		}
	case nodeBinary:
		if op, ok := opByName(n.op); ok {
			return c.compare(n, op)
		}
	case nodeValue:
		if n.value.Type == TypeBool {
			return Const{n.value.Int != 0}, nil
		}
	case nodeField:
		if n.field.Type() == TypeAny {
			if err := c.count(n.pos); err != nil {
				return nil, err
			}
			return Compare{Op: OpEq, L: Ref{n.field}, R: Lit{Value{Type: TypeBool, Int: 1}}}, nil
		}
	}
	var b strings.Builder
	n.write(&b, rankSum)
	return nil, c.fail(n.pos, "%s is no condition: compare it, as in %s = …", clip(b.String()), clip(b.String()))
}

func (c *checker) count(pos int) error {
	if c.comparisons++; c.comparisons > MaxComparisons {
		return c.fail(pos, "over %d comparisons: use a regular expression such as =~ \"a|b\" for many values", MaxComparisons)
	}
	return nil
}

func negate(x Expr) Expr {
	switch x := x.(type) {
	case Const:
		return Const{!x.Value}
	case Not:
		return x.X
	}
	return Not{x}
}

// chain folds constants away and drops nothing else: the plan shows what was written.
func (c *checker) chain(n *node) (Expr, error) {
	all := n.kind == nodeAll
	var xs []Expr
	decided := false
	for _, k := range n.kids {
		x, err := c.boolean(k)
		if err != nil {
			return nil, err
		}
		if k, ok := x.(Const); ok {
			decided = decided || k.Value != all
			continue
		}
		xs = append(xs, x)
	}
	switch {
	case decided:
		return Const{!all}, nil
	case len(xs) == 0:
		return Const{all}, nil
	case len(xs) == 1:
		return xs[0], nil
	case all:
		return And{xs}, nil
	}
	return Or{xs}, nil
}

func (c *checker) stage(s *stage) error {
	switch {
	case s.name == "filter":
		e, err := c.condition(s.expr)
		if err != nil {
			return err
		}
		c.plan.Stages = append(c.plan.Stages, Stage{Kind: StageFilter, Filter: e})
	case s.name == "coalesce":
		c.plan.Stages = append(c.plan.Stages, Stage{Kind: StageCoalesce})
	case s.name == "select":
		for _, f := range s.fields {
			if len(c.plan.Select) == MaxSelect {
				return c.fail(f.pos, "over %d fields in all select(…): name fewer", MaxSelect)
			}
			c.plan.Select = append(c.plan.Select, f.field)
		}
	case s.name == "by":
		by, err := c.by(s.fields)
		if err != nil {
			return err
		}
		c.plan.Stages = append(c.plan.Stages, Stage{Kind: StageBy, By: by})
	case metricsFuncs[s.name]:
		return c.metrics(s)
	default:
		return c.aggregate(s)
	}
	return nil
}

// by takes fields of which a span has one value.
func (c *checker) by(fields []placedField) ([]Field, error) {
	var out []Field
	for _, f := range fields {
		if err := c.single(f.field, f.pos, "by"); err != nil {
			return nil, err
		}
		c.plan.note(f.field)
		out = append(out, f.field)
	}
	return out, nil
}

func (c *checker) single(f Field, pos int, what string) error {
	switch f.Level() {
	case LevelEvent, LevelLink:
		return c.fail(pos, "%s(%s) is not supported yet: a span may have many values of it; select(…) shows them", what, f)
	}
	if f.Intrinsic == NestedSetParent {
		return c.fail(pos, "nestedSetParent can only be compared with 0 or -1, to ask for root spans")
	}
	return nil
}

var aggregateNames = [...]string{"count", "avg", "min", "max", "sum", "quantile", "histogram"}

// String gives the name of the language.
func (a Aggregate) String() string { return aggregateNames[a] }

func (c *checker) aggregate(s *stage) error {
	st := Stage{Kind: StageAggregate, Op: s.op}
	for i, n := range aggregateNames {
		if n == s.name {
			st.Func = Aggregate(i)
		}
	}
	if s.expr != nil {
		var err error
		if st.Arg, err = c.argument(s); err != nil {
			return err
		}
	}
	right, err := c.operand(s.right)
	if err != nil {
		return err
	}
	lit, ok := right.(Lit)
	if !ok || !lit.Value.Type.IsNumeric() {
		return c.fail(s.right.pos, "%s(…) can only be compared with a number or a duration here", s.name)
	}
	st.Value = lit.Value
	c.plan.Stages = append(c.plan.Stages, st)
	return nil
}

// argument checks what an aggregate is over: numbers that one span has.
func (c *checker) argument(s *stage) (Operand, error) {
	arg, err := c.operand(s.expr)
	if err != nil {
		return nil, err
	}
	if t := operandType(arg); t != TypeAny && !t.IsNumeric() {
		return nil, c.fail(s.expr.pos, "%s needs numbers, and this is %s", s.name, t)
	}
	fields := 0
	WalkOperand(arg, func(f Field) {
		fields++
		if e := c.single(f, s.expr.pos, s.name); e != nil && err == nil {
			err = e
		}
		c.plan.note(f)
	})
	if err == nil && fields == 0 {
		err = c.fail(s.expr.pos, "%s needs a field: write for example %s(duration)", s.name, s.name)
	}
	return arg, err
}

func (c *checker) metrics(s *stage) error {
	m := &Metrics{Name: s.name, Rate: s.name == "rate"}
	switch s.name {
	case "avg_over_time":
		m.Func = Avg
	case "min_over_time":
		m.Func = Min
	case "max_over_time":
		m.Func = Max
	case "sum_over_time":
		m.Func = Sum
	case "quantile_over_time":
		m.Func = Quantile
		if len(s.quantiles) == 0 {
			return c.fail(s.pos, "quantile_over_time needs a quantile: write for example quantile_over_time(duration, 0.99)")
		}
	case "histogram_over_time":
		m.Func = Histogram
	}
	for _, q := range s.quantiles {
		m.Quantiles = append(m.Quantiles, q.Number())
	}
	var err error
	if s.expr != nil {
		if m.Arg, err = c.argument(s); err != nil {
			return err
		}
		m.Seconds = operandType(m.Arg) == TypeDuration
	}
	if m.By, err = c.by(s.by); err != nil {
		return err
	}
	for _, st := range c.plan.Stages {
		if st.Kind == StageBy {
			return c.fail(s.pos, "a by(…) stage before %s has no effect on it: write %s(…) by(…)", s.name, s.name)
		}
	}
	c.plan.Metrics = m
	return nil
}
