package api

import (
	"net/http"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

type spanJSON struct {
	TraceID           string          `json:"traceId"`
	SpanID            string          `json:"spanId"`
	ParentID          string          `json:"parentId"`
	Service           string          `json:"service"`
	Name              string          `json:"name"`
	Kind              string          `json:"kind"`
	Status            string          `json:"status"`
	StatusMessage     string          `json:"statusMessage"`
	Start             string          `json:"start"`
	Duration          int64           `json:"duration"`
	Attributes        []attributeJSON `json:"attributes"`
	Resource          []attributeJSON `json:"resource"`
	ResourceSchemaURL string          `json:"resourceSchemaUrl"`
	Scope             scopeJSON       `json:"scope"`
	Events            []eventJSON     `json:"events"`
	Links             []linkJSON      `json:"links"`
	TraceState        string          `json:"traceState"`
	Flags             uint32          `json:"flags"`
	Marks             []string        `json:"marks"`
	DroppedAttributes int64           `json:"droppedAttributes"`
	DroppedEvents     int64           `json:"droppedEvents"`
	DroppedLinks      int64           `json:"droppedLinks"`
	ReceivedAt        string          `json:"receivedAt"`
	SharedID          int             `json:"sharedId"`
}

type scopeJSON struct {
	Name       string          `json:"name"`
	Version    string          `json:"version"`
	SchemaURL  string          `json:"schemaUrl"`
	Attributes []attributeJSON `json:"attributes"`
}

type eventJSON struct {
	Name              string          `json:"name"`
	Time              int64           `json:"time"` // after the start of the span
	Attributes        []attributeJSON `json:"attributes"`
	DroppedAttributes int64           `json:"droppedAttributes"`
}

type linkJSON struct {
	TraceID           string          `json:"traceId"`
	SpanID            string          `json:"spanId"`
	TraceState        string          `json:"traceState"`
	Flags             uint32          `json:"flags"`
	Attributes        []attributeJSON `json:"attributes"`
	DroppedAttributes int64           `json:"droppedAttributes"`
}

// span answers with everything that is stored of one span. When records share
// the id, kind chooses one; without it the first that started answers.
func (s *Server) span(w http.ResponseWriter, r *http.Request) error {
	id, err := telemetry.ParseSpanID(r.PathValue("span"))
	if err != nil {
		return err
	}
	tr, err := s.load(r)
	if err != nil {
		return err
	}
	defer tr.Release()
	row, same := -1, 0
	kind := r.FormValue("kind")
	for i, other := range tr.Batch.Spans.SpanID {
		if other != id {
			continue
		}
		same++
		if row < 0 && (kind == "" || kind == kindName(tr.Batch.Spans.Kind[i])) {
			row = i
		}
	}
	if row < 0 {
		return telemetry.Errorf(telemetry.KindNotFound, "span %s is not in trace %s", id, tr.Batch.Spans.TraceID[0])
	}
	out := spanOf(tr.Batch, uint32(row))
	out.SharedID = same - 1
	return writeJSON(w, out)
}

// spanOf gives one row of the batch of a whole trace.
func spanOf(b *telemetry.Batch, row uint32) spanJSON {
	s := &b.Spans
	attrs, own := rowAttrs(&s.Table, row)
	resource, ofResource := rowAttrs(&b.Resources, s.Resource[row])
	scope, ofScope := rowAttrs(&b.Scopes, s.Scope[row])
	services, serviceOf := servicesOf(b)
	out := spanJSON{
		TraceID: s.TraceID[row].String(), SpanID: s.SpanID[row].String(), ParentID: idOrNone(s.Parent[row]),
		Service: services[serviceOf[s.Resource[row]]], Name: s.Names.Str(s.Name[row]),
		Kind: kindName(s.Kind[row]), Status: statusName(s.Status[row]), StatusMessage: textOf(own, telemetry.KeyStatusMessage),
		Start: nanos(s.Start[row]), Duration: s.Duration[row], Attributes: attrs,
		Resource: resource, ResourceSchemaURL: textOf(ofResource, telemetry.KeySchemaURL),
		Scope: scopeJSON{
			Name: textOf(ofScope, telemetry.KeyScopeName), Version: textOf(ofScope, telemetry.KeyScopeVersion),
			SchemaURL: textOf(ofScope, telemetry.KeySchemaURL), Attributes: scope,
		},
		Events: []eventJSON{}, Links: []linkJSON{}, TraceState: textOf(own, telemetry.KeyTraceState), Flags: s.Flags[row], Marks: marksOf(s.Marks[row]),
		DroppedAttributes: countOf(own, telemetry.KeyDroppedAttributes), DroppedEvents: countOf(own, telemetry.KeyDroppedEvents),
		DroppedLinks: countOf(own, telemetry.KeyDroppedLinks), ReceivedAt: nanos(s.Seq[row]),
	}
	for i, of := range b.Events.Span {
		if of == row {
			attrs, more := rowAttrs(&b.Events.Table, uint32(i))
			out.Events = append(out.Events, eventJSON{
				b.Events.Names.Str(b.Events.Name[i]), query.SaturatingSub(b.Events.Time[i], s.Start[row]), attrs, countOf(more, telemetry.KeyDroppedAttributes),
			})
		}
	}
	for i, of := range b.Links.Span {
		if of == row {
			attrs, more := rowAttrs(&b.Links.Table, uint32(i))
			out.Links = append(out.Links, linkJSON{
				b.Links.TraceID[i].String(), b.Links.SpanID[i].String(), textOf(more, telemetry.KeyTraceState), b.Links.Flags[i], attrs, countOf(more, telemetry.KeyDroppedAttributes),
			})
		}
	}
	return out
}
