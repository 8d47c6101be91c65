package query

// series checks a query that is series in parentheses into the plan. A single
// pipeline is the same as without them.
func (c *checker) series(s *series) error {
	switch {
	case s.op == opSeries:
		return c.pipelineOf(s.spans, s.stages)
	case s.op == opThen && s.l.op == opSeries:
		if err := c.series(s.l); err != nil {
			return err
		}
		return c.then(s)
	}
	calc := &Calculation{}
	c.plan.Metrics = &Metrics{Name: "calculation", Calculation: calc}
	var err error
	if calc.of, err = c.calculated(s, calc); err != nil {
		return err
	}
	for _, p := range calc.Parts {
		for _, f := range p.Fields {
			c.plan.note(f)
		}
		c.plan.NeedsStructure = c.plan.NeedsStructure || p.NeedsStructure
	}
	return nil
}

// then checks the stages behind series, the plan's own or those of a calculation.
func (c *checker) then(s *series) error {
	if c.plan.Metrics == nil {
		return c.fail(s.l.pos, "these are spans, and series are due: end them in a function such as | rate()")
	}
	for i := range s.stages {
		st := &s.stages[i]
		check := c.second
		if st.name == "" {
			check = c.threshold
		}
		if st.name == "" && c.plan.Metrics.Func == Compared {
			return c.fail(st.pos, "the values of compare cannot be compared")
		}
		if err := check(st); err != nil {
			return err
		}
	}
	return nil
}

// calculated checks a part of a calculation.
func (c *checker) calculated(s *series, calc *Calculation) (*calculated, error) {
	switch s.op {
	case opNumber:
		x := &calculated{kind: calcNumber, number: s.value.Number(), seconds: s.value.Type == TypeDuration}
		if x.seconds {
			x.number /= 1e9
		}
		return x, nil
	case opSeries:
		return c.part(s, calc)
	case opThen:
		return c.behind(s, calc)
	}
	l, err := c.calculated(s.l, calc)
	if err != nil {
		return nil, err
	}
	r, err := c.calculated(s.r, calc)
	if err != nil {
		return nil, err
	}
	x := &calculated{kind: calcBinary, op: s.op[0], l: l, r: r, labels: l.labels, seconds: secondsOf(s.op, l.seconds, r.seconds)}
	switch {
	case containsAll(l.labels, r.labels):
	case containsAll(r.labels, l.labels):
		x.labels = r.labels
	default:
		return nil, c.fail(s.pos, "the series of both sides of %s have different labels, %s and %s: group both by the same fields, or one by some of the other's", s.op, labelList(l.labels), labelList(r.labels))
	}
	return x, nil
}

func secondsOf(op string, l, r bool) bool {
	switch op {
	case "*":
		return l != r
	case "/":
		return l && !r
	}
	return l || r
}

// part checks a pipeline as a plan of its own.
func (c *checker) part(s *series, calc *Calculation) (*calculated, error) {
	sub := &checker{text: c.text, plan: &Plan{Text: (&Query{spans: s.spans, stages: s.stages}).String()}, comparisons: c.comparisons}
	if err := sub.pipelineOf(s.spans, s.stages); err != nil {
		return nil, err
	}
	c.comparisons = sub.comparisons
	m := sub.plan.Metrics
	if m.Func == Compared {
		return nil, c.fail(s.pos, "compare cannot be calculated with: its series are counts of many attributes")
	}
	calc.Parts = append(calc.Parts, sub.plan)
	return &calculated{kind: calcPart, part: len(calc.Parts) - 1, labels: m.labelNames(), seconds: m.Seconds && m.Func != Histogram}, nil
}

// behind checks topk and its like behind a calculation.
func (c *checker) behind(s *series, calc *Calculation) (*calculated, error) {
	if !s.l.pipelines() {
		return nil, c.fail(s.pos, "behind a number alone there is nothing to choose from: write it behind series")
	}
	of, err := c.calculated(s.l, calc)
	if err != nil {
		return nil, err
	}
	sub := &checker{text: c.text, plan: &Plan{Metrics: &Metrics{Name: "the calculation", Seconds: of.seconds}}}
	if err := sub.then(s); err != nil {
		return nil, err
	}
	return &calculated{kind: calcThen, l: of, then: sub.plan.Metrics.Then, labels: of.labels, seconds: of.seconds}, nil
}
