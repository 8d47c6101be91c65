package otlp

import (
	"bytes"
	"fmt"
	"math"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Value is a nested value: what the canonical text of telemetry stands for.
type Value struct {
	Kind  ValueKind
	Text  []byte   // ValueString, ValueBytes
	Num   uint64   // ValueInt, ValueDouble, ValueBool, as in telemetry.Column.Nums
	Items []Value  // ValueArray, ValueList
	Keys  [][]byte // ValueList: one per item, repeated keys included
}

// ValueKind says which fields of a Value are set.
type ValueKind uint8

// The kinds of values.
const (
	ValueNull ValueKind = iota
	ValueString
	ValueInt
	ValueDouble
	ValueBool
	ValueBytes
	ValueArray
	ValueList
)

// ParseValue reads canonical text of at most MaxDepth levels into a Value of its own.
func ParseValue(text []byte) (Value, error) {
	t := transcoder{in: text}
	v := t.value(0)
	if t.err == nil {
		if t.peek(); t.pos < len(t.in) {
			t.fail("there is more after the end: %s", t.seen())
		}
	}
	if t.err != nil {
		return Value{}, telemetry.Errorf(telemetry.KindInvalid, "parse value: %w", t.err)
	}
	return v, nil
}

func (t *transcoder) value(depth int) Value {
	if t.err != nil {
		return Value{}
	}
	switch c := t.peek(); c {
	case '"':
		return Value{Kind: ValueString, Text: bytes.Clone(t.text())}
	case 'n':
		t.word("null")
		return Value{}
	case 't', 'f':
		v := Value{Kind: ValueBool}
		if t.bool() {
			v.Num = 1
		}
		return v
	case '[', '{':
		if depth == MaxDepth {
			t.fail("the value has more than %d levels", MaxDepth)
			return Value{}
		}
		t.pos++
		if c == '[' {
			return t.items(depth)
		}
		return t.members(depth)
	}
	v := t.number()
	if bytes.ContainsAny(v, ".eE") {
		t.pos -= len(v)
		return Value{Kind: ValueDouble, Num: math.Float64bits(t.double())}
	}
	t.pos -= len(v)
	return Value{Kind: ValueInt, Num: uint64(t.signed())}
}

func (t *transcoder) items(depth int) Value {
	v := Value{Kind: ValueArray}
	for n := 0; t.more(n, ']'); n++ {
		v.Items = append(v.Items, t.value(depth+1))
	}
	return v
}

// members reads a key-value list, or one of the scalars that are written as an object.
func (t *transcoder) members(depth int) Value {
	v := Value{Kind: ValueList}
	for n := 0; ; n++ {
		key, ok := t.key(n)
		if !ok {
			return v
		}
		if len(key) > 0 && key[0] == '@' {
			if len(key) < 2 || key[1] != '@' {
				if n > 0 {
					t.fail("%.40q stands beside other keys", key)
					return v
				}
				return t.special(string(key))
			}
			key = key[1:]
		}
		v.Keys = append(v.Keys, bytes.Clone(key))
		v.Items = append(v.Items, t.value(depth+1))
	}
}

func (t *transcoder) special(key string) Value {
	var v Value
	switch key {
	case "@double":
		text := string(t.text())
		f, ok := map[string]float64{"NaN": math.NaN(), "+Inf": math.Inf(1), "-Inf": math.Inf(-1)}[text]
		if !ok {
			t.fail("%.40q is not a double", text)
		}
		v = Value{Kind: ValueDouble, Num: math.Float64bits(f)}
	case "@bytes":
		v = Value{Kind: ValueBytes, Text: bytes.Clone(t.base64())}
	default:
		t.fail("%.40q is not a type that canonical text knows", key)
	}
	t.want('}', "the end of the object")
	return v
}

// Append appends the canonical text of v.
func (v *Value) Append(dst []byte) []byte {
	switch v.Kind {
	case ValueString:
		return telemetry.AppendValueString(dst, v.Text)
	case ValueInt:
		return telemetry.AppendValueInt(dst, int64(v.Num))
	case ValueDouble:
		return telemetry.AppendValueDouble(dst, math.Float64frombits(v.Num))
	case ValueBool:
		return fmt.Append(dst, v.Num != 0)
	case ValueBytes:
		return telemetry.AppendValueBytes(dst, v.Text)
	case ValueArray, ValueList:
		brackets := "[]"
		if v.Kind == ValueList {
			brackets = "{}"
		}
		dst = append(dst, brackets[0])
		for i := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			if v.Kind == ValueList {
				dst = telemetry.AppendValueKey(dst, v.Keys[i])
			}
			dst = v.Items[i].Append(dst)
		}
		return append(dst, brackets[1])
	}
	return append(dst, "null"...)
}
