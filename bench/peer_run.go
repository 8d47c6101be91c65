package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func (b *bench) peerNames() []string {
	names := []string{}
	for _, p := range b.peers {
		names = append(names, p.name)
	}
	return names
}

// peerRows are the rows in which peers have a place: what can be said of any backend.
func peerRows() []string {
	ids := []string{"ingest.share", "ingest.rate", "memory.peak", "bytes_per_span", "trace.median", "trace.p99"}
	for _, q := range questions {
		ids = append(ids, q.id)
	}
	return append(ids, "visible")
}

// beside measures a peer and writes what it found into the rows of Clew. A peer
// that fails leaves the figures of Clew as they are.
func (b *bench) beside(ctx context.Context, n int, l *load, yard float64) error {
	p := b.peers[n]
	b.say("peer %s: sending over %d connections", p.name, b.conns)
	cells := map[string]cell{}
	p.failure = b.measurePeer(ctx, p, l, yard, cells)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, id := range peerRows() {
		c, ok := cells[id]
		if !ok {
			c = cell{why: orElse(p.failure, "not measured")}
		}
		b.cell(id, c)
	}
	return nil
}

// cell adds one of the next peer to a row that is there.
func (b *bench) cell(id string, c cell) {
	for i := range b.rows {
		if b.rows[i].id == id {
			b.rows[i].peers = append(b.rows[i].peers, c)
		}
	}
}

func (b *bench) measurePeer(ctx context.Context, p *peer, l *load, yard float64, cells map[string]cell) error {
	if err := b.feed(ctx, p, l, yard, cells); err != nil {
		return err
	}
	b.say("peer %s: asking", p.name)
	if err := p.whole(ctx, &l.facts, 4*b.patience); err != nil {
		for _, id := range peerRows() {
			if _, done := cells[id]; !done {
				cells[id] = cell{why: err.Error()}
			}
		}
		return nil
	}
	if t, err := byID(ctx, p, &l.facts, b.patience); err != nil {
		cells["trace.median"], cells["trace.p99"] = cell{why: err.Error()}, cell{why: err.Error()}
	} else {
		cells["trace.median"], cells["trace.p99"] = cell{value: millis(t.median())}, cell{value: millis(t.at(0.99))}
	}
	for _, q := range questions {
		t, err := timed(ctx, q, p, &l.facts, rounds, b.patience)
		if err != nil {
			cells[q.id] = cell{why: err.Error()}
			continue
		}
		cells[q.id] = cell{value: millis(t.median())}
	}
	longest, err := b.freshest(ctx, p.to, p, b.patience)
	if err != nil {
		cells["visible"] = cell{why: err.Error()}
		return nil
	}
	cells["visible"] = cell{value: millis(longest)}
	return nil
}

// feed sends the load and notes what it cost, as far as that can be seen from outside.
func (b *bench) feed(ctx context.Context, p *peer, l *load, yard float64, cells map[string]cell) error {
	var before float64
	var err error
	if p.pid != 0 {
		if before, err = cpuOf(p.pid); err != nil {
			return err
		}
	}
	s, err := sendTo(ctx, l, p.to, b.conns, b.patience)
	if err != nil {
		return err
	}
	cells["ingest.rate"] = cell{value: float64(l.facts.spans) / s.took.Seconds()}
	cells["ingest.share"] = cell{why: "its CPU and memory are not known; give pid="}
	cells["memory.peak"] = cells["ingest.share"]
	cells["bytes_per_span"] = cell{why: "its folder is not known; give data="}
	if p.pid != 0 {
		after, err := quiet(ctx, p.pid, 4*b.patience)
		if err != nil {
			return err
		}
		cells["ingest.share"] = cell{value: float64(l.facts.spans) / (after - before) / yard}
		_, peak, err := memoryOf(p.pid)
		if err != nil {
			return err
		}
		cells["memory.peak"] = cell{value: peak}
	}
	if p.data != "" {
		size, err := bytesBelow(p.data)
		if err != nil {
			return err
		}
		cells["bytes_per_span"] = cell{value: float64(size) / float64(l.facts.spans)}
	}
	return nil
}

// peerFailures says which peers could not be measured.
func (b *bench) peerFailures() error {
	var all []error
	for _, p := range b.peers {
		if p.failure != nil {
			all = append(all, fmt.Errorf("peer %s: %w", p.name, p.failure))
		}
	}
	return errors.Join(all...)
}

// quiet waits until a process has used next to no CPU for three seconds and gives
// what it has used by then: peers do not say when they have settled.
func quiet(ctx context.Context, pid int, limit time.Duration) (float64, error) {
	const calm, enough = 0.05, 3
	used, err := cpuOf(pid)
	if err != nil {
		return 0, err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for began, still := time.Now(), 0; still < enough && time.Since(began) < limit; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
		now, err := cpuOf(pid)
		if err != nil {
			return 0, err
		}
		still++
		if now-used > calm {
			still = 0
		}
		used = now
	}
	return used, nil
}
