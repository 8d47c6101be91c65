package wire

import (
	"encoding/binary"
	"math"
)

// Fields of AnyValue and KeyValue (opentelemetry/proto/common/v1/common.proto).
const (
	keyField   = 1
	valueField = 2

	anyString = 1
	anyBool   = 2
	anyInt    = 3
	anyDouble = 4
	anyArray  = 5
	anyBytes  = 7
)

// appendKey appends the tag and length of a KeyValue whose AnyValue has size bytes, then its key, then the tag and length of the value.
func appendKey(b []byte, field int, key string, size int) []byte {
	total := 1 + SizeVarint(uint64(len(key))) + len(key) + 1 + SizeVarint(uint64(size)) + size
	b = AppendVarint(AppendTag(b, field, Bytes), uint64(total))
	b = AppendString(b, keyField, key)
	return AppendVarint(append(b, valueField<<3|byte(Bytes)), uint64(size))
}

// AppendStringAttr appends a KeyValue with a text as the given field of the message around it.
func AppendStringAttr(b []byte, field int, key, value string) []byte {
	b = appendKey(b, field, key, 1+SizeVarint(uint64(len(value)))+len(value))
	return AppendString(b, anyString, value)
}

// AppendBytesAttr appends a KeyValue with bytes.
func AppendBytesAttr(b []byte, field int, key string, value []byte) []byte {
	b = appendKey(b, field, key, 1+SizeVarint(uint64(len(value)))+len(value))
	return AppendBytes(b, anyBytes, value)
}

// AppendBoolAttr appends a KeyValue with a boolean.
func AppendBoolAttr(b []byte, field int, key string, value bool) []byte {
	return appendBool(appendKey(b, field, key, 2), value)
}

// AppendIntAttr appends a KeyValue with an integer.
func AppendIntAttr(b []byte, field int, key string, value int64) []byte {
	b = appendKey(b, field, key, 1+SizeVarint(uint64(value)))
	return AppendUint(b, anyInt, uint64(value))
}

// AppendFloatAttr appends a KeyValue with a floating-point number.
func AppendFloatAttr(b []byte, field int, key string, value float64) []byte {
	return AppendDouble(appendKey(b, field, key, 9), anyDouble, value)
}

// AppendStringsAttr appends a KeyValue with an array of texts.
func AppendStringsAttr(b []byte, field int, key string, values []string) []byte {
	b, marks := beginArray(b, field, key)
	for _, v := range values {
		b = AppendVarint(append(b, keyField<<3|byte(Bytes)), uint64(1+SizeVarint(uint64(len(v)))+len(v)))
		b = AppendString(b, anyString, v)
	}
	return endArray(b, marks)
}

// AppendBoolsAttr appends a KeyValue with an array of booleans.
func AppendBoolsAttr(b []byte, field int, key string, values []bool) []byte {
	b, marks := beginArray(b, field, key)
	for _, v := range values {
		b = appendBool(append(b, keyField<<3|byte(Bytes), 2), v)
	}
	return endArray(b, marks)
}

// AppendIntsAttr appends a KeyValue with an array of integers.
func AppendIntsAttr(b []byte, field int, key string, values []int64) []byte {
	b, marks := beginArray(b, field, key)
	for _, v := range values {
		b = append(b, keyField<<3|byte(Bytes), byte(1+SizeVarint(uint64(v))))
		b = AppendUint(b, anyInt, uint64(v))
	}
	return endArray(b, marks)
}

// AppendFloatsAttr appends a KeyValue with an array of floating-point numbers.
func AppendFloatsAttr(b []byte, field int, key string, values []float64) []byte {
	b, marks := beginArray(b, field, key)
	for _, v := range values {
		b = append(b, keyField<<3|byte(Bytes), 9, anyDouble<<3|byte(Fixed64))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return endArray(b, marks)
}

func appendBool(b []byte, v bool) []byte {
	b = append(b, anyBool<<3, 0)
	if v {
		b[len(b)-1] = 1
	}
	return b
}

// beginArray opens KeyValue, AnyValue and ArrayValue; endArray closes them from the inside out.
func beginArray(b []byte, field int, key string) ([]byte, [3]int) {
	var marks [3]int
	b, marks[0] = Begin(b, field)
	b = AppendString(b, keyField, key)
	b, marks[1] = Begin(b, valueField)
	b, marks[2] = Begin(b, anyArray)
	return b, marks
}

func endArray(b []byte, marks [3]int) []byte {
	return End(End(End(b, marks[2]), marks[1]), marks[0])
}
