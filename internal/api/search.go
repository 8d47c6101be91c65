package api

import (
	"net/http"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

type statsJSON struct {
	Rows     int64   `json:"rows"`
	Segments int     `json:"segments"`
	Bytes    int64   `json:"bytes"`
	Fresh    int64   `json:"fresh"`
	TookMs   float64 `json:"tookMs"`
}

func statsOf(s store.QueryStats) statsJSON {
	return statsJSON{s.Rows, s.Segments, s.Bytes, s.Fresh, float64(s.Took.Microseconds()) / 1000}
}

type searchJSON struct {
	Traces  []foundTraceJSON `json:"traces"`
	Cursor  string           `json:"cursor"`
	Partial string           `json:"partial"`
	Stats   statsJSON        `json:"stats"`
}

type foundTraceJSON struct {
	TraceID     string             `json:"traceId"`
	RootService string             `json:"rootService"`
	RootName    string             `json:"rootName"`
	RootMissing bool               `json:"rootMissing"`
	Start       string             `json:"start"`
	Duration    int64              `json:"duration"`
	Spans       int                `json:"spans"`
	Errors      int                `json:"errors"`
	Services    []serviceCountJSON `json:"services"`
	Matched     int                `json:"matched"`
	Found       []foundSpanJSON    `json:"found"`
}

type serviceCountJSON struct {
	Service string `json:"service"`
	Spans   int    `json:"spans"`
	Errors  int    `json:"errors"`
}

type foundSpanJSON struct {
	TraceID    string          `json:"traceId,omitempty"` // tails only
	SpanID     string          `json:"spanId"`
	Service    string          `json:"service"`
	Name       string          `json:"name"`
	Kind       string          `json:"kind"`
	Status     string          `json:"status"`
	Start      string          `json:"start"`
	Duration   int64           `json:"duration"`
	Attributes []attributeJSON `json:"attributes"`
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	p, err := s.searchPlan(r)
	if err != nil {
		return err
	}
	o := store.SearchOptions{Order: store.OrderNewest, Cursor: r.FormValue("cursor"), Timeout: s.o.Limits().QueryTimeout}
	if o.Range, err = s.rangeOf(r); err != nil {
		return err
	}
	o.RangeText = r.FormValue("from") + " " + r.FormValue("to")
	switch v := store.Order(r.FormValue("order")); v {
	case "":
	case store.OrderNewest, store.OrderSlowest, store.OrderSpans:
		o.Order = v
	default:
		return telemetry.Errorf(telemetry.KindInvalid, "order: %q is not an order; write newest, slowest or spans", telemetry.Clip(string(v)))
	}
	if o.Limit, err = number(r, "limit", 20, 1, 1000); err != nil {
		return err
	}
	if o.SpansPerTrace, err = number(r, "spans", 3, 0, 100); err != nil {
		return err
	}
	found, err := s.o.Store.Search(r.Context(), auth.FromContext(r.Context()).Tenant, p, o)
	if err != nil {
		return err
	}
	out := searchJSON{Traces: make([]foundTraceJSON, len(found.Traces)), Cursor: found.Cursor, Partial: found.Partial, Stats: statsOf(found.Stats)}
	for i, t := range found.Traces {
		out.Traces[i] = foundTraceOf(t)
	}
	return writeJSON(w, out)
}

func foundTraceOf(t store.FoundTrace) foundTraceJSON {
	out := foundTraceJSON{
		TraceID: t.TraceID.String(), RootService: t.RootService, RootName: t.RootName, RootMissing: t.RootMissing,
		Start: nanos(t.Start), Duration: t.Duration, Spans: t.Spans, Errors: t.Errors, Matched: t.Matched,
		Services: make([]serviceCountJSON, len(t.Services)), Found: make([]foundSpanJSON, len(t.Found)),
	}
	for i, c := range t.Services {
		out.Services[i] = serviceCountJSON(c)
	}
	for i, f := range t.Found {
		out.Found[i] = foundSpanJSON{
			SpanID: f.SpanID.String(), Service: f.Service, Name: f.Name, Kind: kindName(f.Kind), Status: statusName(f.Status),
			Start: nanos(f.Start), Duration: f.Duration, Attributes: attrsJSON(f.Attrs),
		}
	}
	return out
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	p, err := s.plan(r)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Plan string `json:"plan"`
	}{p.String()})
}
