package charter

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// crossCheck compares values with each other; each is right by itself.
func (p *parser) crossCheck() {
	p.sizes()
	p.references(p.root)
	p.attributes()
	p.contracts()
	p.kits()
}

func (p *parser) sizes() {
	limits, disk := p.root.get("limits"), p.root.get("retention", "disk")
	inflight, request := limits.get("inflight_bytes"), limits.get("request_bytes")
	if inflight.n < request.n {
		at := inflight
		if !at.said {
			at = request
		}
		p.fail(at.at, at.path, "inflight_bytes (%s) is under request_bytes (%s), so that the largest request could never pass; raise inflight_bytes or lower request_bytes",
			inflight.text, request.text)
	}
	tenants := p.root.get("tenants")
	for _, name := range tenants.names() {
		if t := tenants.get(name, "disk"); t.num() > disk.n {
			p.fail(t.at, t.path, "%s is over retention.disk (%s), which holds for all tenants together; write %s or less", t.text, disk.text, disk.text)
		}
	}
}

// references looks up every text that has to be a name of some section.
func (p *parser) references(v *value) {
	if v.f.ref != "" {
		section := p.root.get(v.f.ref)
		if section.get(v.text) != nil {
			return
		}
		if near := p.nearest(v.text, section.names); near != "" {
			p.fail(v.at, v.path, "%q is not among the %s of this charter; did you mean %s?", v.text, v.f.ref, near)
			return
		}
		p.fail(v.at, v.path, "%q is not among the %s of this charter; define it there or write another", telemetry.Clip(v.text), v.f.ref)
		return
	}
	for _, one := range v.list {
		p.references(one)
	}
	for _, name := range v.names() {
		p.references(v.kids[name])
	}
}

// attributes checks what the definition of a name says against itself and the
// other names of the charter.
func (p *parser) attributes() {
	all := p.root.get("attributes")
	formerOf := map[string]*value{} // former name → where it stands
	next := map[string]string{}
	for _, name := range all.names() {
		v := all.kids[name]
		if members, enum := v.get("members"), v.get("type").str() == string(TypeEnum); members == nil && enum {
			p.fail(v.get("type").at, v.path, "an enum needs its values; write members: { VALUE: what it means }")
		} else if members != nil && !enum && v.get("type") != nil {
			p.fail(members.at, members.path, "only an enum has members; write type: enum or remove them")
		} else if members != nil && len(members.kids) == 0 {
			p.fail(members.at, members.path, "no value is named; write members: { VALUE: what it means }")
		}
		if d := v.get("deprecated"); d != nil {
			to := d.get("renamed_to")
			switch renamed := d.get("reason").str() == ReasonRenamed; {
			case renamed && to == nil:
				p.fail(d.at, d.path, "renamed_to is missing; write the name that replaces this one")
			case !renamed && to != nil:
				p.fail(to.at, to.path, "a name that replaces this one goes with reason renamed; write reason: renamed or remove it")
			case to != nil:
				next[name] = to.text
			}
		}
		if formerly := v.get("formerly"); formerly != nil {
			for _, old := range formerly.list {
				p.former(all, name, old, formerOf, next)
			}
		}
	}
	for _, circle := range circles(next) {
		at := all.get(circle[0])
		if at == nil {
			at = formerOf[circle[0]]
		}
		p.fail(at.at, at.path, "the renames lead in a circle (%s → %s); remove one", strings.Join(circle, " → "), circle[0])
	}
}

// former checks one former name of an attribute and notes the rename.
func (p *parser) former(all *value, name string, old *value, formerOf map[string]*value, next map[string]string) {
	if old.text == name {
		p.fail(old.at, old.path, "%q is its name now; remove it", name)
		return
	}
	if first := formerOf[old.text]; first != nil {
		p.fail(old.at, old.path, "%q was the name of another attribute already (%s, %s); a former name is never used again: remove one",
			old.text, strings.TrimSuffix(first.path, ".formerly"), first.at)
		return
	}
	formerOf[old.text] = old
	if living := all.get(old.text); living != nil {
		switch to := living.get("deprecated", "renamed_to"); {
		case to == nil && next[name] == old.text:
			// A circle of two, which is reported as one.
		case to == nil:
			p.fail(old.at, old.path, "%q is an attribute of its own (%s); a former name is never used again: deprecate that one with renamed_to: %s, or remove this",
				old.text, living.key, name)
			return
		case to.text != name:
			p.fail(old.at, old.path, "%q is renamed to %s at %s; it can only have one new name", old.text, to.text, to.at)
			return
		}
	}
	next[old.text] = name
}

// circles finds the circles of renames. Each begins with its first name by the
// alphabet, and they are sorted by it.
func circles(next map[string]string) [][]string {
	var found [][]string
	done := map[string]int{} // name → number of the walk that came by
	for walk, start := range slices.Sorted(maps.Keys(next)) {
		at := start
		for at != "" && done[at] == 0 {
			done[at] = walk + 1
			at = next[at]
		}
		if at == "" || done[at] != walk+1 {
			continue
		}
		circle := []string{at}
		for one := next[at]; one != at; one = next[one] {
			circle = append(circle, one)
		}
		least := slices.Index(circle, slices.Min(circle))
		found = append(found, append(circle[least:], circle[:least]...))
	}
	slices.SortFunc(found, func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
	return found
}

// contracts checks what contracts say against each other.
func (p *parser) contracts() {
	all := p.root.get("spans")
	first := map[string]*value{}
	for _, id := range all.names() {
		v := all.kids[id]
		required := v.get("requires").strs()
		for _, one := range v.get("at_start").list {
			if !slices.Contains(required, one.text) {
				p.fail(one.at, one.path, "%q is not among requires; add it there, where it has to be too", one.text)
			}
		}
		match := v.get("match")
		same := v.get("service").str() + "\x00" + match.inline() + "\x00" + v.get("kind").str()
		if other := first[same]; other != nil {
			p.fail(match.at, match.path, "the same spans are those of %s (%s); join the contracts or tell them apart", other.path, other.key)
			continue
		}
		first[same] = v
	}
}

// Check judges what depends on imported words, after [Charter.WithVocabulary]:
// that required attributes and the ends of renames are defined, that a name
// without a type has one from an import, that no living name is used as a former
// one. The error is an Errors.
func (c *Charter) Check() error {
	p := &parser{root: c.tree}
	defined := func(v *value) {
		if _, ok := c.Attribute(v.text); ok {
			return
		}
		if to, former := c.Canonical(v.text); former {
			p.fail(v.at, v.path, "%q is the former name of %s; write that", telemetry.Clip(v.text), to)
		} else if near := p.nearest(v.text, c.Attributes); near != "" {
			p.fail(v.at, v.path, "%q is neither defined here nor imported; did you mean %s?", telemetry.Clip(v.text), near)
		} else {
			p.fail(v.at, v.path, "%q is neither defined here nor imported; define it under attributes", telemetry.Clip(v.text))
		}
	}
	spans := c.tree.get("spans")
	for _, id := range spans.names() {
		for _, one := range spans.get(id, "requires").list {
			defined(one)
		}
	}
	imported := map[string]bool{} // name → whether it lives
	for _, a := range c.imported {
		imported[a.Name] = a.Deprecated == nil
	}
	attributes := c.tree.get("attributes")
	for _, name := range attributes.names() {
		v, a := attributes.kids[name], c.words.attributes[name]
		if a.Type == "" {
			if near := p.nearest(name, func() []string { return slices.Sorted(maps.Keys(imported)) }); near != "" {
				p.fail(v.key, v.path, "no import defines the name, so that its type is missing; did you mean %s? Else write type: string or another", near)
			} else {
				p.fail(v.key, v.path, "no import defines the name, so that its type is missing; write type: string or another")
			}
		}
		if to := v.get("deprecated", "renamed_to"); to != nil {
			defined(to)
		}
		if formerly := v.get("formerly"); formerly != nil {
			for _, old := range formerly.list {
				if imported[old.text] && attributes.get(old.text) == nil {
					p.fail(old.at, old.path, "%q is a living attribute of an import; a former name is never used again: remove it", old.text)
				}
			}
		}
		if on := v.get("on_ingest"); on != nil && !textual(a) && slices.Contains([]ActionKind{ActionMask, ActionTruncate, ActionTruncateIP, ActionReplace, ActionHash}, a.OnIngest.Kind) {
			p.fail(on.at, on.path, "%s makes a text, and the type is %s; write keep or drop", a.OnIngest.Kind, a.Type)
		}
	}
	p.circlesOf(c)
	p.checkKits(c)
	return p.err()
}

// textual reports whether an attribute can hold a text.
func textual(a Attribute) bool {
	t := a.Type
	if element, ok := t.Element(); ok {
		t = element
	}
	return t == "" || t == TypeString || t == TypeStrings || t == TypeEnum || t == TypeAny
}

// circlesOf finds circles of renames that an import closes. Those of the charter
// alone are found when it is parsed, and those of an import alone are not its fault.
func (p *parser) circlesOf(c *Charter) {
	for _, circle := range circles(c.words.next) {
		for _, name := range circle {
			if v := c.tree.get("attributes", name); v != nil {
				p.fail(v.key, v.path, "together with an import the renames lead in a circle (%s → %s); remove one", strings.Join(circle, " → "), circle[0])
				break
			}
		}
	}
}
