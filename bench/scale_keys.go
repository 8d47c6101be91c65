package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// The receiver's bounds of what a request may put into columns.
const (
	spanKeys    = 128  // attributes of a span
	requestKeys = 8192 // distinct keys of a request
)

// keyRounds is how often each key is sent, each time with a value of its own.
const keyRounds = 20

func keyName(i int) string { return fmt.Sprintf("app.key.%05d", i) }

// keysTrace emits one trace of spans that share the keys [0, keys) among them, so many a span.
func keysTrace(keys, each, round int) func(*maker, traceID, int64) error {
	return func(m *maker, id traceID, start int64) error {
		for from := 0; from < keys; from += each {
			span := &tracepb.Span{TraceId: id[:], SpanId: m.spanID(), Name: "keys", Kind: client, StartTimeUnixNano: uint64(start), EndTimeUnixNano: uint64(start + 1000)}
			for k := from; k < min(from+each, keys); k++ {
				span.Attributes = append(span.Attributes, text(keyName(k), fmt.Sprintf("value %d", round)))
			}
			if err := m.emit("keys", 0, span); err != nil {
				return err
			}
		}
		return nil
	}
}

// keys sends thousands of attribute keys of one service: those within the bounds of
// a request are found and listed, those beyond are counted by their reason.
func (s *scale) keys(ctx context.Context) error {
	n := s.size(5000, 500)
	p, err := s.start(ctx, "keys", "")
	if err != nil {
		return err
	}
	defer p.stop()
	var cost []float64
	for round := range keyRounds {
		l, err := makeLoadOf(filepath.Join(s.folder, "keys.load"), "keys", keysTrace(n, 50, round), 1, requestKeys, s.seed+uint64(round))
		if err != nil {
			return err
		}
		seconds, err := s.pour(ctx, p, l)
		if err != nil {
			return err
		}
		cost = append(cost, seconds)
	}
	_, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	s.add(row{what: fmt.Sprintf("%d keys of one service: rate of the last third over the first, %d flushes", n, keyRounds), value: steadiness(cost), must: none, aim: none, atLeast: true})
	s.add(row{what: "keys: memory, peak while they arrive", value: peak, unit: "MiB", must: s.bound(600), aim: none})
	for _, ask := range []struct {
		key    string
		traces int
	}{{keyName(1), keyRounds}, {keyName(n - 1), keyRounds}, {keyName(n), 0}} {
		found, err := s.searchIDs(ctx, p, "keys: search by "+ask.key, fmt.Sprintf(`{ span.%s != nil }`, ask.key))
		if err != nil {
			return err
		}
		if len(found) != ask.traces {
			return fmt.Errorf("by %s %d traces are found, want %d", ask.key, len(found), ask.traces)
		}
	}
	if err := s.listKeys(ctx, p, n); err != nil {
		return err
	}
	return s.overKeys(ctx, p)
}

// listKeys lists the keys by pages of a prefix, by a limit that has room for all and by one that has not.
func (s *scale) listKeys(ctx context.Context, p *process, n int) error {
	for _, ask := range []struct {
		prefix      string
		limit, want int
	}{{"app.key.", 10_000, n}, {"app.key.", n, n}, {"app.key.", n - 1, n - 1}, {"app.key.0001", 10_000, 10}} {
		q := url.Values{"scope": {"span"}, "from": {"now-6h"}, "to": {"now"}, "prefix": {ask.prefix}, "limit": {strconv.Itoa(ask.limit)}}
		body, err := s.measured(p, fmt.Sprintf("keys: list those of %s*, at most %d", ask.prefix, ask.limit), func() ([]byte, error) {
			return p.web.ask(ctx, http.MethodGet, "/api/tags", q, nil, nil)
		})
		if err != nil {
			return err
		}
		var a struct {
			Scopes []struct {
				Names []string `json:"names"`
			} `json:"scopes"`
			Partial string `json:"partial"`
		}
		if err := json.Unmarshal(body, &a); err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		if len(a.Scopes) != 1 || len(a.Scopes[0].Names) != ask.want || (a.Partial != "") != (ask.want == n-1) {
			return fmt.Errorf("at most %d of %s* gives %d scopes, partial: %q; want %d names", ask.limit, ask.prefix, len(a.Scopes), a.Partial, ask.want)
		}
	}
	return nil
}

// overKeys sends a span and a request with more keys than they may have.
func (s *scale) overKeys(ctx context.Context, p *process) error {
	for _, over := range []struct {
		reason     string
		keys, each int
		dropped    int
	}{{"many_attributes", spanKeys + 2, spanKeys + 2, 2}, {"many_columns", requestKeys + 8, 64, 8}} {
		l, err := makeLoadOf(filepath.Join(s.folder, "over.load"), "keys", keysTrace(over.keys, over.each, 0), 1, requestKeys, s.seed+100)
		if err != nil {
			return err
		}
		// What is dropped is said in the answer; the spans themselves are stored.
		if _, err := sendAll(ctx, l, p.grpc, 1); err != nil && !errors.Is(err, errPartial) {
			return err
		}
		metrics, err := p.web.ask(ctx, http.MethodGet, "/metrics", nil, nil, nil)
		if err != nil {
			return err
		}
		name := fmt.Sprintf(`clew_receive_dropped_attributes_total{reason=%q} `, over.reason)
		if n, err := counted(metrics, name); err != nil || n != over.dropped {
			return fmt.Errorf("%s%d, want %d; %v", name, n, over.dropped, err)
		}
	}
	s.say("attributes over %d of a span and keys over %d of a request are counted at %s", spanKeys, requestKeys, time.Now().Format(time.TimeOnly))
	return nil
}

// counted reads one sample of a page of metrics.
func counted(page []byte, name string) (int, error) {
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name); ok {
			return strconv.Atoi(value)
		}
	}
	return 0, fmt.Errorf("there is no %s", name)
}
