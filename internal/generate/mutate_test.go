package generate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/clew-dev/clew/internal/generate"
)

// mutant is a program with one mistake that a person makes.
type mutant struct{ what, text string }

// grammar is what mutations know of a language.
type grammar struct {
	name *regexp.Regexp // a name of the generated code; the first group is the name itself
	made *regexp.Regexp // a constructor with its arguments, which are the first group
}

var (
	goGrammar = grammar{
		name: regexp.MustCompile(`charter\.([A-Z]\w+)`), made: regexp.MustCompile(`charter\.[A-Z]\w+\(([^()]*)\)`),
	}
	rustGrammar = grammar{
		name: regexp.MustCompile(`charter::([A-Z]\w+(?:::[A-Z]\w*)?)`), made: regexp.MustCompile(`charter::[A-Z]\w+::new\(([^()]*)\)`),
	}
	argumentLine = regexp.MustCompile(`(?m)^\s+charter.*,\n`)
	isText       = regexp.MustCompile(`^"[^"]*"$`)
)

// mutants makes every mutation of a program, in the order of the places.
func (g grammar) mutants(program string) []mutant {
	var out []mutant
	add := func(what string, from, to int, with string) {
		out = append(out, mutant{fmt.Sprintf("%s at %q", what, program[from:to]), program[:from] + with + program[to:]})
	}
	for _, at := range g.name.FindAllStringSubmatchIndex(program, -1) {
		name := program[at[2]:at[3]]
		add("misspelled", at[2], at[3], name[:len(name)-1]+"q")
		add("undefined", at[2], at[3], name+"Twice")
	}
	for _, at := range g.made.FindAllStringSubmatchIndex(program, -1) {
		argument := program[at[2]:at[3]]
		if argument == "" || strings.HasPrefix(program[at[0]:], "charter.Parse") || strings.Contains(program[at[0]:at[1]], "Start") || argument == "ctx" {
			continue
		}
		literal := argument
		if strings.Contains(argument, ", ") {
			_, literal, _ = strings.Cut(argument, ", ")
		}
		add("literal instead of a constructor", at[0], at[1], literal)
		if strings.Contains(program[at[0]:at[1]], "ShopAnything::") {
			continue // it takes a value of any type
		}
		wrong := `"seven"`
		if isText.MatchString(literal) {
			wrong = "7"
		}
		add("wrong type", at[3]-len(literal), at[3], wrong)
	}
	lines := argumentLine.FindAllStringIndex(program, -1)
	for i, at := range lines {
		line := program[at[0]:at[1]]
		add("missing argument", at[0], at[1], "")
		add("argument twice", at[0], at[1], line+line)
		if i+1 < len(lines) && lines[i+1][0] == at[1] {
			next := program[lines[i+1][0]:lines[i+1][1]]
			add("arguments in another order", at[0], lines[i+1][1], next+line)
		}
	}
	return out
}

// enough is how many mutated programs of each language have to be refused: 200 in all.
const enough = 100

func report(t *testing.T, language string, mutants []mutant, accepted []string, took time.Duration) {
	t.Helper()
	kinds := map[string]int{}
	for _, m := range mutants {
		kind, _, _ := strings.Cut(m.what, " at ")
		kinds[kind]++
	}
	t.Logf("%s: %d mutated programs, %d refused, in %s: %v", language, len(mutants), len(mutants)-len(accepted), took.Round(time.Millisecond), kinds)
	if len(mutants) < enough {
		t.Errorf("%d mutants are too few; the program has to use more", len(mutants))
	}
	for _, what := range accepted {
		t.Errorf("it compiles: %s", what)
	}
}

func readProgram(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exports finds what the compiler knows of the Go kit and all that it imports.
func exports(t *testing.T) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	cmd.Dir = filepath.Join("..", "..", "kit", "go")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the kit: %v\n%s", err, stderr.String())
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path] = file
	}
	return files
}

// goWorld checks programs that import the generated package.
type goWorld struct {
	fset    *token.FileSet
	kit     types.Importer
	charter *types.Package
}

// Import implements types.Importer.
func (w *goWorld) Import(path string) (*types.Package, error) {
	if path == "example.test/charter" {
		return w.charter, nil
	}
	return w.kit.Import(path)
}

func (w *goWorld) check(path string, files map[string]string) (*types.Package, error) {
	var parsed []*ast.File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := parser.ParseFile(w.fset, name, files[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, f)
	}
	return (&types.Config{Importer: w}).Check(path, w.fset, parsed, nil)
}

// A name that is misspelled, a value of another type, a literal, an argument that is
// missing: none of it may compile.
func TestMutatedGoIsRefused(t *testing.T) {
	compiled := exports(t)
	w := &goWorld{fset: token.NewFileSet()}
	w.kit = importer.ForCompiler(w.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) })
	generated := map[string]string{}
	for _, f := range run(t, wordsCharter(t), generate.Options{Language: "go"}) {
		generated[f.Name] = string(f.Content)
	}
	var err error
	if w.charter, err = w.check("example.test/charter", generated); err != nil {
		t.Fatalf("the generated package does not compile: %v", err)
	}
	program := readProgram(t, "testdata/program.go.txt")
	if _, err := w.check("program", map[string]string{"program.go": program}); err != nil {
		t.Fatalf("the program does not compile: %v", err)
	}
	began := time.Now()
	mutants := goGrammar.mutants(program)
	var accepted []string
	for _, m := range mutants {
		if _, err := w.check("program", map[string]string{"program.go": m.text}); err == nil {
			accepted = append(accepted, m.what)
		}
	}
	report(t, "Go", mutants, accepted, time.Since(began))
}

// rustKit builds the Rust kit as the compiler needs it to check what uses it.
func rustKit(t *testing.T) (kit, deps string) {
	t.Helper()
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("there is no cargo here, and without it nothing can say what Rust refuses")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "cargo", "check", "--locked", "--offline", "--quiet", "-p", "clew", "--lib", "--message-format", "json")
	cmd.Dir = filepath.Join("..", "..", "kit", "rust")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("check the kit: %v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(string(out)) {
		var m struct {
			Reason    string
			Target    struct{ Name string }
			Filenames []string
		}
		if json.Unmarshal([]byte(line), &m) == nil && m.Reason == "compiler-artifact" && m.Target.Name == "clew" {
			return m.Filenames[0], filepath.Dir(m.Filenames[0])
		}
	}
	t.Fatal("cargo did not say where it put the kit")
	return "", ""
}

// rustCompiler gives a function that checks a text as a crate of that name, which
// may use the kit and, under --extern, crates of that folder.
func rustCompiler(t *testing.T) func(name, text string, more ...string) error {
	kit, deps := rustKit(t)
	folder := t.TempDir()
	return func(name, text string, more ...string) error {
		source := filepath.Join(folder, name+".rs")
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Error(err)
			return nil
		}
		args := append([]string{"--edition", "2024", "--crate-type", "lib", "--crate-name", name, "--emit", "metadata", "--out-dir", folder,
			"-L", folder, "-L", "dependency=" + deps, "--extern", "clew=" + kit, "-D", "warnings", source}, more...)
		out, err := exec.CommandContext(t.Context(), "rustc", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
}

func TestMutatedRustIsRefused(t *testing.T) {
	rustc := rustCompiler(t)
	generated := run(t, wordsCharter(t), generate.Options{Language: "rust"})
	if len(generated) != 1 {
		t.Fatalf("%d files, want one module", len(generated))
	}
	if err := rustc("charter", string(generated[0].Content)); err != nil {
		t.Fatalf("the generated module does not compile: %v", err)
	}
	use := []string{"--extern", "charter", "--error-format", "short"}
	program := readProgram(t, "testdata/program.rs.txt")
	if err := rustc("program", program, use...); err != nil {
		t.Fatalf("the program does not compile: %v", err)
	}
	began := time.Now()
	mutants := rustGrammar.mutants(program)
	accepted := make([]string, len(mutants))
	// The compiler gives up a crate after the first kind of mistake, so each mutant is one.
	var group sync.WaitGroup
	next := make(chan int)
	for range 2 {
		group.Go(func() {
			for i := range next {
				if rustc(fmt.Sprintf("mutant%d", i), mutants[i].text, append(use, "--cap-lints", "allow")...) == nil {
					accepted[i] = mutants[i].what
				}
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	group.Wait()
	report(t, "Rust", mutants, slices.DeleteFunc(accepted, func(what string) bool { return what == "" }), time.Since(began))
}

// Users keep the module in their repository, where their formatter looks at it too:
// in its default shape and in the one that puts on a line what fits.
func TestRustIsInShape(t *testing.T) {
	if _, err := exec.LookPath("rustfmt"); err != nil {
		t.Skip("there is no rustfmt here, which alone knows its shape")
	}
	long := strings.Repeat("quite_long.", 5)
	charters := map[string]string{"words": readProgram(t, "testdata/words.yaml"), "long": fmt.Sprintf(`
charter: 1
services: { s: {} }
attributes:
  %[1]sname: { type: string }
  %[1]schoice: { type: enum, members: { a: "", "%[2]s": "" } }
  old: { type: int, deprecated: { reason: renamed, renamed_to: %[1]sname, note: "%[2]s" } }
spans:
  contract.of.some.length:
    service: s
    match: { name: "%[2]s" }
    requires: [%[1]sname, %[1]schoice, old]
    at_start: [%[1]sname]
    errors: { business: ["%[2]s"] }
  shorter:
    service: s
    match: { name: "%[3]s" }
    errors: { business: ["%[3]s"] }
`, long, strings.Repeat("many words ", 8)+"end", strings.Repeat("many words ", 7))}
	for name, text := range charters {
		file := filepath.Join(t.TempDir(), "mod.rs")
		if err := os.WriteFile(file, run(t, parse(t, text), generate.Options{Language: "rust"})[0].Content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, heuristics := range []string{"Default", "Max"} {
			out, err := exec.CommandContext(t.Context(), "rustfmt", "--edition", "2024", "--check", "--color", "never", "--config", "use_small_heuristics="+heuristics, file).CombinedOutput()
			if err != nil {
				t.Errorf("%s with %s: %v\n%s", name, heuristics, err, out)
			}
		}
	}
}

// The whole vocabulary of the conventions has names of every kind, and hundreds of
// deprecated ones that are spelled like others.
func TestTheWholeVocabularyCompiles(t *testing.T) {
	c, err := charter.Parse("charter.yaml", []byte("charter: 1"))
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithVocabulary(registry.Builtin().Attributes())
	compiled := exports(t)
	w := &goWorld{fset: token.NewFileSet()}
	w.kit = importer.ForCompiler(w.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(compiled[path]) })
	generated := map[string]string{}
	for _, f := range run(t, c, generate.Options{Language: "go", All: true}) {
		generated[f.Name] = string(f.Content)
	}
	delete(generated, "spans.go") // there is no contract
	pkg, err := w.check("example.test/charter", generated)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(pkg.Scope().Names()); n < 2000 {
		t.Errorf("the package has %d names; the conventions have far more", n)
	}
	if again := run(t, c, generate.Options{Language: "go", All: true}); string(again[0].Content) != generated["attributes.go"] {
		t.Error("the whole vocabulary differs from run to run")
	}
	rustc := rustCompiler(t)
	if err := rustc("charter", string(run(t, c, generate.Options{Language: "rust", All: true})[0].Content)); err != nil {
		t.Fatal(err)
	}
}
