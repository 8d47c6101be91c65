package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// starts measures the time to ready and the memory of a server that does nothing.
func (b *bench) starts(ctx context.Context) error {
	b.say("starting on empty folders")
	var t timings
	var idle float64
	for n := range b.repeats + 2 {
		p, err := startClew(ctx, b.clew, filepath.Join(b.folder, fmt.Sprintf("empty-%d", n)))
		if err != nil {
			return err
		}
		t = append(t, p.ready)
		if n == 0 {
			idle, err = b.idle(ctx, p)
		}
		p.stop()
		if err != nil {
			return err
		}
	}
	b.add(row{id: "start.empty", what: "clew up to ready, empty folder", value: millis(t.median()), unit: "ms", must: 1000, aim: 300, runs: t.millis()})
	b.add(row{id: "memory.idle", what: "memory, idle", value: idle, unit: "MiB", must: 120, aim: 60})
	return b.checking(ctx)
}

// idle gives the memory of a server after a while in which what starts late has started.
func (b *bench) idle(ctx context.Context, p *process) (float64, error) {
	select {
	case <-time.After(b.idleFor):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	now, _, err := memoryOf(p.pid())
	return now, err
}

// restarts measures the same for a folder full of spans: after a kill, with a log
// to replay, and after graceful stops. The server it is given has ended when it returns.
func (b *bench) restarts(ctx context.Context, p *process) error {
	b.say("starting on the full folder")
	p.kill()
	p, err := startClew(ctx, b.clew, p.data)
	if err != nil {
		return err
	}
	killed := p.ready
	s, err := p.settle(ctx)
	if err != nil {
		p.stop()
		return err
	}
	var t timings
	var idle float64
	for range b.repeats {
		p.stop()
		if p, err = startClew(ctx, b.clew, p.data); err != nil {
			return err
		}
		t = append(t, p.ready)
	}
	idle, err = b.idle(ctx, p)
	p.stop()
	if err != nil {
		return err
	}
	of := fmt.Sprintf("%.3g M spans", float64(s.SpansStored)/1e6)
	b.add(row{id: "start.full", what: "clew up to ready, full folder", value: millis(t.median()), unit: "ms", must: 3000, aim: 1000, runs: t.millis(),
		note: of + fmt.Sprintf("; %.0f ms after a kill under load, with the log to replay", millis(killed))})
	b.add(row{id: "memory.idle_full", what: "memory, idle on the full folder", value: idle, unit: "MiB", must: none, aim: none, note: of})
	return nil
}
