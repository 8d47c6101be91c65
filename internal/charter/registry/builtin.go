package registry

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed semconv.txt
var semconv string

var builtin = sync.OnceValue(func() *Registry {
	r, err := parseTable(semconv)
	if err != nil {
		panic("semconv.txt: " + err.Error()) // TestTable reads every line
	}
	return r
})

// Builtin gives the OpenTelemetry semantic conventions that this program carries:
// their attributes, deprecated ones and their former names among them, but no
// signals. [Registry.Version] says which conventions they are. The table is read
// at the first call.
func Builtin() *Registry { return builtin() }

const builtinName = "opentelemetry.io/schemas"

// parseTable reads semconv.txt; its head says what the columns are.
func parseTable(text string) (*Registry, error) {
	r := &Registry{Name: builtinName}
	lines := strings.Count(text, "\n")
	r.attributes = make([]Attribute, 0, lines/2)
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			if version, ok := strings.CutPrefix(line, "# The OpenTelemetry semantic conventions "); ok {
				version, _, _ = strings.Cut(version, " ")
				version = strings.TrimSuffix(version, ".")
				r.SchemaURL = "https://" + builtinName + "/" + version
				r.source = "semconv " + version
			}
		case strings.HasPrefix(line, "\t"):
			if len(r.attributes) == 0 {
				return nil, fmt.Errorf("line %d: a member without an attribute", number)
			}
			a := &r.attributes[len(r.attributes)-1]
			value, brief, _ := strings.Cut(line[1:], "\t")
			m := Member{ID: value, Value: value, ValueType: valueTypeOf(value), Brief: brief}
			if note, ok := strings.CutPrefix(brief, "! "); ok {
				m.Brief, m.Deprecated = "", deprecatedFrom("uncategorized:"+note)
			}
			a.Members = append(a.Members, m)
		default:
			a, err := parseRow(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			r.attributes = append(r.attributes, a)
		}
	}
	if r.SchemaURL == "" {
		return nil, fmt.Errorf("the first line names no version")
	}
	r.catalog.roots = make(map[string]use, len(r.attributes))
	r.sort()
	for i := range r.attributes {
		a := &r.attributes[i]
		r.catalog.roots[a.Name] = use{name: a.Name, definition: a}
	}
	return r, nil
}

func parseRow(line string) (Attribute, error) {
	var columns [7]string // those at the end may be left out
	n := 0
	for rest, more := line, true; more; n++ {
		if n == len(columns) {
			return Attribute{}, fmt.Errorf("over %d columns", len(columns))
		}
		columns[n], rest, more = strings.Cut(rest, "\t")
	}
	if n < 4 {
		return Attribute{}, fmt.Errorf("%d columns; at least name, type, stability and source stand in a line", n)
	}
	a := Attribute{Name: columns[0], Type: columns[1], Stability: columns[2], Deprecated: deprecatedFrom(columns[4]), Brief: columns[5]}
	if columns[6] != "" {
		a.Examples = []string{columns[6]}
	}
	return a, nil
}

// deprecatedFrom reads reason:new name or reason:note.
func deprecatedFrom(column string) *Deprecated {
	reason, rest, ok := strings.Cut(column, ":")
	switch {
	case !ok:
		return nil
	case reason == "renamed":
		return &Deprecated{Reason: reason, RenamedTo: rest, Note: "Replaced by `" + rest + "`."}
	}
	return &Deprecated{Reason: reason, Note: rest}
}

// valueTypeOf tells the number of a member from a text.
func valueTypeOf(value string) string {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return "string"
	}
	return "int"
}

// Rename is a former name of an attribute and what it is called now.
type Rename struct {
	Old, New         string
	OldType, NewType string
}

// TypeChanged reports whether the values of the old name do not fit the new one.
func (r Rename) TypeChanged() bool { return r.OldType != r.NewType }

// Renames are those that the built-in conventions made, each to the name of today
// through all that came between, sorted by old name.
func Renames() []Rename {
	r := Builtin()
	var out []Rename
	for _, a := range r.attributes {
		to := a
		for range len(r.attributes) { // a circle ends here
			if to.Deprecated == nil || to.Deprecated.RenamedTo == "" {
				break
			}
			next, ok := r.Definition(to.Deprecated.RenamedTo)
			if !ok {
				break
			}
			to = next
		}
		if to.Name != a.Name {
			out = append(out, Rename{a.Name, to.Name, a.Type, to.Type})
		}
	}
	return out
}
