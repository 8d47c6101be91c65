package charter

import (
	"maps"
	"slices"
	"strings"
)

// Change is one difference between two charters.
type Change struct {
	What     string `json:"what"`           // added, removed, renamed, changed
	Path     string `json:"path"`           // such as services.checkout or services.checkout.tier
	From     string `json:"from,omitempty"` // what stood there; of renamed the former name
	To       string `json:"to,omitempty"`
	Breaking bool   `json:"breaking"` // whether it breaks those who rely on what was
}

// Diff compares what two charters say, defaults included. Imports are compared by
// their names. The changes are in the order of the language, names by the alphabet.
func Diff(from, to *Charter) []Change {
	d := &differ{to: to, changes: []Change{}}
	d.compare(from.tree.f, from.tree, to.tree, "")
	return d.changes
}

type differ struct {
	to      *Charter
	changes []Change
}

func (d *differ) add(c Change) { d.changes = append(d.changes, c) }

// compare goes down two values of one field, of which either may be nil.
func (d *differ) compare(f *field, a, b *value, path string) {
	switch {
	case f.kind == kindMapping && a != nil && b != nil:
		for _, one := range f.fields {
			if !one.perFile {
				d.compare(one, a.kids[one.key], b.kids[one.key], under(path, one.key))
			}
		}
	case f.kind == kindMap && strings.IndexByte(path, '.') < 0:
		d.names(f, a, b, path)
	default:
		d.leaf(f, a, b, path)
	}
}

// names compares the names of a section.
func (d *differ) names(f *field, a, b *value, path string) {
	renamed := map[string]bool{} // new names that had an old one
	both := map[string]bool{}
	for _, v := range []*value{a, b} {
		for _, name := range v.names() {
			both[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(both))
	for _, name := range names {
		was, is := a.get(name), b.get(name)
		if was == nil || is != nil {
			continue
		}
		to, former := d.to.Canonical(name)
		if f.key == "attributes" && former && b.get(to) != nil && a.get(to) == nil && !renamed[to] {
			renamed[to] = true
			d.add(Change{What: "renamed", Path: under(path, to), From: name, To: to})
			d.compare(f.entry, was, b.get(to), under(path, to))
			continue
		}
		// A rename to a name that was there before takes a name away and breaks nobody.
		d.add(Change{What: "removed", Path: under(path, name), Breaking: f.breaks&breaksRemoved != 0 && !(f.key == "attributes" && former)})
	}
	for _, name := range names {
		was, is := a.get(name), b.get(name)
		switch {
		case is == nil || renamed[name]:
		case was == nil:
			d.add(Change{What: "added", Path: under(path, name), Breaking: f.breaks&breaksAdded != 0})
		default:
			d.compare(f.entry, was, is, under(path, name))
		}
	}
}

// leaf compares two values as they are written.
func (d *differ) leaf(f *field, a, b *value, path string) {
	c := Change{What: "changed", Path: path, From: f.written(a), To: f.written(b)}
	if c.From == c.To {
		return
	}
	gone, come := elements(a), elements(b)
	lost := slices.ContainsFunc(gone, func(s string) bool { return !slices.Contains(come, s) })
	more := slices.ContainsFunc(come, func(s string) bool { return !slices.Contains(gone, s) })
	// Where nothing is said all is allowed: to say something narrows it.
	open := func(v *value) bool { return v == nil || f.def == "[]" && len(v.list) == 0 }
	c.Breaking = f.breaks&breaksChanged != 0 && c.To != "" ||
		f.breaks&breaksRemoved != 0 && lost ||
		f.breaks&breaksAdded != 0 && more ||
		f.breaks&breaksNarrowed != 0 && !open(b) && (open(a) || lost) ||
		f.breaks&breaksRefuse != 0 && c.To == string(ModeRefuse)
	d.add(c)
}

// written gives a value as it stands in a charter. Where nothing is said of a
// choice of words, the first of them holds.
func (f *field) written(v *value) string {
	if v != nil {
		return v.inline()
	}
	if f.kind == kindChoice && len(f.words) > 0 {
		return f.words[0].word
	}
	return ""
}

// elements lists what a value of many parts consists of.
func elements(v *value) []string {
	if v == nil {
		return nil
	}
	if v.f.kind == kindMap {
		return v.names()
	}
	return v.strs()
}
