package api

import (
	"net/http"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

type tagNamesJSON struct {
	Scopes  []tagScopeJSON `json:"scopes"`
	Partial string         `json:"partial"`
}

type tagScopeJSON struct {
	Scope string   `json:"scope"`
	Names []string `json:"names"`
}

type tagValuesJSON struct {
	Values  []tagValueJSON `json:"values"`
	More    bool           `json:"more"`
	Partial string         `json:"partial"`
}

type tagValueJSON struct {
	Value any    `json:"value"`
	Type  string `json:"type"`
	Count int64  `json:"count"`
}

func (s *Server) tagOptions(r *http.Request) (o store.TagOptions, err error) {
	if o.Range, err = s.rangeOf(r); err != nil {
		return o, err
	}
	if o.Limit, err = number(r, "limit", 1000, 1, 10_000); err != nil {
		return o, err
	}
	if v := r.FormValue("prefix"); len(v) <= 512 {
		o.Prefix = v
	} else {
		return o, telemetry.Errorf(telemetry.KindInvalid, "prefix has %d bytes; write at most 512", len(v))
	}
	if r.FormValue("q") != "" {
		o.Plan, err = s.searchPlan(r)
	}
	return o, err
}

func (s *Server) tagNames(w http.ResponseWriter, r *http.Request) error {
	o, err := s.tagOptions(r)
	if err != nil {
		return err
	}
	if v := r.FormValue("scope"); v != "" && v != "all" {
		for scope, name := range scopeNames {
			if v == name {
				o.Scope = scope
			}
		}
		if o.Scope == 0 {
			return telemetry.Errorf(telemetry.KindInvalid, "scope: %q is not a scope; write span, resource, event, link, instrumentation or intrinsic", telemetry.Clip(v))
		}
	}
	names, err := s.o.Store.TagNames(r.Context(), auth.FromContext(r.Context()).Tenant, o)
	if err != nil {
		return err
	}
	out := tagNamesJSON{Scopes: make([]tagScopeJSON, len(names.Scopes)), Partial: names.Partial}
	for i, t := range names.Scopes {
		out.Scopes[i] = tagScopeJSON{scopeNames[t.Scope], append([]string{}, query.PresentNames(t.Names, s.o.Governance.Charter().AllNames)...)}
	}
	return writeJSON(w, out)
}

func (s *Server) tagValues(w http.ResponseWriter, r *http.Request) error {
	f, err := query.ParseField(r.PathValue("name"))
	if err != nil {
		return err
	}
	o, err := s.tagOptions(r)
	if err != nil {
		return err
	}
	f = f.Named(s.o.Governance.Charter().AllNames)
	values, err := s.o.Store.TagValues(r.Context(), auth.FromContext(r.Context()).Tenant, f, o)
	if err != nil {
		return err
	}
	out := tagValuesJSON{Values: make([]tagValueJSON, len(values.Values)), More: values.More, Partial: values.Partial}
	for i, v := range values.Values {
		typ, value := valueJSON(v.Value)
		out.Values[i] = tagValueJSON{value, typ, v.Count}
	}
	return writeJSON(w, out)
}

type summaryJSON struct {
	Name     string `json:"name"`
	Kind     string `json:"kind,omitempty"` // operations only
	Spans    int64  `json:"spans"`
	Requests int64  `json:"requests"`
	Errors   int64  `json:"errors"`
	P50      int64  `json:"p50"`
	P95      int64  `json:"p95"`
	P99      int64  `json:"p99"`
	LastSeen string `json:"lastSeen"`
	Team     string `json:"team,omitempty"` // services only
}

func summariesOf(list []store.Summary, kinds bool) []summaryJSON {
	out := make([]summaryJSON, len(list))
	for i, s := range list {
		out[i] = summaryJSON{Name: s.Name, Spans: s.Spans, Requests: s.Requests, Errors: s.Errors, P50: s.P50, P95: s.P95, P99: s.P99, LastSeen: nanos(s.LastSeen)}
		if kinds {
			out[i].Kind = kindName(s.Kind)
		}
	}
	return out
}

func (s *Server) services(w http.ResponseWriter, r *http.Request) error {
	within, err := s.rangeOf(r)
	if err != nil {
		return err
	}
	found, err := s.o.Store.Services(r.Context(), auth.FromContext(r.Context()).Tenant, within)
	if err != nil {
		return err
	}
	services := summariesOf(found.Services, false)
	for i := range services {
		owner, _ := s.o.Governance.Charter().OwnerOf(services[i].Name)
		services[i].Team = owner.Name
	}
	return writeJSON(w, struct {
		Services []summaryJSON `json:"services"`
		Partial  string        `json:"partial"`
	}{services, found.Partial})
}

func (s *Server) operations(w http.ResponseWriter, r *http.Request) error {
	within, err := s.rangeOf(r)
	if err != nil {
		return err
	}
	found, err := s.o.Store.Operations(r.Context(), auth.FromContext(r.Context()).Tenant, r.PathValue("name"), within)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Operations []summaryJSON `json:"operations"`
		Partial    string        `json:"partial"`
	}{summariesOf(found.Operations, true), found.Partial})
}
