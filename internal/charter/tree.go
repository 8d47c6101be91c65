package charter

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// value is what a charter says at one key, checked by itself: the form in which a
// charter is merged from files, printed, compared and compiled.
type value struct {
	f    *field
	at   place
	key  place  // where the key stands; the same as at in a list
	path string // such as services.checkout.tier
	said bool   // false: it is the default

	text string            // of a scalar: the one spelling of it; the chosen word of a list or a choice
	n    int64             // of a count, a duration (ns), a size, a bool
	list []*value          // of a list
	kids map[string]*value // of a map, a mapping, a choice of a field
}

// place is where something stands.
type place struct {
	file      string
	line, col int
}

func (p place) String() string {
	return p.file + ":" + strconv.Itoa(p.line) + ":" + strconv.Itoa(p.col)
}

// names lists the names of a map in alphabetical order.
func (v *value) names() []string {
	if v == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(v.kids))
}

// get walks down keys; it gives nil where nothing is said.
func (v *value) get(keys ...string) *value {
	for _, k := range keys {
		if v == nil {
			return nil
		}
		v = v.kids[k]
	}
	return v
}

func (v *value) str() string {
	if v == nil {
		return ""
	}
	return v.text
}

func (v *value) num() int64 {
	if v == nil {
		return 0
	}
	return v.n
}

func (v *value) span() time.Duration { return time.Duration(v.num()) }

func (v *value) on() bool { return v.num() != 0 }

// strs gives the texts of a list: nil when nothing is said, and empty when it is
// said that there are none.
func (v *value) strs() []string {
	if v == nil {
		return nil
	}
	out := make([]string, len(v.list))
	for i, one := range v.list {
		out[i] = one.text
	}
	return out
}

// fill puts defaults where nothing is said. root is that of the whole charter.
func (p *parser) fill(v *value) {
	switch v.f.kind {
	case kindMap:
		for _, name := range v.names() {
			p.fill(v.kids[name])
		}
	case kindMapping:
		for _, f := range v.f.fields {
			if kid := v.kids[f.key]; kid != nil {
				p.fill(kid)
				continue
			}
			if kid := p.standard(f, v); kid != nil {
				v.kids[f.key] = kid
			}
		}
	}
}

// standard gives the default of a field of v, or nil when it has none.
func (p *parser) standard(f *field, v *value) *value {
	path := join(v.path, f.key)
	switch {
	case f.kind == kindMap && v.path != "", f.kind == kindMapping && slices.ContainsFunc(f.fields, func(one *field) bool { return one.required }):
		return nil // nothing said is not the same as nothing there
	case f.kind == kindMap, f.kind == kindMapping:
		kid := &value{f: f, at: v.at, key: v.at, path: path, kids: map[string]*value{}}
		p.fill(kid)
		return kid
	}
	def := f.def
	if f.defFrom != "" {
		def = p.lookup(f.defFrom).text
	}
	if def == "" {
		return nil
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: def, Line: v.at.line, Column: v.at.col}
	if def == "[]" { // by far the most frequent
		n = &yaml.Node{Kind: yaml.SequenceNode}
	} else if def[0] == '[' {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(def), &doc); err != nil {
			panic("charter: the default of " + path + " is no YAML: " + err.Error())
		}
		n = doc.Content[0]
	}
	before := p.count()
	kid := p.value(f, n, path)
	if kid == nil || p.count() > before {
		panic("charter: the default of " + path + " does not check: " + def)
	}
	kid.said, kid.at, kid.key = false, v.at, v.at
	return kid
}

// lookup gives the value at a path of keys of sections.
func (p *parser) lookup(path string) *value {
	section, key, _ := strings.Cut(path, ".")
	v := p.root.get(section, key)
	if v == nil {
		v = p.standard(p.root.f.field(section).field(key), &value{f: p.root.f.field(section), path: section, kids: map[string]*value{}})
	}
	return v
}
