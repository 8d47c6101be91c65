package api

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// load reads the trace that the path names. The caller releases it.
func (s *Server) load(r *http.Request) (*store.Trace, error) {
	id, err := telemetry.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return s.o.Store.Trace(r.Context(), auth.FromContext(r.Context()).Tenant, id, store.TraceOptions{MaxSpans: s.o.Limits().TraceSpans})
}

type traceJSON struct {
	TraceID        string             `json:"traceId"`
	Partial        string             `json:"partial"`
	Start          string             `json:"start"`
	Duration       int64              `json:"duration"`
	SpanCount      int                `json:"spanCount"`
	RootMissing    bool               `json:"rootMissing"`
	MissingParents int                `json:"missingParents"`
	Services       []serviceCountJSON `json:"services"`
	Spans          []traceSpanJSON    `json:"spans"`
}

type traceSpanJSON struct {
	SpanID        string `json:"spanId"`
	ParentID      string `json:"parentId"`
	Depth         uint32 `json:"depth"`
	Service       string `json:"service"`
	Name          string `json:"name"`
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	StatusMessage string `json:"statusMessage,omitempty"`
	Start         int64  `json:"start"` // after the trace's start
	Duration      int64  `json:"duration"`
	HasEvents     bool   `json:"hasEvents"`
	HasLinks      bool   `json:"hasLinks"`
	ParentMissing bool   `json:"parentMissing"`
}

func (s *Server) trace(w http.ResponseWriter, r *http.Request) error {
	tr, err := s.load(r)
	if err != nil {
		return err
	}
	defer tr.Release()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	return writeTrace(w, tr)
}

// writeTrace writes the head of a trace and then its spans, a piece at a time.
func writeTrace(w io.Writer, tr *store.Trace) error {
	t := newTree(&tr.Batch.Spans)
	services, serviceOf := servicesOf(tr.Batch)
	out := newPieces(w)
	if err := out.json(traceHead(tr, t, services, serviceOf)); err != nil {
		return err
	}
	out.cut(len("]}"))
	spans := spansOf(tr.Batch, t, services, serviceOf)
	for i := range t.order {
		if i > 0 {
			out.b.WriteByte(',')
		}
		if err := out.json(spans(i)); err != nil {
			return err
		}
	}
	out.b.WriteString("]}\n")
	return out.rest()
}

// traceHead is a trace without its spans.
func traceHead(tr *store.Trace, t *tree, services []string, serviceOf []int) traceJSON {
	spans := &tr.Batch.Spans
	out := traceJSON{
		TraceID: spans.TraceID[0].String(), Partial: tr.Partial, Start: nanos(t.start), Duration: query.SaturatingSub(t.end, t.start),
		SpanCount: spans.N, RootMissing: t.root == noParent, MissingParents: t.lost, Spans: []traceSpanJSON{},
	}
	counts := make([]serviceCountJSON, len(services))
	for row, resource := range spans.Resource {
		c := &counts[serviceOf[resource]]
		c.Spans++
		if spans.Status[row] == telemetry.StatusError {
			c.Errors++
		}
	}
	for i, c := range counts {
		if c.Spans > 0 {
			c.Service = services[i]
			out.Services = append(out.Services, c)
		}
	}
	slices.SortFunc(out.Services, func(a, b serviceCountJSON) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// spansOf gives the span at a place of the tree.
func spansOf(b *telemetry.Batch, t *tree, services []string, serviceOf []int) func(place int) traceSpanJSON {
	spans := &b.Spans
	events, links := having(b.Events.Span, spans.N), having(b.Links.Span, spans.N)
	messages := spans.Find(telemetry.ScopeIntrinsic, telemetry.KeyStatusMessage, telemetry.TypeString)
	return func(place int) traceSpanJSON {
		row := t.order[place]
		one := traceSpanJSON{
			SpanID: spans.SpanID[row].String(), ParentID: idOrNone(spans.Parent[row]), Depth: t.depth[place], Service: services[serviceOf[spans.Resource[row]]],
			Name: spans.Names.Str(spans.Name[row]), Kind: kindName(spans.Kind[row]), Status: statusName(spans.Status[row]),
			Start: query.SaturatingSub(spans.Start[row], t.start), Duration: spans.Duration[row],
			HasEvents: events[row], HasLinks: links[row], ParentMissing: t.missing[row],
		}
		if messages != nil {
			if pos, ok := messages.Find(row); ok {
				one.StatusMessage = messages.Dict.Str(messages.Codes[pos])
			}
		}
		return one
	}
}

func idOrNone(id telemetry.SpanID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// skeleton encodes the trace twice, for its tag and for the client, which costs less
// than to keep it: laying out the tree is what takes the time.
func (s *Server) skeleton(w http.ResponseWriter, r *http.Request) error {
	tr, err := s.load(r)
	if err != nil {
		return err
	}
	defer tr.Release()
	skel, err := newSkeleton(tr)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := skel.write(sum); err != nil {
		return err
	}
	tag := `"` + hex.EncodeToString(sum.Sum(nil)[:12]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache") // a trace may grow: ask each time, send only what changed
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/octet-stream")
	return skel.write(w)
}

// matches compares the header If-None-Match with an entity tag, weakly.
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

func (s *Server) otlp(w http.ResponseWriter, r *http.Request) error {
	tr, err := s.load(r)
	if err != nil {
		return err
	}
	defer tr.Release()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="trace-`+tr.Batch.Spans.TraceID[0].String()+`.json"`)
	return cutOff(otlp.NewTraces(tr.Batch).WriteJSON(w, "resourceSpans"))
}
