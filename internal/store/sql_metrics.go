package store

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// metricsSpec is a metrics query over fixed sources.
type metricsSpec struct {
	plan    *query.Plan
	steps   query.Steps
	timeout time.Duration
	load    func(ctx context.Context, ids []telemetry.TraceID) ([]*telemetry.Batch, error)
}

// metrics gives the series of a plan with a metrics stage, ordered by labels.
func (d *duck) metrics(ctx context.Context, src sources, o metricsSpec) (out []query.Series, err error) {
	if o.plan.Metrics == nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "query: %s has no metrics function: add for example | rate()", o.plan.Text)
	}
	err = d.do(ctx, o.timeout, func(ctx context.Context, c *duckConn) (e error) {
		out, e = c.metrics(ctx, src, o)
		return e
	})
	return out, err
}

func (c *duckConn) metrics(ctx context.Context, src sources, o metricsSpec) ([]query.Series, error) {
	if calc := o.plan.Metrics.Calculation; calc != nil {
		return calc.Series(o.steps, func(p *query.Plan) ([]query.Series, error) {
			part := o
			part.plan = p
			defer c.forgetAll() // the next part makes its own
			return c.metrics(ctx, src, part)
		})
	}
	leaf, ok := sqlMetrics(o.plan)
	switch {
	case !ok || src.lists(conditions(o.plan)...):
		return c.seriesExact(ctx, src, o)
	case o.plan.Metrics.Compare != nil:
		return c.compared(ctx, src, o, leaf)
	}
	return c.series(ctx, src, o, leaf)
}

// sqlMetrics gives the one condition that matched spans fulfil, when the plan has
// no more to it than that.
func sqlMetrics(p *query.Plan) (query.Expr, bool) {
	pipe, ok := sqlPipeline(p)
	if !ok || len(pipe.leaves) != 1 || len(pipe.aggregates) > 0 || !labelsLowerable(p.Metrics.By) || !argLowerable(p.Metrics.Arg) {
		return nil, false
	}
	if m := p.Metrics; m.Compare != nil && !lowerable(m.Compare.Selection) {
		return nil, false
	}
	return pipe.leaves[0], true
}

func (c *duckConn) seriesExact(ctx context.Context, src sources, o metricsSpec) ([]query.Series, error) {
	m := query.NewMetricsEval(o.plan, o.steps)
	err := c.candidates(ctx, src, o.plan, o.steps.Range, o.load, func(b *telemetry.Batch, sets []query.Spanset) error {
		r := query.NewReader(b)
		for _, s := range sets {
			if err := m.Add(r, s.Rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m.Series()
}

// bucketSQL is query.BucketExponent: the logarithm may be off by one step of
// rounding, which the powers around it put right. What is over 1e308, infinity
// included, is in the last bucket.
const bucketSQL = `(CASE WHEN v <= 1 THEN 0 WHEN v > 1e308 THEN 1024 ELSE CAST(ceil(log2(v)) AS INTEGER)
 + CASE WHEN pow(2, ceil(log2(v))) < v THEN 1 WHEN pow(2, ceil(log2(v)) - 1) >= v THEN -1 ELSE 0 END END)`

// series groups all matched spans by labels and step, in one statement or, for
// quantiles over columns, in looks at them.
func (c *duckConn) series(ctx context.Context, src sources, o metricsSpec, leaf query.Expr) (series []query.Series, err error) {
	if scanQuantiles(src, o.plan, leaf) {
		series, err = c.quantiles(ctx, src, o, leaf)
	} else {
		series, err = c.grouped(ctx, src, o, leaf)
	}
	if err == nil && o.plan.Metrics.Exemplars > 0 {
		err = c.exemplars(ctx, src, o, leaf, series)
	}
	return series, err
}

func (c *duckConn) grouped(ctx context.Context, src sources, o metricsSpec, leaf query.Expr) ([]query.Series, error) {
	a, statement, err := c.seriesStatement(ctx, src, o, leaf)
	if err != nil {
		return nil, err
	}
	if err := c.rows(ctx, statement, a.add); err != nil {
		return nil, err
	}
	return a.finish()
}

func (c *duckConn) seriesStatement(ctx context.Context, src sources, o metricsSpec, leaf query.Expr) (*assembly, string, error) {
	m := o.plan.Metrics
	u, err := c.seriesUnion(ctx, src, o, &shape{leaves: []query.Expr{leaf}, labels: m.By, arg: m.Arg, argOnly: true})
	if err != nil {
		return nil, "", err
	}
	a := newAssembly(m, o.steps, u)
	if m.Func == query.Quantile {
		columns := append(slices.Clone(a.labels), fmt.Sprintf("(start - %s) // %d AS step", integer(a.steps.Start), a.steps.Step), a.number()+" AS v")
		rows := "(SELECT " + strings.Join(columns, ", ") + " FROM " + u.sql + " WHERE " + a.number() + " IS NOT NULL)"
		statement, _, err := c.rankedSQL(ctx, rows, append(slices.Clone(a.labels), "step"), m.Quantiles, "")
		return a, statement, err
	}
	return a, a.statement(u), nil
}

// seriesUnion is the union for a shape within the range of the steps.
func (c *duckConn) seriesUnion(ctx context.Context, src sources, o metricsSpec, sh *shape) (*union, error) {
	sh.within = o.steps.Range
	var err error
	if sh.trace, err = c.traceTable(ctx, src, o.plan.Fields); err != nil {
		return nil, err
	}
	return c.union(ctx, src.within(o.steps.Range), sh)
}

// assembly turns the rows of a grouped answer into series.
type assembly struct {
	m      *query.Metrics
	steps  query.Steps
	labels []string // columns
	n, d   bool
	lines  map[string]*query.Series
}

func newAssembly(m *query.Metrics, steps query.Steps, u *union) *assembly {
	return &assembly{m: m, steps: steps, labels: u.labelNames(len(m.By)), n: u.has("a_n"), d: u.has("a_d"), lines: map[string]*query.Series{}}
}

// statement selects the label columns, the step, and what the function needs.
func (a *assembly) statement(u *union) string {
	group := append(slices.Clone(a.labels), fmt.Sprintf("(start - %s) // %d AS step", integer(a.steps.Start), a.steps.Step))
	var what string
	rows := u.sql
	switch a.m.Func {
	case query.Count:
		what = "count(*)"
	case query.Histogram:
		cols := append(slices.Clone(a.labels), "start", "CAST("+a.number()+" AS DOUBLE) AS v")
		rows = "(SELECT " + strings.Join(cols, ", ") + " FROM " + u.sql + ")"
		group = append(group, bucketSQL+" AS bucket")
		what = "count(*)"
	default:
		what = a.aggregate()
	}
	by := make([]string, len(group))
	for i := range group {
		by[i] = fmt.Sprint(i + 1)
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s GROUP BY %s", strings.Join(group, ", "), what, rows, strings.Join(by, ", "))
}

// number is the one number of a row, an integer where all of them are.
func (a *assembly) number() string {
	switch {
	case a.n && a.d:
		return "coalesce(CAST(a_n AS DOUBLE), a_d)"
	case a.d:
		return "a_d"
	case a.n:
		return "a_n"
	}
	return "NULL::BIGINT"
}

// aggregate gives integer result, float result, numbers; see combine.
func (a *assembly) aggregate() string {
	ints, floats := "NULL::BIGINT", "NULL::DOUBLE"
	f := map[query.Aggregate]string{query.Min: "min", query.Max: "max", query.Sum: "sum", query.Avg: "sum"}[a.m.Func]
	if a.n {
		ints = f + "(a_n)"
	}
	if a.d {
		if floats = f + "(a_d)"; f == "sum" {
			floats = "fsum(a_d ORDER BY a_d)"
		}
	}
	return ints + ", " + floats + ", count(*)"
}

// add takes one row of the answer.
func (a *assembly) add(row []any) error {
	labels, rest := a.split(row)
	step, err := stepOf(rest[0], a.steps)
	if err != nil {
		return err
	}
	switch a.m.Func {
	case query.Quantile:
		hits, ok := rest[2].([]any)
		if !ok || len(hits) != len(a.m.Quantiles) {
			return fmt.Errorf("quantiles %v have type %T", rest[2], rest[2])
		}
		for i, q := range a.m.Quantiles {
			if hits[i] == nil {
				continue
			}
			if err := a.set(append(slices.Clone(labels), query.QuantileLabel(q)), step, float64Of(rest[1])); err != nil {
				return err
			}
		}
		return nil
	case query.Histogram:
		e, ok := rest[1].(int32)
		if !ok {
			return fmt.Errorf("bucket %v has type %T", rest[1], rest[1])
		}
		return a.set(append(labels, a.m.BucketLabel(int(e))), step, float64Of(rest[2]))
	case query.Count:
		return a.set(labels, step, float64Of(rest[1]))
	}
	return a.set(labels, step, a.combine(rest[1], rest[2], rest[3]))
}

// split takes the labels off the front of a row.
func (a *assembly) split(row []any) ([]query.Label, []any) {
	at := func(column string) int { return slices.Index(a.labels, column) }
	labels := make([]query.Label, len(a.m.By))
	for i, f := range a.m.By {
		labels[i] = query.Label{Name: f.String(), Value: labelOf(f, i, at, row)}
	}
	return labels, row[len(a.labels):]
}

func stepOf(v any, steps query.Steps) (int64, error) {
	step, ok := v.(int64)
	if !ok || step < 0 || step >= int64(steps.N) {
		return 0, fmt.Errorf("step %v of type %T is outside of the range", v, v)
	}
	return step, nil
}

// combine joins the results over integers and floats as query.Tally does.
func (a *assembly) combine(ints, floats, count any) float64 {
	i, f := float64Of(ints), float64Of(floats)
	switch {
	case ints == nil:
		i = 0
	case floats == nil:
		f = 0
	case a.m.Func == query.Min:
		return math.Min(i, f)
	case a.m.Func == query.Max:
		return math.Max(i, f)
	}
	switch a.m.Func {
	case query.Sum:
		return i + f
	case query.Avg:
		return (i + f) / float64Of(count)
	}
	if ints == nil {
		return f
	}
	return i
}

func float64Of(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	}
	return 0
}

// labelKey is equal for equal labels.
func labelKey(labels []query.Label) string {
	var key strings.Builder
	for _, l := range labels {
		key.WriteByte(byte(l.Value.Type))
		key.WriteString(l.Value.String())
		key.WriteByte(0)
	}
	return key.String()
}

func (a *assembly) set(labels []query.Label, step int64, v float64) error {
	key := labelKey(labels)
	line := a.lines[key]
	if line == nil {
		if limit := a.m.SeriesLimit(a.steps); len(a.lines) == limit {
			return query.TooManySeries(limit)
		}
		line = &query.Series{Labels: labels, Values: make([]float64, a.steps.N)}
		if a.m.Func != query.Count && a.m.Func != query.Histogram {
			for i := range line.Values {
				line.Values[i] = math.NaN()
			}
		}
		a.lines[key] = line
	}
	if a.m.Rate {
		v /= float64(a.steps.Step) / 1e9
	} else if a.m.Func != query.Histogram {
		v = a.m.Scale(v)
	}
	line.Values[step] = v
	return nil
}

func (a *assembly) finish() ([]query.Series, error) {
	out := make([]query.Series, 0, len(a.lines))
	for _, l := range a.lines {
		out = append(out, *l)
	}
	return a.m.Complete(out, a.steps)
}
