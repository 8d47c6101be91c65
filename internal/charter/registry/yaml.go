package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// file reads one YAML file and collects what is wrong with it.
type file struct {
	name string
	errs charter.Errors
}

func (f *file) at(n *yaml.Node) place { return place{f.name, n.Line, n.Column} }

func (f *file) fail(n *yaml.Node, path, format string, args ...any) {
	f.errs = append(f.errs, f.at(n).error(path, format, args...))
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parse gives the one document of a file, or nil after reporting why not.
func (f *file) parse(text []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		f.fail(&yaml.Node{}, "", "the file is empty; write groups: or remove the file")
		return nil
	}
	if err == nil {
		if err = d.Decode(&second); errors.Is(err, io.EOF) {
			return doc.Content[0]
		}
		if err == nil {
			f.fail(&second, "", "a second document begins here; write one document a file")
			return nil
		}
	}
	message, at := err.Error(), &yaml.Node{}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	f.fail(at, "", "this is not YAML: %s", message)
	return nil
}

// value follows an alias to a single value. Aliases to more could unfold to any size.
func (f *file) value(n *yaml.Node, path string) (*yaml.Node, bool) {
	if n.Kind != yaml.AliasNode {
		return n, true
	}
	if n.Alias != nil && n.Alias.Kind == yaml.ScalarNode {
		return n.Alias, true
	}
	f.fail(n, path, "the alias *%s stands for more than one value; write it out", telemetry.Clip(n.Value))
	return nil, false
}

// fields calls read for each key of a mapping that is known.
func (f *file) fields(n *yaml.Node, path string, known []string, read func(key string, v *yaml.Node, at string)) {
	f.each(n, path, func(k, v *yaml.Node, at string) {
		if slices.Contains(known, k.Value) {
			read(k.Value, v, at)
		} else if near := nearest(k.Value, known); near != "" {
			f.fail(k, at, "unknown key; did you mean %s?", near)
		} else {
			f.fail(k, at, "unknown key; known here: %s", strings.Join(known, ", "))
		}
	})
}

func (f *file) each(n *yaml.Node, path string, read func(k, v *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode {
		f.fail(n, path, "%s where keys and values are expected", describe(n))
		return
	}
	seen := newKeys(len(n.Content) / 2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			f.fail(k, path, "%s where a key is expected", describe(k))
			continue
		}
		at := join(path, k.Value)
		if line := seen.line(n.Content[:i], k); line > 0 {
			f.fail(k, at, "the key is on line %d already; remove one", line)
			continue
		}
		if v, ok := f.value(n.Content[i+1], at); ok {
			read(k, v, at)
		}
	}
}

// keys finds a key that stands twice: by looking through the few keys that a
// mapping usually has, through an index where there are many.
type keys map[string]int

func newKeys(n int) keys {
	if n <= 32 {
		return nil
	}
	return make(keys, n)
}

// line gives the line on which the key stands before, or 0.
func (s keys) line(before []*yaml.Node, k *yaml.Node) int {
	if s != nil {
		line := s[k.Value]
		if line == 0 {
			s[k.Value] = k.Line
		}
		return line
	}
	for i := 0; i+1 < len(before); i += 2 {
		if before[i].Value == k.Value && before[i].Kind == yaml.ScalarNode {
			return before[i].Line
		}
	}
	return 0
}

// list calls read for each element of a list.
func (f *file) list(n *yaml.Node, path string, read func(v *yaml.Node, at string)) {
	if n.Kind != yaml.SequenceNode {
		f.fail(n, path, "%s where a list is expected; write - before each element", describe(n))
		return
	}
	for i, v := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if v, ok := f.value(v, at); ok {
			read(v, at)
		}
	}
}

func (f *file) text(n *yaml.Node, at string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		f.fail(n, at, "%s where a text is expected", describe(n))
		return ""
	}
	return n.Value
}

func (f *file) word(n *yaml.Node, at string, known []string) string {
	s := f.text(n, at)
	if s != "" && !slices.Contains(known, s) {
		f.fail(n, at, "%q is not known; write one of %s", telemetry.Clip(s), strings.Join(known, ", "))
		return ""
	}
	return s
}

func (f *file) boolean(n *yaml.Node, at string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		f.fail(n, at, "%s where true or false is expected", describe(n))
	}
	return n.Value == "true"
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping stands"
	case n.Kind == yaml.SequenceNode:
		return "a list stands"
	case n.Kind == yaml.AliasNode:
		return "an alias stands"
	case n.Tag == "!!null":
		return "nothing stands"
	}
	return strconv.Quote(telemetry.Clip(n.Value)) + " stands"
}

func join(path, key string) string {
	if path == "" {
		return telemetry.Clip(key)
	}
	return path + "." + telemetry.Clip(key)
}
