package query

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// Type is the type of a value, of a field or of an operand.
type Type uint8

// The types. TypeAny is that of an attribute: known only once a span is at hand.
const (
	TypeAny Type = iota
	TypeNil
	TypeString
	TypeInt
	TypeFloat
	TypeBool
	TypeDuration
	TypeStatus
	TypeKind
)

var typeNames = [...]string{"an attribute", "nil", "a string", "an integer", "a float", "a boolean", "a duration", "a status", "a kind"}

// String gives the name with its article, as error messages use it.
func (t Type) String() string { return typeNames[t] }

// IsNumeric reports whether the type compares as a number.
func (t Type) IsNumeric() bool { return t == TypeInt || t == TypeFloat || t == TypeDuration }

// Value is one typed value. TypeBool, TypeDuration (nanoseconds), TypeStatus and
// TypeKind (numbered as in OTLP) are in Int.
type Value struct {
	Type  Type
	Str   string
	Int   int64
	Float float64
}

var (
	statusNames = [...]string{"unset", "ok", "error"}
	kindNames   = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}
)

// word gives the status or kind, boolean, nil or bound of integers that a bare word
// stands for.
func word(s string) (Value, bool) {
	switch s {
	case "true":
		return Value{Type: TypeBool, Int: 1}, true
	case "false":
		return Value{Type: TypeBool}, true
	case "nil":
		return Value{Type: TypeNil}, true
	case "minInt":
		return Value{Type: TypeInt, Int: math.MinInt64}, true
	case "maxInt":
		return Value{Type: TypeInt, Int: math.MaxInt64}, true
	}
	for i, n := range statusNames {
		if n == s {
			return Value{Type: TypeStatus, Int: int64(i)}, true
		}
	}
	for i, n := range kindNames {
		if n == s {
			return Value{Type: TypeKind, Int: int64(i)}, true
		}
	}
	return Value{}, false
}

func named(names []string, i int64) string {
	if i >= 0 && i < int64(len(names)) {
		return names[i]
	}
	return strconv.FormatInt(i, 10)
}

// String gives the value as the language writes it; Parse reads it back.
func (v Value) String() string {
	switch {
	case v.Type == TypeString:
		return quote(v.Str)
	case v.Type == TypeInt && v.Int == math.MinInt64:
		return "minInt" // whose digits alone are over the largest integer
	}
	return v.Text()
}

// Text gives the value as people read it: strings without quotes.
func (v Value) Text() string {
	switch v.Type {
	case TypeString:
		return v.Str
	case TypeInt:
		return strconv.FormatInt(v.Int, 10)
	case TypeFloat:
		s := strconv.FormatFloat(v.Float, 'g', -1, 64)
		if strings.ContainsAny(s, ".eIN") {
			return s
		}
		return s + ".0"
	case TypeBool:
		return strconv.FormatBool(v.Int != 0)
	case TypeDuration:
		return time.Duration(v.Int).String()
	case TypeStatus:
		return named(statusNames[:], v.Int)
	case TypeKind:
		return named(kindNames[:], v.Int)
	}
	return "nil"
}

// quote writes a string literal: in double quotes with the escapes of Go.
func quote(s string) string { return strconv.Quote(s) }

// Number gives a numeric value as a float64, the form in which arithmetic and
// comparisons of mixed numbers happen.
func (v Value) Number() float64 {
	if v.Type == TypeFloat {
		return v.Float
	}
	return float64(v.Int)
}

// compareValues applies op to two values. Values of different types make every
// comparison false. NaN follows Go: only != holds.
func compareValues(op Op, a, b Value) bool {
	switch {
	case a.Type.IsNumeric() && b.Type.IsNumeric():
		if a.Type != TypeFloat && b.Type != TypeFloat {
			return holds(op, cmp.Compare(a.Int, b.Int))
		}
		x, y := a.Number(), b.Number()
		if math.IsNaN(x) || math.IsNaN(y) {
			return op == OpNe
		}
		return holds(op, cmp.Compare(x, y))
	case a.Type != b.Type:
		return false
	case a.Type == TypeString:
		return holds(op, strings.Compare(a.Str, b.Str))
	case op == OpEq:
		return a.Int == b.Int
	case op == OpNe:
		return a.Int != b.Int
	}
	return false
}

func holds(op Op, c int) bool {
	switch op {
	case OpEq:
		return c == 0
	case OpNe:
		return c != 0
	case OpGt:
		return c > 0
	case OpGe:
		return c >= 0
	case OpLt:
		return c < 0
	case OpLe:
		return c <= 0
	}
	return false
}

// arithmetic works in float64, so that no overflow can turn a query into an error.
func arithmetic(op byte, x, y float64) float64 {
	switch op {
	case '+':
		return x + y
	case '-':
		return x - y
	case '*':
		return x * y
	case '/':
		return x / y
	case '%':
		return math.Mod(x, y)
	}
	return math.Pow(x, y)
}
