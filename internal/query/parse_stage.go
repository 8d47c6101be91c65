package query

import (
	"strconv"
	"strings"
)

var aggregates = map[string]bool{"count": true, "avg": true, "min": true, "max": true, "sum": true}

const stageNames = "count, avg, min, max, sum, by, select, coalesce, rate, count_over_time, min_over_time, max_over_time, avg_over_time, sum_over_time, quantile_over_time, histogram_over_time, compare, topk and bottomk"

func isMetrics(name string) bool {
	return name == "rate" || name == "compare" || strings.HasSuffix(name, "_over_time")
}

// isSecond reports whether the stage works on series.
func isSecond(name string) bool { return name == "topk" || name == "bottomk" }

func knownStage(name string) bool {
	switch name {
	case "by", "select", "coalesce", "rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time",
		"sum_over_time", "quantile_over_time", "histogram_over_time", "compare", "topk", "bottomk":
		return true
	}
	return aggregates[name]
}

// stages reads | stage as often as it is there.
func (p *parser) stages() ([]stage, error) {
	var out []stage
	for p.is("|") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.piped++; p.piped > MaxStages {
			return nil, p.fail("over %d stages: join filters with &&", MaxStages)
		}
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (p *parser) stage() (stage, error) {
	s := stage{pos: p.tok.pos}
	var err error
	if p.is("{") || p.is("(") {
		s.name = "filter"
		if s.spans, err = p.spanset(1); err == nil && s.spans.series != nil {
			err = p.lex.fail(s.pos, "series cannot stand behind a |: write them first, ({ … } | rate()) / ({ … } | rate())")
		}
		return s, err
	}
	if p.tok.kind != tokWord {
		return s, p.fail("%s where a stage is due: there are { … }, %s", p.seen(), stageNames)
	}
	if s.name = p.tok.text; !knownStage(s.name) {
		return s, p.fail("%s is no stage: there are { … }, %s", p.seen(), stageNames)
	}
	if err := p.advance(); err != nil {
		return s, err
	}
	if err := p.expect("(", "after "+s.name); err != nil {
		return s, err
	}
	if err := p.arguments(&s); err != nil {
		return s, err
	}
	if err := p.expect(")", "to close "+s.name+"("); err != nil {
		return s, err
	}
	return s, p.afterCall(&s)
}

// arguments reads what stands in the parentheses of a stage.
func (p *parser) arguments(s *stage) (err error) {
	switch {
	case s.name == "by":
		s.fields, err = p.fields("by", MaxBy)
	case s.name == "select":
		s.fields, err = p.fields("select", MaxSelect)
	case s.name == "compare":
		err = p.compareArguments(s)
	case isSecond(s.name):
		err = p.positive(s, "how many series to keep, as in "+s.name+"(10)")
	case s.name == "count" || s.name == "rate" || s.name == "count_over_time" || s.name == "coalesce":
	default:
		s.expr, err = p.expr(rankSum)
		for s.name == "quantile_over_time" && err == nil && p.is(",") {
			err = p.quantile(s)
		}
	}
	return err
}

// afterCall reads what may follow the parentheses of a stage.
func (p *parser) afterCall(s *stage) error {
	if aggregates[s.name] {
		return p.comparison(s)
	}
	if isMetrics(s.name) && s.name != "compare" && p.tok.kind == tokWord && p.tok.text == "by" {
		if err := p.groups(s); err != nil {
			return err
		}
	}
	if op, ok := opByName(p.tok.text); ok && p.tok.kind == tokOp && (isMetrics(s.name) || isSecond(s.name)) {
		if op == OpMatch || op == OpNotMatch || s.name == "compare" {
			return p.fail("%s after %s: its values can only be compared with a number, and those of compare not at all", p.seen(), s.name)
		}
		return p.comparison(s)
	}
	return nil
}

func (p *parser) groups(s *stage) (err error) {
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect("(", "after by"); err != nil {
		return err
	}
	if s.by, err = p.fields("by", MaxBy); err != nil {
		return err
	}
	return p.expect(")", "to close by(")
}

// comparison reads `> 2` or `> avg(.n)` after an aggregate, and `> 2` after what
// gives series.
func (p *parser) comparison(s *stage) (err error) {
	op, ok := opByName(p.tok.text)
	if p.tok.kind != tokOp || !ok || op == OpMatch || op == OpNotMatch {
		if s.name == "" {
			return p.fail("%s behind series: their values can only be compared with a number", p.seen())
		}
		return p.fail("%s where a comparison is due: write for example %s(…) > 2", p.seen(), s.name)
	}
	s.op = op
	if err := p.advance(); err != nil {
		return err
	}
	if !aggregates[s.name] || p.tok.kind != tokWord || !aggregates[p.tok.text] {
		s.right, err = p.expr(rankSum)
		return err
	}
	s.other = &stage{pos: p.tok.pos, name: p.tok.text}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect("(", "after "+s.other.name); err != nil {
		return err
	}
	if err := p.arguments(s.other); err != nil {
		return err
	}
	return p.expect(")", "to close "+s.other.name+"(")
}

// compareArguments reads { selection }, then how many values of an attribute are
// told apart, then the start and the end of the selection in Unix nanoseconds.
func (p *parser) compareArguments(s *stage) error {
	if !p.is("{") {
		return p.fail("%s where a filter is due: write for example compare({ status = error })", p.seen())
	}
	f, err := p.filter()
	if err != nil {
		return err
	}
	s.expr = f.expr
	for _, what := range []string{"how many values of an attribute to tell apart, as in compare({ … }, 10)",
		"the start of the selection in Unix nanoseconds", "the end of the selection in Unix nanoseconds"} {
		if !p.is(",") {
			break
		}
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.positive(s, what); err != nil {
			return err
		}
	}
	if len(s.numbers) == 2 {
		return p.fail("%s where the end of the selection is due: give its start and its end, or neither", p.seen())
	}
	return nil
}

// positive reads a whole number over 0.
func (p *parser) positive(s *stage, what string) error {
	if p.tok.kind != tokValue || p.tok.value.Type != TypeInt || p.tok.value.Int < 1 {
		return p.fail("%s where a whole number over 0 is due: %s", p.seen(), what)
	}
	s.numbers = append(s.numbers, p.tok.value.Int)
	return p.advance()
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

// knownHints are those of Tempo. Only exemplars changes an answer: the others
// trade exactness for time there, and answers here are complete and ordered.
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
		h := hint{pos: p.tok.pos, name: p.tok.text}
		if p.tok.kind != tokWord || !knownHints[h.name] {
			return nil, p.fail("%s is no known hint: there are most_recent, exemplars, sample, span_sample and trace_sample", p.seen())
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
