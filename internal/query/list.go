package query

import (
	"math"
	"slices"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// A list is true in a comparison when one of its elements is. With != and !~ none of
// them may be equal or match: what holds then for some pair must not fail for any
// other that can be compared. Lists inside of lists, key-value lists and bytes
// compare with nothing.

// listKey names one distinct text of a column.
type listKey struct {
	column *telemetry.Column
	code   uint32
}

// elements gives the elements of a list that compare with something.
func (r *Reader) elements(c *telemetry.Column, code uint32) []Value {
	k := listKey{c, code}
	out, known := r.lists[k]
	if !known {
		if r.lists == nil {
			r.lists = map[listKey][]Value{}
		}
		out = listElements(c.Dict.Str(code))
		r.lists[k] = out
	}
	return out
}

func listElements(text string) []Value {
	list, err := otlp.ParseValue([]byte(text))
	if err != nil || list.Kind != otlp.ValueArray {
		return nil
	}
	var out []Value
	for _, item := range list.Items {
		switch item.Kind {
		case otlp.ValueString:
			out = append(out, Value{Type: TypeString, Str: string(item.Text)})
		case otlp.ValueInt:
			out = append(out, Value{Type: TypeInt, Int: int64(item.Num)})
		case otlp.ValueDouble:
			out = append(out, Value{Type: TypeFloat, Float: math.Float64frombits(item.Num)})
		case otlp.ValueBool:
			out = append(out, Value{Type: TypeBool, Int: int64(item.Num)})
		}
	}
	return out
}

// list gives the elements of the list that a side is, if it is one.
func (r *Reader) list(o Operand, at spot) []Value {
	ref, ok := o.(Ref)
	if !ok {
		return nil
	}
	f, row, ok := at.of(ref.Field)
	if !ok {
		return nil
	}
	found := false
	keys := []string{f.Key}
	if f.Former != "" {
		keys = f.Keys()
	}
	tables, n := r.tables(f, row, at.child)
	for _, t := range tables[:n] {
		for _, key := range keys {
			for _, c := range r.columns(t.table, t.scope, key) {
				i, has := slices.BinarySearch(c.Rows, t.row)
				if has && c.Type == telemetry.TypeValue {
					return r.elements(c, c.Codes[i])
				}
				found = found || has
			}
			if found {
				return nil // what hides the resource's attribute and those under former names
			}
		}
	}
	return nil
}

// compareLists compares the lists of both sides with the lists and values of the other.
func (r *Reader) compareLists(e Compare, at spot, left, right []Value) bool {
	if !r.listed {
		return false
	}
	a, b := r.list(e.L, at), r.list(e.R, at)
	switch {
	case a == nil && b == nil:
		return false
	case a != nil && b != nil && e.holdsFor(a, b):
		return true
	}
	for _, v := range right {
		if e.holdsFor(a, []Value{v}) {
			return true
		}
	}
	for _, v := range left {
		if e.holdsFor([]Value{v}, b) {
			return true
		}
	}
	return false
}

// holdsFor compares two lists.
func (e Compare) holdsFor(a, b []Value) bool {
	opposite := e
	switch e.Op {
	case OpNe:
		opposite.Op = OpEq
	case OpNotMatch:
		opposite.Op = OpMatch
	default:
		return e.holdsForAny(a, b)
	}
	return e.holdsForAny(a, b) && !opposite.holdsForAny(a, b)
}

func (e Compare) holdsForAny(a, b []Value) bool {
	for _, x := range a {
		for _, y := range b {
			if e.holds(x, y) {
				return true
			}
		}
	}
	return false
}
