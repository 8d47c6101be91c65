package registry_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
)

// fleet is a charter of a large fleet in a folder: 1,000 attributes, 100 services of
// 20 teams, 200 contracts, on top of the conventions.
func fleet() fstest.MapFS {
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
		fmt.Fprintf(&attributes, "  shop.part%d.attribute_%d: { type: string, brief: What the attribute %d means to whoever reads it., examples: [one, two], formerly: [old_%d], owner: team-%d, personal: indirect, on_ingest: mask }\n",
			i%40, i, i, i, i%20)
	}
	spans.WriteString("spans:\n")
	for i := range 200 {
		fmt.Fprintf(&spans, "  contract-%d: { service: service-%d, kind: server, match: { http.route: /route/%d }, requires: [shop.part%d.attribute_%d, http.request.method, shop.part%d.attribute_%d], may_call: [service-%d, service-%d], errors: { business: [out_of_stock] } }\n",
			i, i%100, i, i%40, i, (i+200)%40, i+200, (i+1)%100, (i+2)%100)
	}
	return fstest.MapFS{
		"charter.yaml":    {Data: []byte("charter: 1\norganisation: shop\n")},
		"services.yaml":   {Data: []byte(services.String())},
		"attributes.yaml": {Data: []byte(attributes.String())},
		"spans.yaml":      {Data: []byte(spans.String())},
	}
}

func words(fs.FS, charter.Import) ([]charter.Attribute, error) {
	return registry.Builtin().Attributes(), nil
}

func BenchmarkLoadFleet(b *testing.B) {
	folder := fleet()
	for b.Loop() {
		c, err := charter.LoadFS(folder, ".", words)
		if err != nil {
			b.Fatal(err)
		}
		if c.OwnAttributes() != 1000 || len(c.Contracts()) != 200 {
			b.Fatal("not the fleet")
		}
	}
}

func TestFleetChecks(t *testing.T) {
	if _, err := charter.LoadFS(fleet(), ".", words); err != nil {
		t.Fatal(err)
	}
}
