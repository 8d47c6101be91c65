package charter

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Key is what there is to say about one key of the language.
type Key struct {
	Path     string   `json:"key"` // such as services.NAME.tier
	Kind     string   `json:"kind"`
	Doc      string   `json:"meaning"`
	Default  string   `json:"default,omitempty"`
	Bounds   string   `json:"bounds,omitempty"`
	Words    []Word   `json:"words,omitempty"` // when one of them is to be written
	Required bool     `json:"required,omitempty"`
	Example  string   `json:"example,omitempty"`
	Keys     []string `json:"keys,omitempty"` // of a mapping
}

// Word is one of the values that a key may have.
type Word struct {
	Word string `json:"word"`
	Doc  string `json:"meaning,omitempty"`
}

// Keys lists every key of the language in the order in which charters are printed,
// each before those within it.
func Keys() []Key {
	var all []Key
	var walk func(f *field, path string)
	walk = func(f *field, path string) {
		for _, one := range f.inner() {
			at := under(path, one.key)
			if one.key == "" {
				at = under(path, "NAME")
			}
			k := one.describe(at)
			if k.Doc == "" {
				k.Doc = f.doc // the entry of a section is what the section is about
			}
			all = append(all, k)
			walk(one, at)
		}
	}
	walk(language(), "")
	return all
}

func under(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// inner lists the fields within a field, the entry of a map among them. The
// elements of a list are part of it, but the keys of each are its own.
func (f *field) inner() []*field {
	switch {
	case f.kind == kindMap:
		return []*field{f.entry}
	case f.kind == kindList:
		return f.entry.inner()
	}
	return f.fields
}

func (f *field) describe(path string) Key {
	k := Key{Path: path, Kind: f.describeKind(), Doc: f.doc, Default: f.def, Required: f.required, Example: f.example}
	if f.kind == kindMapping || f.kind == kindMap {
		k.Keys = f.keys()
	}
	if f.defFrom != "" {
		k.Default = "as " + f.defFrom
	}
	least, most := f.bounds()
	switch {
	case most != "":
		k.Bounds = least + " to " + most
	case f.kind == kindText && f.spelling != nil:
		k.Bounds = strings.TrimSuffix(f.spelling.mend, " without line breaks")
	case f.kind == kindText && f.most > 0:
		k.Bounds = fmt.Sprintf("%d to %d bytes", f.least, f.most)
	}
	words := f.words
	if f.kind == kindList {
		words = append(slices.Clone(words), f.entry.words...)
	}
	for _, w := range words {
		k.Words = append(k.Words, Word{w.word, w.doc})
	}
	return k
}

// Explain gives what there is to say about a key of the language. NAME stands for
// the names that a charter chooses; one of those may stand in its place. The error
// names the nearest key.
func Explain(key string) (Key, error) {
	var paths []string
	var best Key // the one with the longest path: a name may look like a name and a key
	for _, k := range Keys() {
		if k.Path == key {
			return k, nil
		}
		if sameKey(k.Path, key) && len(k.Path) > len(best.Path) {
			best = k
		}
		paths = append(paths, k.Path)
	}
	if best.Path != "" {
		return best, nil
	}
	if near := nearest(key, paths); near != "" {
		return Key{}, fmt.Errorf("%q is no key of the language; did you mean %s?", key, near)
	}
	return Key{}, fmt.Errorf("%q is no key of the language; the sections are %s", key, strings.Join(language().keys(), ", "))
}

// sameKey compares a path of the language with one in which names may stand for
// NAME. A name may have dots.
func sameKey(path, key string) bool {
	before, after, named := strings.Cut(path, "NAME")
	if !named {
		return path == key
	}
	if !strings.HasPrefix(key, before) || len(key) == len(before) {
		return false
	}
	rest := key[len(before):]
	if after == "" {
		return true
	}
	for i := 1; i <= len(rest); i++ {
		if sameKey(after, rest[i:]) {
			return true
		}
	}
	return false
}

// WriteReference writes the language as a page, docs/charter.md.
func WriteReference(w io.Writer) {
	fmt.Fprint(w, "<!-- Generated from the table in internal/charter by `make generate`: edit the table. -->\n\n# The charter\n\n", referenceHead)
	fmt.Fprintf(w, "## An example\n\nThis is what `clew charter init` writes.\n\n```yaml\n%s```\n", Sample)
	for _, section := range language().fields {
		fmt.Fprintf(w, "\n## %s\n\n%s\n", section.key, section.doc)
		if section.example != "" {
			fmt.Fprintf(w, "\n```yaml\n%s: %s\n```\n", section.key, section.example)
		}
		fmt.Fprint(w, "\n| key | value | default | meaning |\n|---|---|---|---|\n")
		for _, k := range Keys() {
			if k.Path == section.key && section.kind != kindMapping && section.kind != kindMap || strings.HasPrefix(k.Path, section.key+".") {
				if strings.HasSuffix(k.Path, ".NAME") && k.Keys != nil {
					continue // the section itself describes it
				}
				if k.Path == section.key {
					k.Doc = "" // it stands above the table
				}
				fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", k.Path, cell(k.value()), cell(code(k.standard())), cell(k.meaning()))
			}
		}
	}
}

const referenceHead = `The charter is the one file, or the folder of files, that says what holds for the telemetry of a fleet: who owns what, which
names exist and what they mean, what spans promise, what is personal, how long data stays. ` + "`clew up --charter PATH`" + ` reads it,
follows its changes, and keeps the one before when a new one does not check. Without one, all defaults below hold.

- YAML without aliases, merge keys and double keys. A key that the language does not know is an error that names the nearest one.
- Every quantity has one spelling: a duration is a whole number and ms, s, m or h; a size a whole number and B, KiB, MiB, GiB or TiB.
- A charter is one file of at most 1 MiB, with what it includes, or a folder: all its .yaml and .yml, at most 1,000 files, 16 MiB and 8
  folders deep, without hidden ones and without what it imports. Sections of many files are joined; a name or a
  value that two files define is an error. Paths are relative to the charter's folder.
- All errors are reported at once, each with file, line, column, what was found and the mend.

` + "`clew charter check`" + ` reports errors, ` + "`effective`" + ` prints all defaults, ` + "`explain KEY`" + ` says what one key or name means, ` + "`schema`" + ` is for
editors, ` + "`diff`" + ` compares two charters and marks what breaks.

`

func (k Key) value() string {
	s := k.Kind
	if k.Bounds != "" {
		s += ", " + k.Bounds
	}
	if k.Required {
		s += "; mandatory"
	}
	return s
}

func (k Key) standard() string {
	if len(k.Default) > 60 {
		return "" // the meaning of the words says which
	}
	return k.Default
}

func (k Key) meaning() string {
	s := k.Doc
	var words []string
	for _, w := range k.Words {
		if w.Doc != "" {
			words = append(words, "`"+w.Word+"`: "+strings.TrimSuffix(w.Doc, "."))
		}
	}
	if len(words) > 0 {
		s += " " + strings.Join(words, "; ") + "."
	}
	if len(k.Default) > 60 {
		s += " Default: `" + k.Default + "`."
	}
	return strings.TrimSpace(s)
}

func code(s string) string {
	if s == "" || strings.HasPrefix(s, "as ") {
		return s
	}
	return "`" + s + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
