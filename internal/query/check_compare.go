package query

import (
	"math"
	"regexp"
	"regexp/syntax"

	"github.com/clew-dev/clew/internal/telemetry"
)

// compare checks one comparison: its types, its pattern, and on what its fields hang.
func (c *checker) compare(n *node, op Op) (Expr, error) {
	if err := c.count(n.pos); err != nil {
		return nil, err
	}
	l, err := c.operand(n.kids[0])
	if err != nil {
		return nil, err
	}
	r, err := c.operand(n.kids[1])
	if err != nil {
		return nil, err
	}
	if isNil(l) || isNil(r) {
		return c.compareNil(n, op, l, r)
	}
	if _, ok := l.(Lit); ok && op != OpMatch && op != OpNotMatch {
		l, r, op = r, l, mirrored(op) // constants stand on the right, which is what stores expect
	}
	e := Compare{Op: op, L: l, R: r}
	if err := c.types(n, e); err != nil {
		return nil, err
	}
	if err := c.levels(n, e); err != nil {
		return nil, err
	}
	if op == OpMatch || op == OpNotMatch {
		return c.pattern(n, e)
	}
	if a, ok := l.(Lit); ok {
		if b, ok := r.(Lit); ok {
			return Const{compareValues(op, a.Value, b.Value)}, nil
		}
	}
	return c.special(n, e)
}

func mirrored(op Op) Op {
	switch op {
	case OpGt:
		return OpLt
	case OpGe:
		return OpLe
	case OpLt:
		return OpGt
	case OpLe:
		return OpGe
	}
	return op
}

func isNil(o Operand) bool {
	l, ok := o.(Lit)
	return ok && l.Value.Type == TypeNil
}

func (c *checker) compareNil(n *node, op Op, l, r Operand) (Expr, error) {
	if isNil(l) {
		l = r
	}
	f, ok := l.(Ref)
	if !ok || (op != OpEq && op != OpNe) {
		return nil, c.fail(n.pos, "nil can only be compared with a field, by = (is missing) or != (is there)")
	}
	if op == OpEq {
		return Not{Exists(f)}, nil
	}
	return Exists(f), nil
}

// types refuses comparisons that could never hold.
func (c *checker) types(n *node, e Compare) error {
	lt, rt := operandType(e.L), operandType(e.R)
	both := func(t Type) bool { return (lt == t || lt == TypeAny) && (rt == t || rt == TypeAny) }
	numeric := (lt.IsNumeric() || lt == TypeAny) && (rt.IsNumeric() || rt == TypeAny)
	switch {
	case e.Op == OpMatch || e.Op == OpNotMatch:
		if lt != TypeString && lt != TypeAny {
			return c.fail(n.pos, "%s takes text on its left, and this is %s", e.Op, lt)
		}
		if lit, ok := e.R.(Lit); !ok || lit.Value.Type != TypeString {
			return c.fail(n.kids[1].pos, "%s takes a regular expression in quotes on its right", e.Op)
		}
		return nil
	case numeric || both(TypeString):
		return nil
	case both(TypeBool) || (lt == rt && (lt == TypeStatus || lt == TypeKind)):
		if e.Op != OpEq && e.Op != OpNe {
			return c.fail(n.pos, "%s cannot be ordered: use = or !=", rt)
		}
		return nil
	}
	mend := "types are never converted"
	lit, isLit := e.R.(Lit)
	_, leftRef := e.L.(Ref)
	switch {
	case lt == TypeDuration && rt == TypeString:
		mend = "write the duration without quotes, as in 1.5s"
	case lt == TypeStatus:
		mend = "write error, ok or unset without quotes"
	case lt == TypeKind:
		mend = "write server, client, producer, consumer, internal or unspecified without quotes"
	case lt == TypeString:
		mend = "put the text in quotes"
	case isLit && leftRef && (rt == TypeStatus || rt == TypeKind):
		mend = "write " + quote(lit.Value.Text()) + " in quotes, or compare the field status or kind"
	}
	return c.fail(n.pos, "%s is compared with %s, which never holds: %s", lt, rt, mend)
}

// levels refuses a comparison that reads events and links at once: which pairs of
// them it is about would be a guess.
func (c *checker) levels(n *node, e Compare) error {
	if reach := reachOf(e.L, e.R); reach.events && reach.links {
		return c.fail(n.pos, "a comparison of an event with a link is not supported yet: compare each with a value")
	}
	return nil
}

// pattern compiles the regular expression. Its canonical spelling carries every
// flag inside, so that Go and the store's RE2 read the same automaton.
func (c *checker) pattern(n *node, e Compare) (Expr, error) {
	src := e.R.(Lit).Value.Str
	if len(src) > MaxRegex {
		return nil, c.fail(n.kids[1].pos, "the regular expression is over %d bytes: shorten it", MaxRegex)
	}
	parsed, err := syntax.Parse(src, syntax.Perl)
	if err == nil {
		e.Pattern = parsed.String()
		e.Regex, err = regexp.Compile(`^(?:` + e.Pattern + `)$`)
	}
	if err != nil {
		return nil, c.fail(n.kids[1].pos, "%s is no RE2 regular expression: %v", quote(clip(src)), err)
	}
	if l, ok := e.L.(Lit); ok {
		return Const{e.Regex.MatchString(l.Value.Str) == (e.Op == OpMatch)}, nil
	}
	return e, nil
}

// asksForRoots reports whether the comparison is the same for all numbers that a span
// with a parent can have, so that its own row decides it.
func asksForRoots(op Op, v Value) bool {
	negative := v.Type != TypeFloat && v.Int < 0 || v.Type == TypeFloat && (v.Float < 0 || math.IsNaN(v.Float))
	zero := v.Number() == 0 && (op == OpLt || op == OpGe)
	return negative || zero
}

// special brings constants that are compared with ids into the form in which ids are
// stored, and questions for roots into one that needs no other span.
func (c *checker) special(n *node, e Compare) (Expr, error) {
	ref, ok := e.L.(Ref)
	lit, ok2 := e.R.(Lit)
	if !ok || !ok2 {
		return e, nil
	}
	var err error
	var text string
	switch ref.Field.Intrinsic {
	case NestedSetParentLeft:
		if asksForRoots(e.Op, lit.Value) {
			e.L = Ref{IntrinsicField(NestedSetParent)}
		}
		return e, nil
	case TraceIDField, LinkTraceID:
		var id telemetry.TraceID
		id, err = telemetry.ParseTraceID(lit.Value.Str)
		text = id.String()
	case SpanIDField, ParentID, LinkSpanID:
		var id telemetry.SpanID
		id, err = telemetry.ParseSpanID(lit.Value.Str)
		text = id.String()
	default:
		return e, nil
	}
	if err != nil {
		return nil, c.fail(n.kids[1].pos, "%v", err)
	}
	e.R = Lit{Value{Type: TypeString, Str: text}}
	return e, nil
}

// operandType is the static type of an operand; arithmetic keeps the unit of
// durations where that makes sense and is a float otherwise.
func operandType(o Operand) Type {
	switch o := o.(type) {
	case Lit:
		return o.Value.Type
	case Ref:
		return o.Field.Type()
	case Arith:
		l, r := operandType(o.L), operandType(o.R)
		switch {
		case (o.Op == '+' || o.Op == '-') && (l == TypeDuration || r == TypeDuration):
			return TypeDuration
		case o.Op == '*' && (l == TypeDuration) != (r == TypeDuration):
			return TypeDuration
		case o.Op == '/' && l == TypeDuration && r != TypeDuration:
			return TypeDuration
		}
		return TypeFloat
	}
	return TypeAny
}

// wholeParent is nestedSetParent as the number that it is.
func wholeParent(f Field) Field {
	if f.Intrinsic == NestedSetParent {
		f.Intrinsic = NestedSetParentLeft
	}
	return f
}

// operand checks a value, a field or a calculation.
func (c *checker) operand(n *node) (Operand, error) {
	switch n.kind {
	case nodeValue:
		return Lit{n.value}, nil
	case nodeField:
		return Ref{wholeParent(n.field)}, nil
	case nodeUnary:
		if n.op == "-" {
			x, err := c.number(n.kids[0])
			if err != nil {
				return nil, err
			}
			if l, ok := x.(Lit); ok && l.Value.Type != TypeFloat {
				l.Value.Int = -l.Value.Int
				return l, nil
			}
			return fold(Arith{'*', Lit{Value{Type: TypeInt, Int: -1}}, x}), nil
		}
	case nodeBinary:
		if isArithmetic(n.op) {
			l, err := c.number(n.kids[0])
			if err != nil {
				return nil, err
			}
			r, err := c.number(n.kids[1])
			if err != nil {
				return nil, err
			}
			return fold(Arith{n.op[0], l, r}), nil
		}
	}
	return nil, c.fail(n.pos, "a condition cannot be compared or calculated with: join conditions with && and ||, and put what ! applies to in parentheses")
}

func (c *checker) number(n *node) (Operand, error) {
	o, err := c.operand(n)
	if err != nil {
		return nil, err
	}
	if t := operandType(o); t != TypeAny && !t.IsNumeric() {
		return nil, c.fail(n.pos, "%s cannot be calculated with", t)
	}
	return o, nil
}

// fold calculates constants. A whole result becomes an integer or a duration
// again, so that `10 * 1024` compares exactly with integers.
func fold(a Arith) Operand {
	l, ok := a.L.(Lit)
	r, ok2 := a.R.(Lit)
	if !ok || !ok2 {
		return a
	}
	v := arithmetic(a.Op, l.Value.Number(), r.Value.Number())
	const exact = 1 << 53
	if v == math.Trunc(v) && math.Abs(v) <= exact && (v != 0 || !math.Signbit(v)) {
		t := operandType(a)
		if t == TypeFloat && l.Value.Type != TypeFloat && r.Value.Type != TypeFloat {
			t = TypeInt
		}
		if t != TypeFloat {
			return Lit{Value{Type: t, Int: int64(v)}}
		}
	} else if operandType(a) == TypeDuration && math.Abs(v) <= exact {
		return Lit{Value{Type: TypeDuration, Int: int64(math.Round(v))}}
	}
	return Lit{Value{Type: TypeFloat, Float: v}}
}
