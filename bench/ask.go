package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// timings of one question, asked several times.
type timings []time.Duration

func (t timings) at(share float64) time.Duration {
	s := slices.Sorted(slices.Values(t))
	return s[min(int(share*float64(len(s))), len(s)-1)]
}

func (t timings) median() time.Duration { return t.at(0.5) }

// rounds is how often a question about many spans is asked; the first, which
// finds the files cold in the process, is not counted.
const rounds = 7

func (p *process) timed(rounds int, question func() error) (timings, error) {
	var t timings
	for n := range rounds {
		began := time.Now()
		if err := question(); err != nil {
			return nil, err
		}
		if n > 0 {
			t = append(t, time.Since(began))
		}
	}
	return t, nil
}

func (f *facts) within(pairs ...string) url.Values {
	q := url.Values{"from": {strconv.FormatInt(f.from, 10)}, "to": {strconv.FormatInt(f.to, 10)}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

func (f *facts) slowestQuery() url.Values {
	return f.within("q", predicates, "order", "slowest", "limit", "20")
}

func (f *facts) needleQuery() url.Values {
	return f.within("q", `{ span.db.query.text =~ ".*`+needle+`.*" }`, "limit", "1000")
}

func (f *facts) percentilesQuery() url.Values {
	step := strconv.FormatInt(max((f.to-f.from)/60/1e9, 1), 10) + "s"
	return f.within("q", `{ } | quantile_over_time(duration, .99) by (name)`, "step", step)
}

// pester asks the three questions in turn until ctx ends. What the answers should
// be is not known while spans arrive, so only whether they come is counted.
func (p *process) pester(ctx context.Context, f *facts) (answered, refused int) {
	questions := []struct {
		path string
		q    url.Values
	}{{"/api/search", f.slowestQuery()}, {"/api/metrics", f.percentilesQuery()}, {"/api/search", f.needleQuery()}}
	for n := 0; ; n++ {
		_, err := p.ask(ctx, http.MethodGet, questions[n%3].path, questions[n%3].q, nil, nil)
		switch {
		case ctx.Err() != nil:
			return answered, refused
		case err != nil:
			refused++
		default:
			answered++
		}
	}
}

// trace asks for a trace as Grafana does and says how often each span id is in it.
func (p *process) trace(ctx context.Context, id traceID) (map[string]int, error) {
	body, err := p.ask(ctx, http.MethodGet, "/tempo/api/v2/traces/"+hex.EncodeToString(id[:]), nil, http.Header{"Accept": {"application/protobuf"}}, nil)
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
			var data tracepb.TracesData
			if err := proto.Unmarshal(inner, &data); err != nil {
				return nil, fmt.Errorf("read a trace: %w", err)
			}
			for _, rs := range data.ResourceSpans {
				for _, ss := range rs.ScopeSpans {
					for _, s := range ss.Spans {
						spans[string(s.SpanId)]++
					}
				}
			}
		}
		body = body[size:]
	}
	return spans, nil
}

// byID looks up the sampled traces, each once, and checks how many spans they have.
func (p *process) byID(ctx context.Context, f *facts) (timings, error) {
	ids := make([]traceID, 0, len(f.sample))
	for id := range f.sample { // map order: a different one in each run
		ids = append(ids, id)
	}
	var t timings
	for _, id := range ids {
		began := time.Now()
		spans, err := p.trace(ctx, id)
		if err != nil {
			return nil, err
		}
		t = append(t, time.Since(began))
		if len(spans) != f.sample[id] {
			return nil, fmt.Errorf("trace %x has %d spans in the answer and %d in the load", id, len(spans), f.sample[id])
		}
	}
	return t, nil
}

type found struct {
	Traces []struct {
		TraceID string `json:"traceId"`
	} `json:"traces"`
	Cursor  string `json:"cursor"`
	Partial string `json:"partial"`
}

// slowest asks for the 20 slowest of three predicates and compares them, in order.
func (p *process) slowest(ctx context.Context, f *facts) (timings, error) {
	q := f.slowestQuery()
	return p.timed(rounds, func() error {
		var a found
		if _, err := p.ask(ctx, http.MethodGet, "/api/search", q, nil, &a); err != nil {
			return err
		}
		if a.Partial != "" || len(a.Traces) != len(f.slowest) {
			return fmt.Errorf("the slowest: %d traces, want %d; partial: %q", len(a.Traces), len(f.slowest), a.Partial)
		}
		for i, want := range f.slowest {
			if a.Traces[i].TraceID != hex.EncodeToString(want.id[:]) {
				return fmt.Errorf("the slowest: place %d is %s, want %x", i+1, a.Traces[i].TraceID, want.id)
			}
		}
		return nil
	})
}

// substring asks for the traces with the needle in a statement's text and compares them.
func (p *process) substring(ctx context.Context, f *facts) (timings, error) {
	q := f.needleQuery()
	return p.timed(rounds, func() error {
		var a found
		if _, err := p.ask(ctx, http.MethodGet, "/api/search", q, nil, &a); err != nil {
			return err
		}
		want := min(len(f.needle), 1000)
		if a.Partial != "" || len(a.Traces) != want {
			return fmt.Errorf("the needle: %d traces, want %d; partial: %q", len(a.Traces), want, a.Partial)
		}
		for _, t := range a.Traces {
			b, err := hex.DecodeString(t.TraceID)
			if err != nil || len(b) != 16 || !f.needle[traceID(b)] {
				return fmt.Errorf("the needle: trace %s does not hold it", t.TraceID)
			}
		}
		return nil
	})
}

// percentiles asks for the p99 by operation in 60 steps.
func (p *process) percentiles(ctx context.Context, f *facts) (timings, error) {
	q := f.percentilesQuery()
	return p.timed(rounds, func() error {
		var a struct {
			Series []struct {
				Values []*float64 `json:"values"`
			} `json:"series"`
			Partial string `json:"partial"`
		}
		if _, err := p.ask(ctx, http.MethodGet, "/api/metrics", q, nil, &a); err != nil {
			return err
		}
		if a.Partial != "" || len(a.Series) != len(f.names) {
			return fmt.Errorf("percentiles: %d series, want %d; partial: %q", len(a.Series), len(f.names), a.Partial)
		}
		return nil
	})
}
