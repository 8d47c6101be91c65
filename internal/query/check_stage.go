package query

// by checks what spans are grouped by.
func (c *checker) by(fields []placedField) ([]Field, error) {
	var out []Field
	var n reach
	for _, f := range fields {
		n = n.with(f.field)
		if n.events && n.links {
			return nil, c.fail(f.pos, "by(…) of events and links at once is about no pair of them: group by one of both")
		}
		of := wholeParent(f.field)
		c.plan.note(of)
		out = append(out, of)
	}
	return out, nil
}

var aggregateNames = [...]string{"count", "avg", "min", "max", "sum", "quantile", "histogram", "compare"}

// String gives the name of the language.
func (a Aggregate) String() string { return aggregateNames[a] }

func aggregateByName(name string) Aggregate {
	for i, n := range aggregateNames {
		if n == name {
			return Aggregate(i)
		}
	}
	return Count
}

func (c *checker) aggregate(s *stage) (Stage, error) {
	st := Stage{Kind: StageAggregate, Op: s.op, Func: aggregateByName(s.name)}
	var err error
	if st.Arg, err = c.argument(s); err != nil {
		return st, err
	}
	if s.other != nil {
		other := &Call{Func: aggregateByName(s.other.name)}
		other.Arg, err = c.argument(s.other)
		st.Other = other
		return st, err
	}
	st.Value, err = c.constant(s)
	return st, err
}

// constant checks what an aggregate or the values of series are compared with.
func (c *checker) constant(s *stage) (Value, error) {
	right, err := c.operand(s.right)
	if err != nil {
		return Value{}, err
	}
	lit, ok := right.(Lit)
	if !ok || !lit.Value.Type.IsNumeric() {
		return Value{}, c.fail(s.right.pos, "%s can only be compared with a number or a duration here", called(s))
	}
	return lit.Value, nil
}

// called names a stage in a message.
func called(s *stage) string {
	if s.name == "" {
		return "series"
	}
	return s.name + "(…)"
}

// argument checks what an aggregate is over: numbers that a span, or its events or
// links, have; nil for none.
func (c *checker) argument(s *stage) (Operand, error) {
	if s.expr == nil {
		return nil, nil
	}
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
		c.plan.note(f)
	})
	if err == nil && fields == 0 {
		err = c.fail(s.expr.pos, "%s needs a field: write for example %s(duration)", s.name, s.name)
	}
	if n := reachOf(arg); err == nil && n.events && n.links {
		err = c.fail(s.expr.pos, "%s of events and links at once is about no pair of them: calculate with one of both", s.name)
	}
	return arg, err
}

var metricsAggregates = map[string]Aggregate{
	"rate": Count, "count_over_time": Count, "avg_over_time": Avg, "min_over_time": Min, "max_over_time": Max,
	"sum_over_time": Sum, "quantile_over_time": Quantile, "histogram_over_time": Histogram, "compare": Compared,
}

func (c *checker) metrics(s *stage) error {
	for _, st := range c.plan.Stages {
		if st.Kind == StageBy {
			mend := "write " + s.name + "(…) by(…)"
			if s.name == "compare" {
				mend = "leave it out, compare is by every attribute"
			}
			return c.fail(s.pos, "a by(…) stage before %s has no effect on it: %s", s.name, mend)
		}
	}
	m := &Metrics{Name: s.name, Func: metricsAggregates[s.name], Rate: s.name == "rate"}
	c.plan.Metrics = m
	if m.Func == Compared {
		return c.comparison(s, m)
	}
	if m.Func == Quantile && len(s.quantiles) == 0 {
		return c.fail(s.pos, "quantile_over_time needs a quantile: write for example quantile_over_time(duration, 0.99)")
	}
	for _, q := range s.quantiles {
		m.Quantiles = append(m.Quantiles, q.Number())
	}
	var err error
	if m.Arg, err = c.argument(s); err != nil {
		return err
	}
	m.Seconds = m.Arg != nil && operandType(m.Arg) == TypeDuration
	if m.By, err = c.by(s.by); err != nil {
		return err
	}
	n := reachOfFields(m.By)
	if m.Arg != nil {
		n = n.and(reachOf(m.Arg))
	}
	if n.links && n.events {
		return c.fail(s.pos, "%s of events and links at once is about no pair of them: use one of both", s.name)
	}
	return c.threshold(s)
}

// threshold checks `> 2` behind what gives series. Values in seconds compare with
// durations, too.
func (c *checker) threshold(s *stage) error {
	if s.right == nil {
		return nil
	}
	v, err := c.constant(s)
	if err != nil {
		return err
	}
	m := c.plan.Metrics
	if v.Type == TypeDuration {
		if !m.Seconds || m.Func == Histogram {
			return c.fail(s.right.pos, "the values of %s are no durations: compare them with a number", m.Name)
		}
		v = Value{Type: TypeFloat, Float: v.Number() / 1e9}
	}
	m.Then = append(m.Then, SeriesStage{Kind: SeriesThreshold, Op: s.op, Value: v.Number()})
	return nil
}

// second checks topk and bottomk.
func (c *checker) second(s *stage) error {
	m := c.plan.Metrics
	switch {
	case m == nil:
		return c.fail(s.pos, "%s needs series: write it behind a metrics function, as in | rate() by(name) | %s(10)", s.name, s.name)
	case m.Func == Compared:
		return c.fail(s.pos, "%s after compare: compare keeps the most frequent values itself, as in compare({ … }, 5)", s.name)
	case s.numbers[0] > MaxSeries:
		return c.fail(s.pos, "%s of over %d series: ask for fewer", s.name, MaxSeries)
	}
	kind := SeriesTop
	if s.name == "bottomk" {
		kind = SeriesBottom
	}
	m.Then = append(m.Then, SeriesStage{Kind: kind, N: int(s.numbers[0])})
	return c.threshold(s)
}

// comparison checks the function compare.
func (c *checker) comparison(s *stage, m *Metrics) error {
	selection, err := c.condition(s.expr)
	if err != nil {
		return err
	}
	m.Compare = &Comparison{Selection: selection, Top: DefaultCompared, Range: everything}
	if len(s.numbers) > 0 {
		if s.numbers[0] > MaxCompared {
			return c.fail(s.pos, "compare tells over %d values apart: ask for fewer", MaxCompared)
		}
		m.Compare.Top = int(s.numbers[0])
	}
	if len(s.numbers) == 3 {
		if s.numbers[2] <= s.numbers[1] {
			return c.fail(s.pos, "the selection from %d to %d is empty: give its start before its end", s.numbers[1], s.numbers[2])
		}
		m.Compare.Range = Range{s.numbers[1], s.numbers[2]}
	}
	for _, i := range comparedIntrinsics {
		c.plan.note(IntrinsicField(i))
	}
	return nil
}

// hints checks the values of hints.
func (c *checker) hints(hints []hint) error {
	for _, h := range hints {
		if h.name != "exemplars" {
			continue
		}
		n := h.value.Int
		switch {
		case h.value.Type == TypeBool && n == 1:
			n = MaxExemplars
		case h.value.Type != TypeBool && (h.value.Type != TypeInt || n < 0 || n > MaxExemplars):
			return c.fail(h.pos, "exemplars = %s: write true, false or how many a series may have, up to %d", clip(h.value.String()), MaxExemplars)
		}
		if c.plan.Metrics != nil && c.plan.Metrics.Calculation == nil {
			c.plan.Metrics.Exemplars, c.plan.Metrics.Hinted = int(n), true
		}
	}
	return nil
}
