package apitest

import (
	"time"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Governance is a small charter with findings of its services. It implements
// api.Governance; set its fields before it is used.
type Governance struct {
	C      *charter.Charter
	Table  *finding.Table
	Broken error
}

const shopCharter = `charter: 1
organisation: shop
teams:
  payments: { contact: "#payments", escalation: "pagerduty:PAYMENTS", runbook: "https://runbooks.example/payments" }
services:
  checkout: { team: payments, language: go, tier: critical }
  orphan: { language: rust }
attributes:
  shop.order.id: { type: string, brief: "Order number shown to the customer.", examples: ["o-1042"], owner: payments }
  enduser.email: { type: string, personal: direct, on_ingest: drop }
spans:
  checkout.place:
    service: checkout
    kind: server
    match: { http.route: /checkout }
    requires: [shop.order.id]
`

// NewGovernance gives the charter above with one finding of each of two services,
// and what one more service has no room for.
func NewGovernance() *Governance {
	c, err := charter.Parse("charter.yaml", []byte(shopCharter))
	if err != nil {
		panic(err)
	}
	table := finding.NewTable(func() time.Time { return Now })
	table.Know(c.Services())
	table.Add("default", []finding.Observation{
		{Key: finding.Key{Service: "checkout", Rule: string(charter.RuleMisspelledAttribute), Subject: "shop.ordr.id"}, Severity: finding.Violation,
			Message: "shop.ordr.id is unknown; shop.order.id is nearly the same", Mend: "Write shop.order.id.", Name: "shop.order.id", Action: "observe",
			Count: 3, Trace: telemetry.TraceID{15: 1}, Span: telemetry.SpanID{7: 2}},
		{Key: finding.Key{Service: "orphan", Rule: string(charter.RuleNoOwner), Subject: "orphan"}, Severity: finding.Improvement,
			Message: "no team answers for the service", Mend: "Write services.orphan.team.", Action: "observe", Count: 1, Trace: telemetry.TraceID{15: 3}, Span: telemetry.SpanID{7: 4}},
	})
	return &Governance{C: c, Table: table}
}

// Charter implements api.Governance.
func (g *Governance) Charter() *charter.Charter { return g.C }

// CharterState implements api.Governance.
func (g *Governance) CharterState() (string, time.Time, error) {
	return "/etc/clew/charter.yaml", Now, g.Broken
}

// Findings implements api.Governance.
func (g *Governance) Findings(tenant string) ([]finding.Finding, []finding.Overflow) {
	return g.Table.List(tenant), []finding.Overflow{{Service: "loud", Rule: string(charter.RuleUnknownAttribute), Count: 7}}
}

// Seen implements api.Governance.
func (g *Governance) Seen(_, contract string) finding.Seen {
	if contract == "checkout.place" {
		return finding.Seen{Count: 5, Last: Now, Trace: telemetry.TraceID{15: 1}}
	}
	return finding.Seen{}
}
