package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Bounds of one picture of linked traces. A consumer of a batch alone may link to
// 128 producers; what is more than fits on a screen is said, not drawn.
const (
	maxLinkedTraces = 64
	maxLinkedSteps  = 8      // from the trace that was asked for
	maxLinkedSpans  = 50_000 // of one trace beside it
	maxLinks        = 512    // between the traces of the picture
	maxLinksRead    = 8192   // of all its traces: a trace of a million spans may hold millions

	// linkedWithin is how much later than the traces so far one that links to them
	// may begin: a message may wait in its queue.
	linkedWithin = 24 * time.Hour
)

type linkedJSON struct {
	Traces  []linkedTraceJSON `json:"traces"`
	Links   []traceLinkJSON   `json:"links"`
	Missing []string          `json:"missing"`
	More    bool              `json:"more"`
	Partial string            `json:"partial"`
}

type linkedTraceJSON struct {
	TraceID     string             `json:"traceId"`
	RootService string             `json:"rootService"`
	RootName    string             `json:"rootName"`
	RootMissing bool               `json:"rootMissing"`
	Start       string             `json:"start"`
	Duration    int64              `json:"duration"`
	Spans       int                `json:"spans"`
	Errors      int                `json:"errors"`
	Services    []serviceCountJSON `json:"services"`
}

// traceLinkJSON is a link as its span carries it: from the effect to the cause.
type traceLinkJSON struct {
	FromTrace string `json:"fromTrace"`
	FromSpan  string `json:"fromSpan"`
	ToTrace   string `json:"toTrace"`
	ToSpan    string `json:"toSpan"`
}

// linked answers with the traces that are joined to one by links, in either
// direction and over several steps: what a request set off and what set it off.
func (s *Server) linked(w http.ResponseWriter, r *http.Request) error {
	id, err := telemetry.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return err
	}
	p := &picture{
		store: s.o.Store, tenant: auth.FromContext(r.Context()).Tenant, timeout: s.o.Limits().QueryTimeout,
		out: linkedJSON{Traces: []linkedTraceJSON{}, Links: []traceLinkJSON{}, Missing: []string{}}, seen: map[telemetry.TraceID]bool{id: true},
	}
	if err := p.grow(r.Context(), id, s.o.Limits().TraceSpans); err != nil {
		return err
	}
	return writeJSON(w, p.finish())
}

// picture collects traces from one outwards, a step at a time.
type picture struct {
	store      store.Store
	tenant     string
	timeout    time.Duration
	out        linkedJSON
	seen       map[telemetry.TraceID]bool
	links      map[traceLinkJSON]bool
	start, end int64
}

func (p *picture) grow(ctx context.Context, first telemetry.TraceID, maxSpans int) error {
	p.links = map[traceLinkJSON]bool{}
	step := []telemetry.TraceID{first}
	for n := 0; len(step) > 0; n++ {
		next, err := p.causes(ctx, step, maxSpans)
		if err != nil {
			return err
		}
		effects, err := p.effects(ctx, step)
		if err != nil {
			return err
		}
		step, maxSpans = nil, maxLinkedSpans
		for _, id := range append(next, effects...) {
			switch {
			case p.seen[id]:
			case len(p.seen) == maxLinkedTraces || n == maxLinkedSteps:
				p.out.More = true
			default:
				p.seen[id] = true
				step = append(step, id)
			}
		}
	}
	return nil
}

// causes reads traces into the picture and gives those that their spans link to.
func (p *picture) causes(ctx context.Context, ids []telemetry.TraceID, maxSpans int) ([]telemetry.TraceID, error) {
	var out []telemetry.TraceID
	for _, id := range ids {
		links, err := p.read(ctx, id, maxSpans)
		switch kind := telemetry.KindOf(err); {
		case err == nil:
		case len(p.out.Traces) == 0:
			return nil, err // the trace that was asked for
		case kind == telemetry.KindNotFound:
			p.out.Missing = append(p.out.Missing, id.String())
			continue
		case kind == telemetry.KindExhausted && ctx.Err() == nil:
			p.out.Partial = cmp.Or(p.out.Partial, fmt.Sprintf("trace %s is left out: %v", id, err))
			continue
		default:
			return nil, err
		}
		out = append(out, links...)
	}
	return out, nil
}

// read takes a trace into the picture and gives those that its spans link to.
func (p *picture) read(ctx context.Context, id telemetry.TraceID, maxSpans int) ([]telemetry.TraceID, error) {
	tr, err := p.store.Trace(ctx, p.tenant, id, store.TraceOptions{MaxSpans: maxSpans})
	if err != nil {
		return nil, err
	}
	defer tr.Release()
	p.out.Partial = cmp.Or(p.out.Partial, tr.Partial)
	p.add(tr.Batch)
	var out []telemetry.TraceID
	l := &tr.Batch.Links
	for i, span := range l.Span {
		if len(p.links) == maxLinksRead {
			p.out.More = true
			break
		}
		out = append(out, l.TraceID[i])
		p.links[traceLinkJSON{id.String(), tr.Batch.Spans.SpanID[span].String(), l.TraceID[i].String(), l.SpanID[i].String()}] = true
	}
	return out, nil
}

func (p *picture) add(b *telemetry.Batch) {
	t := newTree(&b.Spans)
	services, serviceOf := servicesOf(b)
	root := uint32(t.root)
	if t.root == noParent {
		root = t.order[0]
	}
	one := linkedTraceJSON{
		TraceID: b.Spans.TraceID[0].String(), RootService: services[serviceOf[b.Spans.Resource[root]]], RootName: b.Spans.Names.Str(b.Spans.Name[root]),
		RootMissing: t.root == noParent, Start: nanos(t.start), Duration: query.SaturatingSub(t.end, t.start), Spans: b.Spans.N, Services: []serviceCountJSON{},
	}
	counts := make([]serviceCountJSON, len(services))
	for row := range b.Spans.N {
		c := &counts[serviceOf[b.Spans.Resource[row]]]
		c.Spans++
		if b.Spans.Status[row] == telemetry.StatusError {
			c.Errors++
			one.Errors++
		}
	}
	for i, c := range counts {
		if c.Service = services[i]; c.Spans > 0 {
			one.Services = append(one.Services, c)
		}
	}
	slices.SortFunc(one.Services, func(a, b serviceCountJSON) int { return strings.Compare(a.Service, b.Service) })
	if len(p.out.Traces) == 0 {
		p.start, p.end = t.start, t.end
	}
	p.start, p.end = min(p.start, t.start), max(p.end, t.end)
	p.out.Traces = append(p.out.Traces, one)
}

// effects gives the traces with spans that link to one of ids, the earliest first.
func (p *picture) effects(ctx context.Context, ids []telemetry.TraceID) ([]telemetry.TraceID, error) {
	terms := make([]string, len(ids))
	for i, id := range ids {
		terms[i] = fmt.Sprintf("link:traceID = %q", id)
	}
	plan, err := query.Compile("{ " + strings.Join(terms, " || ") + " }")
	if err != nil {
		return nil, err
	}
	found, err := p.store.Search(ctx, p.tenant, plan, store.SearchOptions{
		Range: store.Range{Start: query.SaturatingSub(p.start, int64(time.Minute)), End: query.SaturatingAdd(p.end, int64(linkedWithin))},
		Limit: maxLinkedTraces + 1, Timeout: p.timeout,
	})
	if err != nil {
		return nil, err
	}
	p.out.Partial = cmp.Or(p.out.Partial, found.Partial)
	p.out.More = p.out.More || found.Cursor != ""
	var out []telemetry.TraceID
	for _, t := range slices.Backward(found.Traces) {
		out = append(out, t.TraceID)
	}
	return out, nil
}

// finish orders what was found: traces by their start, links by their place in that order.
func (p *picture) finish() linkedJSON {
	slices.SortFunc(p.out.Traces, func(a, b linkedTraceJSON) int {
		return cmp.Or(cmp.Compare(len(a.Start), len(b.Start)), cmp.Compare(a.Start, b.Start), cmp.Compare(a.TraceID, b.TraceID))
	})
	at := map[string]int{}
	for i, t := range p.out.Traces {
		at[t.TraceID] = i
	}
	for l := range p.links {
		if _, shown := at[l.ToTrace]; shown {
			p.out.Links = append(p.out.Links, l)
		}
	}
	slices.SortFunc(p.out.Links, func(a, b traceLinkJSON) int {
		return cmp.Or(cmp.Compare(at[a.FromTrace], at[b.FromTrace]), cmp.Compare(at[a.ToTrace], at[b.ToTrace]), cmp.Compare(a.FromSpan, b.FromSpan), cmp.Compare(a.ToSpan, b.ToSpan))
	})
	if len(p.out.Links) > maxLinks {
		p.out.Links, p.out.More = p.out.Links[:maxLinks], true
	}
	slices.Sort(p.out.Missing)
	return p.out
}
