package query

import (
	"fmt"
	"strings"
)

// writer builds the text of plans.
type writer struct{ strings.Builder }

// String draws the plan as a tree; see the package comment for an example.
func (p *Plan) String() string {
	root := treeNode{text: "plan"}
	for _, need := range []struct {
		on   bool
		text string
	}{{p.NeedsStructure, "structure"}, {p.NeedsTrace, "whole traces"}, {p.NeedsEvents, "events"}, {p.NeedsLinks, "links"}} {
		if need.on {
			if root.text == "plan" {
				root.text += " needs " + need.text
			} else {
				root.text += ", " + need.text
			}
		}
	}
	p.parts(&root)
	var b strings.Builder
	root.write(&b, "", "")
	return b.String()
}

// parts hangs what the plan is made of below a node.
func (p *Plan) parts(root *treeNode) {
	if p.Metrics != nil && p.Metrics.Calculation != nil {
		root.kids = append(root.kids, treeNode{text: "calculate " + p.Metrics.Calculation.String()})
		for i, part := range p.Metrics.Calculation.Parts {
			n := treeNode{text: fmt.Sprintf("series %d", i)}
			part.parts(&n)
			root.kids = append(root.kids, n)
		}
		return
	}
	spans := p.Spans.tree()
	spans.text = "spans " + spans.text
	root.kids = append(root.kids, spans)
	for i, l := range p.Leaves {
		root.kids = append(root.kids, treeNode{text: fmt.Sprintf("leaf %d: %s", i, ExprString(l))})
	}
	for _, s := range p.Stages {
		root.kids = append(root.kids, s.tree())
	}
	if len(p.Select) > 0 {
		root.kids = append(root.kids, treeNode{text: "select " + joinFields(p.Select)})
	}
	if p.Metrics != nil {
		root.kids = append(root.kids, treeNode{text: "metrics " + p.Metrics.String()})
	}
}

type treeNode struct {
	text string
	kids []treeNode
}

func (n treeNode) write(b *strings.Builder, first, rest string) {
	b.WriteString(first + n.text + "\n")
	for i, k := range n.kids {
		if i == len(n.kids)-1 {
			k.write(b, rest+"└─ ", rest+"   ")
		} else {
			k.write(b, rest+"├─ ", rest+"│  ")
		}
	}
}

func (s *SpanExpr) tree() treeNode {
	switch s.Op {
	case "":
		return treeNode{text: fmt.Sprintf("leaf %d", s.Leaf)}
	case OpPipe:
		n := treeNode{"pipeline", []treeNode{s.L.tree()}}
		for _, st := range s.Stages {
			n.kids = append(n.kids, st.tree())
		}
		return n
	}
	return treeNode{s.Op, []treeNode{s.L.tree(), s.R.tree()}}
}

// ExprString gives the text of a condition, as it could stand in a filter.
func ExprString(e Expr) string {
	var w writer
	e.write(&w, false)
	return w.String()
}

// OperandString gives the text of an operand.
func OperandString(o Operand) string {
	var w writer
	o.operand(&w, false)
	return w.String()
}

func (s Stage) tree() treeNode {
	if s.Kind == StageRelate {
		n := s.Spans.tree()
		n.text = "stage " + n.text
		return n
	}
	return treeNode{text: "stage " + s.String()}
}

func (c Call) String() string {
	if c.Arg == nil {
		return c.Func.String() + "()"
	}
	return c.Func.String() + "(" + OperandString(c.Arg) + ")"
}

func (s Stage) String() string {
	switch s.Kind {
	case StageFilter:
		return "{ " + ExprString(s.Filter) + " }"
	case StageBy:
		return "by(" + joinFields(s.By) + ")"
	case StageCoalesce:
		return "coalesce()"
	}
	right := s.Value.String()
	if s.Other != nil {
		right = s.Other.String()
	}
	return fmt.Sprintf("%s %s %s", Call{s.Func, s.Arg}, s.Op, right)
}

// String gives the text of the metrics stage.
func (m *Metrics) String() string {
	var b strings.Builder
	b.WriteString(m.Name + "(")
	if c := m.Compare; c != nil {
		fmt.Fprintf(&b, "{ %s }, %d", ExprString(c.Selection), c.Top)
		if c.Range != everything {
			fmt.Fprintf(&b, ", %d, %d", c.Range.Start, c.Range.End)
		}
	}
	if m.Arg != nil {
		b.WriteString(OperandString(m.Arg))
	}
	for _, q := range m.Quantiles {
		fmt.Fprintf(&b, ", %v", q)
	}
	b.WriteString(")")
	if len(m.By) > 0 {
		b.WriteString(" by(" + joinFields(m.By) + ")")
	}
	if m.Seconds {
		b.WriteString(" in seconds")
	}
	for _, s := range m.Then {
		b.WriteString(", " + s.String())
	}
	if m.Exemplars > 0 {
		fmt.Fprintf(&b, ", %d exemplars a series", m.Exemplars)
	}
	return b.String()
}

// String gives the stage in words.
func (s SeriesStage) String() string {
	switch s.Kind {
	case SeriesTop:
		return fmt.Sprintf("the %d largest of a step", s.N)
	case SeriesBottom:
		return fmt.Sprintf("the %d smallest of a step", s.N)
	}
	return fmt.Sprintf("values %s %v", s.Op, s.Value)
}

func joinFields(fields []Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.String()
	}
	return strings.Join(names, ", ")
}

func (w *writer) list(xs []Expr, sign string, tight bool) {
	if tight {
		w.WriteByte('(')
	}
	for i, x := range xs {
		if i > 0 {
			w.WriteString(sign)
		}
		x.write(w, true)
	}
	if tight {
		w.WriteByte(')')
	}
}

func (e And) write(w *writer, tight bool) { w.list(e.Xs, " && ", tight) }

func (e Or) write(w *writer, tight bool) { w.list(e.Xs, " || ", tight) }

func (e Not) write(w *writer, _ bool) {
	if x, ok := e.X.(Exists); ok {
		w.WriteString(x.Field.String() + " = nil")
		return
	}
	w.WriteString("!(")
	e.X.write(w, false)
	w.WriteByte(')')
}

func (e Const) write(w *writer, _ bool) { fmt.Fprint(w, e.Value) }

func (e Compare) write(w *writer, _ bool) {
	e.L.operand(w, false)
	w.WriteString(" " + e.Op.String() + " ")
	e.R.operand(w, false)
}

func (e Exists) write(w *writer, _ bool) { w.WriteString(e.Field.String() + " != nil") }

func (o Lit) operand(w *writer, _ bool) { w.WriteString(o.Value.String()) }

func (o Ref) operand(w *writer, _ bool) { w.WriteString(o.Field.String()) }

func (o Arith) operand(w *writer, tight bool) {
	if tight {
		w.WriteByte('(')
	}
	o.L.operand(w, true)
	w.WriteString(" " + string(o.Op) + " ")
	o.R.operand(w, true)
	if tight {
		w.WriteByte(')')
	}
}
