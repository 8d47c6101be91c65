package score

// The specification that is followed.
const (
	SpecName    = "Instrumentation Score"
	SpecVersion = "0.1"
	SpecCommit  = "e6ee222742841c96dc4d121b0b4879ebac7c7cdf"
	SpecDate    = "2026-04-09"
	RulesTotal  = 19
)

// Weights of the specification.
const (
	critical  = 40
	important = 30
	normal    = 20
)

// Bounds that rules name.
const (
	maxInternal = 10        // SPA-001: spans of kind internal in one trace and service
	maxShort    = 20        // SPA-005: short spans in one trace
	shortNs     = 5_000_000 // SPA-005: what is short, in nanoseconds
)

// Rule is one rule of the specification.
type Rule struct {
	ID, Name, Impact string
	Weight           int
	Criterion, Mend  string
}

// Places of rules in Rules.
const (
	res001 = iota
	res002
	res003
	res004
	res005
	spa001
	spa002
	spa004
	spa005
	ruleCount
)

// Rules lists the rules that are decided, in order of their ids.
var Rules = [ruleCount]Rule{
	{"RES-001", "service.instance.id is present", "Normal", normal,
		"The resource has service.instance.id.",
		"Set service.instance.id once at start, such as to a random UUID; in Go resource.WithAttributes, in Rust Resource::builder().with_attribute."},
	{"RES-002", "service.instance.id is unique", "Important", important,
		"No two logical resources of a service share a service.instance.id: it comes with one k8s.pod.uid, k8s.pod.name, container.id and host.name only. The first 10,000 ids of a service are compared.",
		"Make service.instance.id in each process anew instead of writing it into an image, a chart or an environment that replicas share."},
	{"RES-003", "k8s.pod.uid is present", "Important", important,
		"A resource that describes a Kubernetes pod (it has another attribute k8s.pod.*) has k8s.pod.uid.",
		"Pass metadata.uid through the downward API into OTEL_RESOURCE_ATTRIBUTES as k8s.pod.uid, or let the Collector's k8sattributes processor add it."},
	{"RES-004", "Attributes are at the right level", "Important", important,
		"Attributes that the conventions give to resources are not on spans, and those that they give to spans are not on resources.",
		"Move what describes the process (service.*, telemetry.sdk.*, k8s.*) to the resource, and what describes one operation (http.*, db.*, rpc.*) to the span."},
	{"RES-005", "service.name is present", "Critical", critical,
		"The resource has a service.name that is a text and not empty.",
		"Set OTEL_SERVICE_NAME, or service.name in the resource that the provider is built with."},
	{"SPA-001", "Few INTERNAL spans", "Normal", normal,
		"A trace has no more than 10 spans of kind INTERNAL of a service.",
		"Drop spans around functions that do no work of their own; write what they say as an event or an attribute of the span around them."},
	{"SPA-002", "No orphan spans", "Normal", normal,
		"The parent that a span names is in the trace.",
		"End every span on every path, flush at exit, and let all services of a trace follow the parent's sampling decision."},
	{"SPA-004", "Root spans are not CLIENT spans", "Important", important,
		"A span without a parent is not of kind CLIENT.",
		"Begin a span of kind SERVER, CONSUMER or INTERNAL where the work starts, and pass its context to the call."},
	{"SPA-005", "Few short spans", "Important", important,
		"A trace has no more than 20 spans of less than 5 ms. It counts against the services whose spans those are.",
		"Join what belongs together: one span around a loop instead of one a turn, one query instead of many."},
}

// Lack is a rule that is not decided, and why.
type Lack struct{ ID, Reason string }

// Missing lists the rules of the specification that are not decided.
var Missing = []Lack{
	{"LOG-001", "Clew keeps no logs."},
	{"LOG-002", "Clew keeps no logs."},
	{"MET-001", "Clew keeps no metrics."},
	{"MET-002", "Clew keeps no metrics."},
	{"MET-003", "Clew keeps no metrics."},
	{"MET-004", "Clew keeps no metrics."},
	{"MET-005", "Clew keeps no metrics."},
	{"MET-006", "Clew keeps no metrics."},
	{"SDK-001", "It needs a table of the languages and runtimes that each version of an SDK supports; the specification has none."},
	{"SPA-003", "The specification has no criterion yet."},
}

// Of gives the score in hundredths, rounded half up, of rules that passed.
func Of(passed func(rule int) bool) float64 {
	got, all := 0, 0
	for i, r := range Rules {
		all += r.Weight
		if passed(i) {
			got += r.Weight
		}
	}
	return float64((2*10_000*got+all)/(2*all)) / 100
}

// Band names the category of a score.
func Band(score float64) string {
	switch {
	case score >= 90:
		return "excellent"
	case score >= 75:
		return "good"
	case score >= 50:
		return "needs_improvement"
	}
	return "poor"
}
