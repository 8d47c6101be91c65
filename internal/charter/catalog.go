package charter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// MaxDocuments bounds what one import of a catalogue reads, over all of its files.
const MaxDocuments = 50_000

// Catalog is what a catalogue of Backstage says of a fleet: who answers for what.
type Catalog struct {
	Teams    []CatalogTeam      // of kind Group, and those that are only named as owners; by name
	Services []CatalogComponent // of kind Component, without libraries and documentation; by name
	Skipped  []string           // what was met and not followed, in sentences
	files    []string           // all that were read
}

// CatalogTeam is a team with where it stands.
type CatalogTeam struct {
	Team
	at place
}

// CatalogComponent is a component that runs, with what a charter has no word for.
type CatalogComponent struct {
	Name, Team              string
	Language                string // go or rust where a tag says so, else empty
	Type, Lifecycle, System string
	DependsOn               []string // services that it names, itself or by their APIs; by name
	at, teamAt              place
}

// ReadCatalog reads catalog-info.yaml files of Backstage as one catalogue: each
// path is a file, or a folder of which all are read, those below included. The error is an Errors with all that is wrong, or that of the file
// system.
func ReadCatalog(folder fs.FS, names ...string) (*Catalog, error) {
	r := &catalogReader{folder: folder, read: map[string]bool{}, entities: map[string]*catalogEntity{}}
	for _, name := range names {
		if err := r.path(path.Clean(name), 0); err != nil {
			return nil, err
		}
	}
	c := r.catalog()
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// catalogNames are what Backstage itself looks for.
var catalogNames = []string{"catalog-info.yaml", "catalog-info.yml"}

// catalogEntity is one document as far as it matters here.
type catalogEntity struct {
	kind, namespace, name             string
	owner, system, lifecycle, typ     catalogText
	email                             catalogText
	annotations                       map[string]catalogText
	links                             []catalogLink
	tags, depends, provides, consumes []catalogText
	at                                place
}

type catalogText struct {
	text string
	at   place
}

type catalogLink struct{ url, title, typ catalogText }

// catalogReader collects the entities of a catalogue.
type catalogReader struct {
	folder    fs.FS
	read      map[string]bool
	order     []string
	entities  map[string]*catalogEntity // kind:namespace/name in small letters
	documents int
	bytes     int64
	full      bool
	skipped   []string
	file      string // that is read now
	mistakes
}

func (r *catalogReader) node(n *yaml.Node) place { return place{r.file, n.Line, n.Column} }

// path reads a file, or all of a folder.
func (r *catalogReader) path(name string, deep int) error {
	i, err := fs.Stat(r.folder, name)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	if !i.IsDir() {
		return r.one(name, deep)
	}
	var named, others []string
	err = fs.WalkDir(r.folder, name, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(file)
		switch {
		case file == name:
		case strings.HasPrefix(base, "."), d.IsDir() && (base == "node_modules" || base == "vendor"):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
			if strings.Count(strings.TrimPrefix(file, name+"/"), "/") >= 4*MaxDepth {
				return fs.SkipDir
			}
		case slices.Contains(catalogNames, base):
			named = append(named, file)
		case strings.HasSuffix(base, ".yaml"), strings.HasSuffix(base, ".yml"):
			others = append(others, file)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	if len(named) == 0 {
		named = others // a folder that is a catalogue, with names of its own
	}
	if len(named) == 0 {
		return fmt.Errorf("read the catalogue: %s has no catalog-info.yaml and no other .yaml; name the file or folder that has", name)
	}
	for _, file := range named {
		if err := r.one(file, deep); err != nil {
			return err
		}
	}
	return nil
}

// one reads a file once.
func (r *catalogReader) one(name string, deep int) error {
	if r.read[name] || r.full {
		return nil
	}
	r.read[name] = true
	r.order = append(r.order, name)
	f, err := r.folder.Open(name)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return fmt.Errorf("read the catalogue: %s: %w", name, err)
	}
	start := place{name, 1, 1}
	if len(text) > MaxBytes {
		r.fail(start, "", "the file is too large; one of a catalogue has at most %d bytes", MaxBytes)
		return nil
	}
	if r.bytes += int64(len(text)); r.bytes > MaxTotalBytes || len(r.order) > MaxFiles {
		r.full = true
		r.fail(start, "", "the catalogue is too large here: it has at most %d files and %d bytes in all", MaxFiles, MaxTotalBytes)
		return nil
	}
	r.file = name
	d := yaml.NewDecoder(bytes.NewReader(text))
	var targets []catalogText
	for !r.full {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p := &parser{name: name}
			p.syntax(err)
			r.join(p.mistakes)
			break
		}
		if r.documents++; r.documents > MaxDocuments {
			r.full = true
			r.fail(r.node(&doc), "", "the catalogue is too large here: it has at most %d documents in all", MaxDocuments)
			break
		}
		if len(doc.Content) == 1 && !(doc.Content[0].Kind == yaml.ScalarNode && doc.Content[0].Tag == "!!null") {
			targets = append(targets, r.document(doc.Content[0])...)
		}
	}
	return r.follow(name, targets, deep)
}

// follow reads what documents of kind Location point to, where that is in the same tree.
func (r *catalogReader) follow(from string, targets []catalogText, deep int) error {
	for _, t := range targets {
		to := path.Join(path.Dir(from), t.text)
		if strings.Contains(t.text, "://") || !fs.ValidPath(to) || path.IsAbs(t.text) {
			r.skipped = append(r.skipped, fmt.Sprintf("%s: the location %q is outside; nothing is downloaded", t.at, telemetry.Clip(t.text)))
			continue
		}
		if deep == MaxDepth {
			r.fail(t.at, "spec.targets", "%q is the end of a chain of %d locations that lead to each other; at most %d may", telemetry.Clip(t.text), deep+1, MaxDepth)
			continue
		}
		files, err := fs.Glob(r.folder, to)
		if err != nil || len(files) == 0 {
			r.fail(t.at, "spec.targets", "%q leads to no file; mend the path, or remove it", telemetry.Clip(t.text))
			continue
		}
		for _, file := range files {
			if i, err := fs.Stat(r.folder, file); err != nil || i.IsDir() {
				r.fail(t.at, "spec.targets", "%q is no file; name catalog-info.yaml in it", telemetry.Clip(file))
				continue
			}
			if err := r.one(file, deep+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// field gives what stands at keys below a mapping, or nil. Aliases are followed:
// what they stand for is looked at and never unfolded.
func catalogField(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		n = pair(plainNode(n), key)
	}
	return plainNode(n)
}

func plainNode(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// text reads a single value; what else stands there is a mistake.
func (r *catalogReader) text(doc *yaml.Node, keys ...string) catalogText {
	n := catalogField(doc, keys...)
	switch {
	case n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return catalogText{}
	case n.Kind != yaml.ScalarNode:
		r.fail(r.node(n), strings.Join(keys, "."), "%s where one value is expected", describe(n))
		return catalogText{}
	}
	return catalogText{strings.TrimSpace(n.Value), r.node(n)}
}

func (r *catalogReader) texts(doc *yaml.Node, keys ...string) []catalogText {
	var out []catalogText
	n := catalogField(doc, keys...)
	if n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(r.node(n), strings.Join(keys, "."), "%s where a list is expected", describe(n))
		return nil
	}
	for _, one := range n.Content {
		if one = plainNode(one); one.Kind == yaml.ScalarNode {
			out = append(out, catalogText{strings.TrimSpace(one.Value), r.node(one)})
		} else {
			r.fail(r.node(one), strings.Join(keys, "."), "%s where one value is expected", describe(one))
		}
	}
	return out
}

// document takes one entity in. It gives the targets of a location.
func (r *catalogReader) document(n *yaml.Node) (targets []catalogText) {
	if n.Kind != yaml.MappingNode {
		r.fail(r.node(n), "", "%s where an entity is expected; write apiVersion, kind, metadata and spec", describe(n))
		return nil
	}
	version, kind := r.text(n, "apiVersion"), r.text(n, "kind")
	if !strings.HasPrefix(version.text, "backstage.io/") {
		if version.text == "" {
			r.fail(r.node(n), "", "apiVersion is missing; write apiVersion: backstage.io/v1alpha1")
		}
		return nil // of a plugin, which says nothing of owners
	}
	if kind.text == "" {
		r.fail(r.node(n), "", "kind is missing; write kind: Component, Group or another")
		return nil
	}
	e := &catalogEntity{kind: strings.ToLower(kind.text), at: r.node(n), namespace: "default"}
	switch e.kind {
	case "location":
		targets = r.texts(n, "spec", "targets")
		if t := r.text(n, "spec", "target"); t.text != "" {
			targets = append(targets, t)
		}
		return targets
	case "component", "api", "system", "group":
	default:
		return nil // a template, a user, a resource: nothing that a charter has
	}
	name := r.text(n, "metadata", "name")
	if name.text == "" {
		r.fail(r.node(n), "metadata", "name is missing; write metadata: { name: … }")
		return nil
	}
	if strings.Contains(name.text, "${{") {
		r.skipped = append(r.skipped, fmt.Sprintf("%s: %s is the name of a template, from which services are made", name.at, telemetry.Clip(name.text)))
		return nil
	}
	e.name, e.at = name.text, name.at
	if space := r.text(n, "metadata", "namespace"); space.text != "" {
		e.namespace = space.text
	}
	e.owner, e.system, e.lifecycle, e.typ = r.text(n, "spec", "owner"), r.text(n, "spec", "system"), r.text(n, "spec", "lifecycle"), r.text(n, "spec", "type")
	if e.kind == "component" {
		e.tags, e.depends = r.texts(n, "metadata", "tags"), r.texts(n, "spec", "dependsOn")
		e.provides, e.consumes = r.texts(n, "spec", "providesApis"), r.texts(n, "spec", "consumesApis")
	}
	if e.kind == "group" {
		r.group(e, n)
	}
	id := e.kind + ":" + strings.ToLower(e.namespace+"/"+e.name)
	if first := r.entities[id]; first != nil {
		r.fail(e.at, "metadata.name", "the %s %s stands at %s already; remove one", e.kind, telemetry.Clip(e.name), first.at)
		return nil
	}
	r.entities[id] = e
	return nil
}

// group reads how a team is reached.
func (r *catalogReader) group(e *catalogEntity, n *yaml.Node) {
	e.email = r.text(n, "spec", "profile", "email")
	e.annotations = map[string]catalogText{}
	if all := catalogField(n, "metadata", "annotations"); all != nil && all.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(all.Content); i += 2 {
			if v := plainNode(all.Content[i+1]); v.Kind == yaml.ScalarNode {
				e.annotations[all.Content[i].Value] = catalogText{strings.TrimSpace(v.Value), r.node(v)}
			}
		}
	}
	links := catalogField(n, "metadata", "links")
	for _, l := range pairs(links) {
		e.links = append(e.links, catalogLink{r.text(plainNode(l), "url"), r.text(plainNode(l), "title"), r.text(plainNode(l), "type")})
	}
}

// mentions reports whether a link says by its type or title that it is one of these.
func (l catalogLink) mentions(words ...string) bool {
	text := strings.ToLower(l.typ.text + " " + l.title.text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// annotationsOfTeams name whom to wake. Keys of integrations are left where they
// are: whoever has one can raise an alarm.
var annotationsOfTeams = []struct{ annotation, prefix string }{{"pagerduty.com/service-id", "pagerduty:"}, {"opsgenie.com/team", "opsgenie:"}}

func (e *catalogEntity) team(name string) CatalogTeam {
	t := CatalogTeam{Team: Team{Name: name}, at: e.at}
	for _, l := range e.links {
		switch {
		case l.url.text == "":
		case t.Contact == "" && l.mentions("slack", "chat", "channel", "contact", "teams"):
			t.Contact = l.url.text
		case t.Runbook == "" && l.mentions("runbook", "on-call", "oncall"):
			t.Runbook = l.url.text
		}
	}
	if t.Contact == "" {
		t.Contact = e.email.text
	}
	for _, a := range annotationsOfTeams {
		if text := e.annotations[a.annotation].text; text != "" && t.Escalation == "" {
			t.Escalation = a.prefix + text
		}
	}
	return t
}

// reference takes apart [kind:][namespace/]name, the whole in small letters: the
// catalogue does not tell them from capitals.
func catalogReference(text, kind, namespace string) string {
	if k, rest, ok := strings.Cut(text, ":"); ok {
		kind, text = k, rest
	}
	if space, rest, ok := strings.Cut(text, "/"); ok {
		namespace, text = space, rest
	}
	return strings.ToLower(kind + ":" + namespace + "/" + text)
}

// teamName is the name of a team in a charter: that of the default namespace is left out.
func teamName(namespace, name string) string {
	if strings.EqualFold(namespace, "default") {
		return name
	}
	return namespace + "/" + name
}

// catalog makes what a charter has of the entities.
func (r *catalogReader) catalog() *Catalog {
	c := &Catalog{Skipped: r.skipped, files: r.order}
	teams := map[string]string{} // reference → name
	ids := make([]string, 0, len(r.entities))
	for id := range r.entities {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	apis := map[string][]string{} // → who provides it
	for _, id := range ids {
		switch e := r.entities[id]; e.kind {
		case "group":
			name := teamName(e.namespace, e.name)
			teams[id] = name
			c.Teams = append(c.Teams, e.team(name))
		case "component":
			for _, api := range e.provides {
				ref := catalogReference(api.text, "api", e.namespace)
				apis[ref] = append(apis[ref], e.name)
			}
		}
	}
	first := map[string]place{}
	for _, id := range ids {
		e := r.entities[id]
		if e.kind != "component" || !e.runs() {
			continue
		}
		if at, twice := first[e.name]; twice {
			r.fail(e.at, "metadata.name", "a service %s stands at %s already, in another namespace; both would have one service.name: rename one", telemetry.Clip(e.name), at)
			continue
		}
		first[e.name] = e.at
		s := CatalogComponent{Name: e.name, Type: e.typ.text, Lifecycle: e.lifecycle.text, System: e.system.text, at: e.at, Language: e.language()}
		owner, namespace := e.owner, e.namespace
		if owner.text == "" && e.system.text != "" {
			if system := r.entities[catalogReference(e.system.text, "system", e.namespace)]; system != nil {
				owner, namespace = system.owner, system.namespace
			}
		}
		if owner.text != "" {
			ref := catalogReference(owner.text, "group", namespace)
			if _, known := teams[ref]; !known {
				teams[ref] = ownerName(owner.text, namespace)
				c.Teams = append(c.Teams, CatalogTeam{Team: Team{Name: teams[ref]}, at: owner.at})
			}
			s.Team, s.teamAt = teams[ref], owner.at
		}
		s.DependsOn = r.depends(e, apis)
		c.Services = append(c.Services, s)
	}
	slices.SortFunc(c.Teams, func(a, b CatalogTeam) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.Services, func(a, b CatalogComponent) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// runs reports whether a component is a program: libraries and documents send nothing.
func (e *catalogEntity) runs() bool {
	return !slices.Contains([]string{"library", "documentation", "docs"}, strings.ToLower(e.typ.text))
}

func (e *catalogEntity) language() string {
	for _, tag := range e.tags {
		switch strings.ToLower(tag.text) {
		case "go", "golang":
			return "go"
		case "rust":
			return "rust"
		}
	}
	return ""
}

// ownerName is the name of a team that only an owner names.
func ownerName(text, namespace string) string {
	if _, rest, ok := strings.Cut(text, ":"); ok {
		text = rest
	}
	if space, rest, ok := strings.Cut(text, "/"); ok {
		return teamName(space, rest)
	}
	return teamName(namespace, text)
}

// depends lists the services that a component says it needs.
func (r *catalogReader) depends(e *catalogEntity, apis map[string][]string) []string {
	var out []string
	for _, d := range e.depends {
		if to := r.entities[catalogReference(d.text, "component", e.namespace)]; to != nil && to.kind == "component" && to.runs() {
			out = append(out, to.name)
		}
	}
	for _, a := range e.consumes {
		out = append(out, apis[catalogReference(a.text, "api", e.namespace)]...)
	}
	out = slices.DeleteFunc(out, func(name string) bool { return name == e.name })
	slices.Sort(out)
	return slices.Compact(out)
}

// catalogues puts teams and services of catalogues behind the charter's own.
func (p *parser) catalogues(all []*Catalog) {
	from := map[string]place{} // team or service → where a catalogue has it
	for _, c := range all {
		for _, t := range c.Teams {
			known := slices.DeleteFunc([][2]string{{"contact", t.Contact}, {"escalation", t.Escalation}, {"runbook", t.Runbook}}, func(f [2]string) bool { return f[1] == "" })
			p.behind("teams", t.Name, t.at, known, from, len(known) == 0)
		}
		for _, s := range c.Services {
			known := slices.DeleteFunc([][2]string{{"team", s.Team}, {"language", s.Language}}, func(f [2]string) bool { return f[1] == "" })
			p.behind("services", s.Name, s.at, known, from, false)
		}
	}
}

// behind says of a name what the charter does not say itself. What two catalogues
// say of one name is a mistake, unless one merely names it.
func (p *parser) behind(section, name string, at place, known [][2]string, from map[string]place, merely bool) {
	p.name = at.file
	if first, twice := from[section+"."+name]; twice && !merely {
		p.fail(at, section+"."+telemetry.Clip(name), "the name stands at %s already, in another catalogue; remove one", first)
		return
	} else if twice {
		return
	}
	if !merely {
		from[section+"."+name] = at
	}
	root := p.root.kids[section]
	if root == nil {
		root = &value{f: p.root.f.field(section), at: at, key: at, path: section, said: true, kids: map[string]*value{}}
		p.root.kids[section] = root
	}
	scalar := func(text string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Line: at.line, Column: at.col}
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Line: at.line, Column: at.col}
	own := root.kids[name]
	for _, f := range known {
		if own.get(f[0]) == nil {
			n.Content = append(n.Content, scalar(f[0]), scalar(f[1]))
		}
	}
	if own != nil {
		p.merge(own, n)
		return
	}
	p.pair(root, scalar(name), n, section+"."+telemetry.Clip(name))
}

// String writes the sections of a charter that say the same, with what a charter
// has no word for as comments.
func (c *Catalog) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "charter: %d\n", Version)
	write := func(fields ...string) {
		var parts []string
		for i := 0; i < len(fields); i += 2 {
			if fields[i+1] != "" {
				parts = append(parts, fields[i]+": "+fields[i+1])
			}
		}
		if len(parts) == 0 {
			b.WriteString(" {}")
			return
		}
		b.WriteString(" { " + strings.Join(parts, ", ") + " }")
	}
	quoted := func(s string) string {
		if s == "" {
			return ""
		}
		return strconv.Quote(s)
	}
	if len(c.Teams) > 0 {
		b.WriteString("teams:\n")
	}
	for _, t := range c.Teams {
		b.WriteString("  " + strconv.Quote(t.Name) + ":")
		write("contact", quoted(t.Contact), "escalation", quoted(t.Escalation), "runbook", quoted(t.Runbook))
		b.WriteString("\n")
	}
	if len(c.Services) > 0 {
		b.WriteString("services:\n")
	}
	for _, s := range c.Services {
		b.WriteString("  " + strconv.Quote(s.Name) + ":")
		write("team", quoted(s.Team), "language", s.Language)
		var facts []string
		for _, f := range [][2]string{{"", s.Type}, {"", s.Lifecycle}, {"system ", s.System}, {"may_call of its contracts, by the catalogue: ", strings.Join(s.DependsOn, ", ")}} {
			if f[1] != "" {
				facts = append(facts, f[0]+strconv.Quote(f[1]))
			}
		}
		if len(facts) > 0 {
			b.WriteString(" # " + strings.ReplaceAll(strings.Join(facts, "; "), `"`, ""))
		}
		b.WriteString("\n")
	}
	return b.String()
}
