// A small charter with what its checks found and what its services score, in the shapes
// of /api. One service is misnamed in Rust, one leaks an address in Go, one has no team.
const TEAM = { name: "payments", contact: "#payments", escalation: "", runbook: "https://wiki.example.com/payments" };
const VERSION = "0123456789ab";

const term = (name, brief, more = {}) => ({ name, type: "string", brief, note: "", examples: [], members: [], stability: "stable", deprecated: "", renamedTo: "", formerly: [], owner: "", personal: "", onIngest: "", source: "charter", ...more });
export const TERMS = [
  term("shop.order.id", "Order number.", { examples: ["o-1"], owner: "payments", formerly: ["shop.order"] }),
  term("enduser.email", "Address of who orders.", { personal: "direct", onIngest: "drop" }),
  term("http.route", "The matched route.", { source: "semconv", examples: ["/checkout"] }),
];

export function charter() {
  return {
    version: VERSION, organisation: "shop", file: "", since: new Date().toISOString(), error: "", environments: ["production"], attributes: TERMS.length, ownAttributes: 2, detectors: ["email"],
    contracts: [
      { id: "payment.charge", service: "payment", kind: "server", match: "name=charge", requires: ["shop.order.id"], mayCall: [], brief: "Charges a card.", seen: 5, lastSeen: new Date().toISOString(), trace: "" },
      { id: "payment.refund", service: "payment", kind: "server", match: "name=refund", requires: [], brief: "Pays back.", seen: 0, lastSeen: "", trace: "" },
    ],
    rules: [{ rule: "misspelled_attribute", mode: "observe", brief: "Names nearly the same as a defined one." }],
    teams: [TEAM], services: [{ name: "payment", team: "payments", language: "rust", tier: "high" }],
  };
}

export function findings(example) {
  const now = new Date().toISOString();
  const [trace, span] = [example.traceId, example.spans[0].spanId];
  const found = [
    { rule: "misspelled_attribute", severity: "violation", service: "payment", language: "rust", team: TEAM, subject: "shop.ordr.id", detail: "", message: "shop.ordr.id is unknown; shop.order.id is nearly the same", mend: "Write shop.order.id.", name: "shop.order.id", go: '// instead of shop.ordr.id\nclew.Current(ctx).Set(clew.String("shop.order.id", text))', rust: '// instead of shop.ordr.id\nclew::Span::current().set("shop.order.id", text);', action: "observe", count: 12 },
    { rule: "personal_data", severity: "violation", service: "checkout", language: "go", subject: "(span name)", detail: "email", message: "the name of a span held personal data (email)", mend: "Take the value out of the name.", name: "", go: "", rust: "", action: "redact", count: 1 },
    { rule: "no_owner", severity: "improvement", service: "checkout", language: "go", subject: "checkout", detail: "", message: "no team answers for the service", mend: "Write services.checkout.team.", name: "", go: "", rust: "", action: "observe", count: 3 },
  ].map((f) => ({ ...f, first: now, last: now, trace, span }));
  return { findings: found, total: found.length, services: [{ service: "checkout", team: "", findings: 2, violations: 1, count: 4 }, { service: "payment", team: "payments", findings: 1, violations: 1, count: 12 }], overflow: [{ service: "loud", rule: "unknown_attribute", count: 7 }], version: VERSION };
}

const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);

export function scores(example, window) {
  const rules = (failed) => [
    ["RES-001", "service.instance.id is present", "Normal", 20], ["RES-005", "service.name is present", "Critical", 40], ["SPA-002", "No orphan spans", "Normal", 20], ["SPA-004", "Root spans are not CLIENT spans", "Important", 30],
  ].map(([id, name, impact, weight], i) => ({
    id, name, impact, weight, passed: !failed.includes(id), checked: i === 3 ? 0 : 40, failed: failed.includes(id) ? 3 : 0, criterion: `What ${id} asks for.`, mend: `What mends ${id}.`,
    examples: failed.includes(id) ? [{ trace: example.traceId, span: example.spans[0].spanId }] : [],
  }));
  const services = window === "1h" ? [] : [
    { service: "checkout", score: 45.45, band: "poor", rules: rules(["RES-005", "SPA-002"]), history: [{ day: day(9), score: 80 }, { day: day(8), score: 60 }, { day: day(0), score: 45.45 }] },
    { service: "payment", team: TEAM, score: 100, band: "excellent", rules: rules([]), history: [{ day: day(0), score: 100 }] },
  ];
  return {
    specification: { name: "Instrumentation Score", version: "0.1", commit: "e6ee222", commitDate: "2026-04-09" }, rulesDecided: 4, rulesTotal: 19, missing: [{ id: "LOG-001", reason: "Clew keeps no logs." }, { id: "SPA-003", reason: "The specification has no criterion yet." }],
    lookedAt: { spans: 900, traces: 80, tooLong: 0, more: window === "30d", from: new Date(Date.now() - 3_600_000).toISOString(), to: new Date().toISOString() }, leftOut: 0, historyOverflow: 0, services,
  };
}
