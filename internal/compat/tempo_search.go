package compat

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// searchAnswer is tempopb.SearchResponse. A client reads it strictly: a field that
// Tempo does not have makes it refuse the whole.
type searchAnswer struct {
	Traces  []foundTrace  `json:"traces"`
	Metrics searchMetrics `json:"metrics"`
}

type foundTrace struct {
	TraceID         string                  `json:"traceID"`
	RootServiceName string                  `json:"rootServiceName"`
	RootTraceName   string                  `json:"rootTraceName"`
	Start           uint64                  `json:"startTimeUnixNano,string"`
	DurationMs      uint32                  `json:"durationMs"`
	SpanSet         *spanSet                `json:"spanSet,omitempty"`
	SpanSets        []spanSet               `json:"spanSets,omitempty"`
	ServiceStats    map[string]serviceStats `json:"serviceStats,omitempty"`
}

type spanSet struct {
	Spans   []foundSpan `json:"spans"`
	Matched uint32      `json:"matched"`
}

type foundSpan struct {
	SpanID     string     `json:"spanID"`
	Name       string     `json:"name"`
	Start      uint64     `json:"startTimeUnixNano,string"`
	Duration   uint64     `json:"durationNanos,string"`
	Attributes []keyValue `json:"attributes,omitempty"`
}

type serviceStats struct {
	SpanCount  uint32 `json:"spanCount"`
	ErrorCount uint32 `json:"errorCount,omitempty"`
}

// rootMissing is Tempo's word for a trace whose root span is not there.
const rootMissing = "<root span not yet received>"

// What a search gives when nothing is said, and at most.
const (
	defaultTraces, maxTraces = 20, 1000
	defaultSpans, maxSpans   = 3, 100
)

// search answers at once what streamSearch answers in parts.
func (t *tempo) search(ctx context.Context, a ask) (answer, error) {
	p, o, err := t.searchPlan(a)
	if err != nil {
		return nil, err
	}
	found, err := t.o.Store.Search(ctx, a.tenant, p, o)
	if err != nil {
		return nil, err
	}
	return searchAnswerOf(p, found), nil
}

func searchAnswerOf(p *query.Plan, found *store.SearchResult) *searchAnswer {
	out := &searchAnswer{Traces: make([]foundTrace, len(found.Traces)), Metrics: metricsOf(found.Stats, found.Partial)}
	out.Metrics.InspectedTraces = uint32(len(found.Traces))
	for i, f := range found.Traces {
		out.Traces[i] = foundTraceOf(p, f)
	}
	return out
}

func (t *tempo) searchPlan(a ask) (*query.Plan, store.SearchOptions, error) {
	o := store.SearchOptions{Order: store.OrderNewest, Timeout: t.o.Limits().QueryTimeout}
	text := a.get("q")
	var err error
	if text == "" {
		if text, err = oldSearch(a); err != nil {
			return nil, o, err
		}
	}
	p, err := query.CompileNamed(text, t.o.Names)
	if err != nil {
		return nil, o, err
	}
	if p.Metrics != nil {
		return nil, o, telemetry.Errorf(telemetry.KindInvalid, "invalid TraceQL query: %s gives series; ask /api/metrics/query_range", p.Metrics.Title())
	}
	if o.Range, err = t.rangeOf(a); err != nil {
		return nil, o, err
	}
	if o.Limit, err = a.number("limit", defaultTraces, maxTraces); err != nil {
		return nil, o, err
	}
	o.SpansPerTrace, err = a.number("spss", defaultSpans, maxSpans)
	return p, o, err
}

func foundTraceOf(p *query.Plan, f store.FoundTrace) foundTrace {
	out := foundTrace{
		TraceID: f.TraceID.String(), RootServiceName: f.RootService, RootTraceName: f.RootName,
		Start: positive(f.Start), DurationMs: atMost32(f.Duration / int64(time.Millisecond)), ServiceStats: map[string]serviceStats{},
	}
	if f.RootMissing {
		out.RootServiceName, out.RootTraceName = rootMissing, ""
	}
	for _, s := range f.Services {
		out.ServiceStats[s.Service] = serviceStats{atMost32(int64(s.Spans)), atMost32(int64(s.Errors))}
	}
	set := spanSet{Spans: make([]foundSpan, len(f.Found)), Matched: atMost32(int64(f.Matched))}
	for i, s := range f.Found {
		set.Spans[i] = foundSpan{
			SpanID: s.SpanID.String(), Name: s.Name, Start: positive(s.Start), Duration: positive(s.Duration),
			Attributes: spanAttributes(slices.Concat(s.Attrs, ownWords(p, s))),
		}
	}
	out.SpanSet, out.SpanSets = &set, []spanSet{set}
	return out
}

// positive and atMost32 fit numbers into the fields that Tempo has for them: a
// client that reads strictly refuses an answer with one that does not fit.
func positive(v int64) uint64 { return uint64(max(v, 0)) }

func atMost32(v int64) uint32 { return uint32(min(max(v, 0), math.MaxUint32)) }

// ownWords gives status and kind when the query speaks of them: Tempo lists them
// among the attributes, the store has them beside.
func ownWords(p *query.Plan, s store.FoundSpan) []store.Attr {
	var out []store.Attr
	for _, f := range slices.Concat(p.Fields, p.Select) {
		v := query.Value{Type: f.Type()}
		switch {
		case f.Scope != telemetry.ScopeIntrinsic:
			continue
		case f.Intrinsic == query.Status:
			v.Int = int64(s.Status)
		case f.Intrinsic == query.Kind:
			v.Int = int64(s.Kind)
		default:
			continue
		}
		a := store.Attr{Name: f.String(), Value: v.Text()}
		if !slices.ContainsFunc(slices.Concat(s.Attrs, out), func(b store.Attr) bool { return a.Name == b.Name }) {
			out = append(out, a)
		}
	}
	return out
}

// spanAttributes names attributes as Tempo does in search results, without their
// scope, and leaves out what has a column of its own.
func spanAttributes(attrs []store.Attr) []keyValue {
	var out []keyValue
	for _, a := range attrs {
		f, err := query.ParseField(a.Name)
		switch {
		case err != nil: // no field of the language: shown as the store names it
			out = append(out, keyValue{a.Name, anyOf(a.Value)})
		case f.Scope != telemetry.ScopeIntrinsic:
			out = append(out, keyValue{f.Key, anyOf(a.Value)})
		case f.Intrinsic == query.Name || f.Intrinsic == query.Duration:
		default:
			v := a.Value
			if ns, ok := v.(int64); ok && f.Type() == query.TypeDuration {
				v = time.Duration(ns).String()
			}
			out = append(out, keyValue{a.Name, anyOf(v)})
		}
	}
	return out
}
