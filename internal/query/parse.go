package query

// parser reads tokens by recursive descent. nested counts the parentheses and
// signs that are open, so that the depth of its recursion is bounded before any
// tree exists; filters and piped count what there is of those in the whole text.
type parser struct {
	lex     lexer
	tok     token
	nested  int
	filters int
	piped   int
}

// Parse reads a query. Types are checked by Plan.
func Parse(text string) (*Query, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	p := &parser{lex: lexer{text: text}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	q := &Query{text: text}
	if p.tok.kind == tokEnd {
		return nil, p.fail("the query is empty: write { } for all spans")
	}
	var err error
	if err = p.whole(q); err != nil {
		return nil, err
	}
	if p.tok.kind == tokWord && p.tok.text == "with" {
		if q.hints, err = p.hints(); err != nil {
			return nil, err
		}
	}
	if n := len(q.stages); n > 0 && p.tok.kind == tokOp && isSeriesOp(p.tok.text) && (isMetrics(q.stages[n-1].name) || isSecond(q.stages[n-1].name)) {
		return nil, p.fail("%s behind series without parentheses: write ({ … } | rate()) / ({ … } | rate())", p.seen())
	}
	if p.tok.kind != tokEnd {
		return nil, p.fail("%s does not belong here: the query is complete before it; join spansets with && or ||, add a stage with |", p.seen())
	}
	return q, nil
}

// whole reads spans with their stages, or series that are calculated with.
func (p *parser) whole(q *Query) error {
	first, err := p.spanset(1)
	if err != nil {
		return err
	}
	if first.series == nil {
		q.spans = first
		q.stages, err = p.stages()
		return err
	}
	if q.series, err = p.calculation(first.series); err != nil {
		return err
	}
	if !q.series.pipelines() {
		return p.lex.fail(first.series.pos, "a number alone is no query: put conditions in braces, as in { duration > 1s }, or calculate with series, as in ({ } | rate()) * 60")
	}
	return nil
}

func (p *parser) fail(format string, args ...any) error {
	return p.lex.fail(p.tok.pos, format, args...)
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) is(op string) bool { return p.tok.kind == tokOp && p.tok.text == op }

// seen names the token at hand in an error.
func (p *parser) seen() string {
	if p.tok.kind == tokEnd {
		return "the end of the query"
	}
	return quote(clip(p.tok.text))
}

func (p *parser) expect(op, where string) error {
	if !p.is(op) {
		return p.fail("%s where %q is due %s", p.seen(), op, where)
	}
	return p.advance()
}

func (p *parser) enter() error {
	p.nested++
	if p.nested > MaxDepth {
		return p.fail("nested over %d deep: split the query", MaxDepth)
	}
	return nil
}

var relations = map[string]bool{
	"&&": true, "||": true,
	">": true, ">>": true, "<": true, "<<": true, "~": true,
	"!>": true, "!>>": true, "!<": true, "!<<": true, "!~": true,
	"&>": true, "&>>": true, "&<": true, "&<<": true, "&~": true,
}

// spanset reads relations that bind at least as tightly as rank; all of them
// bind to the left.
func (p *parser) spanset(rank int) (*spanset, error) {
	left, err := p.spansetOperand()
	if err != nil || left.series != nil {
		return left, err
	}
	for p.tok.kind == tokOp && relations[p.tok.text] && spansetRank(p.tok.text) >= rank {
		n := &spanset{pos: p.tok.pos, op: p.tok.text, l: left}
		if err := p.advance(); err != nil {
			return nil, err
		}
		if n.r, err = p.spanset(spansetRank(n.op) + 1); err != nil {
			return nil, err
		}
		if n.r.series != nil {
			return nil, p.lex.fail(n.r.series.pos, "series cannot stand in a relation of spans: make series of the whole query, behind the last )")
		}
		n.depth = max(n.l.depth, n.r.depth) + 1
		left = n
	}
	return left, nil
}

func (p *parser) spansetOperand() (*spanset, error) {
	switch {
	case p.is("{"):
		return p.filter()
	case p.is("("):
		if err := p.enter(); err != nil {
			return nil, err
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		s, err := p.spanset(1)
		if err != nil {
			return nil, err
		}
		switch {
		case s.series != nil:
			s.series, err = p.calculation(s.series)
		case p.is("|"):
			s, err = p.pipeline(s)
		}
		if err != nil {
			return nil, err
		}
		p.nested--
		return s, p.expect(")", "to close the parenthesis")
	case p.atNumber():
		n, err := p.number()
		return &spanset{series: n}, err
	case p.tok.kind == tokField || p.tok.kind == tokValue:
		return nil, p.fail("%s stands outside of a filter: put conditions in braces, { %s … }", p.seen(), clip(p.tok.text))
	}
	return nil, p.fail("%s where a filter { … } is due", p.seen())
}

// pipeline reads the stages of a pipeline in parentheses, which gives spans or series.
func (p *parser) pipeline(of *spanset) (*spanset, error) {
	n := &spanset{pos: p.tok.pos, op: OpPipe, l: of, depth: of.depth + 1}
	var err error
	if n.stages, err = p.stages(); err != nil {
		return nil, err
	}
	for _, s := range n.stages {
		if isMetrics(s.name) || isSecond(s.name) {
			return &spanset{series: &series{pos: s.pos, op: opSeries, spans: of, stages: n.stages}}, nil
		}
	}
	return n, nil
}

func (p *parser) filter() (*spanset, error) {
	s := &spanset{pos: p.tok.pos}
	if p.filters++; p.filters > MaxFilters {
		return nil, p.fail("over %d filters: join conditions inside one filter with && and ||", MaxFilters)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.is("}") {
		var err error
		if s.expr, err = p.expr(rankOr); err != nil {
			return nil, err
		}
	}
	return s, p.expect("}", "to close the filter")
}
