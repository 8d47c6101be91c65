package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// goAttribute is what the newest Go package that has a name says of it.
type goAttribute struct {
	name, typ, stability, version, brief, example string
	members                                       []member
}

type member struct{ value, brief string }

// goFacts are those of all versions of the Go package, newest first.
type goFacts struct {
	versions   []string
	attributes map[string]*goAttribute
}

func readGo(folder string) (*goFacts, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	g := &goFacts{attributes: map[string]*goAttribute{}}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "v1.") {
			g.versions = append(g.versions, e.Name())
		}
	}
	slices.SortFunc(g.versions, func(a, b string) int { return cmp.Compare(ordinal(b), ordinal(a)) })
	for _, v := range g.versions {
		files, err := filepath.Glob(filepath.Join(folder, v, "*.go"))
		if err != nil {
			return nil, err
		}
		found := map[string]*goAttribute{}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			if err := readGoFile(found, name, v); err != nil {
				return nil, err
			}
		}
		for name, a := range found {
			if g.attributes[name] == nil {
				g.attributes[name] = a
			}
		}
	}
	if len(g.versions) == 0 {
		return nil, fmt.Errorf("%s has no package of conventions", folder)
	}
	return g, nil
}

// ordinal makes v1.9.0 smaller than v1.10.0.
func ordinal(version string) int {
	n := 0
	for _, part := range strings.Split(strings.TrimPrefix(version, "v"), ".") {
		i, _ := strconv.Atoi(part)
		n = n*1000 + i
	}
	return n
}

func readGoFile(found map[string]*goAttribute, name, version string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	keys := map[string]string{} // constant → name of the attribute
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok || len(v.Names) != 1 || len(v.Values) != 1 {
					continue
				}
				call, ok := v.Values[0].(*ast.CallExpr)
				if !ok || len(call.Args) != 1 {
					continue
				}
				fun, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					continue
				}
				of, _ := fun.X.(*ast.Ident)
				lit, isLit := call.Args[0].(*ast.BasicLit)
				switch {
				case of != nil && of.Name == "attribute" && fun.Sel.Name == "Key" && isLit:
					attr, err := strconv.Unquote(lit.Value)
					if err != nil {
						return err
					}
					keys[v.Names[0].Name] = attr
					found[attr] = described(attr, version, v.Doc.Text())
				case of != nil && isLit && found[keys[of.Name]] != nil:
					a := found[keys[of.Name]]
					a.members = append(a.members, member{strings.Trim(lit.Value, `"`), oneLine(beforeFacts(v.Doc.Text()))})
				}
			}
		case *ast.FuncDecl:
			if a := template(d, version); a != nil && found[a.name] == nil {
				found[a.name] = a
			}
		}
	}
	return nil
}

var (
	typeLine      = regexp.MustCompile(`(?m)^Type: (\S+)`)
	stabilityLine = regexp.MustCompile(`(?m)^Stability: (\S+)`)
	exampleLine   = regexp.MustCompile(`(?m)^Examples: "?([^"\n,]+)`)
	represents    = regexp.MustCompile(`(?s)It represents (?:the )?(.*)`)
	quotedName    = regexp.MustCompile(`(?s)conforming to\s+the\s+"([^"]+)"|"([a-z0-9_.]+)"\s+semantic\s+conventions`)
)

func described(name, version, doc string) *goAttribute {
	a := &goAttribute{name: name, version: version, stability: "development"}
	if m := typeLine.FindStringSubmatch(doc); m != nil {
		a.typ = strings.ToLower(m[1])
	}
	if m := stabilityLine.FindStringSubmatch(doc); m != nil {
		a.stability = strings.ToLower(m[1])
	}
	if a.stability == "experimental" || a.stability == "deprecated" {
		a.stability = "development"
	}
	if m := exampleLine.FindStringSubmatch(doc); m != nil {
		a.example = strings.Trim(strings.TrimSpace(m[1]), "'")
	}
	if m := represents.FindStringSubmatch(beforeFacts(doc)); m != nil {
		a.brief = oneLine(m[1])
	} else {
		a.brief = oneLine(beforeFacts(doc)) // as packages before v1.21.0 wrote it
	}
	return a
}

// template reads a function for a family of names, such as HTTPRequestHeader(key string, val ...string).
func template(d *ast.FuncDecl, version string) *goAttribute {
	if d.Recv != nil || d.Type.Params == nil || len(d.Type.Params.List) != 2 || d.Body == nil {
		return nil
	}
	first := d.Type.Params.List[0]
	if len(first.Names) != 1 || first.Names[0].Name != "key" {
		return nil
	}
	m := quotedName.FindStringSubmatch(d.Doc.Text())
	if m == nil {
		return nil
	}
	a := described(cmp.Or(m[1], m[2]), version, d.Doc.Text())
	words := map[string]string{"string": "string", "int": "int", "int64": "int", "bool": "boolean", "float64": "double"}
	switch t := d.Type.Params.List[1].Type.(type) {
	case *ast.Ellipsis:
		a.typ = "template[" + words[fmt.Sprint(t.Elt)] + "[]]"
	default:
		a.typ = "template[" + words[fmt.Sprint(t)] + "]"
	}
	return a
}

var facts = regexp.MustCompile(`(?ms)^(Type|RequirementLevel|Stability|Examples|Note|Deprecated):.*`)

func beforeFacts(doc string) string { return facts.ReplaceAllString(doc, "") }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
