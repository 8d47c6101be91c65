package wire

import "encoding/binary"

// Field is one field of a message. Number holds varints and fixed values, Data what has a length; Data aliases the message.
type Field struct {
	Number int
	Type   Type
	Value  uint64
	Data   []byte
}

// Next reads the first field of b and returns what is behind it. ok is false at the end and when b is not a message; then rest is b.
// Groups, which OTLP does not have, are refused.
func Next(b []byte) (f Field, rest []byte, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return Field{}, b, false
	}
	f.Number, f.Type = int(tag>>3), Type(tag&7)
	p := b[n:]
	switch f.Type {
	case Varint:
		v, n := binary.Uvarint(p)
		if n <= 0 {
			return Field{}, b, false
		}
		f.Value, p = v, p[n:]
	case Fixed64:
		if len(p) < 8 {
			return Field{}, b, false
		}
		f.Value, p = binary.LittleEndian.Uint64(p), p[8:]
	case Fixed32:
		if len(p) < 4 {
			return Field{}, b, false
		}
		f.Value, p = uint64(binary.LittleEndian.Uint32(p)), p[4:]
	case Bytes:
		size, n := binary.Uvarint(p)
		if n <= 0 || size > uint64(len(p)-n) {
			return Field{}, b, false
		}
		f.Data, p = p[n:n+int(size)], p[n+int(size):]
	default:
		return Field{}, b, false
	}
	return f, p, true
}
