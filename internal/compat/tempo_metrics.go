package compat

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// rangeAnswer is tempopb.QueryRangeResponse. A client reads it strictly: a field
// that Tempo does not have makes it refuse the whole.
type rangeAnswer struct {
	Series  []rangeSeries `json:"series"`
	Metrics searchMetrics `json:"metrics"`
	Status  string        `json:"status,omitempty"`
	Message string        `json:"message,omitempty"`
}

type rangeSeries struct {
	Labels    []keyValue `json:"labels"`
	Samples   []sample   `json:"samples"`
	Exemplars []exemplar `json:"exemplars"`
}

// exemplar is a span that stands for a value; its labels say which.
type exemplar struct {
	Labels      []keyValue `json:"labels"`
	Value       double     `json:"value"`
	TimestampMs int64      `json:"timestampMs,string"`
}

type sample struct {
	TimestampMs int64  `json:"timestampMs,string"`
	Value       double `json:"value"`
}

// instantAnswer is tempopb.QueryInstantResponse.
type instantAnswer struct {
	Series  []instantSeries `json:"series"`
	Metrics searchMetrics   `json:"metrics"`
	Status  string          `json:"status,omitempty"`
	Message string          `json:"message,omitempty"`
}

type instantSeries struct {
	Labels []keyValue `json:"labels"`
	Value  double     `json:"value"`
}

// metricsPlan compiles q, or query as the old name is.
func (t *tempo) metricsPlan(a ask) (*query.Plan, error) {
	text := a.get("q")
	if text == "" {
		text = a.get("query")
	}
	p, err := query.CompileNamed(text, t.o.Names)
	if err != nil {
		return nil, err
	}
	if p.Metrics == nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid TraceQL metrics query: it ends in no metrics stage such as | rate()")
	}
	return p, nil
}

// defaultSteps is how many steps a range has at most when none is asked for.
const defaultSteps = 240

// stepOf reads step: a duration, or seconds.
func stepOf(a ask, within store.Range) (time.Duration, error) {
	v := a.get("step")
	if v == "" {
		width := (within.End-within.Start-1)/defaultSteps + 1
		return time.Duration((width-1)/int64(time.Second)+1) * time.Second, nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && f*1e9 >= 1 && f < 1e9 {
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid step: %q is not a duration", telemetry.Clip(v))
	}
	return d, nil
}

func (t *tempo) evaluate(ctx context.Context, a ask, instant bool) (*store.MetricsResult, *query.Plan, error) {
	p, err := t.metricsPlan(a)
	if err != nil {
		return nil, nil, err
	}
	o := store.MetricsOptions{Timeout: t.o.Limits().QueryTimeout}
	if o.Range, err = t.rangeOf(a); err != nil {
		return nil, nil, err
	}
	if !instant {
		if o.Step, err = stepOf(a, o.Range); err != nil {
			return nil, nil, err
		}
		// Steps lie on multiples of their width, so that a picture does not
		// change under a clock that runs on.
		o.Start -= o.Start % int64(o.Step)
		if o.Exemplars, err = a.number("exemplars", 0, query.MaxExemplars); err != nil {
			return nil, nil, err
		}
		if _, err := query.NewSteps(o.Start, o.End, int64(o.Step)); err != nil {
			return nil, nil, err
		}
	}
	m, err := t.o.Store.Metrics(ctx, a.tenant, p, o)
	return m, p, err
}

func (t *tempo) queryRange(ctx context.Context, a ask) (answer, error) {
	m, p, err := t.evaluate(ctx, a, false)
	if err != nil {
		return nil, err
	}
	out := &rangeAnswer{Series: make([]rangeSeries, len(m.Series)), Metrics: metricsOf(m.Stats, m.Partial)}
	out.Status, out.Message = partialOf(m.Partial)
	for i, s := range m.Series {
		line := rangeSeries{Labels: labelsOf(p, s.Labels), Samples: []sample{}, Exemplars: exemplarsOf(s.Exemplars)}
		for j, v := range s.Values {
			if !math.IsNaN(v) {
				line.Samples = append(line.Samples, sample{m.Times[j] / int64(time.Millisecond), double(v)})
			}
		}
		out.Series[i] = line
	}
	return out, nil
}

func (t *tempo) queryInstant(ctx context.Context, a ask) (answer, error) {
	m, p, err := t.evaluate(ctx, a, true)
	if err != nil {
		return nil, err
	}
	out := &instantAnswer{Series: []instantSeries{}, Metrics: metricsOf(m.Stats, m.Partial)}
	out.Status, out.Message = partialOf(m.Partial)
	for _, s := range m.Series {
		if len(s.Values) > 0 && !math.IsNaN(s.Values[0]) {
			out.Series = append(out.Series, instantSeries{labelsOf(p, s.Labels), double(s.Values[0])})
		}
	}
	return out, nil
}

// exemplarsOf names the span of each by the fields of the language; clients open
// the trace by the first.
func exemplarsOf(found []query.Exemplar) []exemplar {
	out := make([]exemplar, 0, len(found))
	for _, e := range found {
		if math.IsNaN(e.Value) {
			continue // Tempo has none either: it could not be drawn
		}
		out = append(out, exemplar{
			Labels:      []keyValue{{"trace:id", anyOf(e.TraceID.String())}, {"span:id", anyOf(e.SpanID.String())}},
			TimestampMs: e.Start / int64(time.Millisecond), Value: double(e.Value),
		})
	}
	return out
}

// labelsOf names a series without labels by its function, as Tempo does, and one that
// is calculated by the calculation.
func labelsOf(p *query.Plan, labels []store.Attr) []keyValue {
	if len(labels) == 0 && p.Metrics.Calculation != nil {
		return []keyValue{{"__name__", anyOf(p.Text)}}
	}
	if len(labels) == 0 {
		return []keyValue{{"__name__", anyOf(p.Metrics.Name)}}
	}
	out := keyValues(labels)
	for i, l := range labels {
		if text, ok := l.Value.(string); ok && l.Name == quantileLabel {
			if p, err := strconv.ParseFloat(text, 64); err == nil {
				out[i].Value = anyOf(p) // a number, as with Tempo: clients that sort series by it compare no texts
			}
		}
	}
	return out
}

// quantileLabel says which quantile a series is; names of attributes have a scope in front.
const quantileLabel = "p"
