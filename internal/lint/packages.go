package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Packages checks that every package opens with a comment, those of the server
// with one of at least two sentences: what it does, and what may be done with it.
func Packages(tree fs.FS) ([]Finding, error) {
	comments := map[string]string{}
	var folders []string
	err := walk(tree, []string{".go"}, func(name string, content []byte) {
		if strings.HasSuffix(name, "_test.go") || generated(name, content) {
			return
		}
		folder := path.Dir(name)
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return // Arrows says so
		}
		if _, known := comments[folder]; !known {
			folders = append(folders, folder)
			comments[folder] = ""
		}
		comments[folder] += text(file.Doc)
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(folders)
	var out []Finding
	for _, folder := range folders {
		c := comments[folder]
		if c == "" {
			out = append(out, finding(folder, "the package has no comment; say above the package clause what it does and does not, and what may run at once"))
		} else if !strings.HasPrefix(folder, "examples/") && strings.Count(c, ".") < 2 {
			out = append(out, finding(folder, "the package comment is a single sentence; say also what it does not, and what may run at once"))
		}
	}
	return out, nil
}

func text(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	return doc.Text()
}
