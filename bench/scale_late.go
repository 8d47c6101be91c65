package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// lateTraces arrive side by side, a span of each at every moment.
const lateTraces = 50

// lateBatch emits the span of a moment of every trace. Parent is the span of the
// moment before, so that the trace is a chain.
func lateBatch(base time.Time, moment int) func(*maker, traceID, int64) error {
	return func(m *maker, _ traceID, _ int64) error {
		for t := range lateTraces {
			id := lateTrace(t)
			at := base.Add(time.Duration(moment) * time.Minute).UnixNano()
			span := &tracepb.Span{TraceId: id[:], SpanId: bigSpan(moment), Name: fmt.Sprintf("moment %d", moment), Kind: client,
				StartTimeUnixNano: uint64(at), EndTimeUnixNano: uint64(at + 1000), Attributes: attrs{whole("job.moment", moment)}}
			if moment > 0 {
				span.ParentSpanId = bigSpan(moment - 1)
			}
			if err := m.emit("job", 0, span); err != nil {
				return err
			}
		}
		return nil
	}
}

func lateTrace(n int) traceID { return traceID{0: byte(n * 37), 7: 1, 15: byte(n + 1)} }

// late sends traces whose spans arrive over an hour: each moment is flushed, so that
// merges pass between them, and every third batch is sent twice. The first moment
// comes last. At each moment the traces are whole and found by what came last.
func (s *scale) late(ctx context.Context) error {
	moments := s.size(60, 20)
	p, err := s.start(ctx, "late", "")
	if err != nil {
		return err
	}
	defer p.stop()
	base := time.Now().Add(-time.Duration(moments) * time.Minute)
	for n := range moments {
		moment := (n + 1) % moments
		times := 1
		if n%3 == 0 {
			times = 2
		}
		for range times {
			l, err := makeLoadOf(filepath.Join(s.folder, "late.load"), "late", lateBatch(base, moment), 1, perFrame, s.seed)
			if err != nil {
				return err
			}
			if err := s.seen(ctx, p, l, n, moment); err != nil {
				return err
			}
		}
	}
	status, err := p.settle(ctx)
	if err != nil {
		return err
	}
	if want := int64(moments * lateTraces); status.spansOf("default") != want {
		return fmt.Errorf("%d spans are stored, %d were sent", status.spansOf("default"), want)
	}
	s.add(row{what: fmt.Sprintf("traces over %d minutes: segments in the end", moments), value: float64(status.Segments), must: 32, aim: none})
	_, err = s.searchIDs(ctx, p, "late: a relation over the whole time", fmt.Sprintf(`{ name = "moment 0" } >> { span.job.moment = %d }`, moments-1))
	return err
}

// seen sends a batch and asks for the traces twice: while it is fresh, and when it is in a segment.
func (s *scale) seen(ctx context.Context, p *process, l *load, n, moment int) error {
	if _, err := sendAll(ctx, l, p.grpc, 1); err != nil {
		return err
	}
	for _, settled := range []bool{false, true} {
		if settled {
			if _, err := p.settle(ctx); err != nil {
				return err
			}
		}
		for t := 0; t < lateTraces; t += 7 {
			spans, err := p.tempo.trace(ctx, lateTrace(t))
			if err != nil {
				return err
			}
			most := 0
			for _, times := range spans {
				most = max(most, times)
			}
			if len(spans) != n+1 || most != 1 {
				return fmt.Errorf("at moment %d trace %d has %d spans, one of them %d times", n, t, len(spans), most)
			}
		}
		body, err := p.web.ask(ctx, http.MethodGet, "/api/search", searchOf(fmt.Sprintf(`{ span.job.moment = %d }`, moment)), nil, nil)
		if err != nil {
			return err
		}
		found, partial, err := foundIDs(body)
		if err != nil {
			return err
		}
		if len(found) != lateTraces || partial != "" {
			return fmt.Errorf("moment %d finds %d traces of %d; partial: %q", moment, len(found), lateTraces, partial)
		}
	}
	return nil
}

// tenths is in how many equal loads the folder is filled.
const tenths = 10

// age fills a folder and compares what the last spans cost with the first.
func (s *scale) age(ctx context.Context) error {
	n := s.size(5_000_000, 50_000)
	p, err := s.start(ctx, "age", "")
	if err != nil {
		return err
	}
	defer func() { p.stop() }()
	var cost []float64
	spans, last := 0, facts{}
	for tenth := range tenths {
		l, err := makeLoad(filepath.Join(s.folder, "age.load"), "shop", n/tenths, perFrame, s.seed+uint64(tenth))
		if err != nil {
			return err
		}
		seconds, err := s.pour(ctx, p, l)
		if err != nil {
			return err
		}
		s.say("tenth %d: %.0f spans for a second of CPU", tenth+1, float64(l.facts.spans)/seconds)
		cost = append(cost, seconds/float64(l.facts.spans))
		spans, last = spans+l.facts.spans, l.facts
	}
	_, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	size, err := bytesBelow(p.data)
	if err != nil {
		return err
	}
	s.add(row{what: fmt.Sprintf("folder of %.3g M spans: rate of the last third over the first", float64(spans)/1e6), value: steadiness(cost), must: s.bound(costly), aim: none, atLeast: true})
	s.add(row{what: "folder: memory, peak while it fills", value: peak, unit: "MiB", must: s.bound(512), aim: 350})
	s.add(row{what: "folder: bytes a span", value: float64(size) / float64(spans), unit: "B", must: s.bound(40), aim: none})
	p.stop()
	if p, err = s.start(ctx, "age", ""); err != nil {
		return err
	}
	s.add(row{what: "folder: start to ready", value: millis(p.ready), unit: "ms", must: s.bound(3000), aim: none})
	t, err := byID(ctx, p, &last, patience)
	if err != nil {
		return err
	}
	s.add(row{what: "folder: trace by id, median", value: millis(t.median()), unit: "ms", must: none, aim: none, note: fmt.Sprintf("p99 %.1f ms", millis(t.at(0.99)))})
	q := last.within("q", predicates, "order", "slowest", "limit", "20")
	q.Set("from", "now-6h")
	_, err = s.measured(p, "folder: 20 slowest of three predicates", func() ([]byte, error) {
		return p.web.ask(ctx, http.MethodGet, "/api/search", q, nil, nil)
	})
	return err
}
