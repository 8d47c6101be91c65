package query

import (
	"strconv"
	"strings"
)

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
	series *series // instead of spans and stages
	hints  []hint
}

// spanset is a filter (op ""), a relation of two spansets, or a pipeline in
// parentheses (OpPipe), whose spans come out of the stages behind l. While a query is
// read, what turns out to be series stands in one, and nothing else is set.
type spanset struct {
	pos    int
	op     string
	expr   *node // filter; nil for { }
	l, r   *spanset
	stages []stage
	series *series
	depth  int
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
	name      string   // filter, or the word of the language
	spans     *spanset // filter
	expr      *node    // aggregates and metrics: what of, nil for count; compare: the selection, nil for { }
	fields    []placedField
	by        []placedField // metrics
	quantiles []Value
	numbers   []int64 // topk, bottomk: how many; compare: how many values, start, end
	op        Op      // of aggregates and of values of series; set when right or other is
	right     *node
	other     *stage // an aggregate instead of right
}

type placedField struct {
	field Field
	pos   int
}

type hint struct {
	pos   int
	name  string
	value Value
}

// String gives the canonical text: Parse of it gives an equal Query.
func (q *Query) String() string {
	var b strings.Builder
	if q.series != nil {
		q.series.write(&b, 0)
	} else {
		q.spans.write(&b, 0)
		writeStages(&b, q.stages)
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

func writeStages(b *strings.Builder, stages []stage) {
	for i := range stages {
		b.WriteString(" | ")
		stages[i].write(b)
	}
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
	if s.op == OpPipe {
		b.WriteByte('(')
		s.l.write(b, 0)
		writeStages(b, s.stages)
		b.WriteByte(')')
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

func (s *series) write(b *strings.Builder, outer int) {
	parens := func(yes bool, sign string) {
		if yes {
			b.WriteString(sign)
		}
	}
	switch s.op {
	case opNumber:
		b.WriteString(s.value.String())
	case opSeries:
		b.WriteByte('(')
		s.spans.write(b, 0)
		writeStages(b, s.stages)
		b.WriteByte(')')
	case opThen:
		parens(outer > 0, "(")
		s.l.write(b, rankSum)
		stages := s.stages
		if stages[0].name == "" {
			stages[0].compared(b)
			stages = stages[1:]
		}
		writeStages(b, stages)
		parens(outer > 0, ")")
	default:
		rank := rankOf(s.op)
		parens(rank < outer, "(")
		s.l.write(b, rank)
		b.WriteString(" " + s.op + " ")
		s.r.write(b, rank+1)
		parens(rank < outer, ")")
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
	if s.name == "filter" {
		s.spans.write(b, 0)
		return
	}
	s.call(b)
	if len(s.by) > 0 {
		b.WriteString(" by(" + fieldList(s.by) + ")")
	}
	switch {
	case s.other != nil:
		b.WriteString(" " + s.op.String() + " ")
		s.other.call(b)
	case s.right != nil:
		s.compared(b)
	}
}

func (s *stage) compared(b *strings.Builder) {
	b.WriteString(" " + s.op.String() + " ")
	s.right.write(b, rankSum)
}

// call writes the name and what stands in the parentheses.
func (s *stage) call(b *strings.Builder) {
	b.WriteString(s.name + "(")
	var args []string
	switch {
	case s.name == "compare":
		var f strings.Builder
		(&spanset{expr: s.expr}).write(&f, 0)
		args = append(args, f.String())
	case s.expr != nil:
		var e strings.Builder
		s.expr.write(&e, 0)
		args = append(args, e.String())
	case len(s.fields) > 0:
		args = append(args, fieldList(s.fields))
	}
	for _, q := range s.quantiles {
		args = append(args, q.String())
	}
	for _, n := range s.numbers {
		args = append(args, strconv.FormatInt(n, 10))
	}
	b.WriteString(strings.Join(args, ", ") + ")")
}

func fieldList(fields []placedField) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.field.String()
	}
	return strings.Join(names, ", ")
}
