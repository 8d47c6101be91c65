package pipeline

import (
	"fmt"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/privacy"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Findings takes what the stages found in one batch. It MUST NOT keep the slice.
type Findings interface {
	Add(tenant string, seen []finding.Observation)
}

// Coverage takes how many spans of a contract came.
type Coverage interface {
	Saw(tenant, contract string, count uint64, trace telemetry.TraceID)
}

// Rules is a charter as the stages need it. It is immutable but for a bounded memory
// of verdicts, and may be used by any number of goroutines.
type Rules struct {
	charter *charter.Charter
	scanner *privacy.Scanner
	hasher  *privacy.Hasher
	actions map[string]charter.Redaction // of names, former ones included, whose values do not stay as they are
	byRule  map[charter.Rule]charter.Mode

	contracts map[string][]contract // by service
	common    []string
	named     bool                        // the charter names services
	keys      *verdicts[attributeVerdict] // by scope, type and key
	names     *verdicts[bool]             // whether a span's name holds an id
	nearest   nearest
}

// CompileRules prepares a charter for the stages. key is what values under `hash`
// are hashed with; it never leaves the gateway.
func CompileRules(c *charter.Charter, key []byte) (*Rules, error) {
	names := c.Privacy().Detectors
	detectors := make([]privacy.Detector, len(names))
	for i, name := range names {
		detectors[i] = privacy.Detector(name)
	}
	scanner, err := privacy.New(detectors)
	if err != nil {
		return nil, fmt.Errorf("compile privacy.detectors: %w", err)
	}
	hasher, err := privacy.NewHasher(key)
	if err != nil {
		return nil, err
	}
	r := &Rules{charter: c, scanner: scanner, hasher: hasher, actions: map[string]charter.Redaction{},
		byRule: map[charter.Rule]charter.Mode{}, contracts: contractsOf(c), named: len(c.Services()) > 0,
		keys: newVerdicts[attributeVerdict](), names: newVerdicts[bool](), nearest: newNearest(c.Attributes())}
	for _, rule := range charter.Rules() {
		r.byRule[rule] = c.ModeOf(rule)
	}
	for _, name := range c.Attributes() {
		a, _ := c.Attribute(name)
		if a.Common {
			r.common = append(r.common, name)
		}
	}
	for _, one := range c.Redactions() {
		r.actions[one.Key] = one
	}
	return r, nil
}

// action gives what is done to the values of a key. A family of names, such as
// http.request.header.*, has one action.
func (r *Rules) action(key []byte) (charter.Action, bool) {
	if len(r.actions) == 0 {
		return charter.Action{}, false
	}
	if one, ok := r.actions[string(key)]; ok {
		return one.Action, true
	}
	for i := len(key) - 1; i > 0; i-- {
		if key[i] != '.' {
			continue
		}
		if one, ok := r.actions[string(key[:i])]; ok && one.Family {
			return one.Action, true
		}
	}
	return charter.Action{}, false
}

// expected reports whether the charter says that a key holds personal data.
func (r *Rules) expected(key string) bool {
	name, _ := r.charter.Canonical(key)
	a, ok := r.charter.Attribute(name)
	return ok && a.Personal != "" && a.Personal != charter.PersonalNo
}
