package query

import (
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Names gives all names of an attribute, the present one first and then its former
// ones; nil when it has had no other. It is asked with any of them.
type Names func(key string) []string

// maxRenamed bounds the renamed fields of one comparison that are looked for by all
// their names; of more, those behind them by their present name only.
const maxRenamed = 2

// CompileNamed is Compile for spans that were stored under former names too. A
// comparison with such a field holds for the value under the present name and, where
// a span has none, for that under a former one:
//
//	.old = 1  →  .new != nil && .new = 1 || .new = nil && .old != nil && .old = 1 || .new = nil && .old = nil && .new = 1
//
// of which the last part is for what is said of absence. What groups, selects or
// calculates takes the present name alone.
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
	s.expr = r.boolean(s.expr)
	r.spanset(s.l)
	r.spanset(s.r)
	r.stages(s.stages)
	r.series(s.series)
}

func (r renamer) stages(stages []stage) {
	for i := range stages {
		s := &stages[i]
		r.spanset(s.spans)
		if s.name == "compare" {
			s.expr = r.boolean(s.expr)
		} else {
			r.present(s.expr)
		}
		r.present(s.right)
		for _, fields := range [][]placedField{s.fields, s.by} {
			for j := range fields {
				fields[j].field = r.now(fields[j].field)
			}
		}
		if s.other != nil {
			other := []stage{*s.other}
			r.stages(other)
			s.other = &other[0]
		}
	}
}

// of gives all names of a field; nil when it has one.
func (r renamer) of(f Field) []string {
	if f.Key == "" {
		return nil
	}
	if names := r.names(f.Key); len(names) > 1 {
		return names
	}
	return nil
}

// now is the field by its present name.
func (r renamer) now(f Field) Field {
	if names := r.of(f); names != nil {
		f.Key = names[0]
	}
	return f
}

// present gives the fields of what is calculated their present names.
func (r renamer) present(n *node) {
	if n == nil {
		return
	}
	if n.kind == nodeField {
		n.field = r.now(n.field)
	}
	for _, kid := range n.kids {
		r.present(kid)
	}
}

// boolean rewrites the comparisons of a condition.
func (r renamer) boolean(n *node) *node {
	if n == nil {
		return nil
	}
	_, compares := opByName(n.op)
	switch {
	case n.kind == nodeAll || n.kind == nodeAny || n.kind == nodeUnary && n.op == "!":
		for i, kid := range n.kids {
			n.kids[i] = r.boolean(kid)
		}
		return n
	case n.kind == nodeBinary && compares, n.kind == nodeField:
		var fields []Field
		r.renamed(n, &fields)
		for _, f := range fields[min(len(fields), maxRenamed):] {
			n = replaced(n, f, r.now(f))
		}
		for _, f := range fields[:min(len(fields), maxRenamed)] {
			n = r.byAnyName(n, f)
		}
		return n
	}
	return n
}

// renamed lists the fields of n that had other names, each once.
func (r renamer) renamed(n *node, to *[]Field) {
	if n.kind == nodeField && r.of(n.field) != nil {
		for _, f := range *to {
			if f == n.field {
				return
			}
		}
		*to = append(*to, n.field)
	}
	for _, kid := range n.kids {
		r.renamed(kid, to)
	}
}

// byAnyName makes of a condition on f one that holds for the first of its names that
// a span has.
func (r renamer) byAnyName(n *node, f Field) *node {
	either := &node{kind: nodeAny, pos: n.pos, depth: n.depth + 2}
	var absent []*node
	for _, place := range r.places(f) {
		held := append(slices.Clone(absent), nilTest("!=", place, n), replaced(n, f, place))
		either.kids = append(either.kids, &node{kind: nodeAll, pos: n.pos, kids: held, depth: n.depth + 1})
		absent = append(absent, nilTest("=", place, n))
	}
	held := append(absent, replaced(n, f, r.now(f)))
	either.kids = append(either.kids, &node{kind: nodeAll, pos: n.pos, kids: held, depth: n.depth + 1})
	return either
}

// places gives where a field's value may stand, in the order in which it is looked
// for: an unscoped one under any name of the span before the resource.
func (r renamer) places(f Field) []Field {
	scopes := []telemetry.Scope{f.Scope}
	if f.Scope == 0 {
		scopes = []telemetry.Scope{telemetry.ScopeSpan, telemetry.ScopeResource}
	}
	var out []Field
	for _, scope := range scopes {
		for _, name := range r.of(f) {
			place := f
			place.Scope, place.Key = scope, name
			out = append(out, place)
		}
	}
	return out
}

func nilTest(op string, f Field, at *node) *node {
	return &node{kind: nodeBinary, op: op, pos: at.pos, depth: 1, kids: []*node{
		{kind: nodeField, field: f, pos: at.pos}, {kind: nodeValue, value: Value{Type: TypeNil}, pos: at.pos},
	}}
}

// replaced copies a condition with one field in the place of another.
func replaced(n *node, from, to Field) *node {
	out := *n
	if n.kind == nodeField && n.field == from {
		out.field = to
	}
	out.kids = make([]*node, len(n.kids))
	for i, kid := range n.kids {
		out.kids[i] = replaced(kid, from, to)
	}
	return &out
}
