package compat

import (
	"net/http"
	"strconv"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// anyValue is OTLP's AnyValue in JSON, as far as attributes of answers need it.
type anyValue struct {
	String *string `json:"stringValue,omitempty"`
	Bool   *bool   `json:"boolValue,omitempty"`
	Int    *string `json:"intValue,omitempty"`
	Double any     `json:"doubleValue,omitempty"`
	Bytes  []byte  `json:"bytesValue,omitempty"`
}

type keyValue struct {
	Key   string   `json:"key"`
	Value anyValue `json:"value"`
}

func anyOf(v any) anyValue {
	switch v := v.(type) {
	case string:
		return anyValue{String: &v}
	case bool:
		return anyValue{Bool: &v}
	case int64:
		s := strconv.FormatInt(v, 10)
		return anyValue{Int: &s}
	case float64:
		return anyValue{Double: doubleJSON(v)}
	case []byte:
		return anyValue{Bytes: v}
	}
	none := "nil" // how Tempo writes a label that spans lack
	return anyValue{String: &none}
}

// doubleJSON gives what JSON has no number for by its name, as protobuf's JSON does.
func doubleJSON(v float64) any {
	switch {
	case v != v:
		return "NaN"
	case v > maxFloat:
		return "Infinity"
	case v < -maxFloat:
		return "-Infinity"
	}
	return v
}

const maxFloat = 0x1p1023 * (1 + (1 - 0x1p-52))

func keyValues(attrs []store.Attr) []keyValue {
	out := make([]keyValue, len(attrs))
	for i, a := range attrs {
		out[i] = keyValue{a.Name, anyOf(a.Value)}
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

type searchAnswer struct {
	Traces  []foundTrace  `json:"traces"`
	Metrics searchMetrics `json:"metrics"`
}

type searchMetrics struct {
	InspectedTraces int    `json:"inspectedTraces,omitempty"`
	InspectedSpans  string `json:"inspectedSpans,omitempty"`
	CompletedJobs   int    `json:"completedJobs"`
	TotalJobs       int    `json:"totalJobs"`
}

// metricsOf tells a client that shows progress whether the answer is whole.
func metricsOf(s store.QueryStats, partial string) searchMetrics {
	m := searchMetrics{InspectedSpans: strconv.FormatInt(s.Rows, 10), CompletedJobs: 1, TotalJobs: 1}
	if partial != "" {
		m.TotalJobs = 2
	}
	return m
}

type foundTrace struct {
	TraceID         string                  `json:"traceID"`
	RootServiceName string                  `json:"rootServiceName"`
	RootTraceName   string                  `json:"rootTraceName"`
	Start           string                  `json:"startTimeUnixNano"`
	DurationMs      int64                   `json:"durationMs"`
	SpanSet         *spanSet                `json:"spanSet,omitempty"`
	SpanSets        []spanSet               `json:"spanSets,omitempty"`
	ServiceStats    map[string]serviceStats `json:"serviceStats,omitempty"`
}

type spanSet struct {
	Spans   []foundSpan `json:"spans"`
	Matched int         `json:"matched"`
}

type foundSpan struct {
	SpanID     string     `json:"spanID"`
	Name       string     `json:"name"`
	Start      string     `json:"startTimeUnixNano"`
	Duration   string     `json:"durationNanos"`
	Attributes []keyValue `json:"attributes,omitempty"`
}

type serviceStats struct {
	SpanCount  int `json:"spanCount"`
	ErrorCount int `json:"errorCount,omitempty"`
}

// rootMissing is Tempo's word for a trace whose root span is not there.
const rootMissing = "<root span not yet received>"

func (t *tempo) search(w http.ResponseWriter, r *http.Request) error {
	text := r.FormValue("q")
	if text == "" {
		var err error
		if text, err = oldSearch(r); err != nil {
			return err
		}
	}
	p, err := query.Compile(text)
	if err != nil {
		return err
	}
	if p.Metrics != nil {
		return telemetry.Errorf(telemetry.KindInvalid, "invalid TraceQL query: %s() gives series; ask /api/metrics/query_range", p.Metrics.Name)
	}
	o := store.SearchOptions{Order: store.OrderNewest, Timeout: t.o.Limits().QueryTimeout}
	if o.Range, err = t.rangeOf(r); err != nil {
		return err
	}
	if o.Limit, err = number(r, "limit", 20, 1000); err != nil {
		return err
	}
	if o.SpansPerTrace, err = number(r, "spss", 3, 100); err != nil {
		return err
	}
	found, err := t.o.Store.Search(r.Context(), tenant(r), p, o)
	if err != nil {
		return err
	}
	out := searchAnswer{Traces: make([]foundTrace, len(found.Traces)), Metrics: metricsOf(found.Stats, found.Partial)}
	out.Metrics.InspectedTraces = len(found.Traces)
	for i, f := range found.Traces {
		out.Traces[i] = foundTraceOf(f)
	}
	return writeJSON(w, out)
}

func foundTraceOf(f store.FoundTrace) foundTrace {
	out := foundTrace{
		TraceID: f.TraceID.String(), RootServiceName: f.RootService, RootTraceName: f.RootName,
		Start: strconv.FormatInt(f.Start, 10), DurationMs: f.Duration / int64(time.Millisecond), ServiceStats: map[string]serviceStats{},
	}
	if f.RootMissing {
		out.RootServiceName, out.RootTraceName = rootMissing, ""
	}
	for _, s := range f.Services {
		out.ServiceStats[s.Service] = serviceStats{s.Spans, s.Errors}
	}
	set := spanSet{Spans: make([]foundSpan, len(f.Found)), Matched: f.Matched}
	for i, s := range f.Found {
		set.Spans[i] = foundSpan{
			SpanID: s.SpanID.String(), Name: s.Name, Start: strconv.FormatInt(s.Start, 10), Duration: strconv.FormatInt(s.Duration, 10),
			Attributes: spanAttributes(s.Attrs),
		}
	}
	out.SpanSet, out.SpanSets = &set, []spanSet{set}
	return out
}
