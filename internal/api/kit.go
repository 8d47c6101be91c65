package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/policy"
	"github.com/clew-dev/clew/internal/telemetry"
)

// maxWait bounds how long a kit's question may stay open; proxies cut later ones.
const maxWait = time.Minute

// kitRoute is the long poll of the kits. It has a budget of its own: hundreds of
// waiting services must not use up the requests of people.
const kitRoute = "GET /api/kit/policy"

// kitPolicy answers with the document of a service once it is another than the one
// that the kit has, or after the wait with 304.
func (s *Server) kitPolicy(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	// A proxy that compresses answers makes their tags weak ones.
	service, etag := q.Get("service"), strings.TrimPrefix(r.Header.Get("If-None-Match"), "W/")
	if len(service) > 256 {
		return telemetry.Errorf(telemetry.KindInvalid, "service has %d bytes; the limit is 256", len(service))
	}
	var wait time.Duration
	if text := q.Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 || wait > maxWait {
			return telemetry.Errorf(telemetry.KindInvalid, "wait=%q is not a time up to %s; write wait=30s", telemetry.Clip(text), maxWait)
		}
	}
	if header := r.Header.Get("Clew-Kit"); header != "" {
		s.o.Instances.Note(auth.FromContext(r.Context()).Tenant, header)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	d, changed := s.o.Policy.Wait(ctx, service, etag)
	h := w.Header()
	h.Set("ETag", d.ETag)
	h.Set("Cache-Control", "no-cache")
	if !changed {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(d.Body) // a client that has gone cannot be told
	return nil
}

type kitInstanceJSON struct {
	policy.Instance
	LastSeen string `json:"lastSeen"`
	Current  bool   `json:"current"`
}

// kitInstances lists the processes whose kits have asked, and what they have applied.
func (s *Server) kitInstances(w http.ResponseWriter, r *http.Request) error {
	file, _, broken := s.o.Governance.CharterState()
	out := struct {
		File      string            `json:"file"`
		Error     string            `json:"error"`
		Instances []kitInstanceJSON `json:"instances"`
	}{File: file, Instances: []kitInstanceJSON{}}
	if broken != nil {
		out.Error = broken.Error()
	}
	if !auth.FromContext(r.Context()).May(auth.RoleAdmin) {
		out.File = "" // a path of the server
	}
	for _, i := range s.o.Instances.Of(auth.FromContext(r.Context()).Tenant) {
		current := i.Applied == s.o.Policy.Current(i.Service).Version
		out.Instances = append(out.Instances, kitInstanceJSON{i, nanos(i.Seen.UnixNano()), current})
	}
	return writeJSON(w, out)
}
