package registry

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// sections are the keys of a file of the second generation, with the kind of
// group that each lists and whether it refines groups of that kind.
var sections = map[string]struct {
	kind       kind
	refinement bool
}{
	"attribute_groups":   {kindAttributes, false},
	"spans":              {kindSpan, false},
	"metrics":            {kindMetric, false},
	"events":             {kindEvent, false},
	"entities":           {kindEntity, false},
	"span_refinements":   {kindSpan, true},
	"metric_refinements": {kindMetric, true},
	"event_refinements":  {kindEvent, true},
	"entity_refinements": {kindEntity, true},
}

var sectionKeys = []string{"file_format", "attributes", "attribute_groups", "spans", "metrics", "events", "entities",
	"span_refinements", "metric_refinements", "event_refinements", "entity_refinements", "imports"}

// second reads a file of the second generation into the groups of the first.
func (f *file) second(n *yaml.Node, c *content) {
	defined := &group{kind: kindAttributes, at: f.at(n)}
	f.fields(n, "", sectionKeys, func(key string, v *yaml.Node, at string) {
		switch key {
		case "file_format":
		case "imports":
			f.imports(c, v, at)
		case "attributes":
			f.list(v, at, func(v *yaml.Node, at string) { f.definition(defined, v, at) })
		default:
			s := sections[key]
			f.list(v, at, func(v *yaml.Node, at string) {
				if g := f.signal(s.kind, s.refinement, v, at); g != nil {
					c.groups = append(c.groups, g)
				}
			})
		}
	})
	if len(defined.uses) > 0 {
		c.groups = append(c.groups, defined)
	}
}

// definition reads an attribute of the second generation.
func (f *file) definition(g *group, n *yaml.Node, path string) {
	d := &Attribute{}
	u := use{at: f.at(n), definition: d}
	known := []string{"key", "type", "brief", "note", "examples", "stability", "deprecated", "annotations"}
	f.fields(n, path, known, func(key string, v *yaml.Node, at string) {
		switch key {
		case "key":
			d.Name = f.text(v, at)
		case "type":
			f.attributeType(d, v, at)
		default:
			f.said(&u, d, key, v, at)
		}
	})
	switch {
	case d.Name == "":
		f.missing(n, path, "key")
	case d.Type == "" && (n.Kind != yaml.MappingNode || valueOf(n, "type") == nil):
		f.missing(n, path, "type")
	default:
		u.name = d.Name
		g.uses = append(g.uses, u)
	}
}

// naming is the key that names a signal of each kind.
var naming = map[kind]string{kindAttributes: "id", kindSpan: "type", kindMetric: "name", kindEvent: "name", kindEntity: "type"}

var visibilities = []string{"internal", "public"}

// signalKeys are the keys that a signal may have beside those that all have.
func signalKeys(k kind, refinement bool) []string {
	keys := []string{"brief", "note", "stability", "deprecated", "annotations"}
	if refinement {
		keys = append(keys, "id", "ref")
	} else {
		keys = append(keys, naming[k])
	}
	switch k {
	case kindAttributes:
		return append(keys, "attributes", "visibility")
	case kindEntity:
		keys = append(keys, "identity", "description")
	case kindSpan:
		keys = append(keys, "attributes", "entity_associations", "name")
	default:
		keys = append(keys, "attributes", "entity_associations")
	}
	if refinement {
		return keys
	}
	switch k {
	case kindSpan:
		keys = append(keys, "kind")
	case kindMetric:
		keys = append(keys, "instrument", "unit")
	}
	return append(keys, "requirement_level")
}

// signal reads a signal, a refinement of one, or a group of attributes.
func (f *file) signal(k kind, refinement bool, n *yaml.Node, path string) *group {
	g := &group{kind: k, refinement: refinement, at: f.at(n)}
	name, ref := "", ""
	f.fields(n, path, signalKeys(k, refinement), func(key string, v *yaml.Node, at string) {
		switch {
		case key == "id" || !refinement && key == naming[k]:
			name = f.text(v, at)
			return
		case key == "ref":
			ref = f.text(v, at)
			return
		}
		switch key {
		case "brief":
			g.brief = f.text(v, at)
		case "note":
			f.text(v, at)
		case "stability":
			g.stability = f.stability(v, at)
		case "deprecated":
			g.deprecated = f.deprecated(v, at)
		case "annotations":
			g.hidden = f.annotations(v, at)
		case "visibility":
			// What is internal serves within its own registry only.
			g.hidden = f.word(v, at, visibilities) == "internal" || g.hidden
		case "kind":
			g.spanKind = f.word(v, at, spanKinds)
		case "instrument":
			g.instrument = f.word(v, at, instruments)
		case "unit":
			g.unit = f.text(v, at)
		case "attributes", "description", "identity":
			role := map[string]string{"description": "descriptive", "identity": "identifying"}[key]
			f.list(v, at, func(v *yaml.Node, at string) { f.secondUse(g, role, v, at) })
		}
	})
	if name == "" {
		key := naming[k]
		if refinement {
			key = "id"
		}
		f.missing(n, path, key)
		return nil
	}
	g.id = name
	if k != kindAttributes {
		g.id = string(k) + "." + strings.TrimPrefix(name, string(k)+".")
		g.name = name
	}
	switch {
	case refinement && ref == "":
		f.missing(n, path, "ref")
	case refinement:
		if g.extends = string(k) + "." + ref; k != kindEvent {
			g.name = "" // that of what it refines; see resolver.inherit
		}
	case k == kindMetric:
		f.measured(g, n, path)
	case k == kindSpan && g.spanKind == "" && valueOf(n, "kind") == nil:
		f.missing(n, path, "kind")
	}
	return g
}

// secondUse reads a reference to an attribute or to a group of them.
func (f *file) secondUse(g *group, role string, n *yaml.Node, path string) {
	known := []string{"ref", "ref_group", "brief", "note", "examples", "requirement_level", "stability", "deprecated", "annotations"}
	if g.kind == kindSpan {
		known = append(known, "sampling_relevant")
	}
	u, group, ignored := use{at: f.at(n), role: role}, "", &Attribute{}
	f.fields(n, path, known, func(key string, v *yaml.Node, at string) {
		switch key {
		case "ref":
			u.name = f.text(v, at)
		case "ref_group":
			group = f.text(v, at)
		default:
			f.said(&u, ignored, key, v, at)
		}
	})
	switch {
	case group != "" && len(n.Content) > 2:
		f.fail(n, path, "ref_group stands beside other keys; write each attribute that differs as a ref of its own")
	case group != "":
		g.includes = append(g.includes, include{group, u.at})
	case u.name == "":
		f.missing(n, path, "ref")
	default:
		g.uses = append(g.uses, u)
	}
}
