package charter

// Sample is a small charter with comments, to begin with.
const Sample = `# The charter of a small shop. What is left out has its default: clew charter effective prints all of them.
charter: 1
organisation: shop

# Words come from the semantic conventions of OpenTelemetry; add your own registry of Weaver's files as
# - registry: ./registry
import:
  - semconv: builtin

environments: [development, staging, production]

# Who answers for what. A service without a team is a finding.
teams:
  payments: { contact: "#payments", escalation: pagerduty:PAYMENTS, runbook: docs/payments.md }

services:
  checkout: { team: payments, language: go, tier: critical, journeys: [place-order] }
  payment: { team: payments, language: rust, tier: critical }

# Your own words. Of imported ones only what differs has to be said.
attributes:
  shop.order.id:
    type: string
    brief: Order number shown to the customer.
    examples: [o-1042]
    formerly: [orderId] # old names are replaced when they arrive, and old queries go on to work
    personal: false
  shop.email:
    type: string
    brief: Where the receipt is sent.
    personal: direct
    on_ingest: drop # it never reaches the disk

# What spans promise. The key is an id; match says which spans are meant.
spans:
  checkout.place:
    service: checkout
    kind: server
    match: { http.route: /checkout }
    requires: [shop.order.id]
    may_call: [payment]
    errors: { business: [out_of_stock, card_declined], count_as_failure: false }

# What happens when a rule finds something. Begin with observe, and refuse when the findings are mended.
checks:
  rules: { unknown_attribute: observe, deprecated_attribute: mend }
`
