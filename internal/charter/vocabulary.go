package charter

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// AttributeType is the type of an attribute's values, in the words of the
// OpenTelemetry conventions: string, int, double, boolean, a list of these as in
// string[], enum, any, or template[T] for a family of names whose last part varies.
type AttributeType string

// The types of attributes; [AttributeType.Element] gives the T of a template.
const (
	TypeString   AttributeType = "string"
	TypeInt      AttributeType = "int"
	TypeDouble   AttributeType = "double"
	TypeBoolean  AttributeType = "boolean"
	TypeStrings  AttributeType = "string[]"
	TypeInts     AttributeType = "int[]"
	TypeDoubles  AttributeType = "double[]"
	TypeBooleans AttributeType = "boolean[]"
	TypeEnum     AttributeType = "enum"
	TypeAny      AttributeType = "any"
)

var plainTypes = []AttributeType{TypeString, TypeInt, TypeDouble, TypeBoolean, TypeStrings, TypeInts, TypeDoubles, TypeBooleans, TypeEnum, TypeAny}

// AttributeTypes lists every type: the plain ones and template[T] of each but enum.
func AttributeTypes() []AttributeType {
	all := slices.Clone(plainTypes)
	for _, t := range plainTypes {
		if t != TypeEnum {
			all = append(all, "template["+t+"]")
		}
	}
	return all
}

// Element gives the type of a template's values; ok is false for every other type.
func (t AttributeType) Element() (element AttributeType, ok bool) {
	s, isTemplate := strings.CutPrefix(string(t), "template[")
	s, closed := strings.CutSuffix(s, "]")
	return AttributeType(s), isTemplate && closed
}

// Personal says whose data an attribute holds. The empty value says nothing.
type Personal string

// What an attribute may be to a person.
const (
	PersonalNo       Personal = "false"    // not about a person
	PersonalSubject  Personal = "subject"  // tells whose data the rest is
	PersonalDirect   Personal = "direct"   // names a person by itself
	PersonalIndirect Personal = "indirect" // leads to a person together with other data
	PersonalSecret   Personal = "secret"   // whoever knows it can act for a person or a system
)

// ActionKind says what is done to a value before it reaches the disk. The empty
// kind is that of a charter that says nothing, and keeps the value.
type ActionKind string

// What can be done to a value.
const (
	ActionKeep       ActionKind = "keep"
	ActionDrop       ActionKind = "drop"
	ActionMask       ActionKind = "mask"
	ActionTruncate   ActionKind = "truncate" // to Action.Length bytes, at a character's edge
	ActionTruncateIP ActionKind = "truncate_ip"
	ActionReplace    ActionKind = "replace" // by Action.Text
	ActionHash       ActionKind = "hash"    // with the key of the gateway
)

// Action is what is done to the values of an attribute.
type Action struct {
	Kind   ActionKind
	Length int    // of ActionTruncate
	Text   string // of ActionReplace
}

// Member is one value of an enum. A whole number is written in decimal.
type Member struct{ Value, Brief string }

// Reasons of a Deprecated.
const (
	ReasonRenamed       = "renamed"
	ReasonObsoleted     = "obsoleted"
	ReasonUncategorized = "uncategorized"
)

// Deprecated says why a name should no longer be used.
type Deprecated struct {
	Reason    string // renamed, obsoleted or uncategorized
	RenamedTo string // of renamed: the name to use
	Note      string
}

// Attribute is the definition of one name, or of a family of names when its type
// is a template. Whoever is given one must not change what it points to.
type Attribute struct {
	Name        string
	Type        AttributeType // empty: refines an imported attribute and takes its type
	Brief, Note string
	Examples    []string
	Members     []Member // of an enum, sorted by value
	Stability   string   // stable, release_candidate, beta, alpha, development; empty: not said
	Deprecated  *Deprecated
	Formerly    []string // names that this one had
	Owner       string   // name of a team
	Personal    Personal
	OnIngest    Action
	Common      bool   // required on every resource
	Source      string // "charter", "semconv 1.40.0", "registry ./registry"
}

// SourceCharter is the Source of what the charter itself defines.
const SourceCharter = "charter"

// vocabulary is a set of attributes with their former names resolved.
type vocabulary struct {
	attributes map[string]Attribute
	names      []string          // sorted
	next       map[string]string // former name → the next one
	canonical  map[string]string // former name → name to use
}

func newVocabulary(attributes map[string]Attribute) vocabulary {
	v := vocabulary{attributes: attributes, names: slices.Sorted(maps.Keys(attributes)), canonical: map[string]string{}}
	next := map[string]string{}
	v.next = next
	// What the charter itself says goes before what it imports; otherwise the first
	// name in order wins, so that the result does not depend on a map's order.
	for _, own := range []bool{true, false} {
		for _, name := range v.names {
			a := attributes[name]
			if (a.Source == SourceCharter) != own {
				continue
			}
			for _, old := range a.Formerly {
				if _, taken := next[old]; !taken && old != name {
					next[old] = name
				}
			}
			if a.Deprecated != nil && a.Deprecated.RenamedTo != "" && a.Deprecated.RenamedTo != name {
				if _, taken := next[name]; !taken {
					next[name] = a.Deprecated.RenamedTo
				}
			}
		}
	}
	v.resolve()
	return v
}

// resolve walks the renames to their ends. Every name is walked once: a chain of
// many renames would cost the square of its length otherwise. Names that lead
// round in a circle have no canonical one.
func (v *vocabulary) resolve() {
	ends := map[string]string{} // name → where its renames end, "" while or when that is nowhere
	for start := range v.next {
		var walked []string
		at, end := start, ""
		for {
			known, seen := ends[at]
			further, more := v.next[at]
			if seen || !more {
				end = known
				if !seen {
					end = at
				}
				break
			}
			ends[at] = ""
			walked = append(walked, at)
			at = further
		}
		for _, name := range walked {
			ends[name] = end
			if end != "" {
				v.canonical[name] = end
			}
		}
	}
}

// Attribute gives the definition of a name: the charter's own, refined by what it
// imports, or an imported one. A name without one that begins with the name of a
// template and a dot has the template's definition.
func (c *Charter) Attribute(name string) (Attribute, bool) {
	if a, ok := c.words.attributes[name]; ok {
		return a, true
	}
	for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		if a, ok := c.words.attributes[name[:i]]; ok {
			if _, template := a.Type.Element(); template && i+1 < len(name) {
				return a, true
			}
		}
	}
	return Attribute{}, false
}

// Attributes lists the defined names, own and imported, in alphabetical order.
func (c *Charter) Attributes() []string { return slices.Clone(c.words.names) }

// OwnAttributes counts the names that the charter itself speaks of, imported ones
// that it refines among them.
func (c *Charter) OwnAttributes() int { return len(c.own) }

// Owns reports whether the charter itself speaks of an attribute.
func (c *Charter) Owns(name string) bool { _, own := c.own[name]; return own }

// Canonical gives the name to use instead of a former one. For a name that is not
// a former one it gives the name itself and false.
func (c *Charter) Canonical(name string) (string, bool) {
	if to, ok := c.words.canonical[name]; ok {
		return to, true
	}
	return name, false
}

// WithVocabulary gives a charter in which imported attributes stand behind its
// own: what the charter says of a name wins field by field, and the rest is as
// imported. When two of attrs have one name, the first counts. c does not change.
func (c *Charter) WithVocabulary(attrs []Attribute) *Charter {
	out := *c
	all := make(map[string]Attribute, len(attrs)+len(c.own))
	for _, a := range attrs {
		if _, taken := all[a.Name]; !taken {
			all[a.Name] = a
		}
	}
	for name, a := range c.own {
		if imported, ok := all[name]; ok {
			a = refine(a, imported)
		}
		all[name] = a
	}
	out.imported = slices.SortedFunc(slices.Values(attrs), func(a, b Attribute) int { return cmp.Compare(a.Name, b.Name) })
	out.placeEnvironments(all)
	out.words = newVocabulary(all)
	out.redacted = out.redactions()
	out.version = out.hash()
	return &out
}

// environmentKey is the attribute whose values the section environments lists.
const environmentKey = "deployment.environment.name"

// placeEnvironments makes the charter's environments the values of their attribute,
// unless attributes says which it has.
func (c *Charter) placeEnvironments(all map[string]Attribute) {
	a, known := all[environmentKey]
	if !known || len(c.environments) == 0 || c.own[environmentKey].Members != nil || a.Type != TypeEnum {
		return
	}
	a.Members = nil
	for _, name := range c.environments {
		a.Members = append(a.Members, Member{Value: name, Brief: "An environment of this charter."})
	}
	all[environmentKey] = a
}

// refine fills what own leaves open from the imported definition.
func refine(own, imported Attribute) Attribute {
	if own.Type == "" {
		own.Type, own.Source = imported.Type, imported.Source
	}
	own.Brief = cmp.Or(own.Brief, imported.Brief)
	own.Note = cmp.Or(own.Note, imported.Note)
	own.Stability = cmp.Or(own.Stability, imported.Stability)
	own.Owner = cmp.Or(own.Owner, imported.Owner)
	own.Personal = cmp.Or(own.Personal, imported.Personal)
	if own.Examples == nil {
		own.Examples = imported.Examples
	}
	if own.Members == nil && own.Type == imported.Type {
		own.Members = imported.Members
	}
	if own.Deprecated == nil {
		own.Deprecated = imported.Deprecated
	}
	if own.Formerly == nil {
		own.Formerly = imported.Formerly
	}
	if own.OnIngest.Kind == "" {
		own.OnIngest = imported.OnIngest
	}
	own.Common = own.Common || imported.Common
	return own
}
