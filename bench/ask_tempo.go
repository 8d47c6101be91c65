package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// tempo asks in Tempo's dialect, of which the base of its URL is a part.
type tempo struct{ web }

// seconds bounds a question as Tempo does, by whole seconds around the load.
func (f *facts) seconds(pairs ...string) url.Values {
	q := url.Values{"start": {strconv.FormatInt(f.from/1e9, 10)}, "end": {strconv.FormatInt((f.to-1)/1e9+1, 10)}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

func (t tempo) trace(ctx context.Context, id traceID) (map[string]int, error) {
	body, err := t.ask(ctx, http.MethodGet, "/api/v2/traces/"+hex.EncodeToString(id[:]), nil, http.Header{"Accept": {"application/protobuf"}}, nil)
	if err != nil {
		return nil, err
	}
	spans := map[string]int{}
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return nil, fmt.Errorf("read a trace: %w", protowire.ParseError(n))
		}
		body = body[n:]
		size := protowire.ConsumeFieldValue(number, kind, body)
		if size < 0 {
			return nil, fmt.Errorf("read a trace: %w", protowire.ParseError(size))
		}
		if number == 1 && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(body)
			if err := countSpans(inner, spans); err != nil {
				return nil, err
			}
		}
		body = body[size:]
	}
	return spans, nil
}

func countSpans(message []byte, spans map[string]int) error {
	var data tracepb.TracesData
	if err := proto.Unmarshal(message, &data); err != nil {
		return fmt.Errorf("read a trace: %w", err)
	}
	for _, rs := range data.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				spans[string(s.SpanId)]++
			}
		}
	}
	return nil
}

func (t tempo) search(ctx context.Context, f *facts, query string, limit int) ([]traceID, error) {
	var a struct {
		Traces []struct {
			TraceID string `json:"traceID"`
		} `json:"traces"`
	}
	if err := t.get(ctx, "/api/search", f.seconds("q", query, "limit", strconv.Itoa(limit)), &a); err != nil {
		return nil, err
	}
	var ids []traceID
	for _, found := range a.Traces {
		id, err := parseTraceID(found.TraceID)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (t tempo) some(ctx context.Context, f *facts) error {
	ids, err := t.search(ctx, f, predicates, 20)
	return among(ids, err, f.matching, 20)
}

func (t tempo) slowest(context.Context, *facts) error {
	return errCannotAsk("a search of Tempo's dialect has no order by duration")
}

func (t tempo) structure(ctx context.Context, f *facts) error {
	ids, err := t.search(ctx, f, related, 1000)
	return among(ids, err, f.checkouts, 1000)
}

func (t tempo) substring(ctx context.Context, f *facts) error {
	ids, err := t.search(ctx, f, needleQuery, 1000)
	return among(ids, err, f.needle, 1000)
}

func (t tempo) percentiles(ctx context.Context, f *facts) error {
	var a struct {
		Series []struct{} `json:"series"`
	}
	if err := t.get(ctx, "/api/metrics/query_range", f.seconds("q", percentilesQuery, "step", f.step()), &a); err != nil {
		return err
	}
	if len(a.Series) != len(f.names) {
		return fmt.Errorf("%d series, want %d", len(a.Series), len(f.names))
	}
	return nil
}
