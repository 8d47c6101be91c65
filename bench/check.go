package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// checking measures clew charter check of the charter of a large fleet, as a process
// of its own each time: what an editor or a pipeline waits for.
func (b *bench) checking(ctx context.Context) error {
	b.say("checking a large charter")
	folder := filepath.Join(b.folder, "large-charter")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range largeCharter() {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	var t timings
	for range b.repeats + 2 {
		begin := time.Now()
		out, err := exec.CommandContext(ctx, b.clew, "charter", "check", folder).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "100 services, 1000 attributes and") {
			return fmt.Errorf("check a large charter: %w: %s", err, out)
		}
		t = append(t, time.Since(begin))
	}
	b.add(row{id: "charter.check", what: "clew charter check", value: millis(t.median()), unit: "ms", must: 1000, aim: 200, runs: t.millis(),
		note: "a process from start to end: 1,000 attributes, 100 services, 200 contracts, on the conventions"})
	return nil
}

// largeCharter is the charter of a large fleet, by the names of its files: 20 teams,
// 100 services, 1,000 attributes that say all that one can, 200 contracts.
func largeCharter() map[string]string {
	var services, attributes, spans strings.Builder
	services.WriteString("teams:\n")
	for i := range 20 {
		fmt.Fprintf(&services, "  team-%d: { contact: \"#team-%d\", escalation: pagerduty:T%d, runbook: docs/team-%d.md }\n", i, i, i, i)
	}
	services.WriteString("services:\n")
	for i := range 100 {
		fmt.Fprintf(&services, "  service-%d: { team: team-%d, language: go, tier: high, journeys: [journey-%d] }\n", i, i%20, i%7)
	}
	attributes.WriteString("attributes:\n")
	for i := range 1000 {
		fmt.Fprintf(&attributes, "  shop.part%d.attribute_%d:\n    type: string\n    brief: What the attribute %d means to whoever reads it.\n    examples: [one, two]\n"+
			"    formerly: [old_%d]\n    owner: team-%d\n    personal: indirect\n    on_ingest: mask\n", i%40, i, i, i, i%20)
	}
	spans.WriteString("spans:\n")
	for i := range 200 {
		fmt.Fprintf(&spans, "  contract-%d:\n    service: service-%d\n    kind: server\n    match: { http.route: /route/%d }\n"+
			"    requires: [shop.part%d.attribute_%d, http.request.method, shop.part%d.attribute_%d]\n    may_call: [service-%d, service-%d]\n    errors: { business: [out_of_stock] }\n",
			i, i%100, i, i%40, i, (i+200)%40, i+200, (i+1)%100, (i+2)%100)
	}
	return map[string]string{
		"charter.yaml": "charter: 1\norganisation: shop\n", "services.yaml": services.String(),
		"attributes.yaml": attributes.String(), "spans.yaml": spans.String(),
	}
}
