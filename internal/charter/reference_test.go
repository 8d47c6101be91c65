package charter_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/clew-dev/clew/internal/charter"
)

// against gives where a value is not what a JSON schema asks for, "" when it is. It
// knows the words that Schema uses and fails the test on any other.
func against(t *testing.T, schema map[string]any, v any, path string) string {
	t.Helper()
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, isText := v.(string)
	number, isNumber := v.(int)
	for word, want := range schema {
		ok := true
		switch word {
		case "$schema", "title", "description":
		case "type":
			is := map[string]bool{"object": isObject, "array": isList, "string": isText, "integer": isNumber, "number": isNumber || isFloat(v), "boolean": v == true || v == false}
			names, many := want.([]any)
			if !many {
				names = []any{want}
			}
			ok = slices.ContainsFunc(names, func(n any) bool { return is[n.(string)] })
		case "const":
			ok = fmt.Sprint(v) == fmt.Sprint(want)
		case "enum":
			ok = slices.Contains(want.([]any), v)
		case "minimum":
			ok = !isNumber || float64(number) >= want.(float64)
		case "maximum":
			ok = !isNumber || float64(number) <= want.(float64)
		case "minLength":
			ok = !isText || float64(utf8.RuneCountInString(text)) >= want.(float64)
		case "maxLength":
			ok = !isText || float64(utf8.RuneCountInString(text)) <= want.(float64)
		case "pattern":
			ok = !isText || regexp.MustCompile(javaScript.Replace(want.(string))).MatchString(text)
		case "minProperties":
			ok = !isObject || float64(len(object)) >= want.(float64)
		case "maxProperties":
			ok = !isObject || float64(len(object)) <= want.(float64)
		case "required":
			ok = !slices.ContainsFunc(want.([]any), func(k any) bool { _, there := object[k.(string)]; return isObject && !there })
		case "uniqueItems":
			for i := range list {
				ok = ok && !slices.ContainsFunc(list[:i], func(o any) bool { return cmp.Equal(o, list[i]) })
			}
		case "items":
			for _, one := range list {
				if at := against(t, want.(map[string]any), one, path+"[]"); at != "" {
					return at
				}
			}
		case "anyOf":
			ok = slices.ContainsFunc(want.([]any), func(s any) bool { return against(t, s.(map[string]any), v, path) == "" })
		case "propertyNames":
			for k := range object {
				if at := against(t, want.(map[string]any), k, path+"."+k); at != "" {
					return at
				}
			}
		case "properties", "additionalProperties":
			properties, _ := schema["properties"].(map[string]any)
			for k, one := range object {
				inner, known := properties[k].(map[string]any)
				if !known {
					if inner, known = schema["additionalProperties"].(map[string]any); !known {
						return path + "." + k + " is not known"
					}
				}
				if at := against(t, inner, one, path+"."+k); at != "" {
					return at
				}
			}
		default:
			t.Fatalf("the schema has the word %s", word)
		}
		if !ok {
			return fmt.Sprintf("%s: %s %v", path, word, want)
		}
	}
	return ""
}

var javaScript = strings.NewReplacer(`\u0000`, `\x00`, `\u001f`, `\x1f`, `\u007f`, `\x7f`)

func isFloat(v any) bool { _, ok := v.(float64); return ok }

func TestSchemaAgreesWithTheCorpus(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(charter.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	judge := func(text string) string {
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			return err.Error()
		}
		return against(t, schema, doc, "")
	}
	files, _ := filepath.Glob("testdata/*.good.yaml")
	for _, f := range files {
		if at := judge(fixture(t, f)); at != "" {
			t.Errorf("%s: the schema refuses what checks: %s", f, at)
		}
		c, err := charter.Load(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		if at := judge(c.Effective()); at != "" {
			t.Errorf("%s: the schema refuses the effective charter: %s", f, at)
		}
	}
	// What is wrong by itself the schema finds too; what is wrong beside something else it cannot.
	for _, name := range []string{"detectors", "edges", "keys", "lengths", "scalar", "shapes", "values", "version", "words", "later"} {
		if judge(fixture(t, "testdata/"+name+".bad.yaml")) == "" {
			t.Errorf("%s.bad.yaml: the schema accepts it", name)
		}
	}
}

func TestEffectiveJSONIsTheSameCharter(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.good.yaml")
	for _, f := range files {
		c, err := charter.Load(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(c.EffectiveJSON(), &doc); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		again, err := charter.Parse("effective.json", c.EffectiveJSON())
		if err != nil || again.Effective() != c.Effective() {
			t.Errorf("%s: %v\n%s", f, err, c.EffectiveJSON())
		}
	}
}

// Every key says what it is; what it shows as an example checks.
func TestEveryKeyIsExplained(t *testing.T) {
	for _, k := range charter.Keys() {
		if !strings.HasSuffix(k.Doc, ".") || k.Kind == "" {
			t.Errorf("%s: %q is no sentence, or there is no kind %q", k.Path, k.Doc, k.Kind)
		}
		got, err := charter.Explain(k.Path)
		if err != nil || got.Path != k.Path {
			t.Errorf("%s: explained as %s, %v", k.Path, got.Path, err)
		}
	}
}

func TestExamplesOfSectionsCheck(t *testing.T) {
	for _, k := range charter.Keys() {
		if k.Example == "" || strings.Contains(k.Path, ".") || k.Path == "include" || k.Path == "charter" {
			continue
		}
		_, err := charter.Parse("c", []byte("charter: 1\n"+k.Path+": "+k.Example+"\n"))
		// A team or a service that the example takes for granted is no mistake of it.
		if err != nil && !strings.Contains(err.Error(), "is not among the") {
			t.Errorf("%s: %s: %v", k.Path, k.Example, err)
		}
	}
}

func TestExplain(t *testing.T) {
	cases := []struct{ key, want string }{
		{"retention.disk", "retention.disk"},
		{"services.checkout", "services.NAME"},
		{"services.NAME.tier", "services.NAME.tier"},
		{"services.shop.eu.tier", "services.NAME.tier"},
		{"attributes.shop.order.id", "attributes.NAME"},
		{"attributes.shop.order.id.deprecated.reason", "attributes.NAME.deprecated.reason"},
		{"attributes.a.members.web", "attributes.NAME.members.NAME"},
		{"spans.a.match.http.route", "spans.NAME.match.http.route"},
		{"import.semconv", "import.semconv"},
		{"services.checkout.eu", "services.NAME"},
		{"service.checkout", `"service.checkout" is no key of the language; the sections are`},
		{"retention.dsk", `"retention.dsk" is no key of the language; did you mean retention.disk?`},
		{"zzz", `"zzz" is no key of the language; the sections are charter, organisation`},
		{"", `"" is no key of the language; the sections are`},
		{"services.", `no key of the language`},
	}
	for _, test := range cases {
		k, err := charter.Explain(test.key)
		got := k.Path
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: got %s", test.key, got)
		}
	}
}

func TestSampleChecks(t *testing.T) {
	c := parse(t, charter.Sample)
	if err := c.WithVocabulary(imported).Check(); err != nil {
		t.Error(err)
	}
}

// Each file is an old charter, a new one after "== new", and the changes after "----".
func TestDiff(t *testing.T) {
	files, _ := filepath.Glob("testdata/diff/*.txt")
	if len(files) == 0 {
		t.Fatal("no corpus")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, _, _ := strings.Cut(fixture(t, f), "\n----\n")
			from, to, ok := strings.Cut(text, "\n== new\n")
			if !ok {
				t.Fatal("there is no new charter")
			}
			var got strings.Builder
			for _, c := range charter.Diff(parse(t, from+"\n"), parse(t, to+"\n")) {
				mark := ' '
				if c.Breaking {
					mark = '!'
				}
				fmt.Fprintf(&got, "%c %s %s: %q → %q\n", mark, c.What, c.Path, c.From, c.To)
			}
			golden(t, f, text+"\n----\n"+got.String())
		})
	}
}

// large is a charter of 1,000 attributes and 100 services.
func large() []byte {
	var b strings.Builder
	b.WriteString("charter: 1\nteams:\n")
	for i := range 20 {
		fmt.Fprintf(&b, "  team-%d: { contact: \"#team-%d\", runbook: docs/%d.md }\n", i, i, i)
	}
	b.WriteString("services:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  service-%d: { team: team-%d, language: go, tier: high, journeys: [buy] }\n", i, i%20)
	}
	b.WriteString("attributes:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  shop.area%d.word%d:\n    type: string\n    brief: What the word %d means to those who read it.\n    examples: [a%d, b%d]\n    formerly: [word_%d]\n    owner: team-%d\n    personal: indirect\n    on_ingest: mask\n",
			i%30, i, i, i, i, i, i%20)
	}
	b.WriteString("spans:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  service-%d.serve: { service: service-%d, kind: server, match: { http.route: /r%d }, requires: [shop.area%d.word%d], may_call: [service-%d] }\n", i, i, i, i%30, i, (i+1)%100)
	}
	return []byte(b.String())
}

func TestALargeCharterChecks(t *testing.T) {
	c := parse(t, string(large())).WithVocabulary(imported)
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Services()); n != 100 {
		t.Errorf("%d services", n)
	}
}

// The bound of the design for one check of this charter is 0.2 s.
func BenchmarkCheckOf1000AttributesAnd100Services(b *testing.B) {
	text := large()
	for b.Loop() {
		c, err := charter.Parse("charter.yaml", text)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.WithVocabulary(imported).Check(); err != nil {
			b.Fatal(err)
		}
	}
}
