package generate_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/clew-dev/clew/internal/generate"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// hard is what a registry can be wrong in: texts that are no plain YAML, values of
// every type, all that Weaver has no word for.
const hard = `charter: 1
organisation: "Käse & Söhne"
teams: { cheese: { contact: "#cheese: \"soft\"" } }
services: { shop: { team: cheese }, pay: {} }
attributes:
  a.int: { type: int, examples: [1, 2], stability: stable, owner: cheese }
  a.mixed: { type: int, examples: [1, many] }
  a.double: { type: double, examples: [1, 2.5e3, "-0"] }
  a.flag: { type: boolean, examples: [true], common: true }
  a.list: { type: "string[]", examples: ["[a, b]"] }
  a.family: { type: "template[string[]]", brief: "# no comment: a \u2028 line\tand 'quotes' \"all\" \\ the end " }
  a.any: { type: any, note: "yes" }
  a.number: { type: enum, members: { "-1": "", "2": "two" } }
  a.word: { type: enum, members: { "+": plus, "-": minus, "yes": "", "Y E S": "", y-e-s: "" } }
  a.old: { type: string, deprecated: { reason: renamed, renamed_to: a.new } }
  a.new: { type: string, formerly: [aNew, "a new"], personal: direct, on_ingest: { truncate: 16 } }
  a.gone: { type: string, deprecated: { reason: obsoleted } }
  a.other: { type: string, deprecated: { reason: uncategorized, note: "Ask." }, on_ingest: { replace: "" } }
  _: { type: string, personal: "false", on_ingest: keep }
  enduser.id: { personal: subject, owner: cheese }
spans:
  s.one: { service: shop, match: { name: "GET /a: b" }, requires: [a.int, enduser.id, a.family.more], at_start: [a.int], may_call: [], errors: { business: ["no: cheese"] } }
  s.two: { service: pay, kind: client, match: { rpc.method: a/B }, may_call: [shop] }
`

func registryOf(t testing.TB, c *charter.Charter, o generate.Options) (*registry.Registry, map[string]string) {
	t.Helper()
	o.Language = "registry"
	folder, texts := fstest.MapFS{}, map[string]string{}
	for _, f := range run(t, c, o) {
		folder[f.Name] = &fstest.MapFile{Data: f.Content}
		texts[f.Name] = string(f.Content)
	}
	r, err := registry.Read(folder)
	if err != nil {
		t.Fatalf("what was written does not read: %v\n%s", err, texts["resolved.yaml"])
	}
	return r, texts
}

// What a charter says and what is read of its registry are the same in names,
// types, values, stability, deprecations and requirement levels.
func TestRegistryReadsBack(t *testing.T) {
	for name, c := range map[string]*charter.Charter{"words": wordsCharter(t), "hard": parse(t, hard)} {
		for _, all := range []bool{false, true} {
			r, _ := registryOf(t, c, generate.Options{All: all})
			var want, got []string
			wanted := map[string]bool{}
			for _, name := range c.Attributes() {
				wanted[name] = all || c.Owns(name)
			}
			for _, s := range c.Contracts() {
				kind := s.Kind
				if kind == "" {
					kind = "internal"
				}
				want = append(want, fmt.Sprintf("span %s %s %q", s.ID, kind, s.Brief))
				for _, u := range s.Requires {
					wanted[u] = true
					want = append(want, fmt.Sprintf("span %s: %s required %v", s.ID, u, slices.Contains(s.AtStart, u)))
				}
			}
			for name, yes := range wanted {
				if a, _ := c.Attribute(name); yes {
					if element, family := a.Type.Element(); family && a.Name != name {
						a.Type = element // a member of a family
					}
					want = append(want, fact(name, string(a.Type), a.Brief, a.Note, a.Stability, a.Deprecated, a.Members, a.Examples))
				}
			}
			for _, a := range r.Attributes() {
				got = append(got, fact(a.Name, string(a.Type), a.Brief, a.Note, a.Stability, a.Deprecated, a.Members, a.Examples))
			}
			for _, s := range r.Spans() {
				got = append(got, fmt.Sprintf("span %s %s %q", s.ID, s.Kind, s.Brief))
				for _, u := range s.Attributes {
					got = append(got, fmt.Sprintf("span %s: %s %s %v", s.ID, u.Name, u.Level, u.AtStart))
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, all %v: (-charter +registry)\n%s", name, all, d)
			}
		}
	}
}

// fact is what of an attribute must be the same. Weaver's form has a stability and
// a note of a deprecation always.
func fact(name, kind, brief, note, stability string, d *charter.Deprecated, members []charter.Member, examples []string) string {
	if stability == "" {
		stability = "development"
	}
	members = slices.SortedFunc(slices.Values(members), func(a, b charter.Member) int { return strings.Compare(a.Value, b.Value) })
	gone := ""
	if d != nil {
		gone = d.Reason + " " + d.RenamedTo
	}
	return fmt.Sprintf("%s %s %q %q %s %s %q %d", name, kind, strings.TrimSpace(brief), note, stability, gone, members, len(examples))
}

func TestRegistryOfManyWords(t *testing.T) {
	c, err := charter.Parse("charter.yaml", []byte("charter: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithVocabulary(registry.Builtin().Attributes())
	r, texts := registryOf(t, c, generate.Options{All: true, SchemaURL: "https://shop.example/schemas/shop/1.2.0"})
	if got, want := len(r.Definitions()), len(registry.Builtin().Definitions()); got != want {
		t.Errorf("%d attributes come back of %d", got, want)
	}
	if r.SchemaURL != "https://shop.example/schemas/shop/1.2.0" || !strings.Contains(texts["resolved.yaml"], "\nschema_url: \"https://shop.example/schemas/shop/1.2.0\"\n") {
		t.Errorf("the schema's URL is %s", r.SchemaURL)
	}
	for _, a := range registry.Builtin().Definitions() {
		b, _ := r.Definition(a.Name)
		if b.Type != a.Type || b.Stability != a.Stability || len(b.Members) != len(a.Members) || (a.Deprecated == nil) != (b.Deprecated == nil) {
			t.Errorf("%s: %+v came back as %+v", a.Name, a, b)
		}
	}
}

// The facts of Weaver's JSON schema for the form resolved/2.0: which keys a
// mapping may have, which it must, and what stands there.
type shape struct {
	must, may map[string]any // a *shape, a function, or []any{one of these} for a list
}

func is(words ...string) func(any) bool {
	return func(v any) bool { s, ok := v.(string); return ok && slices.Contains(words, s) }
}

func anyText(v any) bool    { _, ok := v.(string); return ok }
func anyPlace(v any) bool   { n, ok := v.(int); return ok && n >= 0 }
func anyMapping(v any) bool { _, ok := v.(map[string]any); return ok }
func anyBool(v any) bool    { _, ok := v.(bool); return ok }
func anyValue(v any) bool {
	switch v.(type) {
	case string, int, float64, bool:
		return true
	}
	return false
}

// anyExamples is one list of one type.
func anyExamples(v any) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(one any) bool { return !anyValue(one) || fmt.Sprintf("%T", one) != fmt.Sprintf("%T", list[0]) })
}

func resolvedShape() *shape {
	stability := is("stable", "development", "alpha", "beta", "release_candidate", "deprecated")
	deprecated := func(v any) bool {
		m, ok := v.(map[string]any)
		return ok && is("renamed", "obsoleted", "uncategorized")(m["reason"]) && anyText(m["note"]) && (m["reason"] == "renamed") == anyText(m["renamed_to"])
	}
	member := &shape{must: map[string]any{"id": anyText, "value": anyValue}, may: map[string]any{"brief": anyText, "stability": stability, "deprecated": deprecated}}
	attributeType := func(v any) bool {
		if m, ok := v.(map[string]any); ok {
			return (&shape{must: map[string]any{"members": []any{member}}}).fault("", m) == ""
		}
		return is("boolean", "int", "double", "string", "any", "string[]", "int[]", "double[]", "boolean[]", "template[boolean]", "template[int]", "template[double]",
			"template[string]", "template[any]", "template[string[]]", "template[int[]]", "template[double[]]", "template[boolean[]]")(v)
	}
	catalog := &shape{must: map[string]any{"key": anyText, "type": attributeType, "brief": anyText, "stability": stability},
		may: map[string]any{"note": anyText, "examples": anyExamples, "deprecated": deprecated, "annotations": anyMapping,
			"provenance": &shape{may: map[string]any{"source": anyPlace}}}}
	use := &shape{must: map[string]any{"base": anyPlace, "requirement_level": is("required", "recommended", "opt_in")}, may: map[string]any{"sampling_relevant": anyBool}}
	span := func(id bool) *shape {
		s := &shape{must: map[string]any{"type": anyText, "kind": is("internal", "client", "server", "producer", "consumer"),
			"name": &shape{must: map[string]any{"note": anyText}}, "brief": anyText, "stability": stability},
			may: map[string]any{"attributes": []any{use}, "annotations": anyMapping}}
		if id {
			s.must["id"] = anyText
		}
		return s
	}
	none := func(v any) bool { list, ok := v.([]any); return ok && len(list) == 0 }
	return &shape{
		must: map[string]any{"file_format": is("resolved/2.0"), "schema_url": anyText, "attribute_catalog": []any{catalog},
			"registry":    &shape{must: map[string]any{"attributes": []any{anyPlace}, "attribute_groups": none, "spans": []any{span(false)}, "metrics": none, "events": none, "entities": none}},
			"refinements": &shape{must: map[string]any{"spans": []any{span(true)}, "metrics": none, "events": none}, may: map[string]any{"entities": none}}},
		may: map[string]any{"dependencies": []any{anyText}},
	}
}

// fault says what of a value is not as it should be, or "".
func (s *shape) fault(path string, v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return path + ": no mapping"
	}
	for key := range s.must {
		if _, there := m[key]; !there {
			return path + ": without " + key
		}
	}
	for key, one := range m {
		want := s.must[key]
		if want == nil {
			want = s.may[key]
		}
		if want == nil {
			return path + ": may not have " + key
		}
		if f := faultOf(path+"."+key, want, one); f != "" {
			return f
		}
	}
	return ""
}

func faultOf(path string, want, v any) string {
	switch want := want.(type) {
	case *shape:
		return want.fault(path, v)
	case func(any) bool:
		if !want(v) {
			return fmt.Sprintf("%s: %v", path, v)
		}
	case []any:
		list, ok := v.([]any)
		if !ok {
			return fmt.Sprintf("%s: no list: %v", path, v)
		}
		for i, one := range list {
			if f := faultOf(fmt.Sprintf("%s[%d]", path, i), want[0], one); f != "" {
				return f
			}
		}
	}
	return ""
}

func TestRegistryHasTheShapeOfWeavers(t *testing.T) {
	for name, c := range map[string]*charter.Charter{"words": wordsCharter(t), "hard": parse(t, hard), "empty": parse(t, "charter: 1\n")} {
		for _, all := range []bool{false, true} {
			_, texts := registryOf(t, c, generate.Options{All: all})
			var doc map[string]any
			if err := yaml.Unmarshal([]byte(texts["resolved.yaml"]), &doc); err != nil {
				t.Fatal(err)
			}
			if f := resolvedShape().fault("resolved.yaml", doc); f != "" {
				t.Errorf("%s, all %v: %s", name, all, f)
			}
		}
	}
	// Weaver's own output has the shape, so that the shape is not ours alone.
	text, err := os.ReadFile("../charter/registry/testdata/second.resolved.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if f := faultOf("attribute_catalog", resolvedShape().must["attribute_catalog"], doc["attribute_catalog"]); f != "" {
		t.Errorf("what Weaver wrote: %s", f)
	}
}

func TestAnnotations(t *testing.T) {
	_, texts := registryOf(t, parse(t, hard), generate.Options{})
	var doc struct {
		Catalog []struct {
			Key         string
			Annotations map[string]map[string]any
		} `yaml:"attribute_catalog"`
		Registry struct {
			Spans []struct {
				Type        string
				Annotations map[string]map[string]any
			}
		}
	}
	if err := yaml.Unmarshal([]byte(texts["resolved.yaml"]), &doc); err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]any{}
	for _, a := range doc.Catalog {
		got[a.Key] = a.Annotations["clew"]
	}
	for _, s := range doc.Registry.Spans {
		got[s.Type] = s.Annotations["clew"]
	}
	for name, want := range map[string]map[string]any{
		"a.int":      {"owner": "cheese", "contact": `#cheese: "soft"`},
		"a.new":      {"formerly": []any{"aNew", "a new"}, "personal": "direct", "on_ingest": map[string]any{"truncate": 16}},
		"a.other":    {"on_ingest": map[string]any{"replace": ""}},
		"a.flag":     {"common": true},
		"a.word":     {"closed": true},
		"a.any":      nil,
		"_":          {"personal": "false", "on_ingest": "keep"},
		"enduser.id": {"personal": "subject", "owner": "cheese", "contact": `#cheese: "soft"`},
		"s.one": {"service": "shop", "owner": "cheese", "contact": `#cheese: "soft"`, "kind": "any", "match": map[string]any{"name": "GET /a: b"}, "may_call": []any{},
			"errors": map[string]any{"business": []any{"no: cheese"}, "count_as_failure": false}},
		"s.two": {"service": "pay", "match": map[string]any{"rpc_method": "a/B"}, "may_call": []any{"shop"}},
	} {
		if d := cmp.Diff(want, got[name]); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
	}
}
