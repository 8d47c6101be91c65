package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/query"
)

// exemplars finds the spans that are examples of the values of series, in a
// statement of its own: which span has the largest number is not what a sum needs
// to know.
func (c *duckConn) exemplars(ctx context.Context, src sources, o metricsSpec, leaf query.Expr, series []query.Series) error {
	m := o.plan.Metrics
	u, err := c.seriesUnion(ctx, src, o, &shape{leaves: []query.Expr{leaf}, labels: m.By, arg: m.Arg, argOnly: true, spanID: true, duration: m.Arg == nil})
	if err != nil {
		return err
	}
	a := newAssembly(m, o.steps, u)
	x := &exemplarRows{assembly: a, lines: map[string]int{}, best: map[exemplarPlace]query.Exemplar{}}
	for i, s := range series {
		x.lines[labelKey(s.Labels)] = i
	}
	statement, add := a.largest(u), x.addLargest
	if m.Func == query.Quantile {
		ranks, _, err := c.rankedSQL(ctx, a.numbered(u), append(slices.Clone(a.labels), "step"), m.Quantiles, "")
		if err != nil {
			return err
		}
		statement, add = a.ranked(u, ranks), x.addRanked
	}
	if err := c.rows(ctx, statement, add); err != nil {
		return err
	}
	for at, e := range x.best {
		series[at.line].Exemplars = append(series[at.line].Exemplars, e)
	}
	for i := range series {
		m.Settle(&series[i], o.steps)
	}
	return nil
}

// exemplarRows reads the answer of an exemplar statement.
type exemplarRows struct {
	*assembly
	lines map[string]int // series by the key of its labels
	best  map[exemplarPlace]query.Exemplar
}

type exemplarPlace struct{ line, window int }

// put keeps the better of two examples; series that are not in the answer need none.
func (x *exemplarRows) put(labels []query.Label, window int, e query.Exemplar) {
	line, ok := x.lines[labelKey(labels)]
	if !ok {
		return
	}
	at := exemplarPlace{line, window}
	if old, ok := x.best[at]; !ok || x.m.Better(e, old) {
		x.best[at] = e
	}
}

// numbered selects labels, step, the number v that orders spans, and who they are.
func (a *assembly) numbered(u *union) string {
	number := "CAST(" + a.number() + " AS DOUBLE) + 0" // −0 is 0
	if a.m.Arg == nil {
		number = "CAST(duration AS DOUBLE)"
	}
	cols := append(slices.Clone(a.labels), fmt.Sprintf("(start - %s) // %d AS step", integer(a.steps.Start), a.steps.Step),
		number+" AS v", "start", "trace_id", "span_id")
	return "(SELECT " + strings.Join(cols, ", ") + " FROM " + u.sql + ")"
}

// largest gives for every group, histogram bucket and window the span with the
// largest number, of minima the smallest.
func (a *assembly) largest(u *union) string {
	group := append(slices.Clone(a.labels), fmt.Sprintf("step * %d // %d AS w", a.m.Windows(a.steps), a.steps.N))
	if a.m.Func == query.Histogram {
		group = append(group, bucketSQL+" AS bucket")
	}
	v := "0 - v"
	if a.m.Func == query.Min {
		v = "v"
	}
	inner := fmt.Sprintf("SELECT %s, min({'v': %s, 'at': start, 't': trace_id, 's': span_id}) AS e FROM %s GROUP BY ALL", strings.Join(group, ", "), v, a.numbered(u))
	outer := append(slices.Clone(a.labels), "w")
	if a.m.Func == query.Histogram {
		outer = append(outer, "bucket")
	}
	return "SELECT " + strings.Join(outer, ", ") + ", e.v, e.at, e.t, e.s FROM (" + inner + ")"
}

// ranked gives for every quantile of a group and step the first span that has it.
// ranks are the quantiles, see rankedSQL.
func (a *assembly) ranked(u *union, ranks string) string {
	on := []string{"n.step = q.step", "n.v = q.v"}
	outer := make([]string, 0, len(a.labels)+1)
	for _, l := range a.labels {
		on = append(on, "n."+l+" IS NOT DISTINCT FROM q."+l)
		outer = append(outer, "n."+l+" AS "+l)
	}
	group := strings.Join(append(slices.Clone(a.labels), "step"), ", ")
	return fmt.Sprintf(`WITH n AS NOT MATERIALIZED %s,
q AS (SELECT * FROM (SELECT %s, v, unnest(hits) AS i FROM (%s)) WHERE i IS NOT NULL)
SELECT %s, i, v, e.at, e.t, e.s FROM (SELECT %s, i, n.v AS v, min({'at': n.start, 't': n.trace_id, 's': n.span_id}) AS e FROM n JOIN q ON %s GROUP BY ALL)`,
		a.numbered(u), group, ranks,
		group, strings.Join(append(outer, "n.step AS step"), ", "), strings.Join(on, " AND "))
}

func (x *exemplarRows) addLargest(row []any) error {
	labels, rest := x.split(row)
	window, ok := rest[0].(int64)
	rest = rest[1:]
	if x.m.Func == query.Histogram {
		bucket, isInt := rest[0].(int32)
		ok = ok && isInt
		labels, rest = append(labels, x.m.BucketLabel(int(bucket))), rest[1:]
	}
	if !ok {
		return fmt.Errorf("exemplar %v has unexpected types", row)
	}
	e, err := exemplarOf(rest)
	if err != nil {
		return err
	}
	if x.m.Func != query.Min {
		e.Value = 0 - e.Value
	}
	x.put(labels, int(window), e)
	return nil
}

func (x *exemplarRows) addRanked(row []any) error {
	labels, rest := x.split(row)
	step, err := stepOf(rest[0], x.steps)
	if err != nil {
		return err
	}
	i, ok := rest[1].(int64)
	if !ok || i < 0 || int(i) >= len(x.m.Quantiles) {
		return fmt.Errorf("exemplar %v has unexpected types", row)
	}
	e, err := exemplarOf(rest[2:])
	if err != nil {
		return err
	}
	x.put(append(labels, query.QuantileLabel(x.m.Quantiles[i])), x.m.Window(int(step), x.steps), e)
	return nil
}

// exemplarOf reads number, start, trace id and span id.
func exemplarOf(v []any) (e query.Exemplar, err error) {
	var span uint64
	var ok [3]bool
	e.Value, ok[0] = v[0].(float64)
	e.Start, ok[1] = v[1].(int64)
	span, ok[2] = v[3].(uint64)
	if e.TraceID, err = traceID(v[2]); err != nil || ok != [3]bool{true, true, true} {
		return e, fmt.Errorf("exemplar %v has unexpected types", v)
	}
	binary.BigEndian.PutUint64(e.SpanID[:], span)
	return e, nil
}
