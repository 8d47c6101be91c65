package query

import (
	"slices"
	"strings"
)

// Names gives all names of an attribute, the present one first and then its former
// ones; nil when it has had no other. It is asked with any of them.
type Names func(key string) []string

// CompileNamed is Compile for spans that were stored under former names too: each
// field, by whichever name it is asked for, has the value under the present name and,
// where a span has none of any type, that under a former one, in their order.
func CompileNamed(text string, names Names) (*Plan, error) {
	q, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if names != nil {
		r := renamer{names}
		if q.series != nil {
			r.series(q.series)
		} else {
			r.spanset(q.spans)
			r.stages(q.stages)
		}
	}
	return q.Plan()
}

// Named gives the field by its present name and with its former ones.
func (f Field) Named(names Names) Field {
	if f.Key == "" || names == nil {
		return f
	}
	if all := names(f.Key); len(all) > 1 {
		f.Key, f.Former = all[0], strings.Join(all[1:], formerEnd)+formerEnd
	}
	return f
}

// formerEnd ends each name in Field.Former. No name of a charter has one.
const formerEnd = "\n"

// Keys gives the names under which the field may be stored, in the order in which
// they are looked for.
func (f Field) Keys() []string {
	if f.Former == "" {
		return []string{f.Key}
	}
	return append([]string{f.Key}, strings.Split(strings.TrimSuffix(f.Former, formerEnd), formerEnd)...)
}

// Has reports whether the field may be stored under the key.
func (f Field) Has(key string) bool {
	return f.Key == key || f.Former != "" && slices.Contains(f.Keys(), key)
}

// PresentNames replaces former names of attributes by the present ones, each once and in order.
func PresentNames(keys []string, names Names) []string {
	if names == nil {
		return keys
	}
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = Field{Key: key}.Named(names).Key
	}
	slices.Sort(out)
	return slices.Compact(out)
}

type renamer struct{ names Names }

func (r renamer) series(s *series) {
	if s == nil {
		return
	}
	if s.spans != nil {
		r.spanset(s.spans)
	}
	r.stages(s.stages)
	r.series(s.l)
	r.series(s.r)
}

func (r renamer) spanset(s *spanset) {
	if s == nil {
		return
	}
	r.node(s.expr)
	r.spanset(s.l)
	r.spanset(s.r)
	r.stages(s.stages)
	r.series(s.series)
}

func (r renamer) stages(stages []stage) {
	for i := range stages {
		s := &stages[i]
		r.spanset(s.spans)
		r.node(s.expr)
		r.node(s.right)
		for _, fields := range [][]placedField{s.fields, s.by} {
			for j := range fields {
				fields[j].field = fields[j].field.Named(r.names)
			}
		}
		if s.other != nil {
			other := []stage{*s.other}
			r.stages(other)
			s.other = &other[0]
		}
	}
}

func (r renamer) node(n *node) {
	if n == nil {
		return
	}
	if n.kind == nodeField {
		n.field = n.field.Named(r.names)
	}
	for _, kid := range n.kids {
		r.node(kid)
	}
}
