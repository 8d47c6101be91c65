package generate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
)

// Model is what a template sees.
type Model struct {
	Header       string // the line that says that a file is generated
	Package      string
	Organisation string
	SchemaURL    string
	Attributes   []Attribute         // by their names
	Contracts    []Contract          // by their ids
	Redactions   []charter.Redaction // that kits do, by their keys; a family's key has .* at its end too
	Services     []Service           // by their names
	Policies     []Policy            // by their ids; of the language policies alone
	LeftOut      []string            // what of the charter cannot be a policy
	Teams        []charter.Team
}

// Contact is that of a team, "" for a team without one.
func (m *Model) Contact(team string) string {
	for _, t := range m.Teams {
		if t.Name == team {
			return t.Contact
		}
	}
	return ""
}

// Attribute is a name of the charter. Each has at most one living namesake in the
// language: a deprecated name that would be spelled like a living one is left out.
type Attribute struct {
	charter.Attribute        // Type is that of the values, also for a family of names
	Ident             string // ShopOrderID
	Param             string // shopOrderID or shop_order_id
	Family            bool   // the name is followed by a dot and a part that varies
	Enum              bool
	Open              bool    // an enum that other values may have too
	Number            bool    // an enum of whole numbers
	Values            []Value // of an enum
	Team              charter.Team
}

// Value is a member of an enum, or an error of the business.
type Value struct {
	Ident, Const string // OutOfStock, OUT_OF_STOCK
	Text, Brief  string
}

// Contract is a contract of a span.
type Contract struct {
	charter.SpanContract
	Ident      string
	Starts     bool        // the program may start the span: its name is known
	Decorates  bool        // middleware may start it: it is known by more than a name, or by a kind that stands for a wire
	Start, End []Attribute // what it requires, by when it has to be there
	Errors     []Value
	Team       charter.Team // who answers for the service
}

// Required are all attributes of the contract, those of the start first.
func (c Contract) Required() []Attribute { return slices.Concat(c.Start, c.End) }

// Service is a service with who answers for it.
type Service struct {
	charter.Service
	Owner     charter.Team
	Contracts []Contract
}

// modeller collects the model of one language.
type modeller struct {
	c     *charter.Charter
	style style
	scope *scope
	data  bool // what is written has the names of the charter and no identifiers
	errs  []string
}

// dataLanguages are those in which nothing has to be an identifier.
var dataLanguages = []string{"docs", "policies", "registry"}

func (b *modeller) fail(format string, args ...any) {
	b.errs = append(b.errs, fmt.Sprintf(format, args...))
}

func newModel(c *charter.Charter, o Options) (*Model, error) {
	b := &modeller{c: c, style: styleOf(o.Language), scope: newScope(o.Language, "Attribute", "Redact"), data: slices.Contains(dataLanguages, o.Language)}
	m := &Model{Header: Header, Package: o.Package, Organisation: c.Organisation(), SchemaURL: o.SchemaURL}
	for _, name := range c.Teams() {
		t, _ := c.Team(name)
		m.Teams = append(m.Teams, t)
	}
	if o.Language == "policies" {
		m.Policies, m.LeftOut = policiesOf(c, o.All)
	}
	for _, r := range c.KitRedactions() {
		m.Redactions = append(m.Redactions, r)
		if r.Family {
			r.Key += ".*"
			m.Redactions = append(m.Redactions, r)
		}
	}
	chosen := b.choose(o)
	contracts := b.contracts(chosen)
	living, deprecated := []Attribute{}, []Attribute{}
	for _, a := range chosen {
		if a.Deprecated == nil {
			living = append(living, a)
		} else {
			deprecated = append(deprecated, a)
		}
	}
	slices.SortFunc(living, byName)
	slices.SortFunc(deprecated, byName)
	for _, a := range living {
		if names := b.identifiers(o.Language, a); !b.data {
			b.scope.claim("attributes."+a.Name, names...)
		}
		m.Attributes = append(m.Attributes, a)
	}
	for _, ct := range contracts {
		if !b.data {
			b.scope.claim("spans."+ct.ID, contractIdentifiers(o.Language, ct)...)
		}
	}
	for _, a := range deprecated {
		names := b.identifiers(o.Language, a)
		if !b.data {
			if b.scope.clash("attributes."+a.Name, names) != "" && !required(contracts, a.Name) {
				continue
			}
			b.scope.claim("attributes."+a.Name, names...)
		}
		m.Attributes = append(m.Attributes, a)
	}
	slices.SortFunc(m.Attributes, byName)
	m.Contracts = contracts
	for _, name := range c.Services() {
		s, _ := c.Service(name)
		owner, _ := c.OwnerOf(name)
		one := Service{Service: s, Owner: owner}
		for _, ct := range contracts {
			if ct.Service == name {
				one.Contracts = append(one.Contracts, ct)
			}
		}
		m.Services = append(m.Services, one)
	}
	b.scope.errs = append(b.scope.errs, b.errs...)
	if err := b.scope.err(); err != nil {
		return nil, err
	}
	if m.SchemaURL == "" && o.Language == "registry" {
		m.SchemaURL = schemaURL(m)
	}
	return m, nil
}

func byName(a, b Attribute) int { return strings.Compare(a.Name, b.Name) }

func required(contracts []Contract, name string) bool {
	return slices.ContainsFunc(contracts, func(c Contract) bool { return slices.Contains(c.Requires, name) })
}

// choose gives the attributes that are generated, by name.
func (b *modeller) choose(o Options) map[string]Attribute {
	out := map[string]Attribute{}
	for _, name := range b.c.Attributes() {
		a, _ := b.c.Attribute(name)
		// What the charter only says more of is data for others, and no code of ours.
		if wanted := a.Source == charter.SourceCharter || o.Language == "registry" && b.c.Owns(name); !wanted && !o.All {
			continue
		}
		out[name] = b.attribute(name, a)
	}
	return out
}

// contracts makes the contracts, and adds what they require to the chosen ones.
func (b *modeller) contracts(chosen map[string]Attribute) []Contract {
	var out []Contract
	for _, c := range b.c.Contracts() {
		ct := Contract{SpanContract: c, Ident: b.style.exported(c.ID), Starts: c.MatchName != ""}
		ct.Decorates = !ct.Starts || c.Kind != "" && c.Kind != "internal"
		ct.Team, _ = b.c.OwnerOf(c.Service)
		for _, name := range c.Requires {
			a, ok := chosen[name]
			if !ok || a.Family {
				found, defined := b.c.Attribute(name)
				if !defined {
					b.fail("spans.%s.requires: %q is not defined; define it, or resolve the imports", c.ID, name)
					continue
				}
				if element, family := found.Type.Element(); family {
					if name == found.Name {
						b.fail("spans.%s.requires: %q is a family of names; write one of them, such as %s.NAME", c.ID, name, name)
						continue
					}
					found.Type = element
				}
				found.Name = name
				a = b.attribute(name, found)
				chosen[name] = a
			}
			if slices.Contains(c.AtStart, name) {
				ct.Start = append(ct.Start, a)
			} else {
				ct.End = append(ct.End, a)
			}
		}
		ct.Errors = b.values("spans."+c.ID+".errors.business", false, c.BusinessErrors, nil)
		out = append(out, ct)
	}
	return out
}

// attribute makes the form of one attribute in the language.
func (b *modeller) attribute(name string, a charter.Attribute) Attribute {
	out := Attribute{Attribute: a, Ident: b.style.exported(name)}
	switch {
	case out.Ident != "":
		out.Param = b.style.parameter(name)
	case !b.data:
		b.fail("attributes.%s: nothing of the name can be part of an identifier; rename it", name)
		return out
	}
	if a.Type == "" {
		b.fail("attributes.%s: its type is missing; write one, or resolve the imports that define it", name)
	}
	if element, family := a.Type.Element(); family {
		out.Family, out.Type = true, element
	}
	out.Team, _ = b.c.Team(a.Owner)
	if out.Type != charter.TypeEnum {
		return out
	}
	out.Enum, out.Open = true, a.Source != charter.SourceCharter
	texts, briefs := make([]string, len(a.Members)), make([]string, len(a.Members))
	out.Number = len(a.Members) > 0
	for i, m := range a.Members {
		texts[i], briefs[i] = m.Value, m.Brief
		if n, err := strconv.ParseInt(m.Value, 10, 64); err != nil || strconv.FormatInt(n, 10) != m.Value {
			out.Number = false
		}
	}
	out.Values = b.values("attributes."+name+".members", out.Open, texts, briefs)
	return out
}

// values gives the names of a list of texts. In an open list a text whose name is
// taken has none: it can be written out.
func (b *modeller) values(what string, open bool, texts, briefs []string) []Value {
	own := newScope(b.scope.language)
	var out []Value
	for i, text := range texts {
		v := Value{Ident: b.style.exported(text), Const: screaming(text), Text: text}
		if briefs != nil {
			v.Brief = briefs[i]
		}
		if v.Const == "KEY" {
			v.Const = "KEY_VALUE" // KEY is that of the attribute itself
		}
		if b.style.values[v.Ident] {
			v.Ident += "Value"
		}
		if b.data {
			out = append(out, v)
			continue
		}
		where := fmt.Sprintf("%s[%q]", what, text)
		if v.Ident == "" {
			if !open {
				b.fail("%s: nothing of it can be part of an identifier; write it with letters or digits", where)
			}
			continue
		}
		if open && own.clash(where, []string{v.Ident}) != "" {
			continue
		}
		own.claim(where, v.Ident)
		out = append(out, v)
	}
	b.errs = append(b.errs, own.errs...)
	return out
}

// identifiers lists what the built-in templates of a language define for an
// attribute at the top of their package or module.
func (b *modeller) identifiers(language string, a Attribute) []string {
	if language != "go" {
		return []string{a.Ident}
	}
	out := []string{a.Ident + "Key", a.Ident + "Attr"}
	for _, v := range a.Values {
		out = append(out, a.Ident+v.Ident)
	}
	switch {
	case a.Type == charter.TypeAny:
		for _, kind := range anyKinds {
			out = append(out, a.Ident+kind.Suffix)
		}
	case a.Enum && !a.Open:
		out = append(out, "Parse"+a.Ident)
	default:
		out = append(out, a.Ident)
	}
	return out
}

func contractIdentifiers(language string, c Contract) []string {
	out := []string{c.Ident}
	if len(c.Errors) > 0 {
		out = append(out, c.Ident+"Error")
	}
	if language != "go" {
		return out
	}
	if c.Decorates {
		out = append(out, c.Ident+"Of")
	}
	if c.Starts {
		out = append(out, "Start"+c.Ident)
	}
	for _, v := range c.Errors {
		out = append(out, c.Ident+v.Ident)
	}
	return out
}
