package query

import "math"

// Series are calculated with in parentheses: ({ … } | rate()) / ({ … } | rate()) * 100.
// A pipeline in parentheses that ends in series is an operand here, any other one is a
// spanset; which of both it is shows when it has been read.

// series is a number, a pipeline that gives series, a calculation with two of those,
// or one of them with stages behind it.
type series struct {
	pos    int
	op     string // of a calculation, or one of the following
	l, r   *series
	value  Value    // opNumber
	spans  *spanset // opSeries, with stages
	stages []stage  // opThen: topk, bottomk, and a comparison without a name
	depth  int
}

const (
	opNumber = "number"
	opSeries = "series"
	opThen   = "then"
)

func isSeriesOp(op string) bool { return op == "+" || op == "-" || op == "*" || op == "/" }

// calculation reads what follows the first operand: calculations, then a comparison,
// then topk and bottomk.
func (p *parser) calculation(first *series) (*series, error) {
	s, err := p.calculate(first, rankSum)
	if err != nil {
		return nil, err
	}
	then := &series{pos: p.tok.pos, op: opThen, l: s, depth: s.depth + 1}
	if _, ok := opByName(p.tok.text); ok && p.tok.kind == tokOp {
		threshold := stage{pos: p.tok.pos}
		if err := p.comparison(&threshold); err != nil {
			return nil, err
		}
		then.stages = append(then.stages, threshold)
	}
	more, err := p.stages()
	if err != nil {
		return nil, err
	}
	for _, m := range more {
		if !isSecond(m.name) {
			return nil, p.lex.fail(m.pos, "%s behind series: only topk and bottomk can follow them", stageTitle(m))
		}
	}
	then.stages = append(then.stages, more...)
	switch {
	case p.is("%") || p.is("^"):
		return nil, p.fail("%s between series: they are calculated with by + - * and /", p.seen())
	case p.tok.kind == tokOp && relations[p.tok.text]:
		return nil, p.fail("%s behind series: spans are related before series are made of them", p.seen())
	case len(then.stages) == 0:
		return s, nil
	}
	return p.bounded(then)
}

func stageTitle(s stage) string {
	if s.name == "filter" {
		return "a filter"
	}
	return s.name
}

// bounded refuses a calculation whose tree is too deep: long sums are, although
// nothing in them is nested.
func (p *parser) bounded(s *series) (*series, error) {
	if s.depth > MaxDepth {
		return nil, p.lex.fail(s.pos, "the calculation is over %d deep: split it", MaxDepth)
	}
	return s, nil
}

// calculate reads operators that bind at least as tightly as rank; all bind to the left.
func (p *parser) calculate(left *series, rank int) (*series, error) {
	for p.tok.kind == tokOp && isSeriesOp(p.tok.text) && rankOf(p.tok.text) >= rank {
		n := &series{pos: p.tok.pos, op: p.tok.text, l: left}
		if err := p.advance(); err != nil {
			return nil, err
		}
		right, err := p.seriesOperand()
		if err != nil {
			return nil, err
		}
		if n.r, err = p.calculate(right, rankOf(n.op)+1); err != nil {
			return nil, err
		}
		n.depth = max(n.l.depth, n.r.depth) + 1
		if left, err = p.bounded(n); err != nil {
			return nil, err
		}
	}
	return left, nil
}

func (p *parser) seriesOperand() (*series, error) {
	if p.atNumber() {
		return p.number()
	}
	if !p.is("(") {
		return nil, p.fail("%s where series or a number are due: series stand in parentheses, as in ({ … } | rate())", p.seen())
	}
	pos := p.tok.pos
	s, err := p.spansetOperand()
	if err != nil {
		return nil, err
	}
	if s.series == nil {
		return nil, p.lex.fail(pos, "these are spans, and series are due: end them in a function such as | rate()")
	}
	return s.series, nil
}

// atNumber reports whether a number is at hand, with or without a sign.
func (p *parser) atNumber() bool {
	return p.is("-") || p.tok.kind == tokValue && p.tok.value.Type.IsNumeric()
}

func (p *parser) number() (*series, error) {
	n := &series{pos: p.tok.pos, op: opNumber}
	negative := p.is("-")
	if negative {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if n.value = p.tok.value; p.tok.kind != tokValue || !n.value.Type.IsNumeric() {
		return nil, p.fail("%s where a number is due: a sign stands before numbers only", p.seen())
	}
	if negative {
		n.value.Float, n.value.Int = -n.value.Float, -n.value.Int
		if n.value.Int == math.MinInt64 {
			n.value = Value{Type: TypeFloat, Float: -math.MinInt64}
		}
	}
	return n, p.advance()
}

// pipelines reports whether there are series in it, and not numbers alone.
func (s *series) pipelines() bool {
	switch s.op {
	case opNumber:
		return false
	case opSeries:
		return true
	case opThen:
		return s.l.pipelines()
	}
	return s.l.pipelines() || s.r.pipelines()
}
