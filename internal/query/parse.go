package query

import (
	"strconv"
	"strings"
)

// parser reads tokens by recursive descent. nested counts the parentheses and
// signs that are open, so that the depth of its recursion is bounded before any
// tree exists.
type parser struct {
	lex     lexer
	tok     token
	nested  int
	filters int
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
	if q.spans, err = p.spanset(1); err != nil {
		return nil, err
	}
	for p.is("|") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if len(q.stages) == MaxStages {
			return nil, p.fail("over %d stages: join filters with &&", MaxStages)
		}
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		q.stages = append(q.stages, s)
	}
	if p.tok.kind == tokWord && p.tok.text == "with" {
		if q.hints, err = p.hints(); err != nil {
			return nil, err
		}
	}
	if p.tok.kind != tokEnd {
		return nil, p.fail("%s does not belong here: the query is complete before it; join spansets with && or ||, add a stage with |", p.seen())
	}
	return q, nil
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
	if err != nil {
		return nil, err
	}
	for p.tok.kind == tokOp && relations[p.tok.text] && spansetRank(p.tok.text) >= rank {
		n := &spanset{pos: p.tok.pos, op: p.tok.text, l: left}
		if err := p.advance(); err != nil {
			return nil, err
		}
		if n.r, err = p.spanset(spansetRank(n.op) + 1); err != nil {
			return nil, err
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
		if p.is("|") {
			return nil, p.fail("a pipeline inside parentheses is not supported yet: move it behind the last )")
		}
		p.nested--
		return s, p.expect(")", "to close the parenthesis")
	case p.tok.kind == tokField || p.tok.kind == tokValue:
		return nil, p.fail("%s stands outside of a filter: put conditions in braces, { %s … }", p.seen(), clip(p.tok.text))
	}
	return nil, p.fail("%s where a filter { … } is due", p.seen())
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

var aggregates = map[string]bool{"count": true, "avg": true, "min": true, "max": true, "sum": true}

var metricsFuncs = map[string]bool{
	"rate": true, "count_over_time": true, "min_over_time": true, "max_over_time": true, "avg_over_time": true,
	"sum_over_time": true, "quantile_over_time": true, "histogram_over_time": true,
}

func (p *parser) stage() (stage, error) {
	s := stage{pos: p.tok.pos}
	if p.is("{") {
		f, err := p.filter()
		if err != nil {
			return s, err
		}
		s.name, s.expr = "filter", f.expr
		if p.tok.kind == tokOp && relations[p.tok.text] {
			return s, p.fail("%s after a pipeline filter is not supported yet: relate spansets before the first |", p.seen())
		}
		return s, nil
	}
	if p.tok.kind != tokWord {
		return s, p.fail("%s where a stage is due: there are count, avg, min, max, sum, by, select, coalesce, { … } and the metrics functions", p.seen())
	}
	s.name = p.tok.text
	switch s.name {
	case "compare", "topk", "bottomk":
		return s, p.fail("%s() is not supported yet", s.name)
	}
	known := aggregates[s.name] || metricsFuncs[s.name] || s.name == "by" || s.name == "select" || s.name == "coalesce"
	if !known {
		return s, p.fail("%s is no stage: there are count, avg, min, max, sum, by, select, coalesce, rate, count_over_time, min_over_time, max_over_time, avg_over_time, sum_over_time, quantile_over_time and histogram_over_time", p.seen())
	}
	if err := p.advance(); err != nil {
		return s, err
	}
	if err := p.expect("(", "after "+s.name); err != nil {
		return s, err
	}
	var err error
	switch {
	case s.name == "by":
		s.fields, err = p.fields("by", MaxBy)
	case s.name == "select":
		s.fields, err = p.fields("select", MaxSelect)
	case aggregates[s.name] && s.name != "count":
		s.expr, err = p.expr(rankSum)
	case strings.HasSuffix(s.name, "_over_time") && s.name != "count_over_time":
		s.expr, err = p.expr(rankSum)
		for s.name == "quantile_over_time" && err == nil && p.is(",") {
			err = p.quantile(&s)
		}
	}
	if err != nil {
		return s, err
	}
	if err := p.expect(")", "to close "+s.name+"("); err != nil {
		return s, err
	}
	if aggregates[s.name] {
		return s, p.comparison(&s)
	}
	if metricsFuncs[s.name] && p.tok.kind == tokWord && p.tok.text == "by" {
		if err := p.advance(); err != nil {
			return s, err
		}
		if err := p.expect("(", "after by"); err != nil {
			return s, err
		}
		if s.by, err = p.fields("by", MaxBy); err != nil {
			return s, err
		}
		return s, p.expect(")", "to close by(")
	}
	return s, nil
}

// comparison reads `> 2` after an aggregate.
func (p *parser) comparison(s *stage) (err error) {
	op, ok := opByName(p.tok.text)
	if p.tok.kind != tokOp || !ok || op == OpMatch || op == OpNotMatch {
		return p.fail("%s where a comparison is due: write for example %s(…) > 2", p.seen(), s.name)
	}
	s.op = op
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind == tokWord && aggregates[p.tok.text] {
		return p.fail("comparing two aggregates is not supported yet: compare %s(…) with a number", s.name)
	}
	s.right, err = p.expr(rankSum)
	return err
}

func (p *parser) quantile(s *stage) error {
	if err := p.advance(); err != nil {
		return err
	}
	v := p.tok.value
	if p.tok.kind == tokField && strings.HasPrefix(p.tok.text, ".") {
		// `.99` reads as an attribute everywhere else; here it can only be a number.
		if f, err := strconv.ParseFloat("0"+p.tok.text, 64); err == nil {
			p.tok.kind, v = tokValue, Value{Type: TypeFloat, Float: f}
		}
	}
	if p.tok.kind != tokValue || (v.Type != TypeFloat && v.Type != TypeInt) || v.Number() < 0 || v.Number() > 1 {
		return p.fail("%s is no quantile: write a share between 0 and 1, such as 0.99", p.seen())
	}
	if len(s.quantiles) == MaxQuantiles {
		return p.fail("over %d quantiles: ask for fewer", MaxQuantiles)
	}
	s.quantiles = append(s.quantiles, v)
	return p.advance()
}

func (p *parser) fields(what string, most int) ([]placedField, error) {
	var out []placedField
	for {
		if p.tok.kind == tokWord {
			return nil, p.fail("%s", needsScope(p.tok.text))
		}
		if p.tok.kind != tokField {
			return nil, p.fail("%s where a field is due: write for example %s(resource.service.name)", p.seen(), what)
		}
		if len(out) == most {
			return nil, p.fail("over %d fields in %s(…): name fewer", most, what)
		}
		out = append(out, placedField{p.tok.field, p.tok.pos})
		if err := p.advance(); err != nil {
			return nil, err
		}
		if !p.is(",") {
			return out, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// knownHints change only how fast or which of equal answers Tempo gives; answers
// here are complete and ordered, so they change nothing.
var knownHints = map[string]bool{"most_recent": true, "exemplars": true, "sample": true, "span_sample": true, "trace_sample": true}

func (p *parser) hints() ([]hint, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("(", "after with"); err != nil {
		return nil, err
	}
	var out []hint
	for {
		h := hint{name: p.tok.text}
		if p.tok.kind != tokWord || !knownHints[h.name] {
			return nil, p.fail("%s is no known hint: there are most_recent, exemplars, sample, span_sample and trace_sample, none of which changes an answer", p.seen())
		}
		if len(out) == len(knownHints) {
			return nil, p.fail("over %d hints: give each once", len(knownHints))
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		if err := p.expect("=", "after the hint's name"); err != nil {
			return nil, err
		}
		if p.tok.kind != tokValue {
			return nil, p.fail("%s where the value of %s is due", p.seen(), h.name)
		}
		h.value = p.tok.value
		out = append(out, h)
		if err := p.advance(); err != nil {
			return nil, err
		}
		if !p.is(",") {
			return out, p.expect(")", "to close with(")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}
