package clew

import (
	"math"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// Attr is one attribute of a span, an event, a link, a metric or the resource: a key and a typed value. It is a struct made by String,
// Int and their siblings, so that passing attributes allocates nothing, and so that a bare literal does not slip in where a name that
// the charter knows should stand.
//
// Limits: a key has at most 256 bytes, a text 4,096, an array 128 elements; what is over is cut and counted when the attribute is
// recorded, not when it is made. The zero Attr is skipped. Arrays are not copied: do not change them before the attribute is recorded.
// Attributes are compared as KeyValue has them: reflect.DeepEqual looks at addresses here.
//
// It has four words, because that is the most that the compiler keeps in registers: larger ones were built twice in the caller's memory, which
// made five of them cost 28 ns instead of 5, also where nothing is recorded.
type Attr struct {
	_ [0]func() // An Attr is not comparable.

	key string
	// data is where a text or an array begins, and num its length with the kind in the highest byte. Another value is in num, and data says of
	// which kind it is by pointing into scalarKinds.
	data unsafe.Pointer
	num  uint64
}

type attrKind uint8

const (
	noKind attrKind = iota
	intKind
	floatKind
	boolKind
	textKind
	textsKind
	intsKind
	floatsKind
	boolsKind
	bytesKind
)

// scalarKinds has a place for each kind whose value is in num. What is in it does not matter.
var scalarKinds [boolKind + 1]byte

// kindShift is where the kind stands above a length.
const kindShift = 56

// scalar makes an attribute whose value is in num.
func scalar(key string, kind attrKind, num uint64) Attr {
	return Attr{key: key, data: unsafe.Pointer(&scalarKinds[kind]), num: num}
}

// array makes an attribute of what begins at data and has n elements, or bytes.
func array(key string, kind attrKind, data unsafe.Pointer, n int) Attr {
	return Attr{key: key, data: data, num: uint64(kind)<<kindShift | uint64(n)}
}

func (a *Attr) kind() attrKind {
	if at := uintptr(a.data) - uintptr(unsafe.Pointer(&scalarKinds)); at < uintptr(len(scalarKinds)) {
		return attrKind(at)
	}
	return attrKind(a.num >> kindShift)
}

// text is the value of an attribute with a text, "" of another.
func (a *Attr) text() string {
	if a.kind() != textKind {
		return ""
	}
	return unsafe.String((*byte)(a.data), a.len())
}

// elements are the value of an attribute with an array of them. The kind must have been looked at.
func elements[T any](a *Attr) []T { return unsafe.Slice((*T)(a.data), a.len()) }

func (a *Attr) len() int { return int(a.num & (1<<kindShift - 1)) }

// String is an attribute with a text.
func String(key, value string) Attr {
	return array(key, textKind, unsafe.Pointer(unsafe.StringData(value)), len(value))
}

// Int is an attribute with an integer.
func Int(key string, value int) Attr { return scalar(key, intKind, uint64(value)) }

// Int64 is an attribute with an integer of 64 bits.
func Int64(key string, value int64) Attr { return scalar(key, intKind, uint64(value)) }

// Bool is an attribute with a boolean.
func Bool(key string, value bool) Attr {
	var num uint64
	if value {
		num = 1
	}
	return scalar(key, boolKind, num)
}

// Float is an attribute with a floating-point number.
func Float(key string, value float64) Attr { return scalar(key, floatKind, math.Float64bits(value)) }

// Duration is an attribute with a time span, in seconds, as semantic conventions have it.
func Duration(key string, value time.Duration) Attr { return Float(key, value.Seconds()) }

// Strings is an attribute with an array of texts.
func Strings(key string, values []string) Attr {
	return array(key, textsKind, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// Ints is an attribute with an array of integers.
func Ints(key string, values []int64) Attr {
	return array(key, intsKind, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// Floats is an attribute with an array of floating-point numbers.
func Floats(key string, values []float64) Attr {
	return array(key, floatsKind, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// Bools is an attribute with an array of booleans.
func Bools(key string, values []bool) Attr {
	return array(key, boolsKind, unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// blob is an attribute with bytes, which only the OpenTelemetry API can bring.
func blob(key string, value []byte) Attr {
	return array(key, bytesKind, unsafe.Pointer(unsafe.SliceData(value)), len(value))
}

// Key returns the attribute's key.
func (a Attr) Key() string { return a.key }

// KeyValue returns the attribute as the OpenTelemetry API has it.
func (a Attr) KeyValue() attribute.KeyValue {
	switch v := a.Value().(type) {
	case string:
		return attribute.String(a.key, v)
	case int64:
		return attribute.Int64(a.key, v)
	case float64:
		return attribute.Float64(a.key, v)
	case bool:
		return attribute.Bool(a.key, v)
	case []string:
		return attribute.StringSlice(a.key, v)
	case []int64:
		return attribute.Int64Slice(a.key, v)
	case []float64:
		return attribute.Float64Slice(a.key, v)
	case []bool:
		return attribute.BoolSlice(a.key, v)
	case []byte:
		return attribute.String(a.key, string(v))
	}
	return attribute.KeyValue{}
}

// Value returns the attribute's value as one of string, int64, float64, bool, []string, []int64, []float64, []bool, []byte, or nil for the
// zero Attr.
func (a Attr) Value() any {
	switch a.kind() {
	case textKind:
		return a.text()
	case intKind:
		return int64(a.num)
	case floatKind:
		return math.Float64frombits(a.num)
	case boolKind:
		return a.num != 0
	case textsKind:
		return elements[string](&a)
	case intsKind:
		return elements[int64](&a)
	case floatsKind:
		return elements[float64](&a)
	case boolsKind:
		return elements[bool](&a)
	case bytesKind:
		return elements[byte](&a)
	}
	return nil
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
		return blob(key, p)
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
