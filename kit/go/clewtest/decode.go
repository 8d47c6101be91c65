package clewtest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
)

// kinds are the names of the span kinds by their number in OTLP. The unspecified one is drawn as INTERNAL, as the specification defaults it.
var kinds = [...]string{"INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}

func kindName(k uint64) string {
	if k < uint64(len(kinds)) {
		return kinds[k]
	}
	return "INTERNAL"
}

var errWire = errors.New("decode span: the bytes are no protobuf message")

// maxDepth bounds the nesting of values that decode follows.
const maxDepth = 32

// field is one field of a protobuf message: its number, and its value as a number or as bytes.
type field struct {
	number uint64
	n      uint64
	b      []byte
}

// each calls f for every field of the message in b.
func each(b []byte, f func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return errWire
		}
		b = b[n:]
		out := field{number: tag >> 3}
		switch tag & 7 {
		case 0:
			if out.n, n = binary.Uvarint(b); n <= 0 {
				return errWire
			}
			b = b[n:]
		case 1:
			if len(b) < 8 {
				return errWire
			}
			out.n, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errWire
			}
			out.b, b = b[n:n+int(size)], b[n+int(size):]
		case 5:
			if len(b) < 4 {
				return errWire
			}
			out.n, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			return errWire
		}
		if err := f(out); err != nil {
			return err
		}
	}
	return nil
}

// Decode reads the encoded spans of a ScopeSpans message (its fields with number 2), as the kit hands them to its exporter.
func Decode(record []byte) ([]Span, error) {
	var spans []Span
	err := each(record, func(f field) error {
		if f.number != 2 {
			return nil
		}
		s, err := decodeSpan(f.b)
		if err == nil {
			spans = append(spans, s)
		}
		return err
	})
	return spans, err
}

func decodeSpan(b []byte) (Span, error) {
	s := Span{Kind: "INTERNAL", Attributes: map[string]any{}}
	err := each(b, func(f field) (err error) {
		switch f.number {
		case 1:
			s.Trace = hex.EncodeToString(f.b)
		case 2:
			s.ID = hex.EncodeToString(f.b)
		case 3:
			s.TraceState = string(f.b)
		case 4:
			s.Parent = hex.EncodeToString(f.b)
		case 5:
			s.Name = string(f.b)
		case 6:
			s.Kind = kindName(f.n)
		case 7:
			s.Start = int64(f.n)
		case 8:
			s.End = int64(f.n)
		case 9:
			err = decodePair(f.b, s.Attributes)
		case 11:
			var e Event
			if e, err = decodeEvent(f.b); err == nil {
				s.Events = append(s.Events, e)
			}
		case 13:
			var l Link
			if l, err = decodeLink(f.b); err == nil {
				s.Links = append(s.Links, l)
			}
		case 15:
			err = each(f.b, func(f field) error {
				switch f.number {
				case 2:
					s.Message = string(f.b)
				case 3:
					s.Status = Status(f.n)
				}
				return nil
			})
		case 16:
			s.Flags = uint32(f.n)
		}
		return err
	})
	return s, err
}

func decodeEvent(b []byte) (Event, error) {
	e := Event{Attributes: map[string]any{}}
	err := each(b, func(f field) error {
		switch f.number {
		case 1:
			e.Time = int64(f.n)
		case 2:
			e.Name = string(f.b)
		case 3:
			return decodePair(f.b, e.Attributes)
		}
		return nil
	})
	return e, err
}

func decodeLink(b []byte) (Link, error) {
	l := Link{Attributes: map[string]any{}}
	err := each(b, func(f field) error {
		switch f.number {
		case 1:
			l.Trace = hex.EncodeToString(f.b)
		case 2:
			l.ID = hex.EncodeToString(f.b)
		case 3:
			l.TraceState = string(f.b)
		case 4:
			return decodePair(f.b, l.Attributes)
		}
		return nil
	})
	return l, err
}

func decodePair(b []byte, into map[string]any) error {
	var key string
	var value any
	err := each(b, func(f field) (err error) {
		switch f.number {
		case 1:
			key = string(f.b)
		case 2:
			value, err = decodeValue(f.b, 0)
		}
		return err
	})
	if _, twice := into[key]; twice && err == nil {
		err = errors.New("decode span: an attribute is there twice")
	}
	if err == nil {
		into[key] = value
	}
	return err
}

func decodeValue(b []byte, depth int) (value any, err error) {
	if depth > maxDepth {
		return nil, errors.New("decode span: a value is nested deeper than 32")
	}
	err = each(b, func(f field) (err error) {
		switch f.number {
		case 1, 7:
			value = string(f.b)
		case 2:
			value = f.n != 0
		case 3:
			value = int64(f.n)
		case 4:
			value = math.Float64frombits(f.n)
		case 5:
			list := []any{}
			err = each(f.b, func(f field) error {
				v, err := decodeValue(f.b, depth+1)
				list = append(list, v)
				return err
			})
			value = list
		}
		return err
	})
	return value, err
}
