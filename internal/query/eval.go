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
		level := e.Field.Level()
		return r.eachChild(level == LevelEvent, level == LevelLink, row, func(child int) bool {
			_, ok := r.values(nil, e.Field, row, child)
			return ok
		})
	case Compare:
		return r.compare(e, row)
	}
	return false
}

func (r *Reader) compare(e Compare, row int) bool {
	events, links := reads(e.L, LevelEvent) || reads(e.R, LevelEvent), reads(e.L, LevelLink) || reads(e.R, LevelLink)
	var left, right []Value
	return r.eachChild(events, links, row, func(child int) bool {
		left = r.operand(left[:0], e.L, row, child)
		right = r.operand(right[:0], e.R, row, child)
		for _, a := range left {
			for _, b := range right {
				if e.holds(a, b) {
					return true
				}
			}
		}
		return false
	})
}

// reads reports whether the operand has a field of that level.
func reads(o Operand, level Level) (yes bool) {
	WalkOperand(o, func(f Field) { yes = yes || f.Level() == level })
	return yes
}

func (e Compare) holds(a, b Value) bool {
	if e.Regex != nil {
		return a.Type == TypeString && e.Regex.MatchString(a.Str) == (e.Op == OpMatch)
	}
	return compareValues(e.Op, a, b)
}

// operand appends the values of one side.
func (r *Reader) operand(dst []Value, o Operand, row, child int) []Value {
	switch o := o.(type) {
	case Lit:
		return append(dst, o.Value)
	case Ref:
		dst, _ = r.values(dst, o.Field, row, child)
		return dst
	case Arith:
		if v, ok := r.number(o, row, child); ok {
			return append(dst, v)
		}
	}
	return dst
}

// number gives the one number that an operand is in a calculation or an
// aggregate: of an attribute with two types, the integer.
func (r *Reader) number(o Operand, row, child int) (Value, bool) {
	if a, ok := o.(Arith); ok {
		x, ok := r.number(a.L, row, child)
		if !ok {
			return Value{}, false
		}
		y, ok := r.number(a.R, row, child)
		if !ok {
			return Value{}, false
		}
		return Value{Type: TypeFloat, Float: arithmetic(a.Op, x.Number(), y.Number())}, true
	}
	for _, v := range r.operand(nil, o, row, child) {
		if v.Type.IsNumeric() {
			return v, true
		}
	}
	return Value{}, false
}

// Number gives what an aggregate over spans reads: no value and NaN are left out.
func (r *Reader) Number(o Operand, row int) (Value, bool) { return r.numberAt(o, row, -1) }

func (r *Reader) numberAt(o Operand, row, child int) (Value, bool) {
	v, ok := r.number(o, row, child)
	if !ok || (v.Type == TypeFloat && math.IsNaN(v.Float)) {
		return Value{}, false
	}
	return v, true
}

// eachNumber calls f with every number that the span has for the operand: one of
// each event or link when it reads those.
func (r *Reader) eachNumber(o Operand, row int, f func(Value)) {
	r.eachChild(reads(o, LevelEvent), reads(o, LevelLink), row, func(child int) bool {
		if v, ok := r.numberAt(o, row, child); ok {
			f(v)
		}
		return false
	})
}

// eachGroup calls f once for every group that the span belongs to: the values of
// each of its events or links when fields are of those, and of the span otherwise.
// Without any event or link, their values are missing.
func (r *Reader) eachGroup(fields []Field, row int, f func(by []Value)) {
	events, links := anyLevel(fields, LevelEvent), anyLevel(fields, LevelLink)
	var seen [][]Value
	r.eachChildOrNone(events, links, row, func(child int) {
		by := r.tuple(fields, row, child)
		if slices.ContainsFunc(seen, func(o []Value) bool { return CompareGroups(o, by) == 0 }) {
			return
		}
		if events || links {
			seen = append(seen, by)
		}
		f(by)
	})
}

func anyLevel(fields []Field, level Level) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Level() == level })
}

// tuple gives the values of fields for the span and one of its events or links, −1
// for none.
func (r *Reader) tuple(fields []Field, row, child int) []Value {
	by := make([]Value, len(fields))
	for i, f := range fields {
		by[i] = Value{Type: TypeNil}
		if level := f.Level(); child >= 0 || (level != LevelEvent && level != LevelLink) {
			by[i], _ = r.oneAt(f, row, child)
		}
	}
	return by
}
