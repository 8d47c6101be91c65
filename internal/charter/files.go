package charter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// Bounds of a charter of several files.
const (
	MaxFiles      = 1000
	MaxTotalBytes = 16 << 20
	MaxValues     = 500_000 // keys and values; one takes some 200 bytes while a charter is read
	MaxDepth      = 8       // of files that include files, and of folders in folders
)

// Resolve gives the attributes that an import names. folder is that of the
// charter, in which Value is a plain path of a folder that is there. An error that
// is an Errors names files of its own; any other is reported at the import.
type Resolve func(folder fs.FS, i Import) ([]Attribute, error)

// Load reads a charter, which is one file or a folder of them. Messages name files
// relative to the folder. With a nil resolve the imports stay names and what
// depends on them is not judged.
func Load(name string, resolve Resolve) (*Charter, error) {
	folder, file, err := locate(name)
	if err != nil {
		return nil, err
	}
	return LoadFS(os.DirFS(folder), file, resolve)
}

// locate splits the path of a charter into its folder and the name in it; "." for
// the folder as a whole.
func locate(name string) (folder, file string, err error) {
	i, err := os.Stat(name)
	if err != nil {
		return "", "", fmt.Errorf("read charter: %w", err)
	}
	if i.IsDir() {
		return name, ".", nil
	}
	return filepath.Dir(name), filepath.Base(name), nil
}

// LoadFS is Load in a file system: name is a file of its top folder, or "." for
// all that are in it.
//
// A folder's charter is every .yaml and .yml in it and in its folders, but for
// those that are hidden (their name begins with a dot) or that an import names.
func LoadFS(folder fs.FS, name string, resolve Resolve) (*Charter, error) {
	l := &loader{folder: folder, files: map[string]*source{}}
	var err error
	if name == "." {
		err = l.walk()
	} else {
		err = l.read(name, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("read charter: %w", err)
	}
	l.follow()
	if l.full != nil {
		return nil, Errors{*l.full}
	}
	if len(l.order) == 0 {
		return nil, errors.New("read charter: the folder has no .yaml and no .yml; write one, or begin with clew charter init")
	}
	p := newParser()
	imported := l.imported()
	catalogues := l.catalogues()
	for _, file := range l.sorted() {
		if name == "." && within(file, imported) {
			continue
		}
		if slices.ContainsFunc(catalogues, func(c *Catalog) bool { return slices.Contains(c.files, file) }) {
			continue // a location of the catalogue led to it
		}
		s := l.files[file]
		p.join(s.mistakes)
		if s.root != nil {
			p.file(file, s.root)
		}
	}
	p.join(l.mistakes)
	if len(p.errs) == 0 {
		p.catalogues(catalogues)
	}
	for _, v := range p.root.get("import").items() {
		if r := v.kids[string(ImportBackstage)]; r != nil {
			if _, why := inside(r.text); why != "" {
				p.fail(r.at, r.path, "%q %s", telemetry.Clip(r.text), why)
			}
		}
		if r := v.kids[string(ImportRegistry)]; r != nil {
			plain, why := inside(r.text)
			if i, err := fs.Stat(folder, plain); why == "" && resolve != nil && (err != nil || !i.IsDir()) {
				why = "is no folder in the charter's own; put the registry there"
			}
			if why != "" {
				p.fail(r.at, r.path, "%q %s", telemetry.Clip(r.text), why)
			}
		}
	}
	c, err := p.finish()
	if err != nil || resolve == nil {
		return c, err
	}
	return c.resolve(folder, resolve)
}

// resolve puts what the imports hold behind the charter's own words, and judges
// what depends on them.
func (c *Charter) resolve(folder fs.FS, resolve Resolve) (*Charter, error) {
	p := &parser{}
	var words []Attribute
	for n, i := range c.imports {
		if i.Kind == ImportBackstage {
			continue // has no words, and is part of the charter already
		}
		if i.Kind == ImportRegistry {
			i.Value, _ = inside(i.Value)
		}
		more, err := resolve(folder, i)
		if errs := Errors(nil); errors.As(err, &errs) {
			p.join(mistakes{errs: errs}) // they name files of their own
		} else if err != nil {
			v := c.tree.get("import").list[n]
			p.fail(v.at, "import", "%s %s: %v", i.Kind, i.Value, err)
		}
		words = append(words, more...)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	c = c.WithVocabulary(words)
	if err := c.Check(); err != nil {
		return nil, err
	}
	return c, nil
}

func (v *value) items() []*value {
	if v == nil {
		return nil
	}
	return v.list
}

// inside gives a path in a charter's folder in its plain form, or says why it is none.
func inside(name string) (plain, why string) {
	plain = path.Clean(name)
	if !fs.ValidPath(plain) || plain == "." || strings.Contains(plain, `\`) {
		return "", "is not a path within the charter's folder; write one relative to it, without .. and with /"
	}
	return plain, ""
}

func within(file string, imported []string) bool {
	return slices.ContainsFunc(imported, func(f string) bool { return file == f || strings.HasPrefix(file, f+"/") })
}

// source is one file of a charter.
type source struct {
	root *yaml.Node // nil when the text is no YAML
	mistakes
	deep int // files that include each other above it; 0 when it was named or the folder holds it
}

// loader collects the files of a charter.
type loader struct {
	folder fs.FS
	files  map[string]*source
	order  []string
	total  int64
	values int
	full   *Error // the bound that was met
	mistakes
}

func (l *loader) sorted() []string {
	// The file that was named comes first, so that what is missing is missing there.
	if len(l.order) == 0 {
		return nil
	}
	rest := slices.Sorted(slices.Values(l.order[1:]))
	return append(l.order[:1:1], rest...)
}

// read takes one file in.
func (l *loader) read(name string, deep int) error {
	f, err := l.folder.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if i, err := f.Stat(); err == nil && i.IsDir() {
		return fmt.Errorf("%s is a folder; name its files", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return err
	}
	l.total += int64(len(text))
	if l.total > MaxTotalBytes || len(l.files) == MaxFiles {
		l.full = &Error{name, 1, 1, "", fmt.Sprintf("the charter is too large here: it has at most %d files and %d bytes in all", MaxFiles, MaxTotalBytes)}
		return nil
	}
	p := &parser{}
	s := &source{root: p.document(name, text), deep: deep}
	s.mistakes = p.mistakes
	if l.values += count(s.root); l.values > MaxValues {
		l.full = &Error{name, 1, 1, "", fmt.Sprintf("the charter is too large here: it has at most %d keys and values in all", MaxValues)}
		return nil
	}
	l.files[name] = s
	l.order = append(l.order, name)
	return nil
}

// walk takes in the files of a folder, level by level: what a level imports is not
// entered.
func (l *loader) walk() error {
	level := []string{"."}
	for depth := 0; len(level) > 0; depth++ {
		var below []string
		for _, dir := range level {
			entries, err := fs.ReadDir(l.folder, dir)
			if err != nil {
				return err
			}
			for _, e := range entries {
				name := path.Join(dir, e.Name())
				switch {
				case strings.HasPrefix(e.Name(), "."):
				case e.IsDir():
					below = append(below, name)
				case (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")) && l.regular(name, e):
					if err := l.read(name, 0); err != nil {
						return err
					}
					if l.full != nil {
						return nil
					}
				}
			}
		}
		imported := l.imported()
		level = slices.DeleteFunc(below, func(dir string) bool { return within(dir+"/", imported) })
		if depth == MaxDepth && len(level) > 0 {
			return fmt.Errorf("%s is %d folders deep; a charter has at most %d", level[0], depth+1, MaxDepth)
		}
	}
	return nil
}

// regular reports whether an entry is a file, or leads to one: mounted
// configuration is often a link to a file of a hidden folder.
func (l *loader) regular(name string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	i, err := fs.Stat(l.folder, name)
	return err == nil && i.Mode().IsRegular()
}

// imported lists the folders and files that the files so far import.
func (l *loader) imported() []string {
	var paths []string
	for _, kind := range []ImportKind{ImportRegistry, ImportBackstage} {
		l.eachImport(kind, func(plain string, _ place) { paths = append(paths, plain) })
	}
	return paths
}

// eachImport calls do for each import of a kind whose path is within the folder.
func (l *loader) eachImport(kind ImportKind, do func(plain string, at place)) {
	for _, name := range l.order {
		for _, one := range pairs(pair(l.files[name].root, "import")) {
			if r := pair(one, string(kind)); r != nil {
				if plain, why := inside(r.Value); why == "" {
					do(plain, place{name, r.Line, r.Column})
				}
			}
		}
	}
}

// catalogues reads the catalogues that the files import.
func (l *loader) catalogues() []*Catalog {
	var all []*Catalog
	l.eachImport(ImportBackstage, func(plain string, at place) {
		c, err := ReadCatalog(l.folder, plain)
		switch errs := Errors(nil); {
		case errors.As(err, &errs):
			l.join(mistakes{errs: errs}) // they name files of their own
		case errors.Is(err, fs.ErrNotExist):
			l.mistakes.fail(at, "import", "backstage %s: there is no such file or folder in the charter's own; put the catalogue there", plain)
		case err != nil:
			l.mistakes.fail(at, "import", "backstage %s: %v", plain, err)
		default:
			all = append(all, c)
		}
	})
	return all
}

// pair gives what stands at a key of a mapping node, or nil.
func pair(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// count counts the keys and values of a node, itself among them.
func count(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	all := 1
	for _, one := range n.Content {
		all += count(one)
	}
	return all
}

// pairs gives the elements of a list node.
func pairs(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// follow takes in what the files include. A file that is there already is not read
// again, so that two may include the same third one.
func (l *loader) follow() {
	for i := 0; i < len(l.order) && l.full == nil; i++ {
		name := l.order[i]
		for _, n := range pairs(pair(l.files[name].root, "include")) {
			at := place{name, n.Line, n.Column}
			if n.Kind != yaml.ScalarNode || n.Value == "" {
				continue // reported with what else is wrong with the list
			}
			plain, why := inside(n.Value)
			if why != "" {
				l.fail(at, "%q %s", telemetry.Clip(n.Value), why)
				continue
			}
			if l.files[plain] != nil {
				continue
			}
			deep := l.files[name].deep + 1
			if deep > MaxDepth {
				l.fail(at, "%q is the end of a chain of %d files that include each other; at most %d may", telemetry.Clip(n.Value), deep, MaxDepth)
				continue
			}
			if err := l.read(plain, deep); l.full != nil {
				return
			} else if err != nil {
				l.fail(at, "%q cannot be read: %v", telemetry.Clip(n.Value), err)
			}
		}
	}
	seen := map[string]int{}
	for _, name := range l.order {
		l.circle(name, seen)
	}
}

// The states of a file while circles are looked for.
const (
	onTheWay = 1 + iota
	behind
)

// circle reports files that include themselves through others. Every file is
// walked once.
func (l *loader) circle(name string, seen map[string]int) {
	if seen[name] != 0 {
		return
	}
	seen[name] = onTheWay
	for _, n := range pairs(pair(l.files[name].root, "include")) {
		plain, why := inside(n.Value)
		if why != "" || l.files[plain] == nil {
			continue
		}
		if seen[plain] == onTheWay {
			l.fail(place{name, n.Line, n.Column}, "%q leads in a circle: it includes this file, itself or through others; remove one", telemetry.Clip(n.Value))
			continue
		}
		l.circle(plain, seen)
	}
	seen[name] = behind
}

func (l *loader) fail(at place, format string, args ...any) {
	l.mistakes.fail(at, "include", format, args...)
}
