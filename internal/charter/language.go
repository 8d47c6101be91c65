package charter

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const year = 365 * 24 * time.Hour

// laterSections are words of the language that other versions of Clew read.
var laterSections = []string{"metrics", "logs", "journeys", "sampling", "export"}

// laterMend says what to write instead, where something does the like now.
var laterMend = map[string]string{"sampling": "; what kits keep stands in kits.sampling"}

var (
	tenantSpelling = &pattern{regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`), "a tenant's name", "names of tenants", "1 to 64 of A-Z a-z 0-9 _ -"}
	nameSpelling   = &pattern{regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`), "a name", "names", "1 to 100 of A-Z a-z 0-9 . _ / -, the first a letter or digit"}
	wordSpelling   = &pattern{regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:/-]{0,199}$`), "an attribute's name", "names of attributes", "1 to 200 of A-Z a-z 0-9 _ . : / -, the first a letter or _"}
	idSpelling     = &pattern{regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`), "the id of a contract", "ids of contracts", "1 to 100 of A-Z a-z 0-9 . _ -, the first a letter or digit"}
	lineSpelling   = &pattern{regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,200}$`), "a text of one line", "texts of one line", "1 to 200 characters without line breaks"}
)

// language is the whole language: a mapping of sections. It is made anew for each
// reader, so that the package holds no state that a reader could change.
func language() *field {
	return &field{kind: kindMapping, fields: []*field{
		{key: "charter", kind: kindVersion, perFile: true, doc: "The version of the language. One file of a folder has to say it; all may.", example: "1", def: "1"},
		{key: "organisation", kind: kindText, least: 1, most: 100, noun: "name", def: "default", example: "shop", doc: "The name that the page shows."},
		{key: "include", kind: kindList, perFile: true, example: "[teams/payments.yaml]",
			entry: &field{kind: kindText, least: 1, most: 500, noun: "path"},
			doc:   "More files that belong to the charter, relative to its folder and within it. A folder needs none: all its files belong to it."},
		importSection(), environmentsSection(), teamsSection(), servicesSection(), attributesSection(), spansSection(),
		checksSection(), privacySection(), kitsSection(), retentionSection(), limitsSection(), tenantsSection(),
	}}
}

func importSection() *field {
	return &field{key: "import", kind: kindList, def: "[{semconv: builtin}]", example: "[{ semconv: builtin }, { registry: ./registry }]",
		doc: "What the charter builds on: vocabulary, of which the first wins where two define a name, and catalogues of teams and services. The charter itself wins over all.",
		entry: &field{kind: kindChoice, fields: []*field{
			{key: string(ImportSemconv), kind: kindWord, words: []word{{"builtin", "The semantic conventions of OpenTelemetry that this clew knows."}}, example: "builtin",
				doc: "The semantic conventions of OpenTelemetry. Other versions come as a registry."},
			{key: string(ImportRegistry), kind: kindText, least: 1, most: 500, noun: "path", example: "./registry",
				doc: "A folder with a registry of Weaver's files, relative to the charter's folder and within it."},
			{key: string(ImportBackstage), kind: kindText, least: 1, most: 500, noun: "path", example: "./catalog-info.yaml",
				doc: "A catalog-info.yaml of Backstage, or a folder with several, relative to the charter's folder and within it. Groups and owners become teams, components services; what the charter says of one wins. A name that two entities have is an error."},
		}}}
}

func environmentsSection() *field {
	return &field{key: "environments", kind: kindList, def: "[]", example: "[development, staging, production]", breaks: breaksNarrowed,
		entry: &field{kind: kindText, spelling: nameSpelling},
		doc:   "The values that deployment.environment.name may have. None: all may."}
}

func line(key, doc, example string) *field {
	return &field{key: key, kind: kindText, spelling: lineSpelling, doc: doc, example: example}
}

func prose(key, doc, example string) *field {
	return &field{key: key, kind: kindText, least: 1, most: 4000, doc: doc, example: example}
}

func teamsSection() *field {
	return &field{key: "teams", kind: kindMap, spelling: nameSpelling, example: `{ payments: { contact: "#payments" } }`,
		doc: "Who answers for services and attributes. It stands beside errors and findings.",
		entry: &field{kind: kindMapping, fields: []*field{
			line("contact", "Where to reach the team: a channel, an address.", `"#payments"`),
			line("escalation", "Whom to wake.", "pagerduty:PAYMENTS"),
			line("runbook", "Where it says what to do: a path or an address.", "docs/payments.md"),
		}}}
}

func servicesSection() *field {
	return &field{key: "services", kind: kindMap, spelling: nameSpelling, example: "{ checkout: { team: payments } }", breaks: breaksRemoved,
		doc: "The programs of the fleet, by their service.name.",
		entry: &field{kind: kindMapping, fields: []*field{
			{key: "team", kind: kindText, ref: "teams", example: "payments", doc: "Who answers for it. A service without a team is a finding."},
			{key: "language", kind: kindWord, def: "other", words: []word{{"go", ""}, {"rust", ""}, {"other", ""}}, doc: "What it is written in: mends are shown in it."},
			{key: "tier", kind: kindWord, def: "medium", words: []word{{"critical", ""}, {"high", ""}, {"medium", ""}, {"low", ""}}, doc: "How much depends on it: findings are ordered by it."},
			{key: "journeys", kind: kindList, def: "[]", entry: &field{kind: kindText, spelling: nameSpelling}, example: "[place-order]", doc: "What people do with it, in the words of the business."},
		}}}
}

func typeWords() []word {
	var words []word
	for _, t := range AttributeTypes() {
		words = append(words, word{string(t), ""})
	}
	return words
}

func attributesSection() *field {
	return &field{key: "attributes", kind: kindMap, spelling: wordSpelling, breaks: breaksRemoved,
		example: `{ shop.order.id: { type: string, brief: "Order number shown to the customer." } }`,
		doc:     "The organisation's own words, and what it has to say of imported ones: of a name that an import defines only what differs has to be said.",
		entry: &field{kind: kindMapping, fields: []*field{
			{key: "type", kind: kindWord, words: typeWords(), breaks: breaksChanged, doc: "The type of the values. Left out where an import defines the name."},
			prose("brief", "What it means, in a sentence.", `"Order number shown to the customer."`),
			prose("note", "What else is to know.", `"Not the internal key."`),
			{key: "examples", kind: kindList, entry: &field{kind: kindText, most: 1000}, example: `["o-1042"]`, doc: "Values as they occur."},
			{key: "members", kind: kindMap, breaks: breaksRemoved, spelling: &pattern{lineSpelling.is, "a value of an enum", "values of enums", lineSpelling.mend},
				entry: &field{kind: kindText, most: 4000, doc: "What the value means."}, example: `{ web: "the shop's page", app: "the app" }`, doc: "The values of an enum, each with what it means."},
			{key: "stability", kind: kindWord, words: []word{{"stable", ""}, {"release_candidate", ""}, {"beta", ""}, {"alpha", ""}, {"development", ""}}, doc: "How far others may rely on it."},
			{key: "deprecated", kind: kindMapping, example: "{ reason: renamed, renamed_to: shop.order.id }", doc: "That the name should no longer be used, and why.", fields: []*field{
				{key: "reason", kind: kindWord, required: true, words: []word{{ReasonRenamed, "another name replaces it"}, {ReasonObsoleted, "nothing replaces it"}, {ReasonUncategorized, "something else"}}, example: "renamed", doc: "Why."},
				{key: "renamed_to", kind: kindText, spelling: wordSpelling, example: "shop.order.id", doc: "The name to use; with reason renamed, and then mandatory."},
				prose("note", "What to do instead.", `"Use the order's number."`),
			}},
			{key: "formerly", kind: kindList, entry: &field{kind: kindText, spelling: &pattern{lineSpelling.is, "a name of one line", "names of one line", lineSpelling.mend}}, example: "[orderId, order_id]",
				doc: "Names that it had. They are replaced when they arrive, and old queries go on to work. A former name is never used again for something else."},
			{key: "owner", kind: kindText, ref: "teams", example: "payments", doc: "The team that decides on its meaning."},
			{key: "personal", kind: kindWord, words: []word{{"false", "not about a person"}, {"subject", "tells whose data the rest is"}, {"direct", "names a person by itself"},
				{"indirect", "leads to a person together with other data"}, {"secret", "whoever knows it can act for a person or a system"}}, doc: "What the values are to a person."},
			{key: "on_ingest", kind: kindChoice, breaks: breaksChanged,
				words: []word{{"keep", "leave it as it is"}, {"drop", "leave it out"}, {"mask", "replace it by ***"}, {"truncate_ip", "an address without its last part: /24 of IPv4, /48 of IPv6"},
					{"hash", "a keyed hash; the key stays in the gateway"}},
				denied: map[string]string{"encrypt": "is not supported by this version yet; write drop or hash"},
				fields: []*field{
					{key: "truncate", kind: kindCount, least: 1, most: 65536, example: "16", doc: "Cut the text after so many bytes, at the edge of a character."},
					{key: "replace", kind: kindText, least: 0, most: 200, example: `"[removed]"`, doc: "Write this text instead."},
				}, example: "drop", doc: "What is done to the values before they reach the disk. Nothing said: they are kept."},
			{key: "common", kind: kindBool, example: "true", doc: "Whether every resource has to have it."},
		}}}
}

func spansSection() *field {
	names := func(key, doc, example string, b breaks) *field {
		return &field{key: key, kind: kindList, entry: &field{kind: kindText, spelling: wordSpelling}, def: "[]", example: example, doc: doc, breaks: b}
	}
	return &field{key: "spans", kind: kindMap, spelling: idSpelling,
		example: "{ checkout.place: { service: checkout, match: { http.route: /checkout } } }",
		doc:     "Contracts: what spans promise. The name is an id, not the span's name.",
		entry: &field{kind: kindMapping, fields: []*field{
			prose("brief", "What happens in it.", `"An order is placed."`),
			{key: "service", kind: kindText, ref: "services", required: true, example: "checkout", breaks: breaksChanged, doc: "Whose span it is."},
			{key: "kind", kind: kindWord, words: []word{{"server", ""}, {"client", ""}, {"internal", ""}, {"producer", ""}, {"consumer", ""}}, breaks: breaksChanged, doc: "The kind that it has to have. Nothing said: any."},
			{key: "match", kind: kindChoice, required: true, example: "{ http.route: /checkout }", breaks: breaksChanged, doc: "By what its spans are known.", fields: []*field{
				{key: "name", kind: kindText, spelling: lineSpelling, example: "place order", doc: "The span's name."},
				{key: "http.route", kind: kindText, spelling: lineSpelling, example: "/checkout", doc: "The value of http.route."},
				{key: "rpc.method", kind: kindText, spelling: lineSpelling, example: "shop.Payment/Charge", doc: "The value of rpc.method."},
			}},
			names("requires", "Attributes that it has to have when it ends.", "[shop.order.id]", breaksAdded),
			names("at_start", "Those of requires that it has to have when it starts.", "[shop.order.id]", breaksAdded),
			{key: "may_call", kind: kindList, entry: &field{kind: kindText, ref: "services"}, example: "[payment]", breaks: breaksNarrowed, doc: "Services that it may call. Nothing said: all; an empty list: none."},
			{key: "errors", kind: kindMapping, doc: "What its errors mean.", example: "{ business: [card_declined] }", fields: []*field{
				{key: "business", kind: kindList, entry: &field{kind: kindText, spelling: lineSpelling}, def: "[]", example: "[out_of_stock, card_declined]", doc: "Values of error.type that belong to the business."},
				{key: "count_as_failure", kind: kindBool, def: "false", doc: "Whether those count as failures."},
			}},
		}}}
}

// modeWords lists the modes; only one place of the reference explains them.
func modeWords(mend, explain bool) []word {
	words := []word{{string(ModeObserve), "count what is found"}, {string(ModeMend), "write the right name instead, and count"},
		{string(ModeRefuse), "do not take the span, and count"}, {string(ModeOff), "do not look"}}
	if !mend {
		words = slices.Delete(words, 1, 2)
	}
	for i := range words {
		if !explain {
			words[i].doc = ""
		}
	}
	return words
}

func checksSection() *field {
	list := &field{key: "rules", kind: kindMapping, doc: "The mode of single rules, as above; off: do not look.", example: "{ wrong_type: refuse }"}
	for _, r := range rules {
		f := &field{key: string(r.rule), kind: kindWord, words: modeWords(r.rule.MayMend(), false), def: string(r.mode), doc: r.doc, breaks: breaksRefuse}
		if !r.rule.MayMend() {
			f.denied = map[string]string{string(ModeMend): "is not for this rule: only deprecated_attribute and misspelled_attribute can mend, by a rename; write observe, refuse or off"}
		}
		list.fields = append(list.fields, f)
	}
	return &field{key: "checks", kind: kindMapping, doc: "What happens when a rule finds something in what arrives.", example: "{ default: observe }", fields: []*field{
		{key: "default", kind: kindWord, words: modeWords(true, true)[:3],
			doc: "The mode of all rules that are not named below; mend stands for observe where a rule cannot mend. Nothing said: each rule has the default that is printed with it.", example: "observe"},
		list,
	}}
}

func privacySection() *field {
	words := make([]word, len(detectors))
	for i, d := range detectors {
		words[i] = word{d.name, d.doc}
	}
	return &field{key: "privacy", kind: kindMapping, doc: "How values are searched for personal data and secrets before they reach the disk.", example: "{ detectors: all }", fields: []*field{
		{key: "detectors", kind: kindList, entry: &field{kind: kindWord, noun: "detector", words: words}, words: []word{{"all", ""}, {"none", ""}},
			def: "[" + strings.Join(defaultDetectors(), ", ") + "]", example: "[email, payment_card]", doc: "What is searched for."},
		{key: "on_error", kind: kindWord, words: []word{{"closed", "drop the value"}}, def: "closed",
			denied: map[string]string{"open": "would let personal data pass; write closed"}, doc: "What a detector that fails does to the value."},
	}}
}

func retentionSection() *field {
	return &field{key: "retention", kind: kindMapping, doc: "How long spans stay, by the time of their receipt.", fields: []*field{
		{key: "default", kind: kindDuration, least: int64(time.Hour), most: int64(20 * year), def: "168h", doc: "The age at which a span leaves."},
		{key: "disk", kind: kindBytes, least: 64 << 20, most: 1 << 50, def: "50GiB", doc: "What the data folder may take in all, log and merge space included; the oldest leave first."},
		{key: "clock_skew", kind: kindDuration, least: int64(time.Minute), most: int64(year), def: "24h", doc: "How far the start of a span may be from its receipt before it is marked."},
	}}
}

func limitsSection() *field {
	return &field{key: "limits", kind: kindMapping, doc: "What one request, query or answer may cost.", fields: []*field{
		{key: "attributes", kind: kindCount, least: 1, most: 1024, def: "128", doc: "Attributes of one span, event, link, resource or scope; more are dropped and counted."},
		{key: "attribute_value_bytes", kind: kindBytes, least: 64, most: 1 << 20, def: "16KiB", doc: "Longer texts are cut and counted."},
		{key: "request_bytes", kind: kindBytes, least: 64 << 10, most: 256 << 20, def: "16MiB", doc: "Of a request, compressed and inflated each."},
		{key: "inflight_bytes", kind: kindBytes, least: 1 << 20, most: 64 << 30, def: "64MiB", doc: "Of all requests that are being received; more is refused with a delay."},
		{key: "query_timeout", kind: kindDuration, least: int64(100 * time.Millisecond), most: int64(10 * time.Minute), def: "30s", doc: "Of one query."},
		{key: "query_concurrency", kind: kindCount, least: 1, most: 64, def: "4", doc: "Queries that run at once; more wait."},
		{key: "trace_spans", kind: kindCount, least: 1, most: 10_000_000, def: "1000000", doc: "Spans of a trace that one answer gives."},
		{key: "series", kind: kindCount, least: 1, most: 100_000, def: "1000", doc: "Series of an answer of metrics."},
	}}
}

func tenantsSection() *field {
	return &field{key: "tenants", kind: kindMap, spelling: tenantSpelling, doc: "What differs for single tenants.", example: "{ team-a: { retention: 24h, disk: 5GiB } }",
		entry: &field{kind: kindMapping, fields: []*field{
			{key: "retention", kind: kindDuration, least: int64(time.Hour), most: int64(20 * year), defFrom: "retention.default", example: "24h", doc: "The age at which a span leaves."},
			{key: "disk", kind: kindBytes, least: 16 << 20, most: 1 << 50, example: "5GiB", doc: "What the tenant's segments may take. Nothing said: bounded by retention.disk only."},
		}}}
}

// bounds gives the least and the most of a field as they are written; most is
// empty when there is none.
func (f *field) bounds() (least, most string) {
	write := func(n int64) string { return strconv.FormatInt(n, 10) }
	switch f.kind {
	case kindDuration:
		write = func(n int64) string { return formatDuration(time.Duration(n)) }
	case kindBytes:
		write = formatBytes
	case kindCount:
	default:
		return "", ""
	}
	return write(f.least), write(f.most)
}
