package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// ingest sends a load and gives its cost until merges have settled.
func (b *bench) ingest(ctx context.Context, p *process, l *load) (perCPU float64, s sent, err error) {
	before, err := cpuOf(p.pid())
	if err != nil {
		return 0, s, err
	}
	if s, err = sendAll(ctx, l, p.grpc, b.conns); err != nil {
		return 0, s, fmt.Errorf("%w; the log of clew is %s", err, tailOf(p.log))
	}
	if _, err := p.settle(ctx); err != nil {
		return 0, s, err
	}
	after, err := cpuOf(p.pid())
	if err != nil {
		return 0, s, err
	}
	return float64(l.facts.spans) / (after - before), s, nil
}

// cost is the ingest of the shop: work, rate, memory and bytes. It gives the rate.
func (b *bench) cost(ctx context.Context, p *process, l *load, yard float64) (float64, error) {
	b.say("sending over %d connections", b.conns)
	perCPU, s, err := b.ingest(ctx, p, l)
	if err != nil {
		return 0, err
	}
	rest, peak, err := memoryOf(p.pid())
	if err != nil {
		return 0, err
	}
	size, err := bytesBelow(p.data)
	if err != nil {
		return 0, err
	}
	rate := float64(l.facts.spans) / s.took.Seconds()
	b.add(row{id: "ingest.share", what: "ingest, gRPC to settled: share of the yardstick", value: perCPU / yard, must: 0.14, aim: 0.20, atLeast: true,
		note: fmt.Sprintf("%.0f spans per CPU-second", perCPU)})
	b.add(row{id: "ingest.rate", what: "ingest, spans a second to the last answer", value: rate, must: none, aim: none, atLeast: true,
		note: fmt.Sprintf("%d requests tried again", s.retries)})
	b.add(row{id: "memory.peak", what: "memory, peak at full rate", value: peak, unit: "MiB", must: 512, aim: 350})
	b.add(row{id: "memory.rest", what: "memory, at rest after it", value: rest, unit: "MiB", must: none, aim: none})
	b.add(row{id: "bytes_per_span", what: "bytes a span on disk, all files", value: float64(size) / float64(l.facts.spans), unit: "B", must: 40, aim: 34})
	return rate, nil
}

// freshest measures from the answer to the sender until a look-up finds the span,
// and gives the longest of several.
func (b *bench) freshest(ctx context.Context, to dial, a asker, limit time.Duration) (time.Duration, error) {
	l, err := makeLoad(filepath.Join(b.folder, "fresh"), "shop", 1000, 50, b.seed+2)
	if err != nil {
		return 0, err
	}
	e, err := to()
	if err != nil {
		return 0, err
	}
	defer e.close()
	var longest time.Duration
	err = l.each(func(_ int, frame []byte) error {
		var data tracepb.TracesData
		if err := proto.Unmarshal(frame, &data); err != nil {
			return err
		}
		span := data.ResourceSpans[0].ScopeSpans[0].Spans[0]
		if _, err := persist(ctx, e, frame, limit); err != nil {
			return err
		}
		took, err := seen(ctx, a, span, limit)
		longest = max(longest, took)
		return err
	})
	return longest, err
}

// seen asks for a span that was acknowledged until it is found.
func seen(ctx context.Context, a asker, span *tracepb.Span, limit time.Duration) (time.Duration, error) {
	for began := time.Now(); ; {
		within, cancel := context.WithTimeout(ctx, limit)
		have, err := a.trace(within, traceID(span.TraceId))
		cancel()
		took := time.Since(began)
		if err == nil && have[string(span.SpanId)] > 0 {
			return took, nil
		}
		if took > limit || ctx.Err() != nil {
			return took, fmt.Errorf("an acknowledged span is not visible after %s: %w", took.Round(time.Millisecond), orNil(err))
		}
	}
}

func (b *bench) visible(ctx context.Context, p *process) error {
	longest, err := b.freshest(ctx, overGRPC(p.grpc), p, patience)
	if err != nil {
		return err
	}
	b.add(row{id: "visible", what: "acknowledged to visible, longest", value: millis(longest), unit: "ms", must: 2000, aim: none})
	return nil
}

// mixed sends a fifth more while the questions are asked over and over, and looks
// at the memory that both take together.
func (b *bench) mixed(ctx context.Context, p *process, l *load) error {
	b.say("sending and asking at once")
	more, err := makeLoad(filepath.Join(b.folder, "more"), "shop", b.spans/5, perFrame, b.seed+1)
	if err != nil {
		return err
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var answered, refused int
	asked := make(chan struct{})
	go func() {
		answered, refused = p.pester(asking, &l.facts)
		close(asked)
	}()
	perCPU, s, err := b.ingest(ctx, p, more)
	stop()
	<-asked
	if err != nil {
		return err
	}
	_, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	b.add(row{id: "memory.peak_with_questions", what: "memory, peak at full rate with questions", value: peak, unit: "MiB", must: 512, aim: 350,
		note: fmt.Sprintf("%d questions answered, %d refused, %.0f spans a second, %.0f per CPU-second", answered, refused, float64(more.facts.spans)/s.took.Seconds(), perCPU)})
	return nil
}

// shapeRun is what one run of clew on another shape of load came to.
type shapeRun struct {
	perCPU, peak float64
	bytes        int64
	trace        time.Duration
}

func (b *bench) runShape(ctx context.Context, l *load, n int) (r shapeRun, err error) {
	data := filepath.Join(b.folder, fmt.Sprintf("data-%s-%d", l.shape, n))
	defer os.RemoveAll(data)
	p, err := startClew(ctx, b.clew, data)
	if err != nil {
		return r, err
	}
	defer p.stop()
	if r.perCPU, _, err = b.ingest(ctx, p, l); err != nil {
		return r, err
	}
	if _, r.peak, err = memoryOf(p.pid()); err != nil {
		return r, err
	}
	if r.bytes, err = bytesBelow(p.data); err != nil {
		return r, err
	}
	t, err := byID(ctx, p, &l.facts, patience)
	if err != nil {
		return r, err
	}
	r.trace = t.median()
	return r, nil
}

// shapeSpans bounds the load of another shape. It costs about two seconds of CPU: of a
// tenth of that, with CPU told in hundredths of a second, ratios of one run were
// between 0.9 and 1.8.
const shapeSpans = 500_000

// rivalled are the shapes for which the Collector's queue is a bound.
var rivalled = []string{"wide", "high-cardinality"}

// shape measures the cost of another shape of load, in turns with the Collector,
// so that both meet the same machine.
func (b *bench) shape(ctx context.Context, shape string) error {
	b.say("shape %s", shape)
	l, err := makeLoad(filepath.Join(b.folder, shape), shape, min(max(b.spans/2, 1), shapeSpans), perFrame, b.seed)
	if err != nil {
		return err
	}
	yard, err := yardstick(l)
	if err != nil {
		return err
	}
	against := b.collector != "" && slices.Contains(rivalled, shape)
	var own []shapeRun
	var queue []kept
	var shares, ratios []float64
	for n := range b.repeats {
		r, err := b.runShape(ctx, l, n)
		if err != nil {
			return err
		}
		own, shares = append(own, r), append(shares, r.perCPU/yard)
		if !against {
			continue
		}
		k, err := b.runRival(ctx, l)
		if err != nil {
			return err
		}
		queue, ratios = append(queue, k), append(ratios, r.perCPU/k.perCPU)
	}
	spans := float64(l.facts.spans)
	last := own[len(own)-1]
	b.add(row{id: shape + ".share", what: shape + ": ingest, share of its own yardstick", value: medianOf(shares), must: none, aim: none, atLeast: true, runs: shares,
		note: fmt.Sprintf("%.0f spans per CPU-second, %.0f B a span sent, %.1f B stored, peak %.0f MiB, trace by id %.1f ms", last.perCPU,
			float64(l.bytes)/spans, float64(last.bytes)/spans, last.peak, millis(last.trace))})
	if against {
		k := queue[len(queue)-1]
		b.add(row{id: shape + ".against_queue", what: shape + ": spans per CPU-second ÷ those of the Collector's fsynced queue", value: medianOf(ratios), must: 1.2, aim: 1.8, atLeast: true, runs: ratios,
			note: fmt.Sprintf("%.2f to %.2f in %d turns; the queue: %.0f spans per CPU-second, %.0f B a span kept, peak %.0f MiB", slices.Min(ratios), slices.Max(ratios), len(ratios),
				k.perCPU, float64(k.bytes)/spans, k.peak)})
	}
	return nil
}

func medianOf(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
