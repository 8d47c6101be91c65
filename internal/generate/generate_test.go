package generate_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/generate"
	"github.com/clew-dev/clew/internal/testkit"
)

// imported is a vocabulary as an import brings it.
var imported = []charter.Attribute{
	{Name: "enduser.id", Type: charter.TypeString, Brief: "Who it is.", Source: "semconv 1", Stability: "development"},
	{Name: "http.request.method", Type: charter.TypeEnum, Brief: "The method.", Source: "semconv 1", Members: []charter.Member{
		{Value: "GET", Brief: "GET method."}, {Value: "_OTHER", Brief: "Any other."}, {Value: "other", Brief: "Spelled as another."}, {Value: "key"}, {Value: "*"},
	}},
	{Name: "rpc.grpc.status_code", Type: charter.TypeEnum, Source: "semconv 1", Members: []charter.Member{{Value: "0", Brief: "OK"}, {Value: "1", Brief: "CANCELLED"}}},
	{Name: "user.email", Type: charter.TypeString, Source: "semconv 1"},
}

func parse(t testing.TB, text string) *charter.Charter {
	t.Helper()
	c, err := charter.Parse("charter.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithVocabulary(imported)
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return c
}

func wordsCharter(t testing.TB) *charter.Charter {
	t.Helper()
	text, err := os.ReadFile("testdata/words.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

func run(t testing.TB, c *charter.Charter, o generate.Options) []generate.File {
	t.Helper()
	files, err := generate.Run(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The whole output stands in the repository, so that a change of a template shows
// what becomes of the code of users.
func TestGolden(t *testing.T) {
	for _, language := range generate.Languages() {
		for _, f := range run(t, wordsCharter(t), generate.Options{Language: language}) {
			testkit.Golden(t, "testdata/"+language+"/"+f.Name+".golden", f.Content)
		}
	}
}

func TestTheSameCharterGivesTheSameBytes(t *testing.T) {
	for _, language := range generate.Languages() {
		first := run(t, wordsCharter(t), generate.Options{Language: language})
		for range 100 {
			again := run(t, wordsCharter(t), generate.Options{Language: language})
			if len(again) != len(first) {
				t.Fatalf("%s: %d files, then %d", language, len(first), len(again))
			}
			for i, f := range again {
				if f.Name != first[i].Name || !bytes.Equal(f.Content, first[i].Content) {
					t.Fatalf("%s: %s differs from run to run", language, f.Name)
				}
			}
		}
	}
}

func TestOnlyWhatIsAskedFor(t *testing.T) {
	c := wordsCharter(t)
	all := func(o generate.Options) string {
		var out []byte
		for _, f := range run(t, c, o) {
			out = append(out, f.Content...)
		}
		return string(out)
	}
	for _, language := range generate.Languages() {
		if language == "policies" {
			continue // has rules and no vocabulary
		}
		some, whole := all(generate.Options{Language: language}), all(generate.Options{Language: language, All: true})
		if strings.Contains(some, "user.email") {
			t.Errorf("%s: an imported attribute that no contract requires is generated", language)
		}
		for _, name := range []string{"shop.order.id", "http.request.method", "shop.label.colour"} {
			if !strings.Contains(some, name) {
				t.Errorf("%s: %s is missing", language, name)
			}
		}
		if !strings.Contains(whole, "user.email") {
			t.Errorf("%s: All leaves out an imported attribute", language)
		}
		if (language == "go" || language == "rust") && strings.Contains(some, `"shop.order_id"`) {
			t.Errorf("%s: a deprecated name takes the place of a living one", language)
		}
	}
}

// Every clash has to be named with both sides; otherwise the user has an error of a
// compiler in code that nobody wrote.
func TestErrors(t *testing.T) {
	const head = "charter: 1\nservices: { s: {} }\n"
	for _, c := range []struct{ name, text, language, want string }{
		{"same in Go", head + `attributes: { a.id: { type: int }, a_id: { type: int } }`, "go",
			"attributes.a_id: its name in go would be AIDKey, which is that of attributes.a.id; rename one"},
		{"same in Rust", head + `attributes: { a.id: { type: int }, aId: { type: int } }`, "rust",
			"attributes.aId: its name in rust would be AId, which is that of attributes.a.id; rename one"},
		{"a value and an attribute", head + `attributes: { a: { type: enum, members: { b: "" } }, a.b: { type: int } }`, "go",
			"attributes.a.b: its name in go would be AB, which is that of attributes.a; rename one"},
		{"a contract and an attribute", head + `{attributes: { a: { type: int } }, spans: { a: { service: s, match: { name: a } } }}`, "go", ""},
		{"values", head + `attributes: { a: { type: enum, members: { "b c": "", b_c: "" } } }`, "rust",
			`attributes.a.members["b_c"]: its name in rust would be BC, which is that of attributes.a.members["b c"]; rename one`},
		{"a value without letters", head + `attributes: { a: { type: enum, members: { "+": "" } } }`, "go",
			`attributes.a.members["+"]: nothing of it can be part of an identifier; write it with letters or digits`},
		{"a name without letters", head + `attributes: { _: { type: int } }`, "rust", "attributes._: nothing of the name can be part of an identifier; rename it"},
		{"a name of the generated code", head + `attributes: { attribute: { type: int } }`, "rust",
			"attributes.attribute: its name in rust would be Attribute, which is that of the generated code itself; rename one"},
		{"no language", head, "cobol", `language "cobol": it is not built in; write one of docs, go, policies, registry, rust, or give a folder of templates`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if c.want == "" { // YAML of two sections
				text = head + "attributes: { a: { type: int } }\nspans: { a: { service: s, match: { name: a } } }\n"
				c.want = "spans.a: its name in go would be A, which is that of attributes.a; rename one"
			}
			_, err := generate.Run(parse(t, text), generate.Options{Language: c.language})
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	_, err := generate.Run(wordsCharter(t), generate.Options{Language: "go", Package: "my-words"})
	if want := `package "my-words": it is no name of a package; write small letters and digits, such as charter`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	unresolved, err := charter.Parse("charter.yaml", []byte(head+"attributes: { enduser.id: { personal: subject } }\nspans: { a: { service: s, match: { name: a }, requires: [no.such] } }"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = generate.Run(unresolved, generate.Options{Language: "go"})
	want := "attributes.enduser.id: its type is missing; write one, or resolve the imports that define it\n" +
		`spans.a.requires: "no.such" is not defined; define it, or resolve the imports`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTemplatesOfUsers(t *testing.T) {
	c := wordsCharter(t)
	head := "# {{.Header}}\n"
	folder := fstest.MapFS{
		"spans.go.tmpl": {Data: []byte("// {{.Header}}\n\npackage {{.Package}}\n\nconst   Spans = {{len .Contracts}}\n")},
		"more.txt.tmpl": {Data: []byte(head + "{{range .Attributes}}{{template \"_one\" .}}{{end}}")},
		"_more.tmpl":    {Data: []byte(`{{define "_one"}}{{.Name}} {{snake .Name}}` + "\n{{end}}")},
		"empty.tmpl":    {Data: []byte("{{if false}}never{{end}}")},
		"README.md":     {Data: []byte("no template")},
	}
	byName := map[string]string{}
	for _, f := range run(t, c, generate.Options{Language: "go", Package: "words", Templates: folder}) {
		byName[f.Name] = string(f.Content)
	}
	if want := "// " + generate.Header + "\n\npackage words\n\nconst Spans = 5\n"; byName["spans.go"] != want {
		t.Errorf("a replaced template gave %q, want %q", byName["spans.go"], want)
	}
	if !strings.Contains(byName["more.txt"], "shop.order.id shop_order_id\n") {
		t.Errorf("an added template gave %q", byName["more.txt"])
	}
	if !strings.Contains(byName["attributes.go"], "package words\n") || len(byName) != 4 {
		t.Errorf("the files are %d, want attributes.go, empty, more.txt, spans.go", len(byName))
	}

	if content, ok := byName["empty"]; !ok || content != "" {
		t.Errorf("a template that gives nothing gave %q", content)
	}

	python := run(t, c, generate.Options{Language: "python", Templates: fstest.MapFS{"words.py.tmpl": {Data: []byte(head +
		"{{range .Attributes}}{{screaming .Name}} = {{quote .Name}}\n{{end}}")}}})
	if len(python) != 1 || !strings.Contains(string(python[0].Content), "SHOP_ORDER_ID = \"shop.order.id\"\n") {
		t.Errorf("a language of its own gave %v", python)
	}

	for _, bad := range []struct{ name, text, want string }{
		{"x.txt.tmpl", "{{.Nothing}}", "generate go: "},
		{"x.txt.tmpl", "{{range}}", "read the templates of go: "},
		{"x.txt.tmpl", "text", "template x.txt.tmpl: its result does not say that it is generated"},
		{"x.go.tmpl", "// {{.Header}}\npackage", "template x.go.tmpl: its result is not Go: "},
	} {
		_, err := generate.Run(c, generate.Options{Language: "go", Templates: fstest.MapFS{bad.name: {Data: []byte(bad.text)}}})
		if err == nil || !strings.HasPrefix(err.Error(), bad.want) {
			t.Errorf("%s: got %v, want %s…", bad.text, err, bad.want)
		}
	}
	if _, err := generate.Run(c, generate.Options{Language: "python", Templates: fstest.MapFS{}}); err == nil {
		t.Error("a language without a template passes")
	}
}

func TestTemplateLimits(t *testing.T) {
	c := wordsCharter(t)
	text := "# {{.Header}}\n"
	most := fstest.MapFS{}
	for i := range generate.MaxTemplates {
		most["t"+strings.Repeat("x", i)+".tmpl"] = &fstest.MapFile{Data: []byte(text)}
	}
	run(t, c, generate.Options{Language: "x", Templates: most})
	most["one-more.tmpl"] = &fstest.MapFile{Data: []byte(text)}
	if _, err := generate.Run(c, generate.Options{Language: "x", Templates: most}); err == nil {
		t.Error("one template too many passes")
	}
	large := func(n int) fstest.MapFS {
		return fstest.MapFS{"t.tmpl": {Data: []byte(text + strings.Repeat("x", n-len(text)))}}
	}
	run(t, c, generate.Options{Language: "x", Templates: large(generate.MaxTemplateBytes)})
	if _, err := generate.Run(c, generate.Options{Language: "x", Templates: large(generate.MaxTemplateBytes + 1)}); err == nil {
		t.Error("a template that is too large passes")
	}
}

func TestGeneratedIsKnownByItsHeader(t *testing.T) {
	for text, want := range map[string]bool{
		"// " + generate.Header: true, "a\nb\nc\nd\n# " + generate.Header: true,
		"a\nb\nc\nd\ne\n# " + generate.Header: false, "": false, "// Code generated by another; DO NOT EDIT.": false,
	} {
		if got := generate.Generated([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
