package charter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Bounds of what a kit is told: what they allow together is under the 256 KiB of a
// document that a kit takes.
const (
	maxKitRules     = 40
	maxKitTargets   = 256
	maxKitBaggage   = 64
	maxKitRedaction = 160 << 10 // bytes of the redactions in a document
)

var (
	shareSpelling  = &pattern{regexp.MustCompile(`^(?:[0-9]{1,18}/[0-9]{1,18}|[0-9]{1,3}(?:\.[0-9]{1,15})?%|[0-9](?:\.[0-9]{1,17})?)$`), "a share", "shares", "1/10, 10% or 0.1"}
	matchSpelling  = &pattern{regexp.MustCompile(`^[^\x00-\x1f\x7f*]{0,99}[^\x00-\x1f\x7f]$`), "a pattern", "patterns", "1 to 100 characters, of which only the last may be *"}
	targetSpelling = &pattern{regexp.MustCompile(`^[^\x00-\x1f\x7f* ]{0,99}[^\x00-\x1f\x7f ]$`), "a host or subject", "hosts and subjects", "1 to 100 characters without blanks, of which only the last may be *"}
)

func levelWords() []word {
	return []word{{"off", "nothing"}, {"edges", "what comes in and goes out"}, {"standard", "what libraries and the program's own spans say"}, {"detailed", "all that there is"}}
}

// kitFields are what can be said to all kits and again to those of one service.
func kitFields() []*field {
	level := func(key, doc string) *field { return &field{key: key, kind: kindWord, words: levelWords(), doc: doc} }
	plain := func(key, doc string) *field {
		f := level(key, doc)
		for i := range f.words {
			f.words[i].doc = ""
		}
		return f
	}
	share := func(doc string) *field {
		return &field{key: "ratio", kind: kindText, spelling: shareSpelling, example: "1/10", doc: doc}
	}
	rate := &field{key: "per_second", kind: kindCount, least: 0, most: 1_000_000_000, example: "50", doc: "Traces a second and process that are kept at most."}
	pattern := func(key, doc string) *field {
		return &field{key: key, kind: kindText, spelling: matchSpelling, doc: doc, example: `"/pay*"`}
	}
	return []*field{
		level("level", "How much is recorded. Nothing said here or in what follows: as the kit is configured."),
		{key: "components", kind: kindMapping, doc: "How much single parts record.", example: "{ sql: off }", fields: []*field{
			plain("app", "The program's own spans."), plain("grpc", "gRPC."), plain("http", "HTTP."), plain("logs", "Logs."),
			plain("messaging", "Queues and streams."), plain("metrics", "Metrics."), plain("sql", "Databases."),
		}},
		{key: "log_level", kind: kindWord, words: []word{{"trace", ""}, {"debug", ""}, {"info", ""}, {"warn", ""}, {"error", ""}}, doc: "The least important log line that is written."},
		{key: "log_lines_per_second", kind: kindCount, least: 1, most: 1_000_000, example: "100", doc: "Log lines of one place in the code a second."},
		{key: "sampling", kind: kindMapping, doc: "Which traces are kept, where no caller has decided.", example: "{ ratio: 1/10 }", fields: []*field{
			share("The share that is kept, exactly: a fraction, a percentage or a decimal."), rate,
			{key: "summary_on_error", kind: kindBool, doc: "Whether one span tells of a trace that failed and was not kept.", example: "true"},
			{key: "rules", kind: kindList, example: `[{ match: { route: "/pay*" }, ratio: 1 }]`, doc: "Exceptions; the first that matches counts, those of a service before the common ones.",
				entry: &field{kind: kindMapping, fields: []*field{
					{key: "name", kind: kindText, spelling: nameSpelling, doc: "What metrics call it.", example: "pay"},
					{key: "match", kind: kindMapping, doc: "All of these.", example: `{ route: "/pay*" }`, fields: []*field{
						pattern("kind", "The kind of the span."), pattern("method", "The method of the request."), pattern("name", "The name of the span."), pattern("route", "The route of the request.")}},
					share("The share that is kept."), rate,
				}}},
		}},
		{key: "propagate_to", kind: kindList, entry: &field{kind: kindText, spelling: targetSpelling}, example: `["*.internal.example"]`, doc: "Hosts and subjects that get baggage. An empty list: none."},
		{key: "baggage_keys", kind: kindList, entry: &field{kind: kindText, spelling: wordSpelling}, example: "[shop.session.id]", doc: "Attributes that baggage may hold; none that is personal. An empty list: none."},
	}
}

func kitsSection() *field {
	return &field{key: "kits", kind: kindMapping, example: "{ sampling: { ratio: 1/10 } }",
		doc: "What the kits inside services are told while they run. What attributes say of dropping, masking and truncating they are told too.",
		fields: append(kitFields(),
			&field{key: "ttl", kind: kindDuration, least: int64(time.Second), most: int64(30 * 24 * time.Hour), def: "1h", doc: "How long a kit goes by this without hearing from Clew; then its own configuration holds again. Redaction stays."},
			&field{key: "services", kind: kindMap, spelling: nameSpelling, example: "{ payment: { sampling: { ratio: 1 } } }",
				doc:   "What differs for single services: what is said here counts, the rest is as above. Rules come before those above.",
				entry: &field{kind: kindMapping, fields: kitFields()}},
		)}
}

// Kit is what kits are told. What is nil or empty is not said: the kit's own
// configuration holds.
type Kit struct {
	Level       string            // off, edges, standard, detailed
	Components  map[string]string // level by part
	LogLevel    string
	LogLines    int64 // of one place in the code a second
	Sampling    *KitSampling
	PropagateTo []string // hosts and subjects that get baggage; empty and not nil: none
	BaggageKeys []string
}

// KitSampling says which traces are kept.
type KitSampling struct {
	Ratio          string // a share as [ParseShare] reads it
	PerSecond      *int64 // traces a second and process
	SummaryOnError *bool
	Rules          []KitRule
}

// KitRule is an exception of sampling; what matches all of Match goes by it.
type KitRule struct {
	Name      string
	Match     map[string]string // by kind, method, name, route; a last * stands for any rest
	Ratio     string
	PerSecond *int64
}

// Kits is the section of that name.
type Kits struct {
	TTL      time.Duration
	Common   Kit
	Services map[string]Kit // by service.name: what differs
}

// Kits gives the section of that name. It belongs to the charter; do not change it.
func (c *Charter) Kits() Kits { return c.kits }

func kitsOf(v *value) Kits {
	return Kits{TTL: v.get("ttl").span(), Common: kit(v), Services: each(orEmpty(v.get("services")), func(_ string, v *value) Kit { return kit(v) })}
}

func orEmpty(v *value) *value {
	if v == nil {
		return &value{}
	}
	return v
}

func kit(v *value) Kit {
	k := Kit{Level: v.get("level").str(), LogLevel: v.get("log_level").str(), LogLines: v.get("log_lines_per_second").num(),
		PropagateTo: v.get("propagate_to").strs(), BaggageKeys: v.get("baggage_keys").strs()}
	if parts := v.get("components"); parts != nil {
		k.Components = each(parts, func(_ string, v *value) string { return v.text })
	}
	if s := v.get("sampling"); s != nil && len(s.kids) > 0 {
		k.Sampling = &KitSampling{Ratio: s.get("ratio").str(), PerSecond: s.get("per_second").maybe()}
		if on := s.get("summary_on_error"); on != nil {
			said := on.on()
			k.Sampling.SummaryOnError = &said
		}
		for _, r := range s.get("rules").items() {
			k.Sampling.Rules = append(k.Sampling.Rules, KitRule{Name: r.get("name").str(), Ratio: r.get("ratio").str(), PerSecond: r.get("per_second").maybe(),
				Match: each(orEmpty(r.get("match")), func(_ string, v *value) string { return v.text })})
		}
	}
	return k
}

func (v *value) maybe() *int64 {
	if v == nil {
		return nil
	}
	return &v.n
}

// kits checks what is said to kits.
func (p *parser) kits() {
	all := p.root.get("kits")
	p.kit(all)
	services := all.get("services")
	for _, name := range services.names() {
		v := services.kids[name]
		if p.root.get("services", name) == nil {
			if near := p.nearest(name, p.root.get("services").names); near != "" {
				p.fail(v.key, v.path, "%q is not among the services of this charter; did you mean %s?", name, near)
			} else {
				p.fail(v.key, v.path, "%q is not among the services of this charter; define it there or write another", telemetry.Clip(name))
			}
		}
		p.kit(v)
	}
}

func (p *parser) kit(v *value) {
	bounded := func(list *value, most int, what string) {
		if n := len(list.items()); n > most {
			p.fail(list.at, list.path, "%d %s are over %d, which is the limit; leave some out", n, what, most)
		}
	}
	bounded(v.get("propagate_to"), maxKitTargets, "targets")
	bounded(v.get("baggage_keys"), maxKitBaggage, "keys")
	sampling := v.get("sampling")
	p.share(sampling.get("ratio"))
	rules := sampling.get("rules")
	bounded(rules, maxKitRules, "rules")
	for _, r := range rules.items() {
		if match := r.get("match"); match == nil || len(match.kids) == 0 {
			p.fail(r.at, r.path, "a rule without match; write match: { route: … }, or sampling.ratio for everything")
		}
		if r.get("ratio") == nil && r.get("per_second") == nil {
			p.fail(r.at, r.path, "a rule that says nothing; write ratio or per_second")
		}
		p.share(r.get("ratio"))
	}
}

func (p *parser) share(v *value) {
	if v == nil {
		return
	}
	if _, why := ParseShare(v.text); why != "" {
		p.fail(v.at, v.path, "%q %s", v.text, why)
	}
}

// ParseShare reads a share of traces, exactly: 1/10, 10%, 0.1, 1 or 0. why is
// empty when it is one.
func ParseShare(s string) (share *big.Rat, why string) {
	if !shareSpelling.is.MatchString(s) {
		return nil, "is not a share; write 1/10, 10% or 0.1"
	}
	number, percent := strings.CutSuffix(s, "%")
	share, ok := new(big.Rat).SetString(number) // the spelling has no exponent and no sign
	if !ok {
		return nil, "has no value; write 1/10, 10% or 0.1"
	}
	if percent {
		share.Quo(share, big.NewRat(100, 1))
	}
	switch {
	case share.Cmp(big.NewRat(1, 1)) > 0:
		return nil, "is over 1; write a share between 0 and 1"
	case share.Sign() > 0 && share.Cmp(new(big.Rat).SetFrac64(1, 1<<56)) < 0:
		return nil, "is under 2^-56, the smallest share that a threshold can say; write 0"
	}
	return share, ""
}

// Redaction is what is done to the values under one name.
type Redaction struct {
	Key    string
	Family bool // it is that of all names that begin with Key and a dot
	Action Action
}

// redactions lists what is done to values, by every name that an attribute has and
// had, in alphabetical order. A secret for which nothing is said is masked: whoever
// marks it so does not want it on a disk.
func (c *Charter) redactions() []Redaction {
	actions := map[string]Redaction{}
	for _, name := range c.words.names {
		a, _ := c.Attribute(name)
		action := a.OnIngest
		switch {
		case action.Kind == "" && a.Personal == PersonalSecret:
			action = Action{Kind: ActionMask}
		case action.Kind == "" || action.Kind == ActionKeep:
			continue
		case name == telemetry.KeyServiceName && action.Kind == ActionDrop:
			action = Action{Kind: ActionMask} // every part groups by it
		}
		_, family := a.Type.Element()
		for _, one := range append([]string{name}, a.Formerly...) {
			actions[one] = Redaction{one, family, action}
		}
	}
	// A deprecated name that an import defines is redacted as the one that replaced it.
	for _, name := range c.words.names {
		to, former := c.Canonical(name)
		r, redacted := actions[to]
		if _, own := actions[name]; former && redacted && !own {
			r.Key = name
			actions[name] = r
		}
	}
	return slices.SortedFunc(maps.Values(actions), func(a, b Redaction) int { return cmp.Compare(a.Key, b.Key) })
}

// Redactions gives what is done to values before they reach a disk, by key.
func (c *Charter) Redactions() []Redaction { return slices.Clone(c.redacted) }

// KitRedactions gives those of Redactions that kits do before they send: dropping,
// masking and truncating. The others need what only the gateway has.
func (c *Charter) KitRedactions() []Redaction {
	return slices.DeleteFunc(c.Redactions(), func(r Redaction) bool {
		// A kit takes a * at the end of a key for any rest.
		return !slices.Contains([]ActionKind{ActionDrop, ActionMask, ActionTruncate}, r.Action.Kind) || strings.HasSuffix(r.Key, "*")
	})
}

// checkKits judges what kits are told of attributes, after the imports are known.
func (p *parser) checkKits(c *Charter) {
	kits := p.root.get("kits")
	baggage := func(v *value) {
		for _, one := range v.get("baggage_keys").items() {
			a, known := c.Attribute(one.text)
			switch near := ""; {
			case known && a.Personal != "" && a.Personal != PersonalNo:
				p.fail(one.at, one.path, "%q is personal (%s), and baggage goes to whoever is called; leave it out", one.text, a.Personal)
			case !known:
				if near = p.nearest(one.text, c.Attributes); near != "" {
					p.fail(one.at, one.path, "%q is neither defined here nor imported; did you mean %s?", one.text, near)
				} else {
					p.fail(one.at, one.path, "%q is neither defined here nor imported; define it under attributes", telemetry.Clip(one.text))
				}
			}
		}
	}
	baggage(kits)
	services := kits.get("services")
	for _, name := range services.names() {
		baggage(services.kids[name])
	}
	size := 0
	for _, r := range c.KitRedactions() {
		text, err := json.Marshal(r.Key)
		if err != nil {
			panic(fmt.Sprintf("charter: a name cannot be written: %v", err)) // texts always can
		}
		size += len(text) + 48 // with the words around it
	}
	if size > maxKitRedaction {
		at := p.root.get("attributes")
		p.fail(at.at, at.path, "what kits have to drop, mask and truncate has %d bytes, over %d, which is the limit; let fewer attributes and former names have on_ingest", size, maxKitRedaction)
	}
}
