package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
)

// Policy is a Telemetry Policy of OpenTelemetry (OTEP 4738), in the spelling of its
// proto as JSON. Implementations skip a policy that fails and let telemetry pass,
// so that only what may fail open can be one.
type Policy struct {
	Description string       `json:"description"` // first, so that the header is among the first lines
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Enabled     bool         `json:"enabled"`
	Log         *logTarget   `json:"log,omitempty"`
	Trace       *traceTarget `json:"trace,omitempty"`
}

type logTarget struct {
	Match     []policyMatch `json:"match"` // all of them
	Keep      string        `json:"keep"`
	Transform *logTransform `json:"transform,omitempty"`
}

// policyMatch names one field and one condition on it.
type policyMatch struct {
	LogAttribute      []string `json:"log_attribute,omitempty"` // a path; one element is a whole name, dots included
	TraceField        string   `json:"trace_field,omitempty"`
	SpanAttribute     []string `json:"span_attribute,omitempty"`
	ResourceAttribute []string `json:"resource_attribute,omitempty"`
	SpanKind          string   `json:"span_kind,omitempty"`
	Exact             string   `json:"exact,omitempty"`
	StartsWith        string   `json:"starts_with,omitempty"`
	Exists            bool     `json:"exists,omitempty"`
	Negate            bool     `json:"negate,omitempty"`
}

type logTransform struct {
	Rename []logRename `json:"rename,omitempty"`
}

type logRename struct {
	LogAttribute []string `json:"log_attribute"`
	To           string   `json:"to"`
	Upsert       bool     `json:"upsert"` // false: where both are there the new one stays
}

// policiesOf makes the policies of a charter in the order of their ids, and says
// what of the charter is none.
func policiesOf(c *charter.Charter, all bool) (policies []Policy, leftOut []string) {
	policies, leftOut = renamePolicies(c, all)
	sampling, more := samplingPolicies(c)
	policies, leftOut = append(policies, sampling...), append(leftOut, more...)
	for _, r := range c.Redactions() {
		leftOut = append(leftOut, fmt.Sprintf("attributes.%s.on_ingest (%s): a rule of privacy drops the value when it fails; a policy would let it pass", r.Key, r.Action.Kind))
	}
	if detectors := c.Privacy().Detectors; len(detectors) > 0 {
		leftOut = append(leftOut, fmt.Sprintf("privacy.detectors (%d): a rule of privacy drops the value when it fails; a policy would let it pass", len(detectors)))
	}
	for _, r := range charter.Rules() {
		if c.ModeOf(r) == charter.ModeRefuse {
			leftOut = append(leftOut, fmt.Sprintf("checks.rules.%s: refuse: no policy can tell the sender", r))
		}
	}
	slices.SortFunc(policies, func(a, b Policy) int { return strings.Compare(a.ID, b.ID) })
	return policies, leftOut
}

// renamePolicies makes a policy of each former name. Policies can rename in logs
// only; spans are mended by the gateway.
func renamePolicies(c *charter.Charter, all bool) (policies []Policy, leftOut []string) {
	own, imported := map[string]string{}, 0
	var other []string
	for _, name := range c.Attributes() {
		a, _ := c.Attribute(name)
		former := slices.Clone(a.Formerly)
		if a.Deprecated != nil && a.Deprecated.RenamedTo != "" {
			former = append(former, name)
		}
		for _, old := range former {
			to, renamed := c.Canonical(old)
			was, defined := c.Attribute(old)
			now, _ := c.Attribute(to)
			switch {
			case !renamed:
			case defined && was.Type != now.Type && (all || c.Owns(name) || c.Owns(to)):
				other = append(other, fmt.Sprintf("attributes.%s: its type is %s and that of %s is %s; a policy would not look", old, was.Type, to, now.Type))
			case all || c.Owns(name) || c.Owns(to):
				own[old] = to
			default:
				imported++
			}
		}
	}
	if mode := c.ModeOf(charter.RuleDeprecatedAttribute); mode != charter.ModeMend && len(own) > 0 {
		return nil, []string{fmt.Sprintf("attributes.*.formerly (%d names): checks.rules.deprecated_attribute is %s, not mend", len(own), mode)}
	}
	for old, to := range own {
		policies = append(policies, Policy{
			ID: "clew.rename." + old, Name: "Rename " + old, Enabled: true,
			Description: fmt.Sprintf("The attribute %s of logs is called %s now. Where a record has both, the new one stays.", old, to),
			Log: &logTarget{
				Match: []policyMatch{{LogAttribute: []string{old}, Exists: true}}, Keep: "all",
				Transform: &logTransform{Rename: []logRename{{LogAttribute: []string{old}, To: to}}},
			},
		})
	}
	slices.Sort(other)
	leftOut = slices.Compact(other) // a name may be former on both sides
	if imported > 0 {
		leftOut = append(leftOut, fmt.Sprintf("renames of imported attributes (%d names): they come with --all", imported))
	}
	return policies, leftOut
}

// policiesJSON writes the set, or nothing when there is none: a file that says that
// it is generated needs a policy to say it in, as the form has no place for it.
func policiesJSON(m *Model) (string, error) {
	if len(m.Policies) == 0 {
		return "", nil
	}
	set := struct {
		Policies []Policy `json:"policies"`
	}{slices.Clone(m.Policies)}
	first := &set.Policies[0]
	first.Description = Header + " " + first.Description
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(set); err != nil {
		return "", err
	}
	return b.String(), nil
}

// LeftOut says what of a charter is not in what [Run] gives, in sentences; only
// policies leave something out.
func LeftOut(c *charter.Charter, o Options) []string {
	if o.Language != "policies" {
		return nil
	}
	_, leftOut := policiesOf(c, o.All)
	return leftOut
}
