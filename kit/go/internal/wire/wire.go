// Package wire appends the Protocol Buffers encoding of OTLP messages to byte slices, and reads it back field by field.
//
// It knows the wire format (varints, tags, lengths) and the two messages that every signal shares, KeyValue and AnyValue. What a span, a
// point or a log record looks like is said by the packages that write them. Nothing here allocates but the growth of the slice that is
// appended to. Functions are pure and safe for concurrent use.
//
// Text goes out as given: callers pass valid UTF-8 (see Text), because a collector refuses a whole request for one bad byte.
package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Type is the wire type of a field, the low three bits of its tag.
type Type uint8

// The wire types that OTLP uses.
const (
	Varint  Type = 0
	Fixed64 Type = 1
	Bytes   Type = 2
	Fixed32 Type = 5
)

// AppendVarint appends v in base 128.
func AppendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// SizeVarint is the number of bytes that AppendVarint appends, 1 to 10.
func SizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// AppendTag appends the tag of a field.
func AppendTag(b []byte, field int, t Type) []byte {
	return AppendVarint(b, uint64(field)<<3|uint64(t))
}

// AppendUint appends a varint field.
func AppendUint(b []byte, field int, v uint64) []byte {
	return AppendVarint(AppendTag(b, field, Varint), v)
}

// AppendFixed64 appends a field of eight bytes.
func AppendFixed64(b []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendTag(b, field, Fixed64), v)
}

// AppendDouble appends a floating-point field.
func AppendDouble(b []byte, field int, v float64) []byte {
	return AppendFixed64(b, field, math.Float64bits(v))
}

// AppendFixed32 appends a field of four bytes.
func AppendFixed32(b []byte, field int, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(AppendTag(b, field, Fixed32), v)
}

// AppendString appends a text field.
func AppendString(b []byte, field int, s string) []byte {
	b = AppendVarint(AppendTag(b, field, Bytes), uint64(len(s)))
	return append(b, s...)
}

// AppendBytes appends a field of bytes, or an encoded message.
func AppendBytes(b []byte, field int, p []byte) []byte {
	b = AppendVarint(AppendTag(b, field, Bytes), uint64(len(p)))
	return append(b, p...)
}

// Begin starts a message whose length is not known yet: it appends the tag and room for a short length. What is appended until End is
// the message. mark is what End needs.
func Begin(b []byte, field int) (out []byte, mark int) {
	b = append(AppendTag(b, field, Bytes), 0)
	return b, len(b)
}

// End writes the length of the message that began at mark. Messages over 127 bytes are moved by one to four bytes to make room.
func End(b []byte, mark int) []byte {
	n := len(b) - mark
	if n < 0x80 {
		b[mark-1] = byte(n)
		return b
	}
	extra := SizeVarint(uint64(n)) - 1
	b = append(b, "0000000000"[:extra]...)
	copy(b[mark+extra:], b[mark:mark+n])
	AppendVarint(b[:mark-1], uint64(n))
	return b
}
