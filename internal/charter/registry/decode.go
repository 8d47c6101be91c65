package registry

import (
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// kind is what a group of attributes describes.
type kind string

const (
	kindAttributes kind = "attribute_group"
	kindSpan       kind = "span"
	kindMetric     kind = "metric"
	kindEvent      kind = "event"
	kindEntity     kind = "entity"
)

// group is a signal or a set of attributes as a file says it, before references
// are followed. Both generations of the form are read into it.
type group struct {
	kind       kind
	id         string // as other groups refer to it: with its kind in front, as in span.http.client
	name       string // of a metric, an event, an entity; empty for a refinement
	extends    string
	refinement bool // of the second generation: takes what it does not say from what it extends
	prefix     string
	includes   []include
	uses       []use
	brief      string
	stability  string
	deprecated *Deprecated
	spanKind   string
	instrument string
	unit       string
	hidden     bool // from registries that depend on this one
	at         place

	merged []use // with those that it includes and extends, sorted by name; see resolver.merge
	state  mergeState
}

// include names a group whose attributes are taken over.
type include struct {
	id string
	at place
}

// use is an attribute as a group names it: its definition, or a reference with
// what it says otherwise.
type use struct {
	name       string
	definition *Attribute // nil: a reference
	level      string     // empty, as all below: not said
	levelNote  string
	atStart    string // true, false
	role       string // identifying, descriptive
	stability  string
	deprecated *Deprecated
	hidden     bool
	at         place
}

// imports are patterns of what is taken over from dependencies.
type imports struct {
	kind    kind
	pattern string
	at      place
}

const secondGeneration = "definition/2"

// content is what one file says.
type content struct {
	groups  []*group
	imports []imports
}

func (f *file) content(n *yaml.Node) (c content) {
	if n.Kind == yaml.MappingNode {
		if format := valueOf(n, "file_format"); format != nil {
			if format.Value == resolvedForm {
				f.resolved(n, &c)
				return c
			}
			if format.Value != secondGeneration {
				f.fail(format, "file_format", "%q is not a form this clew reads; write %s, or leave it out for a file with groups:", telemetry.Clip(format.Value), secondGeneration)
				return c
			}
			f.second(n, &c)
			return c
		}
	}
	f.fields(n, "", []string{"groups", "imports"}, func(key string, v *yaml.Node, at string) {
		switch key {
		case "groups":
			f.list(v, at, func(v *yaml.Node, at string) { c.groups = f.group(c.groups, v, at) })
		case "imports":
			f.imports(&c, v, at)
		}
	})
	return c
}

func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

var groupTypes = []string{"span", "metric", "event", "entity", "resource", "attribute_group", "metric_group", "scope", "undefined"}

var groupKeys = []string{"id", "type", "brief", "note", "prefix", "extends", "stability", "deprecated", "attributes", "span_kind", "events",
	"metric_name", "instrument", "unit", "name", "display_name", "body", "annotations", "entity_associations", "requirement_level"}

var (
	stabilities  = []string{"stable", "release_candidate", "beta", "alpha", "development", "experimental", "deprecated"}
	spanKinds    = []string{"client", "server", "producer", "consumer", "internal"}
	instruments  = []string{"counter", "updowncounter", "gauge", "histogram"}
	roles        = []string{"identifying", "descriptive"}
	simpleLevels = []string{"required", "recommended", "opt_in"}
)

func (f *file) stability(n *yaml.Node, at string) string {
	if s := f.word(n, at, stabilities); s != "experimental" {
		return s
	}
	return "development" // its name since 2024
}

// group reads a group of the first generation.
func (f *file) group(groups []*group, n *yaml.Node, path string) []*group {
	// A group without a type is a span, as the description of the form says; Weaver
	// itself leaves such a group out.
	g := &group{kind: kindSpan, at: f.at(n)}
	metricName, name := "", ""
	f.fields(n, path, groupKeys, func(key string, v *yaml.Node, at string) {
		switch key {
		case "id":
			g.id = f.text(v, at)
		case "type":
			switch t := f.word(v, at, groupTypes); t {
			case "span", "metric", "event", "entity":
				g.kind = kind(t)
			case "resource": // what entities were called before
				g.kind = kindEntity
			default:
				g.kind = kindAttributes
			}
		case "brief":
			g.brief = f.text(v, at)
		case "prefix":
			g.prefix = f.text(v, at)
		case "extends":
			g.extends = f.text(v, at)
		case "stability":
			g.stability = f.stability(v, at)
		case "deprecated":
			g.deprecated = f.deprecated(v, at)
		case "attributes":
			f.list(v, at, func(v *yaml.Node, at string) { f.firstUse(g, v, at) })
		case "span_kind":
			g.spanKind = f.word(v, at, spanKinds)
		case "metric_name":
			metricName = f.text(v, at)
		case "instrument":
			g.instrument = f.word(v, at, instruments)
		case "unit":
			g.unit = f.text(v, at)
		case "name":
			name = f.text(v, at)
		case "annotations":
			g.hidden = f.annotations(v, at)
		case "note", "display_name":
			f.text(v, at)
		}
	})
	if g.id == "" {
		f.missing(n, path, "id")
		return groups
	}
	if g.prefix != "" {
		for i := range g.uses {
			if d := g.uses[i].definition; d != nil {
				d.Name = g.prefix + "." + d.Name
				g.uses[i].name = d.Name
			}
		}
	}
	switch g.kind {
	case kindMetric:
		if g.name = metricName; g.name == "" {
			f.missing(n, path, "metric_name")
		}
		f.measured(g, n, path)
	case kindEvent:
		if g.name = name; g.name == "" {
			f.missing(n, path, "name")
		}
	case kindEntity:
		if g.name = name; g.name == "" {
			g.name = strings.TrimPrefix(g.id, "entity.")
		}
	case kindSpan:
		g.name = strings.TrimPrefix(g.id, "span.")
	}
	return append(groups, g)
}

func (f *file) missing(n *yaml.Node, path, key string) {
	f.fail(n, path, "%s is missing; add it", key)
}

func (f *file) measured(g *group, n *yaml.Node, path string) {
	if g.instrument == "" {
		f.missing(n, path, "instrument")
	}
	if g.unit == "" {
		f.missing(n, path, "unit")
	}
}

var attributeKeys = []string{"id", "ref", "type", "brief", "note", "examples", "tag", "requirement_level", "sampling_relevant", "stability",
	"deprecated", "prefix", "annotations", "role"}

// firstUse reads an attribute of the first generation: a definition or a reference.
func (f *file) firstUse(g *group, n *yaml.Node, path string) {
	u, d := use{at: f.at(n)}, &Attribute{}
	id, ref, hasType := "", "", false
	f.fields(n, path, attributeKeys, func(key string, v *yaml.Node, at string) {
		switch key {
		case "id":
			id = f.text(v, at)
		case "ref":
			ref = f.text(v, at)
		case "type":
			hasType = true
			f.attributeType(d, v, at)
		case "prefix":
			f.fail(v, at, "a reference with a prefix defines a new attribute; define it with its whole name instead")
		case "tag":
			f.text(v, at)
		case "role":
			u.role = f.word(v, at, roles)
		default:
			f.said(&u, d, key, v, at)
		}
	})
	switch {
	case id != "" && ref != "":
		f.fail(n, path, "both id and ref stand here; write id to define an attribute, ref to use one")
	case ref != "" && hasType:
		f.fail(n, path, "the reference to %s gives a type; the definition has it: remove type", telemetry.Clip(ref))
	case ref != "":
		u.name = ref
		g.uses = append(g.uses, u)
	case id == "":
		f.fail(n, path, "id and ref are missing; write id to define an attribute, ref to use one")
	case !hasType:
		f.missing(n, path, "type")
	default:
		d.Name, u.name, u.definition = id, id, d
		g.uses = append(g.uses, u)
	}
}

// said reads the keys that definitions and references of both generations have.
func (f *file) said(u *use, d *Attribute, key string, v *yaml.Node, at string) {
	switch key {
	case "brief":
		d.Brief = strings.TrimSpace(f.text(v, at))
	case "note":
		d.Note = strings.TrimSpace(f.text(v, at))
	case "examples":
		d.Examples = f.examples(v, at)
	case "requirement_level":
		u.level, u.levelNote = f.level(v, at)
	case "sampling_relevant":
		u.atStart = map[bool]string{true: "true", false: "false"}[f.boolean(v, at)]
	case "stability":
		u.stability = f.stability(v, at)
		d.Stability = u.stability
	case "deprecated":
		u.deprecated = f.deprecated(v, at)
		d.Deprecated = u.deprecated
	case "annotations":
		u.hidden = f.annotations(v, at)
		if clew := valueOf(v, "clew"); v.Kind == yaml.MappingNode && clew != nil {
			f.governed(d, clew, at+".clew")
		}
	}
}

// governed reads what a charter said of an attribute when it was written as a
// registry. What protects people is not lost on the way.
func (f *file) governed(d *Attribute, n *yaml.Node, path string) {
	f.each(n, path, func(k, v *yaml.Node, at string) {
		switch k.Value {
		case "owner":
			d.Owner = f.text(v, at)
		case "personal":
			d.Personal = charter.Personal(f.word(v, at, personalWords))
		case "on_ingest":
			d.OnIngest = f.action(v, at)
		case "formerly":
			f.list(v, at, func(v *yaml.Node, at string) { d.Formerly = append(d.Formerly, f.text(v, at)) })
		case "common":
			d.Common = f.boolean(v, at)
		}
	})
}

var (
	personalWords = []string{string(charter.PersonalNo), string(charter.PersonalSubject), string(charter.PersonalDirect), string(charter.PersonalIndirect), string(charter.PersonalSecret)}
	actionWords   = []string{string(charter.ActionKeep), string(charter.ActionDrop), string(charter.ActionMask), string(charter.ActionTruncateIP), string(charter.ActionHash)}
)

func (f *file) action(n *yaml.Node, path string) (a charter.Action) {
	if n.Kind != yaml.MappingNode {
		return charter.Action{Kind: charter.ActionKind(f.word(n, path, actionWords))}
	}
	f.fields(n, path, []string{string(charter.ActionTruncate), string(charter.ActionReplace)}, func(key string, v *yaml.Node, at string) {
		a.Kind = charter.ActionKind(key)
		if a.Kind == charter.ActionReplace {
			a.Text = f.text(v, at)
			return
		}
		var err error
		if a.Length, err = strconv.Atoi(v.Value); err != nil || a.Length < 1 {
			f.fail(v, at, "%s where a number of bytes is expected; write 1 or more", describe(v))
			a.Length = 1
		}
	})
	return a
}

var plainTypes = []string{"string", "int", "double", "boolean", "any", "string[]", "int[]", "double[]", "boolean[]"}

func (f *file) attributeType(d *Attribute, n *yaml.Node, path string) {
	if n.Kind == yaml.MappingNode {
		d.Type = "enum"
		f.fields(n, path, []string{"members", "allow_custom_values"}, func(key string, v *yaml.Node, at string) {
			if key == "members" {
				f.list(v, at, func(v *yaml.Node, at string) { d.Members = f.member(d.Members, v, at) })
			}
		})
		if len(d.Members) == 0 {
			f.fail(n, path, "the enum has no members; list them, or write string")
		}
		return
	}
	d.Type = f.text(n, path)
	inner := d.Type
	if t, ok := strings.CutPrefix(inner, "template["); ok {
		inner, _ = strings.CutSuffix(t, "]")
	}
	for _, t := range plainTypes {
		if d.Type == t || inner == t && d.Type == "template["+t+"]" {
			return
		}
	}
	if d.Type != "" {
		f.fail(n, path, "%q is not a type; write one of %s, template[…] of one of these, or members: of an enum",
			telemetry.Clip(d.Type), strings.Join(plainTypes, ", "))
	}
}

func (f *file) member(members []Member, n *yaml.Node, path string) []Member {
	var m Member
	f.fields(n, path, []string{"id", "value", "brief", "note", "stability", "deprecated", "annotations"}, func(key string, v *yaml.Node, at string) {
		switch key {
		case "id":
			m.ID = f.text(v, at)
		case "value":
			m.Value, m.ValueType = f.text(v, at), valueType(v)
		case "brief":
			m.Brief = strings.TrimSpace(f.text(v, at))
		case "stability":
			m.Stability = f.stability(v, at)
		case "deprecated":
			m.Deprecated = f.deprecated(v, at)
		case "annotations":
			f.annotations(v, at)
		}
	})
	switch {
	case m.ID == "":
		f.missing(n, path, "id")
	case m.ValueType == "":
		f.missing(n, path, "value")
	default:
		members = append(members, m)
	}
	return members
}

func valueType(n *yaml.Node) string {
	switch n.Tag {
	case "!!int":
		return "int"
	case "!!float":
		return "double"
	case "!!bool":
		return "boolean"
	}
	return "string"
}

// examples reads one example or a list of them; an element may be a list itself.
func (f *file) examples(n *yaml.Node, path string) []string {
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]string, 0, len(n.Content))
		f.list(n, path, func(v *yaml.Node, at string) {
			if v.Kind != yaml.SequenceNode {
				out = append(out, f.text(v, at))
				return
			}
			inner := make([]string, 0, len(v.Content))
			f.list(v, at, func(v *yaml.Node, at string) { inner = append(inner, f.text(v, at)) })
			out = append(out, "["+strings.Join(inner, ", ")+"]")
		})
		return out
	case yaml.MappingNode:
		return nil // of an attribute of type any: nothing that one value could show
	}
	if n.Tag == "!!null" {
		return nil
	}
	return []string{f.text(n, path)}
}

func (f *file) level(n *yaml.Node, path string) (level, note string) {
	if n.Kind != yaml.MappingNode {
		if n.Value == "conditionally_required" {
			f.fail(n, path, "the condition is missing; write conditionally_required: when …")
			return "", ""
		}
		return f.word(n, path, simpleLevels), ""
	}
	f.fields(n, path, []string{"conditionally_required", "recommended", "opt_in"}, func(key string, v *yaml.Node, at string) {
		level, note = key, strings.TrimSpace(f.text(v, at))
	})
	return level, note
}

// deprecated reads the sentence of old or the mapping of today.
func (f *file) deprecated(n *yaml.Node, path string) *Deprecated {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return &Deprecated{Reason: "unspecified", Note: strings.TrimSpace(n.Value)}
	}
	d := &Deprecated{}
	f.fields(n, path, []string{"reason", "renamed_to", "note"}, func(key string, v *yaml.Node, at string) {
		switch key {
		case "reason":
			d.Reason = f.word(v, at, []string{"renamed", "obsoleted", "uncategorized", "unspecified"})
		case "renamed_to":
			d.RenamedTo = f.text(v, at)
		case "note":
			d.Note = strings.TrimSpace(f.text(v, at))
		}
	})
	switch {
	case d.Reason == "" && n.Kind == yaml.MappingNode && valueOf(n, "reason") == nil:
		f.fail(n, path, "reason is missing; write renamed, obsoleted or uncategorized")
	case d.Reason == "renamed" && d.RenamedTo == "":
		f.fail(n, path, "renamed_to is missing; write the new name, or another reason")
	case d.Note == "":
		d.Note = map[string]string{"renamed": "Replaced by `" + d.RenamedTo + "`.", "obsoleted": "Obsoleted.", "uncategorized": "Uncategorized."}[d.Reason]
	}
	if d.Reason != "renamed" {
		d.RenamedTo = "" // the conventions 1.43.0 have one: what is not simply renamed cannot be followed
	}
	return d
}

// annotations reports whether they hide a definition from dependent registries.
func (f *file) annotations(n *yaml.Node, path string) (hidden bool) {
	f.each(n, path, func(k, v *yaml.Node, at string) {
		if k.Value == "dependency_resolution" && v.Kind == yaml.MappingNode {
			if exclude := valueOf(v, "exclude"); exclude != nil {
				hidden = f.boolean(exclude, at+".exclude")
			}
		}
	})
	return hidden
}

var importKinds = map[string]kind{"spans": kindSpan, "metrics": kindMetric, "events": kindEvent, "entities": kindEntity, "attribute_groups": kindAttributes}

func (f *file) imports(c *content, n *yaml.Node, path string) {
	f.fields(n, path, []string{"spans", "metrics", "events", "entities", "attribute_groups"}, func(key string, v *yaml.Node, at string) {
		f.list(v, at, func(v *yaml.Node, at string) {
			if s := f.text(v, at); s != "" {
				c.imports = append(c.imports, imports{importKinds[key], s, f.at(v)})
			}
		})
	})
}
