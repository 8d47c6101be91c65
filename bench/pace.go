package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// due is a frame and when it is to be sent.
type due struct {
	frame []byte
	at    time.Time
}

// inFlight bounds the requests of a paced load that wait for their answer, over all
// connections. Those behind wait, and their waiting counts.
const inFlight = 64

// paced sends a load at a steady rate of spans a second and gives how long each
// frame took from the moment it was due until it was acknowledged. What a slow answer
// delays is late itself, and counts as late.
func paced(ctx context.Context, l *load, address string, conns int, rate float64) (timings, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames := make(chan due, l.frames)
	took := make(chan time.Duration, l.frames)
	failed := make(chan error, inFlight)
	var workers sync.WaitGroup
	for range conns {
		s, err := newSender(address)
		if err != nil {
			return nil, err
		}
		defer s.close()
		for range inFlight / conns {
			workers.Go(func() {
				for d := range frames {
					if _, err := persist(ctx, s, d.frame, patience); err != nil {
						failed <- err
						cancel()
						return
					}
					took <- time.Since(d.at)
				}
			})
		}
	}
	err := l.onTime(ctx, rate, frames)
	close(frames)
	workers.Wait()
	close(took)
	select {
	case cause := <-failed:
		return nil, fmt.Errorf("send the load: %w", cause)
	default:
	}
	if err != nil {
		return nil, err
	}
	var t timings
	for d := range took {
		t = append(t, d)
	}
	return t, nil
}

// diskAlone appends each frame to a file when it is due, and fsyncs all that are due at
// once: what no server that acknowledges after an fsync can be better than on this
// disk at this moment. It gives how long each frame took from the moment it was due.
func diskAlone(ctx context.Context, l *load, path string, rate float64) (timings, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("measure the disk: %w", err)
	}
	defer f.Close()
	frames := make(chan due, l.frames)
	sent := make(chan error, 1)
	go func() {
		sent <- l.onTime(ctx, rate, frames)
		close(frames)
	}()
	var took timings
	for first := range frames {
		group := []due{first}
		for len(frames) > 0 {
			group = append(group, <-frames)
		}
		for _, d := range group {
			if _, err := f.Write(d.frame); err != nil {
				return nil, fmt.Errorf("measure the disk: %w", err)
			}
		}
		if err := f.Sync(); err != nil {
			return nil, fmt.Errorf("measure the disk: %w", err)
		}
		for _, d := range group {
			took = append(took, time.Since(d.at))
		}
	}
	return took, <-sent
}

// onTime hands over each frame when it is due. It is never behind: frames holds them all.
func (l *load) onTime(ctx context.Context, rate float64, frames chan<- due) error {
	each := float64(l.facts.spans) / float64(l.frames) / rate
	began := time.Now()
	err := l.each(func(n int, frame []byte) error {
		at := began.Add(time.Duration(each * float64(n) * float64(time.Second)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(at)):
		}
		frames <- due{frame, at}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("send the load: %w", err)
	}
	return err
}

// askers is how many clients ask heavy questions at once while a load is paced.
const askers = 2

// unhurried measures acknowledgements at half the full rate, without questions and
// then while heavy ones are asked without a pause. Loads are made before: that takes
// more of the machine than all that is measured.
func (b *bench) unhurried(ctx context.Context, p *process, l *load, full float64) error {
	rate := full / 2
	spans := int(rate * b.paceFor.Seconds())
	b.say("sending at half the rate, %.0f spans a second, then while %d clients ask", rate, askers)
	quietly, err := makeLoad(filepath.Join(b.folder, "calm"), "shop", max(spans/2, 1), perFrame, b.seed+3)
	if err != nil {
		return err
	}
	loudly, err := makeLoad(filepath.Join(b.folder, "busy"), "shop", max(spans, 1), perFrame, b.seed+4)
	if err != nil {
		return err
	}
	disk, err := diskAlone(ctx, quietly, filepath.Join(b.folder, "disk"), rate)
	if err != nil {
		return err
	}
	calm, err := paced(ctx, quietly, p.grpc, b.conns, rate)
	if err != nil {
		return err
	}
	busy, answered, refused, err := b.pacedAndAsked(ctx, p, l, loudly, rate)
	if err != nil {
		return err
	}
	b.add(row{id: "ack.disk", what: "yardstick: the same bytes appended and fsynced at that rate by a bare loop, p99", value: millis(disk.at(0.99)), unit: "ms", must: none, aim: none,
		note: fmt.Sprintf("median %.1f ms, longest %.0f ms", millis(disk.median()), millis(disk.at(1)))})
	b.add(row{id: "ack.half_rate", what: "acknowledgement p99 at half the full rate", value: millis(calm.at(0.99)), unit: "ms", must: none, aim: none,
		note: fmt.Sprintf("median %.1f ms", millis(calm.median()))})
	b.add(row{id: "ack.half_rate_with_questions", what: "acknowledgement p99 at half the full rate with heavy questions", value: millis(busy.at(0.99)), unit: "ms", must: 100, aim: 30,
		note: fmt.Sprintf("median %.1f ms, longest %.0f ms, %d questions answered, %d refused", millis(busy.median()), millis(busy.at(1)), answered, refused)})
	return nil
}

// pacedAndAsked paces a load while questions about the one before are asked.
func (b *bench) pacedAndAsked(ctx context.Context, p *process, before, l *load, rate float64) (t timings, answered, refused int, err error) {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	var yes, no [askers]int
	for i := range askers {
		all.Go(func() { yes[i], no[i] = p.pester(asking, &before.facts) })
	}
	t, err = paced(ctx, l, p.grpc, b.conns, rate)
	stop()
	all.Wait()
	for i := range askers {
		answered, refused = answered+yes[i], refused+no[i]
	}
	return t, answered, refused, err
}
