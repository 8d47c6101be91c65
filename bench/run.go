package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

type runOptions struct {
	clew           string
	seed           uint64
	spans, conns   int
	cycles         int
	shapes, strict bool
}

// bench is a run: what was asked for, where it works and what it has found so far.
type bench struct {
	runOptions
	folder   string
	progress io.Writer
	rows     []row
}

func runBench(ctx context.Context, o runOptions, out, progress io.Writer) error {
	folder, err := os.MkdirTemp("", "clew-bench-")
	if err != nil {
		return fmt.Errorf("run the bench: %w", err)
	}
	defer os.RemoveAll(folder)
	b := &bench{runOptions: o, folder: folder, progress: progress}
	if err := b.starts(ctx); err != nil {
		return err
	}
	if err := b.main(ctx); err != nil {
		return err
	}
	b.say("kill -9 ledger, %d cycles", o.cycles)
	r, err := runLedger(ctx, o.clew, o.cycles)
	if err != nil {
		return err
	}
	b.add(row{what: fmt.Sprintf("acknowledged spans lost in %d kill -9 cycles", o.cycles), value: float64(r.Lost), must: 0, aim: 0,
		note: fmt.Sprintf("of %d; %d stored twice, %d damaged", r.Acknowledged, r.Doubled, r.Damaged)})
	if o.shapes {
		for _, shape := range shapes[1:] {
			if err := b.other(ctx, shape); err != nil {
				return fmt.Errorf("shape %s: %w", shape, err)
			}
		}
	}
	writeTable(out, b.rows)
	if err := r.err(); err != nil {
		return err
	}
	if m := missed(b.rows); o.strict && len(m) > 0 {
		return fmt.Errorf("figures miss what must hold: %s", strings.Join(m, "; "))
	}
	return nil
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

func (b *bench) add(r row) { b.rows = append(b.rows, r) }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// starts measures the time to ready and the memory of a server that does nothing.
func (b *bench) starts(ctx context.Context) error {
	b.say("starting on empty folders")
	var t timings
	var idle float64
	for n := range 5 {
		p, err := startClew(ctx, b.clew, filepath.Join(b.folder, fmt.Sprintf("empty-%d", n)))
		if err != nil {
			return err
		}
		t = append(t, p.ready)
		if n == 4 {
			select {
			case <-time.After(3 * time.Second): // long enough for what starts late to have started
			case <-ctx.Done():
			}
			if idle, _, err = memoryOf(p.pid()); err != nil {
				p.stop()
				return err
			}
		}
		p.stop()
	}
	b.add(row{what: "clew up to ready, empty folder", value: millis(t.median()), unit: "ms", must: 1000, aim: 300})
	b.add(row{what: "memory, idle", value: idle, unit: "MiB", must: 150, aim: 80})
	return nil
}

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

// main measures the shop load: cost, memory, bytes, and the questions.
func (b *bench) main(ctx context.Context) error {
	b.say("making %d spans", b.spans)
	l, err := makeLoad(filepath.Join(b.folder, "load"), "shop", b.spans, perFrame, b.seed)
	if err != nil {
		return err
	}
	b.say("%d spans in %d traces, %.1f spans a trace, %.0f bytes a span", l.facts.spans, l.facts.traces,
		float64(l.facts.spans)/float64(l.facts.traces), float64(l.bytes)/float64(l.facts.spans))
	yard, err := yardstick(l)
	if err != nil {
		return err
	}
	b.add(row{what: "yardstick: pdata decode, spans per CPU-second", value: yard, must: none, aim: none})
	p, err := startClew(ctx, b.clew, filepath.Join(b.folder, "data"))
	if err != nil {
		return err
	}
	defer p.stop()
	b.say("sending over %d connections", b.conns)
	perCPU, s, err := b.ingest(ctx, p, l)
	if err != nil {
		return err
	}
	rest, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	size, err := bytesBelow(p.data)
	if err != nil {
		return err
	}
	b.add(row{what: "ingest, gRPC to settled: share of the yardstick", value: perCPU / yard, must: 0.10, aim: 0.15, atLeast: true,
		note: fmt.Sprintf("%.0f spans per CPU-second", perCPU)})
	b.add(row{what: "ingest, spans a second to the last answer", value: float64(l.facts.spans) / s.took.Seconds(), must: none, aim: none,
		note: fmt.Sprintf("%d requests tried again", s.retries)})
	b.add(row{what: "memory, peak at full rate", value: peak, unit: "MiB", must: 600, aim: 450})
	b.add(row{what: "memory, at rest after it", value: rest, unit: "MiB", must: none, aim: none})
	b.add(row{what: "bytes a span on disk, all files", value: float64(size) / float64(l.facts.spans), unit: "B", must: 45, aim: 38})
	if err := b.questions(ctx, p, l); err != nil {
		return err
	}
	if err := b.visible(ctx, p); err != nil {
		return err
	}
	return b.mixed(ctx, p, l)
}

func (b *bench) questions(ctx context.Context, p *process, l *load) error {
	b.say("asking")
	f := &l.facts
	of := fmt.Sprintf(", %.3g M spans", float64(f.spans)/1e6)
	t, err := p.byID(ctx, f)
	if err != nil {
		return err
	}
	b.add(row{what: "trace by id, median" + of, value: millis(t.median()), unit: "ms", must: 10, aim: 5, note: fmt.Sprintf("p99 %.1f ms", millis(t.at(0.99)))})
	if t, err = p.slowest(ctx, f); err != nil {
		return err
	}
	b.add(row{what: "exact 20 slowest of three predicates" + of, value: millis(t.median()), unit: "ms", must: 250, aim: 100})
	if t, err = p.percentiles(ctx, f); err != nil {
		return err
	}
	b.add(row{what: "p99 by operation over time" + of, value: millis(t.median()), unit: "ms", must: 400, aim: 200})
	if t, err = p.substring(ctx, f); err != nil {
		return err
	}
	b.add(row{what: "substring in SQL text" + of, value: millis(t.median()), unit: "ms", must: none, aim: 200, note: fmt.Sprintf("%d traces hold it", len(f.needle))})
	return nil
}

// visible measures from the answer to the sender until a look-up finds the span.
func (b *bench) visible(ctx context.Context, p *process) error {
	l, err := makeLoad(filepath.Join(b.folder, "fresh"), "shop", 1000, 50, b.seed+2)
	if err != nil {
		return err
	}
	s, err := newSender(p.grpc)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	var longest time.Duration
	if err := l.each(func(_ int, frame []byte) error {
		var data tracepb.TracesData
		if err := proto.Unmarshal(frame, &data); err != nil {
			return err
		}
		span := data.ResourceSpans[0].ScopeSpans[0].Spans[0]
		if _, err := persist(ctx, s, frame); err != nil {
			return err
		}
		for began := time.Now(); ; {
			have, err := p.trace(ctx, traceID(span.TraceId))
			took := time.Since(began)
			if err == nil && have[string(span.SpanId)] > 0 {
				longest = max(longest, took)
				return nil
			}
			if took > 10*time.Second {
				return fmt.Errorf("an acknowledged span is not visible after %s: %v", took, err)
			}
		}
	}); err != nil {
		return err
	}
	b.add(row{what: "acknowledged to visible, longest", value: millis(longest), unit: "ms", must: 2000, aim: none})
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
	b.add(row{what: "memory, peak at full rate with questions", value: peak, unit: "MiB", must: 600, aim: 450,
		note: fmt.Sprintf("%d questions answered, %d refused, %.0f spans a second, %.0f per CPU-second", answered, refused, float64(more.facts.spans)/s.took.Seconds(), perCPU)})
	return nil
}

// other measures the cost of another shape of load.
func (b *bench) other(ctx context.Context, shape string) error {
	b.say("shape %s", shape)
	l, err := makeLoad(filepath.Join(b.folder, shape), shape, max(b.spans/10, 1), perFrame, b.seed)
	if err != nil {
		return err
	}
	yard, err := yardstick(l)
	if err != nil {
		return err
	}
	p, err := startClew(ctx, b.clew, filepath.Join(b.folder, "data-"+shape))
	if err != nil {
		return err
	}
	defer p.stop()
	perCPU, _, err := b.ingest(ctx, p, l)
	if err != nil {
		return err
	}
	_, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	size, err := bytesBelow(p.data)
	if err != nil {
		return err
	}
	t, err := p.byID(ctx, &l.facts)
	if err != nil {
		return err
	}
	b.add(row{what: shape + ": ingest, share of its own yardstick", value: perCPU / yard, must: none, aim: none, atLeast: true,
		note: fmt.Sprintf("%.0f spans per CPU-second, %.0f B a span sent, %.1f B stored, peak %.0f MiB, trace by id %.1f ms", perCPU,
			float64(l.bytes)/float64(l.facts.spans), float64(size)/float64(l.facts.spans), peak, millis(t.median()))})
	return nil
}
