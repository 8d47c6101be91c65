package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// askers is how many questions are asked at once.
const askers = 4

// askAgain is the pause before traces that are not whole are asked for again.
const askAgain = 250 * time.Millisecond

// audit asks for every trace with an acknowledged span. What is not there is asked
// for again until the time to settle is over, because some backends acknowledge
// before they can find.
func (b *book) audit(ctx context.Context) error {
	for r, done := range b.acked {
		if b.tried[r] {
			b.result.Sent += b.n.batch
		}
		if done {
			b.result.Acknowledged += b.n.batch
		}
	}
	traces := make([]int, len(b.acked)/spread*b.n.batch)
	for i := range traces {
		traces[i] = i
	}
	b.o.Progress(fmt.Sprintf("asking for %d traces", len(traces)))
	began := time.Now()
	for {
		last := time.Since(began) >= b.o.Settle
		missing, err := b.ask(ctx, traces, last)
		if err != nil {
			return err
		}
		if len(missing) < len(traces) {
			b.result.SlowestFound = time.Since(began).Seconds()
		}
		if traces = missing; len(traces) == 0 || last {
			b.result.Found = b.result.Acknowledged - b.result.Lost
			return nil
		}
		b.o.Progress(fmt.Sprintf("%d traces are not whole yet", len(traces)))
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask looks at traces and gives those that lack an acknowledged span. With last,
// what they lack is lost.
func (b *book) ask(ctx context.Context, traces []int, last bool) (missing []int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	next := make(chan int)
	for range askers {
		group.Go(func() {
			for trace := range next {
				spans, failure := b.askOne(ctx, trace)
				mu.Lock()
				if failure != nil {
					if err == nil {
						err = failure
					}
					cancel()
				} else if b.judge(trace, spans, last) {
					missing = append(missing, trace)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, trace := range traces {
		select {
		case next <- trace:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	group.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return missing, err
}

// askOne asks until there is an answer, for as long as the backend may take to come back.
func (b *book) askOne(ctx context.Context, trace int) (found, error) {
	for began := time.Now(); ; {
		spans, err := b.asker.trace(ctx, &b.n, trace)
		if err == nil {
			return spans, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Since(began) > b.o.Wait {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "ask for a trace: %w", err)
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
		}
	}
}

// judge compares what was found with what was acknowledged, and reports whether
// something is missing. It counts when nothing is, or when it is the last look.
func (b *book) judge(trace int, spans found, last bool) (missing bool) {
	for i := range spread {
		if n := b.n.spanOf(trace, i); b.acked[n/b.n.batch] && len(spans[b.n.spanID(n)]) == 0 {
			missing = true
		}
	}
	if missing && !last {
		return true
	}
	for i := range spread {
		n := b.n.spanOf(trace, i)
		copies := spans[b.n.spanID(n)]
		if len(copies) == 0 && b.acked[n/b.n.batch] {
			b.result.Lost++
			b.example(n, "lost")
		}
		if len(copies) > 1 {
			b.result.Doubled++
			b.example(n, "doubled")
		}
		want := b.n.of(n)
		for _, c := range copies {
			if c != want {
				b.result.Damaged++
				b.example(n, fmt.Sprintf("damaged: %+v is not %+v", c, want))
				break
			}
		}
	}
	return missing
}
