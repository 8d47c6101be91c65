package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// asker puts the questions of the bench to one backend. Each returns nil when the
// answer is what the load is known to hold, and says what is wrong with it otherwise.
// A question that the backend has no words for gives an errCannotAsk.
type asker interface {
	// trace says how often each span id is in a trace.
	trace(ctx context.Context, id traceID) (map[string]int, error)
	// some asks for any 20 traces of three predicates.
	some(ctx context.Context, f *facts) error
	// slowest asks for the 20 slowest of all of them, in order.
	slowest(ctx context.Context, f *facts) error
	// percentiles asks for the p99 by operation in 60 steps.
	percentiles(ctx context.Context, f *facts) error
	// structure asks for the traces in which one span is below another.
	structure(ctx context.Context, f *facts) error
	// substring asks for the traces with the needle in a statement's text.
	substring(ctx context.Context, f *facts) error
}

// errCannotAsk says why a backend has no words for a question.
type errCannotAsk string

func (e errCannotAsk) Error() string { return "cannot be asked: " + string(e) }

// question is a row of the table about the latency of an answer.
type question struct {
	id, what  string
	must, aim float64
	ask       func(a asker, ctx context.Context, f *facts) error
	note      func(f *facts) string
}

func held(n int) string { return fmt.Sprintf("%d traces hold it", n) }

var questions = []question{
	{"query.any20", "any 20 traces of three predicates", none, none, asker.some, func(f *facts) string { return held(len(f.matching)) }},
	{"query.slowest20", "exact 20 slowest of three predicates", 150, 60, asker.slowest, nil},
	{"query.p99_over_time", "p99 by operation over time", 250, 120, asker.percentiles, nil},
	{"query.structural", "structural query with selective sides", 1000, 400, asker.structure, func(f *facts) string { return held(len(f.checkouts)) }},
	{"query.substring", "substring in SQL text", none, 200, asker.substring, func(f *facts) string { return held(len(f.needle)) }},
}

// rounds is how often a question about many spans is asked; the first, which
// finds the files cold in the process, is not counted.
const rounds = 7

// timed asks one question, each time with patience.
func timed(ctx context.Context, q question, a asker, f *facts, rounds int, patience time.Duration) (timings, error) {
	var t timings
	for n := range rounds {
		within, cancel := context.WithTimeout(ctx, patience)
		began := time.Now()
		err := q.ask(a, within, f)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil, fmt.Errorf("%s: no answer in %s", q.what, patience)
		case errors.As(err, new(errCannotAsk)):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		if n > 0 {
			t = append(t, time.Since(began))
		}
	}
	return t, nil
}

// byID looks up the sampled traces, each once, and checks how many spans they have.
func byID(ctx context.Context, a asker, f *facts, patience time.Duration) (timings, error) {
	var t timings
	for id, want := range f.sample { // map order: a different one in each run
		within, cancel := context.WithTimeout(ctx, patience)
		began := time.Now()
		spans, err := a.trace(within, id)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil, fmt.Errorf("trace by id: no answer in %s", patience)
		case err != nil:
			return nil, fmt.Errorf("trace by id: %w", err)
		}
		t = append(t, time.Since(began))
		if len(spans) != want {
			return nil, fmt.Errorf("trace %x has %d spans in the answer and %d in the load", id, len(spans), want)
		}
	}
	return t, nil
}

// timings of one question, asked several times.
type timings []time.Duration

func (t timings) at(share float64) time.Duration {
	s := slices.Sorted(slices.Values(t))
	return s[min(int(share*float64(len(s))), len(s)-1)]
}

func (t timings) median() time.Duration { return t.at(0.5) }

func (t timings) millis() []float64 {
	out := make([]float64, len(t))
	for i, d := range t {
		out[i] = millis(d)
	}
	return out
}

const needleQuery = `{ span.db.query.text =~ ".*` + needle + `.*" }`

const percentilesQuery = `{ } | quantile_over_time(duration, .99) by (name)`

// step divides the time of the load by 60.
func (f *facts) step() string { return strconv.FormatInt(max((f.to-f.from)/60/1e9, 1), 10) + "s" }

// clew asks in Clew's own dialect; traces it reads as Grafana does.
type clew struct {
	web
	tempo
}

func newClew(base string) clew {
	own := newWeb(base)
	return clew{own, tempo{web{base + "/tempo", own.client}}}
}

func (f *facts) within(pairs ...string) url.Values {
	q := url.Values{"from": {strconv.FormatInt(f.from, 10)}, "to": {strconv.FormatInt(f.to, 10)}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

// found is as much of an answer to a search as is looked at.
type found struct {
	Traces []struct {
		TraceID string `json:"traceId"`
	} `json:"traces"`
	Partial string `json:"partial"`
}

func (c clew) search(ctx context.Context, f *facts, query, order string, limit int) ([]traceID, error) {
	var a found
	if err := c.web.get(ctx, "/api/search", f.within("q", query, "order", order, "limit", strconv.Itoa(limit)), &a); err != nil {
		return nil, err
	}
	if a.Partial != "" {
		return nil, fmt.Errorf("the answer is partial: %s", a.Partial)
	}
	var ids []traceID
	for _, t := range a.Traces {
		id, err := parseTraceID(t.TraceID)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (c clew) some(ctx context.Context, f *facts) error {
	ids, err := c.search(ctx, f, predicates, "newest", 20)
	return among(ids, err, f.matching, 20)
}

func (c clew) slowest(ctx context.Context, f *facts) error {
	ids, err := c.search(ctx, f, predicates, "slowest", 20)
	if err != nil {
		return err
	}
	if len(ids) != len(f.slowest) {
		return fmt.Errorf("%d traces, want %d", len(ids), len(f.slowest))
	}
	for i, want := range f.slowest {
		if ids[i] != want.id {
			return fmt.Errorf("place %d is %x, want %x", i+1, ids[i], want.id)
		}
	}
	return nil
}

func (c clew) structure(ctx context.Context, f *facts) error {
	ids, err := c.search(ctx, f, related, "newest", 1000)
	return among(ids, err, f.checkouts, 1000)
}

func (c clew) substring(ctx context.Context, f *facts) error {
	ids, err := c.search(ctx, f, needleQuery, "newest", 1000)
	return among(ids, err, f.needle, 1000)
}

func (c clew) percentiles(ctx context.Context, f *facts) error {
	var a struct {
		Series  []struct{} `json:"series"`
		Partial string     `json:"partial"`
	}
	if err := c.web.get(ctx, "/api/metrics", f.within("q", percentilesQuery, "step", f.step()), &a); err != nil {
		return err
	}
	if a.Partial != "" || len(a.Series) != len(f.names) {
		return fmt.Errorf("%d series, want %d; partial: %q", len(a.Series), len(f.names), a.Partial)
	}
	return nil
}

// among checks that an answer has as many traces as it must, each once, and none that does not match.
func among(ids []traceID, err error, want map[traceID]bool, limit int) error {
	if err != nil {
		return err
	}
	if len(ids) != min(len(want), limit) {
		return fmt.Errorf("%d traces, want %d", len(ids), min(len(want), limit))
	}
	seen := map[traceID]bool{}
	for _, id := range ids {
		if !want[id] || seen[id] {
			return fmt.Errorf("trace %x does not match, or is there twice", id)
		}
		seen[id] = true
	}
	return nil
}

// parseTraceID reads an id as backends write them, some without zeros in front.
func parseTraceID(s string) (id traceID, err error) {
	b, err := hex.DecodeString(strings.Repeat("0", max(32-len(s), 0)) + s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no trace id", s)
	}
	return traceID(b), nil
}

// pester asks Clew for slow traces, percentiles and the needle in turn until ctx
// ends. What the answers should be is not known while spans arrive, so only
// whether they come is counted.
func (c clew) pester(ctx context.Context, f *facts) (answered, refused int) {
	heavy := []struct {
		path string
		q    url.Values
	}{
		{"/api/search", f.within("q", predicates, "order", "slowest", "limit", "20")},
		{"/api/metrics", f.within("q", percentilesQuery, "step", f.step())},
		{"/api/search", f.within("q", needleQuery, "limit", "1000")},
	}
	for n := 0; ; n++ {
		_, err := c.web.ask(ctx, http.MethodGet, heavy[n%len(heavy)].path, heavy[n%len(heavy)].q, nil, nil)
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
