package registry

import (
	"strconv"

	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// resolvedForm is that of a registry whose references were followed when it was
// published: signals name attributes by their place in a catalog.
const resolvedForm = "resolved/2.0"

var resolvedKeys = []string{"file_format", "schema_url", "attribute_catalog", "registry", "refinements", "dependencies", "registry_url"}

// resolvedSections are the lists of signals; entities have two lists of attributes.
var resolvedSections = map[string]kind{"spans": kindSpan, "metrics": kindMetric, "events": kindEvent, "entities": kindEntity}

// resolved reads a resolved registry into the groups that it was made of, as far
// as they can be told from it.
func (f *file) resolved(n *yaml.Node, c *content) {
	r := &resolvedFile{file: f, seen: map[string]*group{}, defined: &group{kind: kindAttributes, at: f.at(n)}, named: map[string]bool{}, used: map[*group]map[string]bool{}}
	if catalog := valueOf(n, "attribute_catalog"); catalog != nil {
		r.list(catalog, "attribute_catalog", r.entry)
	}
	f.fields(n, "", resolvedKeys, func(key string, v *yaml.Node, at string) {
		switch key {
		case "registry":
			r.fields(v, at, []string{"attributes", "attribute_groups", "spans", "metrics", "events", "entities"}, func(key string, v *yaml.Node, at string) {
				switch key {
				case "attributes":
					r.list(v, at, func(v *yaml.Node, at string) { r.define(r.base(v, at)) })
				case "attribute_groups":
				default:
					r.list(v, at, func(v *yaml.Node, at string) { r.signal(c, resolvedSections[key], v, at) })
				}
			})
		case "refinements":
			r.fields(v, at, []string{"spans", "metrics", "events", "entities"}, func(key string, v *yaml.Node, at string) {
				r.list(v, at, func(v *yaml.Node, at string) { r.signal(c, resolvedSections[key], v, at) })
			})
		}
	})
	for i := range r.catalog { // of dependencies: in the catalog alone
		r.define(&r.catalog[i])
	}
	if len(r.defined.uses) > 0 {
		c.groups = append(c.groups, r.defined)
	}
}

// resolvedFile is what is known of a resolved registry while it is read.
type resolvedFile struct {
	*file
	catalog []use
	defined *group // of all attributes
	named   map[string]bool
	seen    map[string]*group // signals by their ids
	used    map[*group]map[string]bool
}

// entry reads an attribute of the catalog. One that does not check keeps its place.
func (r *resolvedFile) entry(n *yaml.Node, path string) {
	d := &Attribute{}
	u := use{at: r.at(n), definition: d}
	known := []string{"key", "type", "brief", "note", "examples", "stability", "deprecated", "annotations", "provenance"}
	r.fields(n, path, known, func(key string, v *yaml.Node, at string) {
		switch key {
		case "key":
			d.Name = r.text(v, at)
		case "type":
			r.attributeType(d, v, at)
		case "provenance":
		default:
			r.said(&u, d, key, v, at)
		}
	})
	if d.Name == "" {
		r.missing(n, path, "key")
	}
	u.name = d.Name
	r.catalog = append(r.catalog, u)
}

// define makes an entry of the catalog the definition of its name; the first counts.
func (r *resolvedFile) define(u *use) {
	if u != nil && u.name != "" && !r.named[u.name] {
		r.named[u.name] = true
		r.defined.uses = append(r.defined.uses, *u)
	}
}

// base gives the entry of the catalog that a place leads to.
func (r *resolvedFile) base(n *yaml.Node, path string) *use {
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || i < 0 || i >= len(r.catalog) {
		r.fail(n, path, "%s where a place in the catalog is expected; it has %d attributes, the first of which is 0", describe(n), len(r.catalog))
		return nil
	}
	return &r.catalog[i]
}

// signal reads a signal, or a refinement of one. A signal stands among the
// refinements too, as the one that changes nothing.
func (r *resolvedFile) signal(c *content, k kind, n *yaml.Node, path string) {
	g := &group{kind: k, at: r.at(n)}
	id := ""
	var uses []*yaml.Node
	known := []string{"id", naming[k], "name", "kind", "instrument", "unit", "brief", "note", "stability", "deprecated", "annotations", "attributes",
		"identity", "description", "requirement_level", "entity_associations", "provenance"}
	roles := map[*yaml.Node]string{}
	r.fields(n, path, known, func(key string, v *yaml.Node, at string) {
		switch key {
		case "id":
			id = r.text(v, at)
		case naming[k]:
			g.name = r.text(v, at)
		case "kind":
			g.spanKind = r.word(v, at, spanKinds)
		case "instrument":
			g.instrument = r.word(v, at, instruments)
		case "unit":
			g.unit = r.text(v, at)
		case "brief":
			g.brief = r.text(v, at)
		case "stability":
			g.stability = r.stability(v, at)
		case "deprecated":
			g.deprecated = r.deprecated(v, at)
		case "annotations":
			g.hidden = r.annotations(v, at)
		case "attributes", "identity", "description":
			roles[v] = map[string]string{"description": "descriptive", "identity": "identifying"}[key]
			uses = append(uses, v)
		}
	})
	if g.name == "" {
		r.missing(n, path, naming[k])
		return
	}
	if id == "" {
		id = g.name
	}
	g.id = string(k) + "." + id
	if r.seen[g.id] != nil {
		return
	}
	r.seen[g.id] = g
	if id != g.name { // what the base says is repeated here, so that nothing is taken from it
		g.extends = string(k) + "." + g.name
	}
	for _, list := range uses {
		r.list(list, path+".attributes", func(v *yaml.Node, at string) { r.use(g, roles[list], v, at) })
	}
	c.groups = append(c.groups, g)
}

// use reads what a signal says of an attribute of the catalog.
func (r *resolvedFile) use(g *group, role string, n *yaml.Node, path string) {
	u := use{at: r.at(n), role: role, atStart: "false"}
	var entry *use
	r.fields(n, path, []string{"base", "requirement_level", "sampling_relevant"}, func(key string, v *yaml.Node, at string) {
		switch {
		case key == "base":
			entry = r.base(v, at)
		case key == "requirement_level":
			u.level, u.levelNote = r.level(v, at)
		case v.Tag != "!!null":
			r.said(&u, &Attribute{}, key, v, at)
		}
	})
	if entry == nil {
		if valueOf(n, "base") == nil {
			r.missing(n, path, "base")
		}
		return
	}
	if entry.name == "" {
		return // reported in the catalog
	}
	if u.level == "" {
		u.level = "recommended"
	}
	u.name, u.stability, u.deprecated = entry.name, entry.stability, entry.deprecated
	if roles := r.used[g]; roles[u.name] {
		r.fail(n, path, "%s is there already; remove one", telemetry.Clip(u.name))
		return
	} else if roles == nil {
		r.used[g] = map[string]bool{}
	}
	r.used[g][u.name] = true
	g.uses = append(g.uses, u)
}
