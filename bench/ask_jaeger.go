package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
)

// jaeger asks as Jaeger's page does, which VictoriaTraces and others answer too.
type jaeger struct{ web }

// jaegerTraces is as much of an answer as is looked at.
type jaegerTraces struct {
	Data []struct {
		TraceID string `json:"traceID"`
		Spans   []struct {
			SpanID string `json:"spanID"`
		} `json:"spans"`
	} `json:"data"`
}

func (j jaeger) trace(ctx context.Context, id traceID) (map[string]int, error) {
	var a jaegerTraces
	if err := j.get(ctx, "/api/traces/"+hex.EncodeToString(id[:]), nil, &a); err != nil {
		return nil, err
	}
	spans := map[string]int{}
	for _, t := range a.Data {
		for _, s := range t.Spans {
			b, err := hex.DecodeString(s.SpanID)
			if err != nil {
				return nil, fmt.Errorf("read a trace: %q is no span id", s.SpanID)
			}
			spans[string(b)]++
		}
	}
	return spans, nil
}

// some is the three predicates in the words of a search form.
func (j jaeger) some(ctx context.Context, f *facts) error {
	var a jaegerTraces
	if err := j.get(ctx, "/api/traces", url.Values{"service": {"payment"}, "tags": {`{"span.kind":"client"}`}, "minDuration": {"40ms"}, "limit": {"20"},
		"start": {strconv.FormatInt(f.from/1e3, 10)}, "end": {strconv.FormatInt(f.to/1e3+1, 10)}}, &a); err != nil {
		return err
	}
	var ids []traceID
	for _, t := range a.Data {
		id, err := parseTraceID(t.TraceID)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return among(ids, nil, f.matching, 20)
}

func (j jaeger) slowest(context.Context, *facts) error {
	return errCannotAsk("a search of Jaeger's dialect has no order by duration")
}

func (j jaeger) percentiles(context.Context, *facts) error {
	return errCannotAsk("Jaeger's dialect counts no spans; its charts come from metrics kept elsewhere")
}

func (j jaeger) structure(context.Context, *facts) error {
	return errCannotAsk("Jaeger's dialect knows no relation between spans")
}

func (j jaeger) substring(context.Context, *facts) error {
	return errCannotAsk("Jaeger's dialect compares whole values of tags")
}
