package clew

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// Attr is one attribute of a span, an event, a link, a metric or the resource: a key and a typed value. It is a struct made by String,
// Int and their siblings, so that passing attributes allocates nothing, and so that a bare literal does not slip in where a name that
// the charter knows should stand.
//
// Limits: a key has at most 256 bytes, a text 4,096, an array 128 elements; what is over is cut and counted when the attribute is
// recorded, not when it is made. The zero Attr is skipped. Arrays are not copied: do not change them before the attribute is recorded.
type Attr struct {
	key  string
	text string
	num  uint64
	list any // []string, []int64, []float64, []bool or []byte
	kind attrKind
}

type attrKind uint8

const (
	noKind attrKind = iota
	textKind
	intKind
	floatKind
	boolKind
	textsKind
	intsKind
	floatsKind
	boolsKind
	bytesKind
)

// String is an attribute with a text.
func String(key, value string) Attr { return Attr{key: key, kind: textKind, text: value} }

// Int is an attribute with an integer.
func Int(key string, value int) Attr { return Attr{key: key, kind: intKind, num: uint64(value)} }

// Int64 is an attribute with an integer of 64 bits.
func Int64(key string, value int64) Attr { return Attr{key: key, kind: intKind, num: uint64(value)} }

// Bool is an attribute with a boolean.
func Bool(key string, value bool) Attr {
	a := Attr{key: key, kind: boolKind}
	if value {
		a.num = 1
	}
	return a
}

// Float is an attribute with a floating-point number.
func Float(key string, value float64) Attr {
	return Attr{key: key, kind: floatKind, num: floatBits(value)}
}

// Duration is an attribute with a time span, in seconds, as semantic conventions have it.
func Duration(key string, value time.Duration) Attr { return Float(key, value.Seconds()) }

// Strings is an attribute with an array of texts.
func Strings(key string, values []string) Attr {
	return Attr{key: key, kind: textsKind, list: values}
}

// Ints is an attribute with an array of integers.
func Ints(key string, values []int64) Attr { return Attr{key: key, kind: intsKind, list: values} }

// Floats is an attribute with an array of floating-point numbers.
func Floats(key string, values []float64) Attr {
	return Attr{key: key, kind: floatsKind, list: values}
}

// Bools is an attribute with an array of booleans.
func Bools(key string, values []bool) Attr { return Attr{key: key, kind: boolsKind, list: values} }

// Key returns the attribute's key.
func (a Attr) Key() string { return a.key }

// KeyValue returns the attribute as the OpenTelemetry API has it.
func (a Attr) KeyValue() attribute.KeyValue {
	switch a.kind {
	case textKind:
		return attribute.String(a.key, a.text)
	case intKind:
		return attribute.Int64(a.key, int64(a.num))
	case floatKind:
		return attribute.Float64(a.key, floatFrom(a.num))
	case boolKind:
		return attribute.Bool(a.key, a.num != 0)
	case textsKind:
		return attribute.StringSlice(a.key, a.list.([]string))
	case intsKind:
		return attribute.Int64Slice(a.key, a.list.([]int64))
	case floatsKind:
		return attribute.Float64Slice(a.key, a.list.([]float64))
	case boolsKind:
		return attribute.BoolSlice(a.key, a.list.([]bool))
	case bytesKind:
		return attribute.String(a.key, string(a.list.([]byte)))
	}
	return attribute.KeyValue{}
}

// Value returns the attribute's value as one of string, int64, float64, bool, []string, []int64, []float64, []bool, []byte, or nil for the
// zero Attr.
func (a Attr) Value() any {
	switch a.kind {
	case textKind:
		return a.text
	case intKind:
		return int64(a.num)
	case floatKind:
		return floatFrom(a.num)
	case boolKind:
		return a.num != 0
	}
	return a.list
}

// Attribute takes over an attribute of the OpenTelemetry API. Kinds of values that this version of the kit does not know become text.
func Attribute(kv attribute.KeyValue) Attr {
	key := string(kv.Key)
	switch kv.Value.Type() {
	case attribute.INVALID:
		return Attr{}
	case attribute.BOOL:
		return Bool(key, kv.Value.AsBool())
	case attribute.INT64:
		return Int64(key, kv.Value.AsInt64())
	case attribute.FLOAT64:
		return Float(key, kv.Value.AsFloat64())
	case attribute.STRING:
		return String(key, kv.Value.AsString())
	case attribute.BOOLSLICE:
		return Bools(key, kv.Value.AsBoolSlice())
	case attribute.INT64SLICE:
		return Ints(key, kv.Value.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		return Floats(key, kv.Value.AsFloat64Slice())
	case attribute.STRINGSLICE:
		return Strings(key, kv.Value.AsStringSlice())
	}
	// Later versions of the API have values that this one cannot name. Bytes are known by what they are.
	if p, ok := kv.Value.AsInterface().([]byte); ok {
		return Attr{key: key, kind: bytesKind, list: p}
	}
	return String(key, kv.Value.Emit())
}

// AppendOTLP appends the attribute as it goes out, within the limits of the contract: the encoded message KeyValue of OTLP, without tag
// and length.
func (a Attr) AppendOTLP(b []byte) []byte {
	key := wire.Text(a.key, maxKey)
	element, _ := a.append(nil, 1, key, defaultLimits().value)
	f, _, _ := wire.Next(element)
	return append(b, f.Data...)
}
