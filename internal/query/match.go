package query

import (
	"math"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Eval tells whether e holds for the span at row of b. For many rows, Match and
// a Reader are cheaper.
func Eval(e Expr, b *telemetry.Batch, row int) bool { return NewReader(b).Eval(e, row) }

// Match answers Eval for every row at once. Comparisons of a field with a
// constant go through columns: once per distinct text, resource or scope; the
// rest goes row by row.
func Match(e Expr, r *Reader) []bool {
	n := r.b.Spans.N
	out := make([]bool, n)
	switch e := e.(type) {
	case Const:
		if e.Value {
			fillTrue(out)
		}
	case Not:
		out = Match(e.X, r)
		for i := range out {
			out[i] = !out[i]
		}
	case And:
		fillTrue(out)
		for _, x := range e.Xs {
			for i, ok := range Match(x, r) {
				out[i] = out[i] && ok
			}
		}
	case Or:
		for _, x := range e.Xs {
			for i, ok := range Match(x, r) {
				out[i] = out[i] || ok
			}
		}
	case Compare:
		if !r.matchColumn(e, out) {
			r.matchRows(e, out)
		}
	default:
		r.matchRows(e, out)
	}
	return out
}

func fillTrue(b []bool) {
	for i := range b {
		b[i] = true
	}
}

func (r *Reader) matchRows(e Expr, out []bool) {
	for row := range out {
		out[row] = r.Eval(e, row)
	}
}

// matchColumn sets out for `field op constant` where the field has a column.
func (r *Reader) matchColumn(e Compare, out []bool) bool {
	ref, ok := e.L.(Ref)
	lit, ok2 := e.R.(Lit)
	if !ok || !ok2 || ref.Field.Parent {
		return false
	}
	s := &r.b.Spans
	if ref.Field, ok = r.single(ref.Field); !ok {
		return false
	}
	switch {
	case ref.Field.Scope == telemetry.ScopeSpan:
		for _, c := range r.columns(&s.Table, ref.Field.Scope, ref.Field.Key) {
			r.matchSparse(e, lit.Value, c, out)
		}
	case ref.Field.Scope == telemetry.ScopeResource:
		held := r.matchTable(e, lit.Value, &r.b.Resources, ref.Field)
		for row, id := range s.Resource {
			out[row] = held[id]
		}
	case ref.Field.Intrinsic == Name:
		held := make([]bool, s.Names.Len())
		for i := range held {
			held[i] = e.holds(Value{Type: TypeString, Str: s.Names.Str(uint32(i))}, lit.Value)
		}
		for row, code := range s.Name {
			out[row] = held[code]
		}
	case ref.Field.Intrinsic == Duration:
		for row, d := range s.Duration {
			out[row] = compareValues(e.Op, Value{Type: TypeDuration, Int: d}, lit.Value)
		}
	case ref.Field.Intrinsic == Status:
		matchByte(e, lit.Value, TypeStatus, s.Status, out)
	case ref.Field.Intrinsic == Kind:
		matchByte(e, lit.Value, TypeKind, s.Kind, out)
	default:
		return false
	}
	return true
}

// single gives the field without its former names when the Batch has it under one name at most.
func (r *Reader) single(f Field) (Field, bool) {
	if f.Former == "" {
		return f, true
	}
	t := &r.b.Spans.Table
	if f.Scope == telemetry.ScopeResource {
		t = &r.b.Resources
	}
	one := Field{Scope: f.Scope, Key: f.Key}
	found := false
	for _, key := range f.Keys() {
		if len(r.columns(t, f.Scope, key)) > 0 {
			if found {
				return f, false
			}
			one.Key, found = key, true
		}
	}
	return one, true
}

func matchByte(e Compare, lit Value, t Type, col []uint8, out []bool) {
	for row, v := range col {
		out[row] = compareValues(e.Op, Value{Type: t, Int: int64(v)}, lit)
	}
}

func (r *Reader) matchTable(e Compare, lit Value, t *telemetry.Table, f Field) []bool {
	held := make([]bool, t.N)
	for _, c := range r.columns(t, f.Scope, f.Key) {
		r.matchSparse(e, lit, c, held)
	}
	return held
}

// matchSparse sets the rows of one column for which the comparison holds.
func (r *Reader) matchSparse(e Compare, lit Value, c *telemetry.Column, out []bool) {
	switch c.Type {
	case telemetry.TypeString:
		known := make([]int8, c.Dict.Len()) // 0 not asked yet, 1 holds, -1 does not
		for i, code := range c.Codes {
			if known[code] == 0 {
				known[code] = -1
				if e.holds(Value{Type: TypeString, Str: c.Dict.Str(code)}, lit) {
					known[code] = 1
				}
			}
			if known[code] > 0 {
				out[c.Rows[i]] = true
			}
		}
	case telemetry.TypeValue:
		for i, code := range c.Codes {
			if !out[c.Rows[i]] && e.holdsFor(r.elements(c, code), []Value{lit}) {
				out[c.Rows[i]] = true
			}
		}
	case telemetry.TypeInt:
		for i, n := range c.Nums {
			if e.holds(Value{Type: TypeInt, Int: int64(n)}, lit) {
				out[c.Rows[i]] = true
			}
		}
	case telemetry.TypeDouble:
		for i, n := range c.Nums {
			if e.holds(Value{Type: TypeFloat, Float: math.Float64frombits(n)}, lit) {
				out[c.Rows[i]] = true
			}
		}
	case telemetry.TypeBool:
		for i, n := range c.Nums {
			if e.holds(Value{Type: TypeBool, Int: int64(n)}, lit) {
				out[c.Rows[i]] = true
			}
		}
	}
}
