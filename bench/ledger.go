package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

type ledgerOptions struct {
	clew   string
	seed   uint64
	cycles int
}

// ledgerResult says what became of acknowledged spans.
type ledgerResult struct {
	cycles, acknowledged, traces int
	lost, twice                  int
	slowestStart                 time.Duration // of a start after a kill
}

func (r ledgerResult) String() string {
	return fmt.Sprintf("%d cycles of kill -9 under load: %d spans acknowledged in %d traces, %d lost, %d stored twice, slowest start %s",
		r.cycles, r.acknowledged, r.traces, r.lost, r.twice, r.slowestStart.Round(time.Millisecond))
}

func (r ledgerResult) err() error {
	if r.lost > 0 || r.twice > 0 {
		return fmt.Errorf("the ledger does not balance: %d acknowledged spans lost, %d stored twice", r.lost, r.twice)
	}
	return nil
}

const (
	ledgerBatch  = 64  // spans a request: many small acknowledgements
	ledgerFrames = 300 // requests a cycle
)

// ledger is what was acknowledged. A frame that was in flight at a kill is sent
// again in the next cycle, as a stock exporter does, whether it was stored or not.
type ledger struct {
	mu     sync.Mutex
	frames [][]byte
	acked  []bool
}

// runLedger kills a clew in the middle of its work, starts it on the same folder,
// and at the end asks for every trace that had a span acknowledged.
func runLedger(ctx context.Context, o ledgerOptions, progress io.Writer) (ledgerResult, error) {
	result := ledgerResult{cycles: o.cycles}
	folder, err := os.MkdirTemp("", "clew-ledger-")
	if err != nil {
		return result, fmt.Errorf("run the ledger: %w", err)
	}
	defer os.RemoveAll(folder)
	ld, err := makeLoad(filepath.Join(folder, "load"), "shop", o.cycles*ledgerFrames*ledgerBatch, ledgerBatch, o.seed)
	if err != nil {
		return result, err
	}
	l := &ledger{}
	if err := ld.each(func(_ int, frame []byte) error {
		l.frames = append(l.frames, frame)
		return nil
	}); err != nil {
		return result, err
	}
	l.acked = make([]bool, len(l.frames))
	r := rand.New(rand.NewPCG(o.seed, 9))
	data := filepath.Join(folder, "data")
	for n := range o.cycles {
		p, err := startClew(ctx, o.clew, data)
		if err != nil {
			return result, fmt.Errorf("cycle %d: %w", n+1, err)
		}
		if n > 0 {
			result.slowestStart = max(result.slowestStart, p.ready)
		}
		if err := l.cycle(ctx, p, n, 20+r.IntN(ledgerFrames-60)); err != nil {
			p.kill()
			return result, fmt.Errorf("cycle %d: %w", n+1, err)
		}
		fmt.Fprintf(progress, "ledger: cycle %d of %d\n", n+1, o.cycles)
	}
	p, err := startClew(ctx, o.clew, data)
	if err != nil {
		return result, fmt.Errorf("the last start: %w", err)
	}
	defer p.stop()
	result.slowestStart = max(result.slowestStart, p.ready)
	return result, l.verify(ctx, p, &result)
}

// cycle sends what is not acknowledged yet, over four connections, and kills the
// server as soon as `after` requests are acknowledged, with others in flight.
func (l *ledger) cycle(ctx context.Context, p *process, n, after int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan int, len(l.frames))
	for i := range min(len(l.frames), (n+1)*ledgerFrames) {
		if !l.acked[i] {
			todo <- i
		}
	}
	close(todo)
	enough := make(chan struct{})
	count := 0
	failures := make(chan error, 4)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			s, err := newSender(p.grpc)
			if err != nil {
				failures <- err
				return
			}
			defer s.conn.Close()
			for i := range todo {
				if err := s.send(ctx, l.frames[i]); err != nil {
					if errors.Is(err, errPartial) {
						failures <- err
						return
					}
					continue // refused, or the server is gone: not acknowledged
				}
				l.mu.Lock()
				l.acked[i] = true
				count++
				if count == after {
					close(enough)
				}
				l.mu.Unlock()
			}
		})
	}
	var err error
	select {
	case <-enough:
	case err = <-failures:
	case <-p.ended:
		err = fmt.Errorf("clew ended by itself; its log is %s", tailOf(p.log))
	case <-time.After(time.Minute):
		err = fmt.Errorf("fewer than %d requests were acknowledged in a minute", after)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.kill()
	cancel()
	group.Wait()
	return err
}

// verify asks for every trace with an acknowledged span.
func (l *ledger) verify(ctx context.Context, p *process, result *ledgerResult) error {
	want := map[traceID][]string{}
	for i, frame := range l.frames {
		if !l.acked[i] {
			continue
		}
		var data tracepb.TracesData
		if err := proto.Unmarshal(frame, &data); err != nil {
			return fmt.Errorf("read the load: %w", err)
		}
		for _, s := range data.ResourceSpans[0].ScopeSpans[0].Spans {
			id := traceID(s.TraceId)
			want[id] = append(want[id], string(s.SpanId))
			result.acknowledged++
		}
	}
	result.traces = len(want)
	for id, spans := range want {
		have, err := p.trace(ctx, id)
		if err != nil && !errors.Is(err, errNotFound) {
			return err
		}
		for _, s := range spans {
			if have[s] == 0 {
				result.lost++
			}
		}
		for _, n := range have {
			result.twice += max(n-1, 0)
		}
	}
	return nil
}
