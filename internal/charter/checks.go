package charter

import "slices"

// Rule is one thing that is checked of what arrives.
type Rule string

// The rules. The list is closed: each is a piece of code that judges columns.
const (
	RuleUnknownAttribute    Rule = "unknown_attribute"
	RuleDeprecatedAttribute Rule = "deprecated_attribute"
	RuleMisspelledAttribute Rule = "misspelled_attribute"
	RuleWrongType           Rule = "wrong_type"
	RuleBadEnumValue        Rule = "bad_enum_value"
	RuleMissingRequired     Rule = "missing_required"
	RuleNameWithID          Rule = "name_with_id"
	RuleWrongKind           Rule = "wrong_kind"
	RuleCallNotAllowed      Rule = "call_not_allowed"
	RuleErrorMarking        Rule = "error_marking"
	RuleMissingCommon       Rule = "missing_common"
	RuleUnknownService      Rule = "unknown_service"
	RuleNoOwner             Rule = "no_owner"
	RulePersonalData        Rule = "personal_data"
)

// Mode says what happens when a rule finds something.
type Mode string

// The modes of a rule.
const (
	ModeObserve Mode = "observe" // a finding is counted
	ModeMend    Mode = "mend"    // the name is replaced by the right one, and a finding is counted
	ModeRefuse  Mode = "refuse"  // the span is not taken, and a finding is counted
	ModeOff     Mode = "off"     // the rule does not run
)

// rules is the closed list in the order in which it is shown.
var rules = []struct {
	rule Rule
	mode Mode // when the charter says nothing
	doc  string
}{
	{RuleUnknownAttribute, ModeObserve, "An attribute that neither the charter nor an import defines."},
	{RuleDeprecatedAttribute, ModeMend, "A deprecated or former name. Mending writes the name that replaced it."},
	{RuleMisspelledAttribute, ModeObserve, "An unknown name that is nearly a known one. Mending writes the known one."},
	{RuleWrongType, ModeObserve, "A value whose type is not that of its attribute."},
	{RuleBadEnumValue, ModeObserve, "A value that is no member of its enum."},
	{RuleMissingRequired, ModeObserve, "A span that ends without an attribute that its contract requires."},
	{RuleNameWithID, ModeObserve, "The name of a span that holds an id, so that no two spans have the same."},
	{RuleWrongKind, ModeObserve, "A span whose kind is not that of its contract."},
	{RuleCallNotAllowed, ModeObserve, "A call to a service that the contract does not name."},
	{RuleErrorMarking, ModeObserve, "An error that is marked otherwise than the contract says."},
	{RuleMissingCommon, ModeObserve, "A resource without a common attribute."},
	{RuleUnknownService, ModeObserve, "A service that the charter does not name."},
	{RuleNoOwner, ModeObserve, "A service for which no team answers."},
	{RulePersonalData, ModeObserve, "Personal data where the charter does not expect it."},
}

// Rules lists every rule in the order in which they are shown.
func Rules() []Rule {
	all := make([]Rule, len(rules))
	for i, r := range rules {
		all[i] = r.rule
	}
	return all
}

// MayMend reports whether a rule can mend what it finds: by a rename.
func (r Rule) MayMend() bool { return r == RuleDeprecatedAttribute || r == RuleMisspelledAttribute }

// ModeOf gives the mode of a rule. A rule that does not exist is off.
func (c *Charter) ModeOf(r Rule) Mode {
	if i := slices.Index(Rules(), r); i >= 0 {
		return c.modes[i]
	}
	return ModeOff
}

// Brief says in a sentence what a rule finds; empty for a rule that does not exist.
func (r Rule) Brief() string {
	if i := slices.Index(Rules(), r); i >= 0 {
		return rules[i].doc
	}
	return ""
}
