package charter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// Version is the version of the language that this package reads.
const Version = 1

// MaxBytes bounds one file of a charter.
const MaxBytes = 1 << 20

// Validate reports everything that is wrong with the text of a charter, or nil.
// file is the name used in messages.
func Validate(file string, text []byte) error {
	_, err := Parse(file, text)
	return err
}

// Parse compiles the text of a charter that is one file and includes no other. The
// error is an Errors with all that is wrong. file is the name used in messages.
//
// What depends on imported words is not judged: see [Charter.Check].
func Parse(file string, text []byte) (*Charter, error) {
	p := newParser()
	n := p.document(file, text)
	if n != nil {
		p.file(file, n)
		if include := p.root.get("include"); include != nil {
			p.fail(include.at, "include", "one text alone can include nothing; give the charter as a file or a folder")
		}
	}
	return p.finish()
}

// parser reads the files of one charter.
type parser struct {
	root    *value
	name    string // of the file that is read now
	version bool   // whether a file said it
	first   place  // of the content of the first file, for what is missing
	mistakes
}

func newParser() *parser {
	return &parser{root: &value{f: language(), kids: map[string]*value{}}}
}

// finish judges the charter as a whole and compiles it.
func (p *parser) finish() (*Charter, error) {
	if len(p.errs) == 0 && !p.version {
		p.fail(p.first, "", "the version is missing; write charter: %d on the first line", Version)
	}
	if len(p.errs) == 0 {
		p.modes()
		p.fill(p.root)
		p.crossCheck()
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return compile(p.root), nil
}

func (p *parser) at(n *yaml.Node) place { return place{p.name, n.Line, n.Column} }

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document reads the YAML of a file; nil when there is nothing to go on with.
func (p *parser) document(name string, text []byte) *yaml.Node {
	p.name = name
	start := place{name, 1, 1}
	if len(text) > MaxBytes {
		p.fail(start, "", "the file has %d bytes; a charter has at most %d", len(text), MaxBytes)
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		p.fail(start, "", "the file is empty; write charter: %d", Version)
		return nil
	} else if err != nil {
		p.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		p.fail(p.at(&second), "", "a second document begins here; a charter is one document")
	} else if !errors.Is(err, io.EOF) {
		p.syntax(err)
		return nil
	}
	return doc.Content[0]
}

// syntax reports an error of the YAML reader, which names a line and no column.
func (p *parser) syntax(err error) {
	text := err.Error()
	at := place{p.name, 1, 1}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if m[1] != "" {
			at.line, _ = strconv.Atoi(m[1])
		}
		text = text[len(m[0]):]
	}
	p.fail(at, "", "this is not YAML: %s", text)
}

// file merges what one file says into the charter.
func (p *parser) file(name string, n *yaml.Node) {
	p.name = name
	if p.first.file == "" {
		p.first = p.at(n)
	}
	if n.Kind != yaml.MappingNode {
		p.fail(p.at(n), "", "%s where keys and values are expected; write charter: %d", describe(n), Version)
		return
	}
	p.merge(p.root, n)
}

// merge reads the pairs of a mapping node into v, of which other files may have
// said something already.
func (p *parser) merge(v *value, n *yaml.Node) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, kid := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			p.fail(p.at(k), v.path, "%s where a key is expected", describe(k))
			continue
		}
		path := join(v.path, k.Value)
		if first := seen[k.Value]; first != nil {
			p.fail(p.at(k), path, "the key is on line %d already; remove one", first.Line)
			continue
		}
		seen[k.Value] = k
		if kid.Kind == yaml.AliasNode {
			p.fail(p.at(kid), path, "an alias (*%s) is not part of the language; write the value out", telemetry.Clip(kid.Value))
			continue
		}
		p.pair(v, k, kid, path)
	}
	for _, f := range v.f.fields {
		if f.required && seen[f.key] == nil && v.f.kind == kindMapping {
			p.fail(p.at(n), v.path, "%s is missing; write %s: %s", f.key, f.key, f.hint())
		}
	}
}

// pair reads one key of a map or a mapping.
func (p *parser) pair(v *value, k, n *yaml.Node, path string) {
	f := v.f.entry
	switch v.f.kind {
	case kindMap:
		if !v.f.spelling.is.MatchString(k.Value) {
			p.fail(p.at(n), v.path, "%q is not %s; write %s", telemetry.Clip(k.Value), v.f.spelling.what, v.f.spelling.mend)
			return
		}
	default:
		if f = v.f.field(k.Value); f == nil {
			p.unknown(v, k, n, path)
			return
		}
	}
	old := v.kids[k.Value]
	if old != nil && !f.perFile {
		if v.f.kind == kindMapping && (f.kind == kindMapping || f.kind == kindMap) {
			if p.mapping(f, n, path) {
				p.merge(old, n)
			}
			return
		}
		what := "the key"
		if v.f.kind == kindMap {
			what = "the name"
		}
		p.fail(p.at(k), path, "%s stands at %s already; remove one", what, old.key)
		return
	}
	kid := p.value(f, n, path)
	if kid == nil {
		return
	}
	kid.key = p.at(k)
	v.kids[k.Value] = kid
	if f.kind == kindVersion {
		p.version = true
	}
}

func (p *parser) unknown(v *value, k, n *yaml.Node, path string) {
	if v.path == "" {
		for _, later := range laterSections {
			if k.Value == later {
				p.fail(p.at(n), path, "not supported by this version yet; remove the section%s", laterMend[later])
				return
			}
		}
	}
	known := func() []string {
		if v.path == "" {
			return append(v.f.keys(), laterSections...)
		}
		return v.f.keys()
	}
	if near := p.nearest(k.Value, known); near != "" {
		p.fail(p.at(k), path, "unknown key; did you mean %s?", near)
		return
	}
	p.fail(p.at(k), path, "unknown key; known here: %s", strings.Join(known(), ", "))
}

// nearest gives the known word that was probably meant. When more is wrong than is
// reported, it does not search: it would cost time and nobody would see it.
func (p *parser) nearest(s string, known func() []string) string {
	if p.count() > maxErrors {
		return ""
	}
	return nearest(s, known())
}

// mapping reports whether a node is a mapping, and says so when it is not.
func (p *parser) mapping(f *field, n *yaml.Node, path string) bool {
	if n.Kind == yaml.MappingNode {
		return true
	}
	mend := "{ NAME: … }"
	if f.kind == kindMapping {
		mend = "{ " + f.fields[0].key + ": … }"
	}
	if f.key != "" {
		mend = f.key + ": " + mend
	}
	p.fail(p.at(n), path, "%s where keys and values are expected; write %s", describe(n), mend)
	return false
}

// value reads what stands at a key; nil when it does not check.
func (p *parser) value(f *field, n *yaml.Node, path string) *value {
	v := &value{f: f, at: p.at(n), key: p.at(n), path: path, said: true}
	ok := true
	switch f.kind {
	case kindMap, kindMapping:
		if !p.mapping(f, n, path) {
			return nil
		}
		v.kids = map[string]*value{}
		p.merge(v, n)
	case kindChoice:
		ok = p.choice(v, n)
	case kindList:
		ok = p.list(v, n)
	default:
		ok = p.scalar(v, n)
	}
	if !ok {
		return nil
	}
	return v
}

// choice reads one of the words of a field, or a mapping of exactly one of its fields.
func (p *parser) choice(v *value, n *yaml.Node) bool {
	f := v.f
	if n.Kind != yaml.MappingNode {
		if len(f.words) > 0 {
			return p.scalar(v, n)
		}
		p.fail(v.at, v.path, "%s where keys and values are expected; write %s", describe(n), f.describeKind())
		return false
	}
	v.kids = map[string]*value{}
	before := p.count()
	p.merge(v, n)
	if p.count() > before {
		return false
	}
	if len(v.kids) != 1 {
		p.fail(v.at, v.path, "%d keys where one is expected; write %s", len(v.kids), f.describeKind())
		return false
	}
	return true
}

func (p *parser) list(v *value, n *yaml.Node) bool {
	f := v.f
	if n.Kind != yaml.SequenceNode {
		if len(f.words) > 0 && n.Kind == yaml.ScalarNode {
			return p.scalar(v, n)
		}
		p.fail(v.at, v.path, "%s where a list is expected; write %s: %s", describe(n), f.key, f.hint())
		return false
	}
	seen := map[string]int{}
	v.list = []*value{}
	for _, one := range n.Content {
		if one.Kind == yaml.AliasNode {
			p.fail(p.at(one), v.path, "an alias (*%s) is not part of the language; write the value out", telemetry.Clip(one.Value))
			continue
		}
		kid := p.value(f.entry, one, v.path)
		if kid == nil {
			continue
		}
		id := kid.inline()
		if first, twice := seen[id]; twice {
			p.fail(kid.at, v.path, "%s is on line %d already; remove one", telemetry.Clip(id), first)
			continue
		}
		seen[id] = kid.at.line
		v.list = append(v.list, kid)
	}
	return true
}

// scalar reads a value of one line into v.
func (p *parser) scalar(v *value, n *yaml.Node) bool {
	f := v.f
	if f.kind == kindVersion {
		if n.Value != strconv.Itoa(Version) || n.Kind != yaml.ScalarNode {
			p.fail(v.at, v.path, "%s is not a version this clew reads; write %d", describe(n), Version)
			return false
		}
		v.text, v.n = n.Value, Version
		return true
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fail(v.at, v.path, "%s where one value is expected", describe(n))
		return false
	}
	v.text = n.Value
	switch f.kind {
	case kindText:
		return p.spelled(v)
	case kindBool:
		if v.text != "true" && v.text != "false" {
			p.fail(v.at, v.path, "%q is neither true nor false; write one of them", telemetry.Clip(v.text))
			return false
		}
		if v.text == "true" {
			v.n = 1
		}
		return true
	case kindWord, kindChoice, kindList:
		return p.word(v)
	}
	return p.quantity(v)
}

// spelled checks a text by its length or its pattern.
func (p *parser) spelled(v *value) bool {
	f, noun := v.f, v.f.noun
	if noun == "" {
		noun = "text"
	}
	if f.spelling != nil && !f.spelling.is.MatchString(v.text) {
		p.fail(v.at, v.path, "%q is not %s; write %s", telemetry.Clip(v.text), f.spelling.what, f.spelling.mend)
		return false
	}
	if f.most > 0 && (int64(len(v.text)) < f.least || int64(len(v.text)) > f.most) {
		p.fail(v.at, v.path, "the %s has %d bytes; write %d to %d", noun, len(v.text), f.least, f.most)
		return false
	}
	return true
}

func (p *parser) word(v *value) bool {
	for _, w := range v.f.words {
		if v.text == w.word {
			return true
		}
	}
	if why := v.f.denied[v.text]; why != "" {
		p.fail(v.at, v.path, "%q %s", v.text, why)
		return false
	}
	if near := p.nearest(v.text, v.f.wordNames); near != "" {
		p.fail(v.at, v.path, "%q is not known here; did you mean %s?", telemetry.Clip(v.text), near)
		return false
	}
	what := v.f.describeKind()
	switch v.f.kind {
	case kindWord:
		what = v.f.oneOf()
	case kindList:
		what = v.f.hint() + " or one of " + v.f.wordList()
	}
	p.fail(v.at, v.path, "%q is not known here; write %s", telemetry.Clip(v.text), what)
	return false
}

// quantity reads a count, a duration or a size and gives it its one spelling.
func (p *parser) quantity(v *value) bool {
	f, s := v.f, v.text
	least, most := f.bounds()
	quoted, bad := strconv.Quote(telemetry.Clip(s)), ""
	switch f.kind {
	case kindDuration:
		var d time.Duration
		d, bad = parseDuration(s)
		v.n, v.text = int64(d), formatDuration(d)
	case kindBytes:
		v.n, bad = parseBytes(s)
		v.text = formatBytes(v.n)
	default:
		n, err := strconv.Atoi(s)
		if err != nil || strconv.Itoa(n) != s {
			bad = fmt.Sprintf("is not a whole number; write one from %s to %s", least, most)
		}
		v.n = int64(n)
		if bad == "" {
			quoted = s
		}
	}
	switch {
	case bad != "":
		p.fail(v.at, v.path, "%s %s", quoted, bad)
	case v.n < f.least:
		p.fail(v.at, v.path, "%s is under %s; write %s or more", quoted, least, least)
	case v.n > f.most:
		p.fail(v.at, v.path, "%s is over %s; write %s or less", quoted, most, most)
	default:
		return true
	}
	return false
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
	return strconv.Quote(telemetry.Clip(n.Value))
}

func join(path, key string) string {
	if path == "" {
		return telemetry.Clip(key)
	}
	return path + "." + telemetry.Clip(key)
}
