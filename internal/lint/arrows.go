package lint

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path of the server's module.
const Module = "github.com/clew-dev/clew"

// layer is the height of a package: a package may import what is in a lower
// layer, and what beside names. Arrows between equals are the exception.
type layer struct {
	height int
	beside []string // packages of the same layer that it may import
}

// layers is the allow-list. A package that is not here may not exist: give it a
// place first. Names are folders; a folder's place holds for those within it that
// have none of their own.
var layers = map[string]layer{
	"internal/telemetry": {height: 0},
	"ui":                 {height: 0},

	"internal/charter":  {height: 1},
	"internal/finding":  {height: 1},
	"internal/score":    {height: 1},
	"internal/otlp":     {height: 1},
	"internal/query":    {height: 1, beside: []string{"internal/otlp"}}, // the elements of lists
	"internal/privacy":  {height: 1},
	"internal/rpc":      {height: 1},
	"internal/analysis": {height: 1},
	"internal/wal":      {height: 1},
	"internal/segment":  {height: 1, beside: []string{"internal/wal"}}, // its file-system interface

	"internal/auth":     {height: 2},
	"internal/flag":     {height: 2},
	"internal/generate": {height: 2},
	"internal/metrics":  {height: 2},
	"internal/pipeline": {height: 2},
	"internal/policy":   {height: 2},
	"internal/ledger":   {height: 2},
	"internal/store":    {height: 2},
	"internal/logs":     {height: 2, beside: []string{"internal/store"}},

	"internal/health":  {height: 3},
	"internal/receive": {height: 3},
	"internal/api":     {height: 3, beside: []string{"internal/health"}},
	"internal/compat":  {height: 3, beside: []string{"internal/api"}}, // the time range of a request
	"internal/alert":   {height: 3},
	"internal/journey": {height: 3},
	"internal/backup":  {height: 3},

	"internal/node": {height: 4},
	"cmd/clew":      {height: 5},
}

// forTests reports whether only tests may import a package: the kit, this package,
// and suites that stand below what they test, as in internal/store/storetest.
func forTests(folder string) bool {
	return folder == "internal/testkit" || folder == "internal/lint" || strings.HasPrefix(folder, "internal/") && strings.HasSuffix(folder, "test")
}

// library is a rule on a third-party module: only these folders may import it.
type library struct {
	prefix  string
	allowed []string
	instead string
}

var libraries = []library{
	{"go.opentelemetry.io/proto", nil, "internal/otlp, which reads and writes the wire without generated types; they are the oracle of tests"},
	{"google.golang.org/protobuf", []string{"internal/otlp", "internal/rpc", "internal/receive", "internal/compat"}, "telemetry.Batch, and internal/otlp at the edge"},
	{"google.golang.org/grpc", []string{"internal/rpc", "internal/receive"}, "internal/rpc"},
	{"google.golang.org/genproto", []string{"internal/rpc", "internal/receive"}, "internal/rpc"},
	{"github.com/duckdb", []string{"internal/store"}, "store.Store"},
	{"github.com/apache/arrow-go", []string{"internal/store"}, "internal/segment for files and store.Store for questions"},
	{"gopkg.in/yaml.v3", []string{"internal/charter"}, "internal/charter, which compiles the file into sections"},
	{"modernc.org/sqlite", []string{"internal/auth"}, "internal/auth, which keeps the control state"},
	{"github.com/prometheus", []string{"internal/metrics"}, "internal/metrics, or internal/health for our own figures"},
	{"github.com/rogpeppe/go-internal", nil, "a test: it runs scripts on the real main"},
	{"github.com/google/go-cmp", nil, "==, slices.Equal or bytes.Equal outside tests"},
}

// Arrows checks the imports of every Go file of the server's module. Tests may
// import what they like, except that no package's own code may import a test package.
func Arrows(tree fs.FS) ([]Finding, error) {
	var out []Finding
	err := walk(tree, []string{".go"}, func(name string, content []byte) {
		folder := path.Dir(name)
		if otherModule(tree, folder) || strings.HasSuffix(name, "_test.go") {
			return
		}
		if forTests(folder) {
			return
		}
		from, ok := place(folder)
		if !ok {
			out = append(out, finding(name, "the folder %s has no layer; give it one in internal/lint, or use a package that has", folder))
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
		if err != nil {
			out = append(out, finding(name, "cannot be parsed: %v", err))
			return
		}
		for _, imp := range file.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if what := forbidden(folder, from, p); what != "" {
				out = append(out, finding(name, "%s", what))
			}
		}
	})
	return out, err
}

// otherModule reports whether a folder belongs to a go.mod below the root.
func otherModule(tree fs.FS, folder string) bool {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, err := fs.Stat(tree, folder+"/go.mod"); err == nil {
			return true
		}
	}
	return false
}

// place gives the layer of the folder or of the nearest one above it.
func place(folder string) (layer, bool) {
	for ; folder != "."; folder = path.Dir(folder) {
		if l, ok := layers[folder]; ok {
			return l, true
		}
	}
	return layer{}, false
}

// forbidden says why a folder may not import p, or nothing.
func forbidden(folder string, from layer, p string) string {
	to, ours := strings.CutPrefix(p, Module+"/")
	if !ours {
		for _, l := range libraries {
			if p != l.prefix && !strings.HasPrefix(p, l.prefix+"/") {
				continue
			}
			if !slices.ContainsFunc(l.allowed, func(a string) bool { return folder == a || strings.HasPrefix(folder, a+"/") }) {
				return "imports " + p + "; use " + l.instead + " instead"
			}
		}
		return ""
	}
	if forTests(to) {
		return "imports " + to + ", which is for tests; move what is needed into the package itself instead"
	}
	target, ok := place(to)
	switch {
	case !ok:
		return "imports " + to + ", which has no layer; give it one in internal/lint"
	case folder == to || strings.HasPrefix(to, folder+"/") || strings.HasPrefix(folder, to+"/"):
		return ""
	case from.height == 0:
		return "imports " + to + "; packages of layer 0 import the standard library only: use an interface declared where it is used instead"
	case target.height > from.height:
		return "imports " + to + " from above; declare the interface here and let internal/node pass it in instead"
	case target.height == from.height && !slices.Contains(from.beside, to):
		return "imports " + to + " from beside; declare the interface here and let internal/node pass it in instead"
	}
	return ""
}

// interfaceLayers are the folders of the page, lowest first: each may import what stands before it.
var interfaceLayers = []string{"base", "model", "api", "features", "app"}

// InterfaceArrows checks the imports between the folders of ui/src. One feature never imports another.
func InterfaceArrows(tree fs.FS) ([]Finding, error) {
	var out []Finding
	err := walk(tree, []string{".ts", ".tsx"}, func(name string, content []byte) {
		within, ok := strings.CutPrefix(name, "ui/src/")
		from := slices.Index(interfaceLayers, firstPart(within))
		if !ok || from < 0 {
			return
		}
		for _, target := range importsOfScript(content) {
			if !strings.HasPrefix(target, ".") {
				if firstPart(within) == "model" && (target == "react" || strings.HasPrefix(target, "react/") || strings.HasPrefix(target, "react-dom")) {
					out = append(out, finding(name, "imports %s; model is without React: move the component to features instead", target))
				}
				continue
			}
			to := path.Join(path.Dir(within), target)
			at := slices.Index(interfaceLayers, firstPart(to))
			switch {
			case at > from:
				out = append(out, finding(name, "imports %s from above; base ← model ← api ← features ← app: pass it in as a property instead", to))
			case at == from && firstPart(to) == "features" && secondPart(to) != secondPart(within):
				out = append(out, finding(name, "imports %s from another feature; move what both need to base or model instead", to))
			}
		}
	})
	return out, err
}

func firstPart(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

func secondPart(p string) string {
	_, rest, _ := strings.Cut(p, "/")
	return firstPart(rest)
}
