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
	if q.series != nil {
		err = c.series(q.series)
	} else {
		err = c.pipelineOf(q.spans, q.stages)
	}
	if err != nil {
		return nil, err
	}
	if err := c.hints(q.hints); err != nil {
		return nil, err
	}
	return c.plan, nil
}

// pipelineOf checks spans and the stages behind them into the plan.
func (c *checker) pipelineOf(spans *spanset, stages []stage) (err error) {
	if c.plan.Spans, err = c.spanset(spans); err != nil {
		return err
	}
	for i := range stages {
		if err := c.topStage(&stages[i]); err != nil {
			return err
		}
	}
	return nil
}

// topStage checks a stage of the whole query, where what makes series may stand.
func (c *checker) topStage(s *stage) error {
	switch {
	case isSecond(s.name):
		return c.second(s)
	case c.plan.Metrics != nil:
		return c.fail(s.pos, "%s after a metrics function: only topk and bottomk can follow %s", s.name, c.plan.Metrics.Name)
	case isMetrics(s.name):
		return c.metrics(s)
	}
	return c.stage(s, &c.plan.Stages)
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
	if s.op == OpPipe {
		return c.pipeline(s)
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

func (c *checker) pipeline(s *spanset) (*SpanExpr, error) {
	l, err := c.spanset(s.l)
	if err != nil {
		return nil, err
	}
	e := &SpanExpr{Op: OpPipe, L: l}
	for i := range s.stages {
		if err := c.stage(&s.stages[i], &e.Stages); err != nil {
			return nil, err
		}
	}
	return e, nil
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

// stage checks one stage and appends it to out.
func (c *checker) stage(s *stage, out *[]Stage) error {
	switch s.name {
	case "filter":
		st, err := c.filterStage(s.spans)
		if err != nil {
			return err
		}
		*out = append(*out, st)
	case "coalesce":
		*out = append(*out, Stage{Kind: StageCoalesce})
	case "select":
		for _, f := range s.fields {
			if len(c.plan.Select) == MaxSelect {
				return c.fail(f.pos, "over %d fields in all select(…): name fewer", MaxSelect)
			}
			c.plan.Select = append(c.plan.Select, f.field)
		}
	case "by":
		by, err := c.by(s.fields)
		if err != nil {
			return err
		}
		*out = append(*out, Stage{Kind: StageBy, By: by})
	default:
		st, err := c.aggregate(s)
		if err != nil {
			return err
		}
		*out = append(*out, st)
	}
	return nil
}

// filterStage checks { … } or a relation of filters behind a |.
func (c *checker) filterStage(s *spanset) (Stage, error) {
	if s.op == "" {
		e, err := c.condition(s.expr)
		return Stage{Kind: StageFilter, Filter: e}, err
	}
	e, err := c.spanset(s)
	return Stage{Kind: StageRelate, Spans: e}, err
}
