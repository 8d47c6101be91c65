package query

import (
	"bytes"
	"math"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// earlier orders spans by start, then id, then row: the order of every answer.
func earlier(s *telemetry.Spans, a, b int) bool {
	if s.Start[a] != s.Start[b] {
		return s.Start[a] < s.Start[b]
	}
	if c := bytes.Compare(s.SpanID[a][:], s.SpanID[b][:]); c != 0 {
		return c < 0
	}
	return a < b
}

// Eval tells whether the expression holds for the span at row.
func (r *Reader) Eval(e Expr, row int) bool {
	switch e := e.(type) {
	case And:
		for _, x := range e.Xs {
			if !r.Eval(x, row) {
				return false
			}
		}
		return true
	case Or:
		for _, x := range e.Xs {
			if r.Eval(x, row) {
				return true
			}
		}
		return false
	case Not:
		return !r.Eval(e.X, row)
	case Const:
		return e.Value
	case Exists:
		n := reach{}.with(e.Field)
		return r.each(n, n, row, func(at spot) bool {
			_, ok := r.values(nil, e.Field, at)
			return ok
		})
	case Compare:
		return r.compare(e, row)
	}
	return false
}

func (r *Reader) compare(e Compare, row int) bool {
	n := reachOf(e.L, e.R)
	var left, right []Value
	return r.each(n, n, row, func(at spot) bool {
		left = r.operand(left[:0], e.L, at)
		right = r.operand(right[:0], e.R, at)
		return e.holdsForAny(left, right) || r.compareLists(e, at, left, right)
	})
}

func (e Compare) holds(a, b Value) bool {
	if e.Regex != nil {
		return a.Type == TypeString && e.Regex.MatchString(a.Str) == (e.Op == OpMatch)
	}
	return compareValues(e.Op, a, b)
}

// operand appends the values of one side.
func (r *Reader) operand(dst []Value, o Operand, at spot) []Value {
	switch o := o.(type) {
	case Lit:
		return append(dst, o.Value)
	case Ref:
		dst, _ = r.values(dst, o.Field, at)
		return dst
	case Arith:
		if v, ok := r.number(o, at); ok {
			return append(dst, v)
		}
	}
	return dst
}

// number gives the one number that an operand is in a calculation or an
// aggregate: of an attribute with two types, the integer.
func (r *Reader) number(o Operand, at spot) (Value, bool) {
	if a, ok := o.(Arith); ok {
		x, ok := r.number(a.L, at)
		if !ok {
			return Value{}, false
		}
		y, ok := r.number(a.R, at)
		if !ok {
			return Value{}, false
		}
		return Value{Type: TypeFloat, Float: arithmetic(a.Op, x.Number(), y.Number())}, true
	}
	for _, v := range r.operand(nil, o, at) {
		if v.Type.IsNumeric() {
			return v, true
		}
	}
	return Value{}, false
}

// Number gives what an aggregate over spans reads: no value and NaN are left out.
func (r *Reader) Number(o Operand, row int) (Value, bool) {
	return r.numberAt(o, spot{row, none, none})
}

func (r *Reader) numberAt(o Operand, at spot) (Value, bool) {
	v, ok := r.number(o, at)
	if !ok || (v.Type == TypeFloat && math.IsNaN(v.Float)) {
		return Value{}, false
	}
	return v, true
}

// eachNumber calls f with every number that the span has for the operand: one of
// each event, link or parent when it reads those.
func (r *Reader) eachNumber(o Operand, row int, f func(Value)) {
	n := reachOf(o)
	r.each(n, n, row, func(at spot) bool {
		if v, ok := r.numberAt(o, at); ok {
			f(v)
		}
		return false
	})
}

// eachGroup calls f once for every group that the span belongs to: the values of
// each of its events, links or parents when fields are of those, and of the span
// otherwise. Where there is none, its values are missing.
func (r *Reader) eachGroup(fields []Field, row int, f func(by []Value)) {
	n := reachOfFields(fields)
	var seen [][]Value
	r.each(n, reach{}, row, func(at spot) bool {
		by := r.tuple(fields, at)
		if slices.ContainsFunc(seen, func(o []Value) bool { return CompareGroups(o, by) == 0 }) {
			return false
		}
		if n.anything() {
			seen = append(seen, by)
		}
		f(by)
		return false
	})
}

// tuple gives the values of fields at a place.
func (r *Reader) tuple(fields []Field, at spot) []Value {
	by := make([]Value, len(fields))
	for i, f := range fields {
		by[i], _ = r.oneAt(f, at)
	}
	return by
}
