package generate

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/charter"
)

// Words writes attributes as the section of a charter. Texts that are longer than a
// charter takes are cut.
func Words(attributes []charter.Attribute) string {
	m := mapping{}
	for _, a := range attributes {
		one := mapping{}
		one.add("type", quoteWord(string(a.Type)))
		one.addIf("brief", cut(a.Brief, 4000))
		one.addIf("note", cut(a.Note, 4000))
		examples := make([]string, 0, len(a.Examples))
		for _, e := range a.Examples {
			if e = cut(e, 1000); !slices.Contains(examples, e) {
				examples = append(examples, e)
			}
		}
		one.addIf("examples", texts(examples))
		var values mapping
		for _, v := range a.Members {
			if slices.ContainsFunc(values, func(p pair) bool { return p.key == quoteYAML(v.Value) }) {
				continue // registries may have one value under two ids
			}
			values.add(quoteYAML(v.Value), cut(v.Brief, 4000))
		}
		one.addIf("members", values)
		if a.Stability != "deprecated" { // which says what deprecated: says
			one.addIf("stability", a.Stability)
		}
		one.addIf("deprecated", charterDeprecated(a.Deprecated))
		one.addIf("formerly", texts(a.Formerly))
		one.addIf("owner", a.Owner)
		one.addIf("personal", string(a.Personal))
		switch a.OnIngest.Kind {
		case "":
		case charter.ActionTruncate:
			one.add("on_ingest", mapping{{"truncate", a.OnIngest.Length}})
		case charter.ActionReplace:
			one.add("on_ingest", mapping{{"replace", a.OnIngest.Text}})
		default:
			one.add("on_ingest", string(a.OnIngest.Kind))
		}
		one.addIf("common", a.Common)
		m.add(quoteYAML(a.Name), one)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "charter: %d\n", charter.Version)
	if owners := owners(attributes); len(owners) > 0 {
		writeYAML(&b, mapping{{"teams", owners}}, "")
	}
	writeYAML(&b, mapping{{"attributes", m}}, "")
	return b.String()
}

// owners are the teams that have to be there, with nothing said of them.
func owners(attributes []charter.Attribute) mapping {
	var names []string
	for _, a := range attributes {
		if a.Owner != "" {
			names = append(names, a.Owner)
		}
	}
	slices.Sort(names)
	var m mapping
	for _, name := range slices.Compact(names) {
		m.add(quoteYAML(name), mapping{})
	}
	return m
}

func charterDeprecated(d *charter.Deprecated) mapping {
	if d == nil {
		return nil
	}
	m := mapping{{"reason", word(d.Reason)}}
	m.addIf("renamed_to", d.RenamedTo)
	m.addIf("note", cut(d.Note, 4000))
	return m
}

// quoteWord leaves a word without quotes where YAML takes it for one.
func quoteWord(s string) any {
	if strings.ContainsAny(s, "[]") {
		return s
	}
	return word(s)
}

// cut shortens a text to at most n bytes, at the edge of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
