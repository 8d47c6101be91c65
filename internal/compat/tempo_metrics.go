package compat

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

type rangeAnswer struct {
	Series  []rangeSeries `json:"series"`
	Metrics searchMetrics `json:"metrics"`
	Status  string        `json:"status,omitempty"`
	Message string        `json:"message,omitempty"`
}

type rangeSeries struct {
	Labels     []keyValue `json:"labels"`
	Samples    []sample   `json:"samples"`
	PromLabels string     `json:"promLabels"`
	Exemplars  []struct{} `json:"exemplars"`
}

type sample struct {
	TimestampMs string `json:"timestampMs"`
	Value       any    `json:"value"`
}

type instantAnswer struct {
	Series  []instantSeries `json:"series"`
	Metrics searchMetrics   `json:"metrics"`
	Status  string          `json:"status,omitempty"`
	Message string          `json:"message,omitempty"`
}

type instantSeries struct {
	Labels     []keyValue `json:"labels"`
	PromLabels string     `json:"promLabels"`
	Value      any        `json:"value"`
}

// metricsPlan compiles q, or query as the old name is.
func metricsPlan(r *http.Request) (*query.Plan, error) {
	text := r.FormValue("q")
	if text == "" {
		text = r.FormValue("query")
	}
	p, err := query.Compile(text)
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
func stepOf(r *http.Request, within store.Range) (time.Duration, error) {
	v := r.FormValue("step")
	if v == "" {
		width := (within.End-within.Start-1)/defaultSteps + 1
		return time.Duration((width-1)/int64(time.Second)+1) * time.Second, nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && f > 0 && f < 1e9 {
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid step: %q is not a duration", telemetry.Clip(v))
	}
	return d, nil
}

func (t *tempo) evaluate(r *http.Request, instant bool) (*store.MetricsResult, *query.Plan, error) {
	p, err := metricsPlan(r)
	if err != nil {
		return nil, nil, err
	}
	o := store.MetricsOptions{Timeout: t.o.Limits().QueryTimeout}
	if o.Range, err = t.rangeOf(r); err != nil {
		return nil, nil, err
	}
	if !instant {
		if o.Step, err = stepOf(r, o.Range); err != nil {
			return nil, nil, err
		}
		// Steps lie on multiples of their width, so that a picture does not
		// change under a clock that runs on.
		o.Start -= o.Start % int64(o.Step)
		if _, err := query.NewSteps(o.Start, o.End, int64(o.Step)); err != nil {
			return nil, nil, err
		}
	}
	m, err := t.o.Store.Metrics(r.Context(), tenant(r), p, o)
	return m, p, err
}

func (t *tempo) queryRange(w http.ResponseWriter, r *http.Request) error {
	m, p, err := t.evaluate(r, false)
	if err != nil {
		return err
	}
	out := rangeAnswer{Series: make([]rangeSeries, len(m.Series)), Metrics: metricsOf(m.Stats, m.Partial)}
	out.Status, out.Message = partialOf(m.Partial)
	for i, s := range m.Series {
		line := rangeSeries{Labels: labelsOf(p, s.Labels), Samples: []sample{}, PromLabels: promLabels(labelsOf(p, s.Labels)), Exemplars: []struct{}{}}
		for j, v := range s.Values {
			if !math.IsNaN(v) {
				line.Samples = append(line.Samples, sample{strconv.FormatInt(m.Times[j]/int64(time.Millisecond), 10), doubleJSON(v)})
			}
		}
		out.Series[i] = line
	}
	return writeJSON(w, out)
}

func (t *tempo) queryInstant(w http.ResponseWriter, r *http.Request) error {
	m, p, err := t.evaluate(r, true)
	if err != nil {
		return err
	}
	out := instantAnswer{Series: []instantSeries{}, Metrics: metricsOf(m.Stats, m.Partial)}
	out.Status, out.Message = partialOf(m.Partial)
	for _, s := range m.Series {
		if len(s.Values) == 0 || math.IsNaN(s.Values[0]) {
			continue
		}
		labels := labelsOf(p, s.Labels)
		out.Series = append(out.Series, instantSeries{labels, promLabels(labels), doubleJSON(s.Values[0])})
	}
	return writeJSON(w, out)
}

func partialOf(why string) (status, message string) {
	if why == "" {
		return "", ""
	}
	return "PARTIAL", why
}

// labelsOf names a series without labels by its function, as Tempo does.
func labelsOf(p *query.Plan, labels []store.Attr) []keyValue {
	if len(labels) == 0 {
		return []keyValue{{"__name__", anyOf(p.Metrics.Name)}}
	}
	return keyValues(labels)
}

// promLabels writes labels as PromQL would, for clients that key series by it.
func promLabels(labels []keyValue) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteString(", ")
		}
		if strings.Trim(l.Key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
			b.WriteString(l.Key)
		} else {
			b.WriteString(strconv.Quote(l.Key))
		}
		b.WriteByte('=')
		b.WriteString(strconv.Quote(textOf(l.Value)))
	}
	b.WriteByte('}')
	return b.String()
}

func textOf(v anyValue) string {
	switch {
	case v.String != nil:
		return *v.String
	case v.Int != nil:
		return *v.Int
	case v.Bool != nil:
		return strconv.FormatBool(*v.Bool)
	case v.Double != nil:
		if f, ok := v.Double.(float64); ok {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
		return v.Double.(string)
	}
	return string(v.Bytes)
}
