package api

import (
	"math"
	"net/http"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

type metricsJSON struct {
	Times   []string     `json:"times"`
	Step    int64        `json:"step"`
	Series  []seriesJSON `json:"series"`
	Partial string       `json:"partial"`
	Stats   statsJSON    `json:"stats"`
}

type seriesJSON struct {
	Labels    []attributeJSON `json:"labels"`
	Values    []*float64      `json:"values"`
	Exemplars []exemplarJSON  `json:"exemplars,omitempty"`
}

type exemplarJSON struct {
	TraceID string   `json:"traceId"`
	SpanID  string   `json:"spanId"`
	Start   string   `json:"start"`
	Value   *float64 `json:"value"`
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	p, err := s.plan(r)
	if err != nil {
		return err
	}
	if p.Metrics == nil {
		return telemetry.Errorf(telemetry.KindInvalid, "the query gives spans and no series; end it in a stage such as | rate() or | count_over_time() by (status)")
	}
	o := store.MetricsOptions{Timeout: s.o.Limits().QueryTimeout}
	if o.Range, err = s.rangeOf(r); err != nil {
		return err
	}
	if o.Step, err = stepOf(r, o.Range); err != nil {
		return err
	}
	if _, err := query.NewSteps(o.Start, o.End, int64(o.Step)); err != nil {
		return err
	}
	m, err := s.o.Store.Metrics(r.Context(), auth.FromContext(r.Context()).Tenant, p, o)
	if err != nil {
		return err
	}
	return writeJSON(w, metricsOf(m, o.Step))
}

func metricsOf(m *store.MetricsResult, step time.Duration) metricsJSON {
	out := metricsJSON{Times: make([]string, len(m.Times)), Step: int64(step), Series: make([]seriesJSON, len(m.Series)), Partial: m.Partial, Stats: statsOf(m.Stats)}
	for i, t := range m.Times {
		out.Times[i] = nanos(t)
	}
	for i, line := range m.Series {
		one := seriesJSON{Labels: attrsJSON(line.Labels), Values: make([]*float64, len(line.Values))}
		for j := range line.Values {
			one.Values[j] = finite(line.Values[j])
		}
		for _, e := range line.Exemplars {
			one.Exemplars = append(one.Exemplars, exemplarJSON{e.TraceID.String(), e.SpanID.String(), nanos(e.Start), finite(e.Value)})
		}
		out.Series[i] = one
	}
	return out
}

// finite is nil for a step without data, and for an infinity, which JSON cannot say.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
