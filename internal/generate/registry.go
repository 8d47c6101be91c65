package generate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
)

// resolvedFormat is the form of Weaver's resolved registries that is written.
const resolvedFormat = "resolved/2.0"

// schemaURL gives the URL of the model as a schema when none was chosen: one that
// leads nowhere, so that nobody's place in the web is taken, and whose version
// changes with what the registry says and with nothing else.
func schemaURL(m *Model) string {
	content := sha256.Sum256([]byte(resolvedRegistry(m)))
	name := strings.Join(words(m.Organisation), "-")
	return "https://" + cmp.Or(name, "charter") + ".invalid/schemas/charter/0.0.0-" + hex.EncodeToString(content[:6])
}

// resolvedRegistry writes the model as a resolved registry of Weaver. In it the
// catalog has every attribute once, and signals name attributes by their place in
// it. What the charter itself defines is the registry's; the rest is of its
// dependencies and stands in the catalog alone.
func resolvedRegistry(m *Model) string {
	r := resolving{index: map[string]int{}}
	var catalog, own []any
	for i, a := range m.Attributes {
		r.index[a.Name] = i
		catalog = append(catalog, r.attribute(a))
		if a.Source == charter.SourceCharter {
			own = append(own, i)
		}
	}
	spans, refined := []any{}, []any{}
	for _, c := range m.Contracts {
		s := r.span(c)
		spans = append(spans, append(mapping{{"type", c.ID}}, s...))
		// Weaver lists each signal among the refinements too, as the one that changes nothing.
		refined = append(refined, append(mapping{{"id", c.ID}, {"type", c.ID}}, s...))
	}
	none := []any{}
	doc := mapping{
		{"file_format", word(resolvedFormat)},
		{"schema_url", m.SchemaURL},
		{"attribute_catalog", catalog},
		{"registry", mapping{{"attributes", own}, {"attribute_groups", none}, {"spans", spans}, {"metrics", none}, {"events", none}, {"entities", none}}},
		{"refinements", mapping{{"spans", refined}, {"metrics", none}, {"events", none}, {"entities", none}}},
	}
	doc.addIf("dependencies", texts(r.dependencies))
	var b strings.Builder
	writeYAML(&b, doc, "")
	return b.String()
}

// resolving is what is known while a registry is written.
type resolving struct {
	index        map[string]int // of attributes in the catalog
	dependencies []string       // URLs of schemas
}

func (r *resolving) attribute(a Attribute) mapping {
	m := mapping{{"key", a.Name}}
	if a.Enum {
		m.add("type", mapping{{"members", members(a)}})
	} else {
		m.add("type", word(typed(a)))
	}
	m.addIf("examples", examples(a))
	m.add("brief", a.Brief)
	m.addIf("note", a.Note)
	m.add("stability", word(cmp.Or(a.Stability, "development")))
	m.addIf("deprecated", deprecatedMapping(a.Deprecated))
	m.addIf("annotations", annotated(attributeFacts(a)))
	if version, ok := strings.CutPrefix(a.Source, "semconv "); ok {
		url := "https://opentelemetry.io/schemas/" + version
		at := slices.Index(r.dependencies, url)
		if at < 0 {
			at = len(r.dependencies)
			r.dependencies = append(r.dependencies, url)
		}
		m.add("provenance", mapping{{"source", at}})
	}
	return m
}

// members gives the values of an enum, each with an id that no other has.
func members(a Attribute) []any {
	taken := map[string]bool{}
	var out []any
	for i, v := range a.Members {
		id := strings.Join(words(v.Value), "_")
		if id == "" || taken[id] {
			id = strings.TrimPrefix(id+"_"+strconv.Itoa(i), "_")
		}
		taken[id] = true
		m := mapping{{"id", id}}
		if n, err := strconv.ParseInt(v.Value, 10, 64); err == nil && a.Number {
			m.add("value", n)
		} else {
			m.add("value", v.Value)
		}
		m.addIf("brief", v.Brief)
		m.add("stability", word(cmp.Or(a.Stability, "development")))
		out = append(out, m)
	}
	return out
}

// examples gives the examples in the type of the values, or as texts where one of
// them is not of it.
func examples(a Attribute) []any {
	out := make([]any, 0, len(a.Examples))
	for _, e := range a.Examples {
		var value any = e
		var err error
		switch a.Type {
		case charter.TypeInt:
			value, err = strconv.ParseInt(e, 10, 64)
		case charter.TypeDouble:
			var f float64
			if f, err = strconv.ParseFloat(e, 64); math.IsInf(f, 0) || math.IsNaN(f) {
				return texts(a.Examples)
			}
			value = f
		case charter.TypeBoolean:
			value, err = strconv.ParseBool(e)
		}
		if err != nil {
			return texts(a.Examples)
		}
		out = append(out, value)
	}
	return out
}

// deprecatedMapping has a note always: Weaver wants one for every reason but one.
func deprecatedMapping(d *charter.Deprecated) mapping {
	if d == nil {
		return nil
	}
	m := mapping{{"reason", word(d.Reason)}}
	note := map[string]string{charter.ReasonObsoleted: "Obsoleted.", charter.ReasonUncategorized: "Uncategorized."}[d.Reason]
	if d.Reason == charter.ReasonRenamed {
		m.add("renamed_to", d.RenamedTo)
		note = "Replaced by `" + d.RenamedTo + "`."
	}
	m.add("note", cmp.Or(d.Note, note))
	return m
}

// annotated puts facts of the charter where no other tool's can be.
func annotated(facts mapping) mapping {
	if len(facts) == 0 {
		return nil
	}
	return mapping{{"clew", facts}}
}

// attributeFacts are what the charter knows of an attribute and Weaver has no word for.
func attributeFacts(a Attribute) mapping {
	var m mapping
	m.addIf("owner", a.Owner)
	m.addIf("contact", a.Team.Contact)
	m.addIf("personal", string(a.Personal))
	switch a.OnIngest.Kind {
	case "":
	case charter.ActionTruncate:
		m.add("on_ingest", mapping{{"truncate", a.OnIngest.Length}})
	case charter.ActionReplace:
		m.add("on_ingest", mapping{{"replace", a.OnIngest.Text}})
	default:
		m.add("on_ingest", string(a.OnIngest.Kind))
	}
	m.addIf("formerly", texts(a.Formerly))
	m.addIf("common", a.Common)
	m.addIf("closed", a.Enum && !a.Open)
	return m
}

func (r *resolving) span(c Contract) mapping {
	var uses []any
	for _, name := range c.Requires {
		u := mapping{{"base", r.index[name]}, {"requirement_level", word("required")}}
		u.addIf("sampling_relevant", slices.Contains(c.AtStart, name))
		uses = append(uses, u)
	}
	slices.SortFunc(uses, func(a, b any) int { return a.(mapping)[0].value.(int) - b.(mapping)[0].value.(int) })
	m := mapping{{"kind", word(cmp.Or(c.Kind, "internal"))}, {"name", mapping{{"note", c.MatchText()}}}}
	m.add("attributes", slices.Concat([]any{}, uses))
	m.add("brief", c.Brief)
	m.add("stability", word("development"))
	facts := mapping{{"service", c.Service}}
	facts.addIf("owner", c.Team.Name)
	facts.addIf("contact", c.Team.Contact)
	if c.Kind == "" {
		facts.add("kind", "any")
	}
	for _, match := range []pair{{"name", c.MatchName}, {"http_route", c.MatchRoute}, {"rpc_method", c.MatchRPC}} {
		if match.value != "" {
			facts.add("match", mapping{match})
		}
	}
	if c.MayCall != nil {
		facts.add("may_call", texts(c.MayCall))
	}
	if len(c.BusinessErrors) > 0 {
		facts.add("errors", mapping{{"business", texts(c.BusinessErrors)}, {"count_as_failure", c.CountAsFailure}})
	}
	m.add("annotations", annotated(facts))
	return m
}
