package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/metadata"
)

const (
	tenantHeader = "X-Scope-OrgID"
	tenantTurns  = 3 // each with a flush
	tenantTraces = 5 // of each turn
)

func tenantName(i int) string { return fmt.Sprintf("tenant-%04d", i) }

// tenants sends spans of many tenants through one server: each sees its own, and
// neither memory nor open files nor the start grow out of bounds.
func (s *scale) tenants(ctx context.Context) error {
	n := s.size(200, 20)
	p, err := s.start(ctx, "tenants", "")
	if err != nil {
		return err
	}
	defer func() { p.stop() }()
	own := make([][]string, n)
	for turn := range tenantTurns {
		if err := s.sendTenants(ctx, p, own, turn); err != nil {
			return err
		}
	}
	if err := seeOwn(ctx, p, own); err != nil {
		return err
	}
	now, peak, err := memoryOf(p.pid())
	if err != nil {
		return err
	}
	files, err := openFiles(p.pid())
	if err != nil {
		return err
	}
	s.add(row{what: fmt.Sprintf("%d tenants: memory, peak", n), value: peak, unit: "MiB", must: s.bound(600), aim: none, note: fmt.Sprintf("%.0f MiB after it", now)})
	s.add(row{what: "tenants: open files", value: float64(files), must: 256, aim: none})
	p.stop()
	again, err := s.start(ctx, "tenants", "")
	if err != nil {
		return err
	}
	p = again
	s.add(row{what: "tenants: start to ready", value: millis(p.ready), unit: "ms", must: s.bound(3000), aim: none, note: fmt.Sprintf("%d segments", n*tenantTurns)})
	return seeOwn(ctx, p, own)
}

// sendTenants sends a request of each tenant and flushes.
func (s *scale) sendTenants(ctx context.Context, p *process, own [][]string, turn int) error {
	sender, err := newSender(p.grpc)
	if err != nil {
		return err
	}
	defer sender.conn.Close()
	for i := range own {
		l, err := makeLoadOf(filepath.Join(s.folder, "tenant.load"), "tenant", func(m *maker, id traceID, start int64) error {
			own[i] = append(own[i], hex.EncodeToString(id[:]))
			for range 4 {
				if err := m.emit(tenantName(i), 0, &tracepb.Span{TraceId: id[:], SpanId: m.spanID(), Name: "work", Kind: client,
					StartTimeUnixNano: uint64(start), EndTimeUnixNano: uint64(start + 1000)}); err != nil {
					return err
				}
			}
			return nil
		}, 4*tenantTraces, perFrame, s.seed+uint64(turn*len(own)+i))
		if err != nil {
			return err
		}
		as := metadata.AppendToOutgoingContext(ctx, tenantHeader, tenantName(i))
		if err := l.each(func(_ int, frame []byte) error { return sender.send(as, frame) }); err != nil {
			return fmt.Errorf("send as %s: %w", tenantName(i), err)
		}
	}
	_, err = p.settle(ctx)
	return err
}

// seeOwn has each tenant list all of its traces and ask for one of its neighbour's.
func seeOwn(ctx context.Context, p *process, own [][]string) error {
	for i, want := range own {
		as := http.Header{tenantHeader: {tenantName(i)}}
		body, err := p.web.ask(ctx, http.MethodGet, "/api/search", searchOf("{ }"), as, nil)
		if err != nil {
			return err
		}
		have, partial, err := foundIDs(body)
		if err != nil {
			return err
		}
		slices.Sort(have)
		if sorted := slices.Sorted(slices.Values(want)); !slices.Equal(have, sorted) || partial != "" {
			return fmt.Errorf("%s sees %d traces of its %d; partial: %q", tenantName(i), len(have), len(want), partial)
		}
		other := own[(i+1)%len(own)][0]
		if _, err := p.web.ask(ctx, http.MethodGet, "/api/traces/"+other, nil, as, nil); !errors.Is(err, errNotFound) {
			return fmt.Errorf("%s asks for a trace of another tenant and gets %v", tenantName(i), err)
		}
	}
	return nil
}
