package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// governed is a charter that asks for all that a charter can: owners, contracts,
// redaction by name and every detector. It is of the shop's load.
const governed = `charter: 1
environments: [production]
teams: { shop: { contact: "#shop" } }
services:
%s
attributes:
  shop.score: { type: double, brief: Rank of a product. }
  shop.cache.hit: { type: boolean, brief: Whether the cache had it. }
  shop.market: { type: string, brief: Where the shop sells., common: true }
  user.id: { personal: subject, on_ingest: hash }
  client.address: { personal: indirect, on_ingest: truncate_ip }
  user_agent.original: { on_ingest: { truncate: 64 } }
spans:
  gateway.checkout: { service: gateway, kind: server, match: { http.route: /checkout }, requires: [user.id], may_call: [session, web] }
  web.product: { service: web, kind: server, match: { http.route: /product }, requires: [user.id, shop.market] }
  payment.charge: { service: payment, kind: server, match: { rpc.method: Charge }, requires: [shop.market] }
privacy: { detectors: all }
checks: { default: observe }
`

// governance measures ingest with a charter that asks for everything, and what checks
// and redaction take of its CPU, by a profile of the server while it works: between
// runs with and without them the machine changes more than they cost.
func (b *bench) governance(ctx context.Context) error {
	if err := b.fleet(ctx); err != nil {
		return err
	}
	b.say("with a charter, all checks and all detectors")
	l, err := makeLoad(filepath.Join(b.folder, "governed"), "shop", b.spans, perFrame, b.seed)
	if err != nil {
		return err
	}
	yard, err := yardstick(l)
	if err != nil {
		return err
	}
	var services strings.Builder
	for _, s := range slices.Sorted(maps.Keys(language)) {
		fmt.Fprintf(&services, "  %s: { team: shop, language: %s }\n", s, language[s])
	}
	path := filepath.Join(b.folder, "charter.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, governed, services.String()), 0o600); err != nil {
		return fmt.Errorf("write the charter: %w", err)
	}
	var shares, costs []float64
	for n := range b.repeats {
		g, err := b.governedRun(ctx, l, fmt.Sprintf("governed-%d", n), path)
		if err != nil {
			return err
		}
		shares, costs = append(shares, g.perCPU/yard), append(costs, 100*g.cost)
	}
	b.add(row{id: "charter.share", what: "ingest with charter, all checks and detectors: share of the yardstick", value: medianOf(shares), must: 0.125, aim: 0.185, atLeast: true, runs: shares})
	b.add(row{id: "charter.cost", what: "what checks and redaction take of ingest's CPU", value: medianOf(costs), unit: "%", must: 15, aim: 7, runs: costs,
		note: fmt.Sprintf("by profile, without what their garbage costs; %.1f to %.1f in %d runs", slices.Min(costs), slices.Max(costs), len(costs))})
	return nil
}

// governedRun is one ingest under a charter; cost is the share of CPU samples that
// were taken in the checks and the redaction.
func (b *bench) governedRun(ctx context.Context, l *load, name, charter string) (g struct{ perCPU, cost float64 }, err error) {
	data := filepath.Join(b.folder, name)
	defer os.RemoveAll(data)
	p, err := startClew(ctx, b.clew, data, "--charter", charter)
	if err != nil {
		return g, err
	}
	defer p.stop()
	// A second for every 100,000 spans is twice what slow machines take.
	seconds := 2 + l.facts.spans/100_000
	type profiled struct {
		cost float64
		err  error
	}
	done := make(chan profiled, 1)
	go func() {
		cost, err := p.governanceShare(ctx, seconds)
		done <- profiled{cost, err}
	}()
	if g.perCPU, _, err = b.ingest(ctx, p, l); err != nil {
		return g, err
	}
	select {
	case got := <-done:
		if got.err != nil {
			return g, got.err
		}
		g.cost = got.cost
	case <-ctx.Done():
		return g, ctx.Err()
	}
	return g, nil
}

// governanceShare profiles the server for so many seconds.
func (p *process) governanceShare(ctx context.Context, seconds int) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", p.base, seconds), nil)
	if err != nil {
		return 0, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("profile clew: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("profile clew: %s", resp.Status)
	}
	cpu, err := profile.Parse(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("profile clew: %w", err)
	}
	var all, ours int64
	for _, s := range cpu.Sample {
		all += s.Value[1] // nanoseconds of CPU
		if stage(s) {
			ours += s.Value[1]
		}
	}
	if all == 0 {
		return 0, fmt.Errorf("profile clew: it did nothing in %d s", seconds)
	}
	return float64(ours) / float64(all), nil
}

// stage reports whether a sample was taken in the checks or the redaction: whether
// the innermost stage of the pipeline on its stack is one of them.
func stage(s *profile.Sample) bool {
	for _, l := range s.Location {
		for _, line := range l.Line {
			_, method, _ := strings.Cut(line.Function.Name, "internal/pipeline.(*")
			switch method {
			case "Redact).Write", "Check).Write":
				return true
			case "Log).Write", "Enrich).Write", "Normalise).Write":
				return false
			}
		}
	}
	return false
}
