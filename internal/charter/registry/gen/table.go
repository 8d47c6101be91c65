package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// table is what semconv.txt holds.
type table struct {
	version, sources string
	rows             map[string]*row
}

// row is an attribute: a line of columns, then a line for each member.
type row struct {
	name, typ, stability, source, deprecated, brief, example string
	members                                                  []string
}

var replaced = regexp.MustCompile("^Replaced by `([a-z0-9_.]+)`\\.?$")

// combine joins the facts of all sources. Every name of the newest Go package must
// be in the npm package or in former.txt: otherwise nobody says what became of it.
func combine(g *goFacts, n *npmFacts, former string) (*table, error) {
	t := &table{version: n.version, rows: map[string]*row{}}
	for name, a := range n.attributes {
		r := &row{name: name, typ: "any", stability: "development", source: "npm", deprecated: deprecation(a.deprecated),
			brief: a.brief, example: a.example}
		if a.stable {
			r.stability = "stable"
		}
		for _, m := range a.members {
			line := m.value + "\t" + clip(m.brief)
			if m.deprecated != "" {
				line = m.value + "\t! " + clip(m.deprecated)
			}
			r.members = append(r.members, line)
		}
		if old := g.attributes[name]; old != nil && old.typ != "" {
			r.typ, r.source = old.typ, "npm,go/"+strings.TrimPrefix(old.version, "v")
			if !a.stable && old.version == g.versions[0] && old.stability != "stable" {
				r.stability = old.stability
			}
			if r.typ == "enum" && len(r.members) == 0 {
				r.typ = "string" // it was an enum once
			}
		} else if len(a.members) > 0 {
			r.typ = "enum"
		} else if a.template {
			r.typ = "template[any]"
		}
		if r.typ != "enum" {
			r.members = nil
		}
		slices.Sort(r.members)
		t.rows[name] = r
	}
	if err := t.addFormer(g, former); err != nil {
		return nil, err
	}
	for name, a := range g.attributes {
		if a.version == g.versions[0] && t.rows[name] == nil {
			return nil, fmt.Errorf("%s of the Go package %s is not in the npm package; say in gen/former.txt what became of it", name, a.version)
		}
	}
	t.typesOfFormer()
	for name, r := range t.rows {
		if to, ok := strings.CutPrefix(r.deprecated, "renamed:"); ok && t.rows[to] == nil {
			return nil, fmt.Errorf("%s was renamed to %s, which no source has", name, to)
		}
	}
	return t, nil
}

// addFormer adds names that the npm package no longer has: old, new, and the
// version of the published schema file that renamed it.
func (t *table) addFormer(g *goFacts, former string) error {
	for i, line := range strings.Split(former, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 {
			return fmt.Errorf("gen/former.txt:%d: write OLD NEW VERSION", i+1)
		}
		old := g.attributes[f[0]]
		if t.rows[f[0]] != nil || old == nil || old.typ == "" {
			return fmt.Errorf("gen/former.txt:%d: %s is in the npm package, or in no Go package; remove the line", i+1, f[0])
		}
		r := &row{name: f[0], typ: old.typ, stability: "development", source: "schema/" + f[2] + ",go/" + strings.TrimPrefix(old.version, "v"),
			deprecated: "renamed:" + f[1], brief: old.brief, example: old.example}
		if r.typ == "enum" {
			r.members = old.lines()
		}
		t.rows[f[0]] = r
	}
	return nil
}

// typesOfFormer gives names that no Go package has the type of the name that they
// had before or have since: what changes its type is not called renamed.
func (t *table) typesOfFormer() {
	untyped := func(r *row) bool { return r.source == "npm" && (r.typ == "any" || r.typ == "template[any]") }
	for _, name := range slices.Sorted(maps.Keys(t.rows)) {
		old := t.rows[name]
		to, ok := strings.CutPrefix(old.deprecated, "renamed:")
		r := t.rows[to]
		if !ok || r == nil || untyped(old) == untyped(r) {
			continue
		}
		if untyped(old) {
			old, r = r, old
		}
		if old.typ != "enum" && strings.HasPrefix(old.typ, "template[") == strings.HasPrefix(r.typ, "template[") {
			r.typ, r.source = old.typ, "npm,"+old.name
		}
	}
}

// lines writes the members of an enum.
func (a *goAttribute) lines() []string {
	var out []string
	for _, m := range a.members {
		out = append(out, m.value+"\t"+clip(m.brief))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// deprecation sorts the sentence of the npm package under the reasons of Weaver.
func deprecation(sentence string) string {
	if sentence == "" {
		return ""
	}
	if m := replaced.FindStringSubmatch(sentence); m != nil {
		return "renamed:" + m[1]
	}
	lower := strings.ToLower(sentence)
	if strings.HasPrefix(lower, "removed") || strings.HasPrefix(lower, "obsoleted") || strings.HasPrefix(lower, "no replacement") {
		return "obsoleted:" + sentence
	}
	return "uncategorized:" + sentence
}

// clip bounds a text by the end of its first sentence or by 120 bytes.
func clip(s string) string {
	const most = 120
	// "Deprecated." alone says nothing.
	if end := strings.Index(s, ". "); end >= len("Deprecated.") && end < most {
		return s[:end+1]
	}
	if len(s) <= most {
		return s
	}
	cut := strings.LastIndexByte(s[:most], ' ')
	return s[:max(cut, 0)] + " …"
}

func (t *table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The OpenTelemetry semantic conventions %s. Written by gen: do not edit.
# © The OpenTelemetry Authors, Apache License 2.0. Facts and briefs from:
#   npm      @opentelemetry/semantic-conventions %s
#   go/X     %s
#   schema/X https://opentelemetry.io/schemas/1.44.0, the version that renamed the attribute
# Columns: name, type, stability, source, deprecation, brief, example; below it the members: value, brief or ! and why it is deprecated.
`, t.version, t.version, t.sources)
	for _, name := range slices.Sorted(maps.Keys(t.rows)) {
		r := t.rows[name]
		if strings.Contains(r.example, "/home/") || strings.Contains(r.example, "/Users/") {
			r.example = "" // the folder of a person is no example to keep
		}
		line := strings.Join([]string{r.name, r.typ, r.stability, r.source, r.deprecated, clip(r.brief), clip(r.example)}, "\t")
		b.WriteString(strings.TrimRight(line, "\t") + "\n")
		for _, m := range r.members {
			b.WriteString("\t" + strings.TrimRight(m, "\t") + "\n")
		}
	}
	return b.String()
}
