package lint

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Finding is one breach of a rule.
type Finding struct {
	Path string // within the tree, with :line where there is one
	What string // what is wrong and what to do instead
}

func (f Finding) String() string { return f.Path + ": " + f.What }

func finding(path, format string, args ...any) Finding {
	return Finding{path, fmt.Sprintf(format, args...)}
}

// skipped are folders that hold what was fetched or built.
var skipped = map[string]bool{
	".git": true, "node_modules": true, "target": true, "bin": true, "dist": true, ".make": true,
	"clew-data": true, "shop-data": true,
}

// walk calls fn with each regular file whose name ends in one of suffixes, with
// its slash-separated path and its content. A file that vanishes on the way is no
// finding: the tree may be built in while it is read.
func walk(tree fs.FS, suffixes []string, fn func(name string, content []byte)) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped[d.Name()] {
				return fs.SkipDir
			}
			return nil
		}
		for _, s := range suffixes {
			if d.Type().IsRegular() && strings.HasSuffix(name, s) {
				content, err := fs.ReadFile(tree, name)
				if err != nil {
					return err
				}
				fn(name, content)
				break
			}
		}
		return nil
	})
}

// generated reports whether the file says that a program wrote it.
func generated(name string, content []byte) bool {
	head := string(content[:min(len(content), 2048)])
	return strings.Contains(head, "Code generated ") || strings.Contains(head, "Generated from") ||
		strings.Contains(head, "auto-generated") || path.Base(name) == "package-lock.json" || path.Base(name) == "Cargo.lock"
}
