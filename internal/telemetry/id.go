package telemetry

import (
	"encoding/binary"
	"encoding/hex"
)

// TraceID is a W3C trace id: 16 bytes, all zero is invalid.
type TraceID [16]byte

// SpanID is a W3C span id: 8 bytes, all zero is invalid and, as a parent, means "none".
type SpanID [8]byte

// String gives 32 lower-case hex digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// IsZero reports whether the id is the invalid one.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// Hi and Lo give the id as two big-endian integers, whose order is the order of the bytes.
func (t TraceID) Hi() uint64 { return binary.BigEndian.Uint64(t[:8]) }

// Lo gives the last eight bytes; see Hi.
func (t TraceID) Lo() uint64 { return binary.BigEndian.Uint64(t[8:]) }

// String gives 16 lower-case hex digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// IsZero reports whether the id is the invalid one.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// Uint64 gives the id as a big-endian integer, whose order is the order of the bytes.
func (s SpanID) Uint64() uint64 { return binary.BigEndian.Uint64(s[:]) }

// ParseTraceID reads 1 to 32 hex digits of either case. Shorter ids, as 64-bit
// tracers write them, are padded with zeros on the left.
func ParseTraceID(s string) (TraceID, error) {
	var id TraceID
	if err := parseHex(id[:], s, "trace id"); err != nil {
		return TraceID{}, err
	}
	return id, nil
}

// ParseSpanID reads 1 to 16 hex digits of either case, padded on the left.
func ParseSpanID(s string) (SpanID, error) {
	var id SpanID
	if err := parseHex(id[:], s, "span id"); err != nil {
		return SpanID{}, err
	}
	return id, nil
}

func parseHex(dst []byte, s, what string) error {
	if len(s) == 0 || len(s) > 2*len(dst) {
		return Errorf(KindInvalid, "%s %q has %d characters; write 1 to %d hex digits", what, Clip(s), len(s), 2*len(dst))
	}
	given := s
	if pad := 2*len(dst) - len(s); pad > 0 {
		full := make([]byte, 2*len(dst))
		for i := range pad {
			full[i] = '0'
		}
		copy(full[pad:], s)
		s = string(full)
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		return Errorf(KindInvalid, "%s %q is not hexadecimal", what, Clip(given))
	}
	for _, b := range dst {
		if b != 0 {
			return nil
		}
	}
	return Errorf(KindInvalid, "%s %q is all zeros, which W3C Trace Context forbids", what, Clip(given))
}

// Clip shortens a text of somebody else's for a message: to 64 bytes and an ellipsis.
func Clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
