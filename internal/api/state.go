package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"net/http"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/telemetry"
)

// The description is one document in two files: what can be asked, and what the
// answers look like.
var (
	//go:embed openapi.yaml
	openapiPaths string
	//go:embed openapi_schemas.yaml
	openapiSchemas string
)

// statusJSON has snake_case keys, because it is read from outside by measurements.
type statusJSON struct {
	Version       string             `json:"version"`
	UptimeSeconds float64            `json:"uptime_seconds"`
	Ready         bool               `json:"ready"`
	ReadyReason   string             `json:"ready_reason"`
	ReadOnly      string             `json:"read_only"`
	LagBytes      int64              `json:"lag_bytes"`
	LogBytes      int64              `json:"log_bytes"`
	FreshRows     int64              `json:"fresh_rows"`
	FreshBytes    int64              `json:"fresh_bytes"`
	FlushesActive int                `json:"flushes_active"`
	MergesRunning int                `json:"merges_running"`
	SpansStored   int64              `json:"spans_stored"`
	Segments      int                `json:"segments"`
	DiskBytes     int64              `json:"disk_bytes"`
	DiskBudget    int64              `json:"disk_budget"`
	Quarantined   int                `json:"quarantined"`
	Tenants       []tenantStatusJSON `json:"tenants"`
	Counters      map[string]int64   `json:"counters"`
}

type tenantStatusJSON struct {
	Tenant   string `json:"tenant"`
	Spans    int64  `json:"spans"`
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	Oldest   string `json:"oldest"`
}

// status answers with the state of the whole store to administrators. Others see
// their own tenant's share in place of the sums over all tenants.
func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	p := auth.FromContext(r.Context())
	st := s.o.Store.Status()
	reason := s.o.Ready()
	out := statusJSON{
		Version: s.o.Build.Version, UptimeSeconds: s.o.Now().Sub(s.o.Started).Seconds(), Ready: st.Ready && reason == "", ReadyReason: reason,
		ReadOnly: st.ReadOnly, LagBytes: st.LagBytes, LogBytes: st.LogBytes, FreshRows: st.FreshRows, FreshBytes: st.FreshBytes,
		FlushesActive: st.FlushesActive, MergesRunning: st.MergesRunning, SpansStored: st.SpansStored, Segments: st.Segments,
		DiskBytes: st.DiskBytes, DiskBudget: st.DiskBudget, Quarantined: st.Quarantined, Tenants: []tenantStatusJSON{}, Counters: st.Counters,
	}
	admin := p.May(auth.RoleAdmin)
	if !admin {
		out.LogBytes, out.FreshRows, out.FreshBytes, out.SpansStored, out.Segments, out.DiskBytes, out.DiskBudget, out.Counters = 0, 0, 0, 0, 0, 0, 0, nil
	}
	for _, t := range st.Tenants {
		if !admin && t.Tenant != p.Tenant {
			continue
		}
		out.Tenants = append(out.Tenants, tenantStatusJSON{t.Tenant, t.Spans, t.Segments, t.Bytes, nanos(t.Oldest)})
		if !admin {
			out.SpansStored, out.Segments, out.DiskBytes = t.Spans, t.Segments, t.Bytes
		}
	}
	if out.Counters == nil {
		out.Counters = map[string]int64{}
	}
	return writeJSON(w, out)
}

func (s *Server) flush(w http.ResponseWriter, r *http.Request) error {
	if err := s.o.Store.Flush(r.Context()); err != nil {
		return err
	}
	return writeJSON(w, struct{}{})
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, struct {
		Version  string `json:"version"`
		Revision string `json:"revision"`
		Go       string `json:"go"`
	}{s.o.Build.Version, s.o.Build.Revision, s.o.Build.Go})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	reason := s.o.Ready()
	if reason == "" && !s.o.Store.Status().Ready {
		reason = "store: not ready"
	}
	if reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, reason)
		return nil
	}
	fmt.Fprintln(w, "ready")
	return nil
}

// ownMetrics answers to this machine without a token, as scrapers expect, and to
// others with any valid one. Its labels name no tenant.
func (s *Server) ownMetrics(w http.ResponseWriter, r *http.Request) error {
	if !auth.IsLoopback(remoteOf(r)) || !s.hostAllowed(r.Host) {
		if _, err := s.principal(r); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := s.o.WriteMetrics(&b); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // a client that has gone cannot be told
	return nil
}

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(w, openapiPaths+openapiSchemas) // a client that has gone cannot be told
	return nil
}

// profile serves the profiles of the running program to this machine only.
func (s *Server) profile(h http.HandlerFunc) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !auth.IsLoopback(remoteOf(r)) {
			return telemetry.Errorf(telemetry.KindForbidden, "profiles are given to this machine only")
		}
		h(w, r)
		return nil
	}
}

// unknown answers for paths below /api that do not exist, where the page must not.
func (s *Server) unknown(_ http.ResponseWriter, r *http.Request) error {
	return telemetry.Errorf(telemetry.KindNotFound, "%s %s is not part of this interface; GET /api/openapi.yaml describes it", r.Method, telemetry.Clip(r.URL.Path))
}
