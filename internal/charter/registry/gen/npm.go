package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// npmAttribute is what the npm package says of a name.
type npmAttribute struct {
	name, brief, example, deprecated string
	stable, template                 bool
	members                          []npmMember
}

type npmMember struct {
	value, brief, deprecated string
}

type npmFacts struct {
	version    string
	attributes map[string]*npmAttribute
	constants  map[string]*npmAttribute // a stable enum has members in the file of what is experimental
}

// block is a comment and the constant that it describes, as the package's builds have them.
var block = regexp.MustCompile(`(?s)/\*\*\n(.*?)\*/\n(?:export )?const (\w+) = (.*?);\n`)

var (
	templateName = regexp.MustCompile("^\\(key\\) => `([^`]+)\\.\\$\\{key\\}`$")
	memberOf     = regexp.MustCompile(`for attribute \{@link (\w+)\}\.?`)
	stars        = regexp.MustCompile(`(?m)^ ?\* ?`)
)

func readNPM(folder string) (*npmFacts, error) {
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return nil, err
	}
	n := &npmFacts{attributes: map[string]*npmAttribute{}, constants: map[string]*npmAttribute{}}
	var pkg struct{ Name, Version string }
	if err := json.Unmarshal(text, &pkg); err != nil {
		return nil, err
	}
	if pkg.Name != "@opentelemetry/semantic-conventions" {
		return nil, fmt.Errorf("%s holds the package %q; name that of @opentelemetry/semantic-conventions", folder, pkg.Name)
	}
	n.version = pkg.Version
	for _, name := range []string{"stable", "experimental"} {
		files, _ := filepath.Glob(filepath.Join(folder, "dist", name+"_attributes.mjs"))
		if len(files) == 0 {
			return nil, errors.New("the npm package has no dist/" + name + "_attributes.mjs; this generator reads 1.45.0")
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			return nil, err
		}
		if err := n.read(string(text), name == "stable"); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *npmFacts) read(text string, stable bool) error {
	blocks := block.FindAllStringSubmatch(text, -1)
	for _, b := range blocks {
		if !strings.HasPrefix(b[2], "ATTR_") {
			continue
		}
		d := document(b[1])
		a := &npmAttribute{brief: d.text, example: d.example, deprecated: d.deprecated, stable: stable}
		if m := templateName.FindStringSubmatch(b[3]); m != nil {
			a.name, a.template = m[1], true
		} else if err := json.Unmarshal([]byte(b[3]), &a.name); err != nil {
			return fmt.Errorf("read %s = %s: %w", b[2], b[3], err)
		}
		n.constants[b[2]], n.attributes[a.name] = a, a
	}
	for _, b := range blocks {
		d := document(b[1])
		m := memberOf.FindStringSubmatch(d.text)
		if m == nil || n.constants[m[1]] == nil {
			continue
		}
		_, brief, _ := strings.Cut(d.text, m[0])
		one := npmMember{value: b[3], brief: strings.TrimSpace(brief), deprecated: d.deprecated}
		_ = json.Unmarshal([]byte(b[3]), &one.value) // a number stays as it is written
		n.constants[m[1]].members = append(n.constants[m[1]].members, one)
	}
	return nil
}

type documentation struct{ text, example, deprecated string }

// document takes a comment apart at its @ tags.
func document(comment string) (d documentation) {
	parts := strings.Split("\n"+stars.ReplaceAllString(comment, ""), "\n@")
	d.text = oneLine(parts[0])
	for _, part := range parts[1:] {
		tag, rest, _ := strings.Cut(part, " ")
		switch tag {
		case "example":
			if d.example == "" {
				d.example = oneLine(rest)
			}
		case "deprecated":
			d.deprecated = oneLine(rest)
		}
	}
	return d
}
