package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// bigTrace is one trace of very many spans, which arrive in turns. Starts of each
// turn lie all over the trace's time, as those of work that is fanned out do.
type bigTrace struct {
	id    traceID
	start int64
	spans int
}

// bigSpan gives the id of span i.
func bigSpan(i int) []byte {
	x := uint64(i+1) * 0x9e3779b97f4a7c15 // an odd factor and the shift below keep all apart
	return binary.BigEndian.AppendUint64(nil, x^x>>32)
}

// bigSpread is how many nanoseconds the starts are spread over.
const bigSpread = int64(time.Minute)

// turn gives the shape that emits the spans [from, to).
func (b *bigTrace) turn(from, to int) func(*maker, traceID, int64) error {
	return func(m *maker, _ traceID, _ int64) error {
		for i := from; i < to; i++ {
			at := b.start + int64(i)*2654435761%int64(b.spans)*(bigSpread/int64(b.spans))
			span := &tracepb.Span{TraceId: b.id[:], SpanId: bigSpan(i), Name: fmt.Sprintf("step %d", i%40), Kind: client,
				StartTimeUnixNano: uint64(at), EndTimeUnixNano: uint64(at + int64(1+i%1000)*1000),
				Attributes: attrs{text("job.item", fmt.Sprintf("item-%07d", i)), whole("job.shard", i%16), text("job.queue", "import"), truth("job.retried", i%50 == 0)}}
			switch i {
			case 0:
				span.Name, span.StartTimeUnixNano, span.EndTimeUnixNano = "import", uint64(b.start), uint64(b.start+bigSpread)
			case b.spans - 1:
				span.Name = "last step"
			}
			if i > 0 {
				span.ParentSpanId = bigSpan((i - 1) / 8)
			}
			if err := m.emit("importer", i%3, span); err != nil {
				return err
			}
		}
		return nil
	}
}

// bigTurns is in how many loads the trace arrives; each settles before the next.
const bigTurns = 6

// trace sends one trace of as many spans as an answer may have, asks for it in every
// form, and then sends one span more.
func (s *scale) trace(ctx context.Context) error {
	b := &bigTrace{id: traceID{15: 1}, start: time.Now().Add(-10 * time.Minute).UnixNano(), spans: s.size(1_000_000, 20_000)}
	p, err := s.start(ctx, "trace", fmt.Sprintf("charter: 1\nlimits:\n  trace_spans: %d\n", b.spans))
	if err != nil {
		return err
	}
	defer p.stop()
	if err := s.sendBig(ctx, p, b); err != nil {
		return err
	}
	small, err := s.oneSpan(ctx, p, time.Now().UnixNano())
	if err != nil {
		return err
	}
	if err := s.askBig(ctx, p, b, small); err != nil {
		return err
	}
	return s.overBig(ctx, p, b, small)
}

func (s *scale) sendBig(ctx context.Context, p *process, b *bigTrace) error {
	var cost []float64
	for n := range bigTurns {
		from, to := b.spans*n/bigTurns, b.spans*(n+1)/bigTurns
		l, err := makeLoadOf(filepath.Join(s.folder, "big.load"), "big", b.turn(from, to), to-from, perFrame, s.seed)
		if err != nil {
			return err
		}
		seconds, err := s.pour(ctx, p, l)
		if err != nil {
			return err
		}
		s.say("turn %d of %d: %.2f s of CPU for %d spans", n+1, bigTurns, seconds, to-from)
		cost = append(cost, seconds)
	}
	_, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	s.add(row{what: fmt.Sprintf("one trace of %d spans: rate of the last third over the first", b.spans), value: steadiness(cost), must: s.bound(costly), aim: none, atLeast: true})
	s.add(row{what: "one trace: memory, peak while it arrives", value: peak, unit: "MiB", must: s.bound(600), aim: none})
	return nil
}

// oneSpan sends a trace of one span and gives its id.
func (s *scale) oneSpan(ctx context.Context, p *process, start int64) (string, error) {
	id := traceID{0: 0xee}
	binary.BigEndian.PutUint64(id[8:], uint64(start))
	l, err := makeLoadOf(filepath.Join(s.folder, "one.load"), "one", func(m *maker, _ traceID, _ int64) error {
		return m.emit("importer", 0, &tracepb.Span{TraceId: id[:], SpanId: bigSpan(0), Name: "small", Kind: client,
			StartTimeUnixNano: uint64(start), EndTimeUnixNano: uint64(start + 1000)})
	}, 1, perFrame, s.seed)
	if err != nil {
		return "", err
	}
	_, err = sendAll(ctx, l, p.grpc, 1)
	return hex.EncodeToString(id[:]), err
}

// bigForms are the answers that give a whole trace, and what one span of it shows.
var bigForms = []struct{ name, path, accept, mark string }{
	{"as JSON", "/api/traces/%s", "", `"spanId":"`},
	{"as OTLP JSON", "/api/traces/%s/otlp", "", `"spanId":"`},
	{"for the page", "/api/traces/%s/skeleton", "", ""},
	{"Tempo, version 2", "/tempo/api/v2/traces/%s", "application/protobuf", "item-"},
	{"Tempo, version 1, JSON", "/tempo/api/traces/%s", "", `"spanId":"`},
}

func (s *scale) askBig(ctx context.Context, p *process, b *bigTrace, small string) error {
	id := hex.EncodeToString(b.id[:])
	for _, form := range bigForms {
		body, err := s.measured(p, "one trace: "+form.name, func() ([]byte, error) {
			header := http.Header{}
			if form.accept != "" {
				header.Set("Accept", form.accept)
			}
			return p.web.ask(ctx, http.MethodGet, fmt.Sprintf(form.path, id), nil, header, nil)
		})
		if err != nil {
			return err
		}
		if have := shownSpans(body, form.mark); have != b.spans {
			return fmt.Errorf("%s shows %d spans of %d", form.name, have, b.spans)
		}
	}
	for _, q := range []struct{ name, text string }{
		{"search by its last span", `{ name = "last step" }`},
		{"a relation", `{ name = "import" } >> { name = "last step" }`},
		{"a relation of which most spans are a side", `{ span.job.queue = "import" } > { name = "step 7" }`},
		{"a count", `{ span.job.queue = "import" } | count() > 10`},
	} {
		found, err := s.searchIDs(ctx, p, "one trace: "+q.name, q.text)
		if err != nil {
			return err
		}
		if len(found) != 1 || found[0] != id {
			return fmt.Errorf("%s finds %q", q.text, found)
		}
	}
	found, err := s.searchIDs(ctx, p, "one trace: the newest, beside a small one", `{ }`)
	if err != nil {
		return err
	}
	if strings.Join(found, " ") != small+" "+id {
		return fmt.Errorf("{ } finds %q", found)
	}
	return nil
}

// shownSpans counts the spans of an answer: by what each shows, or by the head of a skeleton.
func shownSpans(body []byte, mark string) int {
	if mark != "" {
		return bytes.Count(body, []byte(mark))
	}
	var head struct {
		Count int `json:"count"`
	}
	if len(body) < 4 || int(binary.LittleEndian.Uint32(body)) > len(body)-4 || json.Unmarshal(body[4:4+binary.LittleEndian.Uint32(body)], &head) != nil {
		return -1
	}
	return head.Count
}

// measured notes the CPU that an answer takes, and the peak of memory meanwhile.
func (s *scale) measured(p *process, what string, ask func() ([]byte, error)) ([]byte, error) {
	if err := forgetPeak(p.pid()); err != nil {
		return nil, err
	}
	before, err := cpuOf(p.pid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	body, err := ask()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	took := time.Since(began)
	after, err := cpuOf(p.pid())
	if err != nil {
		return nil, err
	}
	_, peak, err := memoryOf(p.pid())
	if err != nil {
		return nil, err
	}
	s.add(row{what: what, value: after - before, unit: "s of CPU", must: none, aim: none,
		note: fmt.Sprintf("%.0f ms, %d bytes, peak of memory %.0f MiB", millis(took), len(body), peak)})
	return body, nil
}

// searchIDs searches the last hours and gives the traces of the answer, which must be complete.
func (s *scale) searchIDs(ctx context.Context, p *process, what, q string) ([]string, error) {
	body, err := s.measured(p, what, func() ([]byte, error) {
		return p.web.ask(ctx, http.MethodGet, "/api/search", searchOf(q), nil, nil)
	})
	if err != nil {
		return nil, err
	}
	ids, partial, err := foundIDs(body)
	if err == nil && partial != "" {
		err = fmt.Errorf("%s is partial: %s", q, partial)
	}
	return ids, err
}

func searchOf(q string) url.Values {
	return url.Values{"q": {q}, "from": {"now-6h"}, "to": {"now"}, "limit": {"1000"}}
}

func foundIDs(body []byte) (ids []string, partial string, err error) {
	var a found
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, "", fmt.Errorf("read an answer: %w", err)
	}
	for _, t := range a.Traces {
		ids = append(ids, t.TraceID)
	}
	return ids, a.Partial, nil
}

// overBig sends one span more than an answer may have. Then every form of the trace
// is refused with the limit, and searches show what is beside it and say what they leave out.
func (s *scale) overBig(ctx context.Context, p *process, b *bigTrace, small string) error {
	more := *b
	more.spans++
	l, err := makeLoadOf(filepath.Join(s.folder, "more.load"), "big", more.turn(b.spans, more.spans), 1, perFrame, s.seed)
	if err != nil {
		return err
	}
	if _, err := s.pour(ctx, p, l); err != nil {
		return err
	}
	id := hex.EncodeToString(b.id[:])
	limit := fmt.Sprintf("%d spans, the limit is %d", more.spans, b.spans)
	for _, form := range bigForms {
		body, err := p.web.ask(ctx, http.MethodGet, fmt.Sprintf(form.path, id), nil, http.Header{}, nil)
		if err == nil || !strings.Contains(err.Error(), limit) || !strings.Contains(err.Error(), "trace_spans") {
			return fmt.Errorf("%s of a trace over the limit gives %d bytes and %v", form.name, len(body), err)
		}
	}
	for _, q := range []string{`{ }`, `{ name = "small" } || { name = "import" } >> { name = "last step" }`} {
		body, err := s.measured(p, "a trace over the limit beside a small one", func() ([]byte, error) {
			return p.web.ask(ctx, http.MethodGet, "/api/search", searchOf(q), nil, nil)
		})
		if err != nil {
			return err
		}
		ids, partial, err := foundIDs(body)
		if err != nil {
			return err
		}
		if len(ids) != 1 || ids[0] != small || !strings.Contains(partial, limit) {
			return fmt.Errorf("%s beside a trace over the limit finds %q, partial: %q", q, ids, partial)
		}
	}
	return nil
}
