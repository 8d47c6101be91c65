package query

import "strings"

// Op compares two operands.
type Op uint8

// The comparisons. OpMatch and OpNotMatch take a regular expression on the right.
const (
	OpEq Op = iota
	OpNe
	OpGt
	OpGe
	OpLt
	OpLe
	OpMatch
	OpNotMatch
)

var opNames = [...]string{"=", "!=", ">", ">=", "<", "<=", "=~", "!~"}

// String gives the sign of the language.
func (o Op) String() string { return opNames[o] }

func opByName(s string) (Op, bool) {
	for i, n := range opNames {
		if n == s {
			return Op(i), true
		}
	}
	return 0, false
}

// Query is a parsed text: its shape is known, its types are not yet checked.
type Query struct {
	text   string
	spans  *spanset
	stages []stage
	hints  []hint
}

// spanset is a filter (op "") or a relation of two spansets.
type spanset struct {
	pos   int
	op    string
	expr  *node // filter; nil for { }
	l, r  *spanset
	depth int
}

type nodeKind uint8

const (
	nodeValue  nodeKind = iota
	nodeField           // field
	nodeUnary           // op is ! or -
	nodeBinary          // op compares or calculates
	nodeAll             // && of all kids
	nodeAny             // || of all kids
)

type node struct {
	kind  nodeKind
	pos   int
	op    string
	value Value
	field Field
	kids  []*node
	depth int
}

type stage struct {
	pos       int
	name      string // filter, by, select, coalesce, an aggregate or a metrics function
	expr      *node  // filter: the condition; aggregates: what is aggregated, nil for count
	fields    []placedField
	op        Op    // aggregates
	right     *node // aggregates
	quantiles []Value
	by        []placedField // metrics
}

type placedField struct {
	field Field
	pos   int
}

type hint struct {
	name  string
	value Value
}

// String gives the canonical text: Parse of it gives an equal Query.
func (q *Query) String() string {
	var b strings.Builder
	q.spans.write(&b, 0)
	for i := range q.stages {
		b.WriteString(" | ")
		q.stages[i].write(&b)
	}
	if len(q.hints) > 0 {
		b.WriteString(" with (")
		for i, h := range q.hints {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(h.name + " = " + h.value.String())
		}
		b.WriteByte(')')
	}
	return b.String()
}

// spansetRank orders the relations by how tightly they bind.
func spansetRank(op string) int {
	switch op {
	case "||":
		return 1
	case "&&":
		return 2
	}
	return 3
}

func (s *spanset) write(b *strings.Builder, outer int) {
	if s.op == "" {
		b.WriteString("{ ")
		if s.expr != nil {
			s.expr.write(b, 0)
			b.WriteByte(' ')
		}
		b.WriteByte('}')
		return
	}
	rank := spansetRank(s.op)
	if rank < outer {
		b.WriteByte('(')
	}
	s.l.write(b, rank)
	b.WriteString(" " + s.op + " ")
	s.r.write(b, rank+1)
	if rank < outer {
		b.WriteByte(')')
	}
}

// Ranks of the operators of a filter, from loose to tight.
const (
	rankOr = iota + 1
	rankAnd
	rankCompare
	rankSum
	rankProduct
	rankUnary
	rankPower
)

func rankOf(op string) int {
	switch op {
	case "+", "-":
		return rankSum
	case "*", "/", "%":
		return rankProduct
	case "^":
		return rankPower
	}
	return rankCompare
}

func (n *node) write(b *strings.Builder, outer int) {
	switch n.kind {
	case nodeValue:
		b.WriteString(n.value.String())
	case nodeField:
		b.WriteString(n.field.String())
	case nodeUnary:
		parens := outer > rankUnary
		n.open(b, parens)
		b.WriteString(n.op)
		n.kids[0].write(b, rankUnary)
		n.close(b, parens)
	case nodeAll, nodeAny:
		rank, sign := rankAnd, " && "
		if n.kind == nodeAny {
			rank, sign = rankOr, " || "
		}
		n.open(b, rank < outer)
		for i, k := range n.kids {
			if i > 0 {
				b.WriteString(sign)
			}
			k.write(b, rank+1)
		}
		n.close(b, rank < outer)
	case nodeBinary:
		rank := rankOf(n.op)
		left, right := rank, rank+1
		switch rank {
		case rankPower: // binds to the right: a ^ b ^ c is a ^ (b ^ c), and -a ^ b is -(a ^ b)
			left, right = rank+1, rankUnary
		case rankCompare: // does not chain
			left = rank + 1
		}
		n.open(b, rank < outer)
		n.kids[0].write(b, left)
		b.WriteString(" " + n.op + " ")
		n.kids[1].write(b, right)
		n.close(b, rank < outer)
	}
}

func (n *node) open(b *strings.Builder, yes bool) {
	if yes {
		b.WriteByte('(')
	}
}

func (n *node) close(b *strings.Builder, yes bool) {
	if yes {
		b.WriteByte(')')
	}
}

func (s *stage) write(b *strings.Builder) {
	switch s.name {
	case "filter":
		(&spanset{expr: s.expr}).write(b, 0)
		return
	case "by", "select":
		b.WriteString(s.name + "(" + fieldList(s.fields) + ")")
		return
	}
	b.WriteString(s.name + "(")
	if s.expr != nil {
		s.expr.write(b, 0)
	}
	b.WriteString(fieldList(s.fields))
	for _, q := range s.quantiles {
		b.WriteString(", " + q.String())
	}
	b.WriteByte(')')
	if s.right != nil {
		b.WriteString(" " + s.op.String() + " ")
		s.right.write(b, rankSum)
	}
	if len(s.by) > 0 {
		b.WriteString(" by(" + fieldList(s.by) + ")")
	}
}

func fieldList(fields []placedField) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.field.String()
	}
	return strings.Join(names, ", ")
}
