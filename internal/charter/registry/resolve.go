package registry

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// catalog is what a registry shows to those that depend on it.
type catalog struct {
	roots  map[string]use    // definitions by name
	groups map[string]*group // by id
}

type mergeState int

const (
	untouched mergeState = iota
	underway
	done
)

type resolver struct {
	*loader
	r            *Registry
	groups       []*group // in the order of files and lines
	byID         map[string]*group
	roots        map[string]use
	dependencies []*Registry
	used         map[string]Attribute // of dependencies
	signals      map[string]bool      // by kind and ID
}

// resolve follows the references of all files and fills the registry.
func resolve(l *loader, r *Registry, contents []content, dependencies []*Registry) {
	s := &resolver{loader: l, r: r, byID: map[string]*group{}, roots: map[string]use{}, dependencies: dependencies,
		used: map[string]Attribute{}, signals: map[string]bool{}}
	for _, c := range contents {
		for _, g := range c.groups {
			s.add(g)
		}
	}
	for _, g := range s.groups {
		s.merge(g, nil)
	}
	for _, g := range s.groups {
		s.emit(g)
	}
	for _, c := range contents {
		for _, i := range c.imports {
			s.take(i)
		}
	}
	if len(l.errs) > 0 {
		return
	}
	r.attributes = make([]Attribute, 0, len(s.roots)+len(s.used))
	for _, u := range s.roots {
		r.attributes = append(r.attributes, *u.definition)
	}
	for _, a := range s.used {
		r.attributes = append(r.attributes, a)
	}
	r.catalog = catalog{s.roots, s.byID}
	r.sort()
}

// add takes a group and its definitions in.
func (s *resolver) add(g *group) {
	if g.id != "" { // the definitions of a file of the second generation have none
		if first := s.byID[g.id]; first != nil {
			s.fail(g.at, g.id, "%s defines it already; give one another id", first.at)
			return
		}
		s.byID[g.id] = g
	}
	s.groups = append(s.groups, g)
	for _, u := range g.uses {
		if u.definition == nil {
			continue
		}
		if s.attributes++; s.attributes == MaxAttributes+1 {
			s.fail(u.at, u.name, "the registry has over %d attributes; split it", MaxAttributes)
		}
		if u.definition.Stability == "" {
			u.definition.Stability = "development"
		}
		first, known := s.roots[u.name]
		if known {
			s.fail(u.at, u.name, "%s defines it already; write ref: %s, or remove one", first.at, telemetry.Clip(u.name))
			continue
		}
		s.roots[u.name] = u
	}
}

// merge gives the attributes of a group with those that it includes and extends.
// What it says itself goes before what it includes, that before what it extends.
func (s *resolver) merge(g *group, way []string) []use {
	if g.state == done {
		return g.merged
	}
	if g.state == underway {
		from := max(slices.Index(way, g.id), 0)
		s.fail(g.at, g.id, "refers to itself: %s; remove one of the references", strings.Join(append(slices.Clone(way[from:]), g.id), " → "))
		return nil
	}
	if len(way) >= MaxDepth {
		s.fail(g.at, g.id, "over %d groups refer to each other in a row; refer to the last directly", MaxDepth)
		return nil
	}
	g.state = underway
	way = append(way, g.id)
	all := map[string]use{}
	if g.extends != "" {
		if base := s.find(g.extends, g, g.at); base != nil {
			s.inherit(g, base)
			for _, u := range s.merge(base, way) {
				all[u.name] = u
			}
		}
	}
	included := map[string]string{} // the group that brought an attribute
	for _, i := range g.includes {
		from := s.find(i.id, g, i.at)
		if from == nil {
			continue
		}
		for _, u := range s.merge(from, way) {
			if other, twice := included[u.name]; twice {
				s.fail(i.at, g.id, "%s comes from %s and from %s; refer to one of them, or to the attribute itself", telemetry.Clip(u.name), other, i.id)
				continue
			}
			included[u.name] = i.id
			all[u.name] = over(all, u)
		}
	}
	for _, u := range g.uses {
		all[u.name] = over(all, u)
	}
	g.state = done
	if s.uses += len(all); s.uses > MaxUses {
		if s.uses-len(all) <= MaxUses {
			s.fail(g.at, g.id, "the groups have over %d attributes together; let fewer extend each other", MaxUses)
		}
		return nil
	}
	g.merged = slices.SortedFunc(maps.Values(all), func(a, b use) int { return cmp.Compare(a.name, b.name) })
	return g.merged
}

// over puts what u says over what is known of its name.
func over(all map[string]use, u use) use {
	base, known := all[u.name]
	if !known || u.definition != nil {
		return u
	}
	if u.level == "" {
		u.level, u.levelNote = base.level, base.levelNote
	}
	u.atStart = cmp.Or(u.atStart, base.atStart)
	u.role = cmp.Or(u.role, base.role)
	u.stability = cmp.Or(u.stability, base.stability)
	u.deprecated = cmp.Or(u.deprecated, base.deprecated)
	u.definition = base.definition
	return u
}

// inherit gives a refinement what it leaves to the signal that it refines.
func (s *resolver) inherit(g, base *group) {
	if !g.refinement {
		return
	}
	if g.kind != base.kind {
		s.fail(g.at, g.id, "refines %s, which is of another kind (%s); refine a %s", g.extends, base.kind, g.kind)
		return
	}
	s.merge(base, []string{g.id}) // so that a base which is a refinement knows its own
	g.spanKind, g.instrument, g.unit = base.spanKind, base.instrument, base.unit
	g.name = cmp.Or(g.name, base.name)
	g.stability = cmp.Or(g.stability, base.stability)
	g.deprecated = cmp.Or(g.deprecated, base.deprecated)
	g.brief = cmp.Or(g.brief, base.brief)
}

// find gives a group of this registry or of one that it depends on.
func (s *resolver) find(id string, from *group, at place) *group {
	if g := s.byID[id]; g != nil {
		return g
	}
	hidden := false
	for _, d := range s.dependencies {
		if g := d.catalog.groups[id]; g != nil {
			if !g.hidden {
				return g
			}
			hidden = true
		}
	}
	switch near := nearest(id, slices.Sorted(maps.Keys(s.byID))); {
	case hidden:
		s.fail(at, from.id, "%s is not to be used by other registries; use another, or define it here", telemetry.Clip(id))
	case near != "":
		s.fail(at, from.id, "no group has the id %s; did you mean %s?", telemetry.Clip(id), near)
	default:
		s.fail(at, from.id, "no group has the id %s; define it, or name the registry that does under dependencies in manifest.yaml", telemetry.Clip(id))
	}
	return nil
}

// root gives the definition behind a name.
func (s *resolver) root(u use, from *group) (use, bool) {
	if root, ok := s.roots[u.name]; ok {
		return root, true
	}
	hidden := false
	for _, d := range s.dependencies {
		if root, ok := d.definition(u.name); ok {
			if !root.hidden {
				s.used[u.name] = *root.definition
				return root, true
			}
			hidden = true
		}
	}
	near := ""
	if !hidden && len(s.errs) < maxErrors { // more would not be reported
		near = nearest(u.name, slices.Sorted(maps.Keys(s.roots)))
	}
	switch {
	case hidden:
		s.fail(u.at, from.id, "%s is not to be used by other registries; use another, or define it here", telemetry.Clip(u.name))
	case near != "":
		s.fail(u.at, from.id, "no attribute is named %s; did you mean %s?", telemetry.Clip(u.name), near)
	default:
		s.fail(u.at, from.id, "no attribute is named %s; define it, or name the registry that does under dependencies in manifest.yaml", telemetry.Clip(u.name))
	}
	return use{}, false
}

// definition is what a registry tells those that depend on it of a name: its own
// definitions and those that it has from others.
func (r *Registry) definition(name string) (use, bool) {
	if u, ok := r.catalog.roots[name]; ok {
		return u, true
	}
	if a, ok := r.Definition(name); ok {
		return use{name: name, definition: &a}, true
	}
	return use{}, false
}

// emit writes a group with all its references followed into the registry.
func (s *resolver) emit(g *group) {
	uses := make([]Use, 0, len(g.merged))
	for _, u := range g.merged {
		root, ok := s.root(u, g)
		if !ok {
			continue
		}
		if u.level == "" {
			u.level, u.levelNote = root.level, root.levelNote
		}
		uses = append(uses, Use{
			Name:        u.name,
			Level:       cmp.Or(u.level, "recommended"),
			LevelNote:   u.levelNote,
			AtStart:     cmp.Or(u.atStart, root.atStart) == "true",
			Identifying: g.kind == kindEntity && cmp.Or(u.role, root.role) == "identifying",
			Stability:   cmp.Or(u.stability, root.definition.Stability),
			Deprecated:  cmp.Or(u.deprecated, root.definition.Deprecated),
		})
	}
	signal := Signal{ID: g.name, Brief: strings.TrimSpace(g.brief), Stability: cmp.Or(g.stability, "development"), Deprecated: g.deprecated, Attributes: uses}
	name := g.name
	if base := s.base(g); base != nil {
		signal.ID, signal.Refines = strings.TrimPrefix(g.id, string(g.kind)+"."), publicName(base)
		name = cmp.Or(name, publicName(base))
	}
	s.signals[string(g.kind)+"."+signal.ID] = true
	switch g.kind {
	case kindSpan:
		s.r.spans = append(s.r.spans, Span{signal, cmp.Or(g.spanKind, "internal")})
	case kindMetric:
		s.r.metrics = append(s.r.metrics, Metric{signal, name, g.instrument, g.unit})
	case kindEvent:
		s.r.events = append(s.r.events, Event{signal, name})
	case kindEntity:
		s.r.entities = append(s.r.entities, Entity{signal})
	}
}

// base gives the signal of the same kind that a group extends, which makes it a refinement.
func (s *resolver) base(g *group) *group {
	if g.extends == "" {
		return nil
	}
	base := s.byID[g.extends]
	for i := 0; base == nil && i < len(s.dependencies); i++ {
		base = s.dependencies[i].catalog.groups[g.extends]
	}
	if base == nil || base.kind != g.kind {
		return nil
	}
	return base
}

// publicName is the name of a signal as others write it.
func publicName(g *group) string {
	return cmp.Or(g.name, strings.TrimPrefix(g.id, string(g.kind)+"."))
}

// take imports the signals of dependencies whose name matches.
func (s *resolver) take(i imports) {
	if _, err := path.Match(i.pattern, ""); err != nil || strings.ContainsAny(i.pattern, "{}/") {
		s.fail(i.at, "imports", "%q is not a pattern; write a name in which * stands for any letters", telemetry.Clip(i.pattern))
		return
	}
	matches := func(name string) bool { ok, _ := path.Match(i.pattern, name); return ok }
	found := false
	for _, d := range s.dependencies {
		uses := func(all []Use) {
			for _, u := range all {
				if a, ok := d.Definition(u.Name); ok && s.roots[u.Name].definition == nil {
					s.used[u.Name] = a
				}
			}
		}
		// wanted takes a signal that matches, is not hidden and not there already.
		wanted := func(sig Signal) bool {
			id := string(i.kind) + "." + sig.ID
			if g := d.catalog.groups[id]; !matches(sig.ID) && !matches(id) || g != nil && g.hidden {
				return false
			}
			found = true
			uses(sig.Attributes)
			taken := s.signals[id]
			s.signals[id] = true
			return !taken
		}
		switch i.kind {
		case kindSpan:
			s.r.spans = appendIf(s.r.spans, d.spans, func(x Span) bool { return wanted(x.Signal) })
		case kindMetric:
			s.r.metrics = appendIf(s.r.metrics, d.metrics, func(x Metric) bool { return wanted(x.Signal) })
		case kindEvent:
			s.r.events = appendIf(s.r.events, d.events, func(x Event) bool { return wanted(x.Signal) })
		case kindEntity:
			s.r.entities = appendIf(s.r.entities, d.entities, func(x Entity) bool { return wanted(x.Signal) })
		case kindAttributes:
			for _, id := range slices.Sorted(maps.Keys(d.catalog.groups)) {
				if g := d.catalog.groups[id]; g.kind == kindAttributes && !g.hidden && (matches(id) || matches(strings.TrimPrefix(id, "registry."))) {
					names := make([]Use, len(g.merged))
					for i, u := range g.merged {
						names[i].Name = u.name
					}
					found = true
					uses(names)
				}
			}
		}
	}
	if !found {
		s.fail(i.at, "imports", "%q matches nothing in the dependencies; mend the name, or remove it", telemetry.Clip(i.pattern))
	}
}

func appendIf[T any](to, from []T, wanted func(T) bool) []T {
	for _, x := range from {
		if wanted(x) {
			to = append(to, x)
		}
	}
	return to
}
