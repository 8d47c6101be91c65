package otlp

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// cursor reads the fields of one message. After next has returned true, num and
// wire tell the field; value holds a number, data a length-delimited value.
type cursor struct {
	rest  []byte
	data  []byte
	value uint64
	num   uint32
	wire  uint8
	err   error
}

// next reads one field. It returns false at the end of the message and on an error, which is then in err.
func (c *cursor) next() bool {
	b := c.rest
	if len(b) == 0 {
		return false
	}
	tag, n := uint64(b[0]), 1
	if tag >= 0x80 {
		if tag, n = uvarint(b); n <= 0 {
			return c.fail("the tag of a field is not a varint of at most ten bytes")
		}
	}
	b = b[n:]
	num := tag >> 3
	if num == 0 || num > 1<<29-1 {
		return c.fail("field number " + strconv.FormatUint(num, 10) + " is not one of protobuf")
	}
	c.num, c.wire = uint32(num), uint8(tag&7)
	switch c.wire {
	case wireBytes:
		if len(b) == 0 {
			return c.fail(truncated)
		}
		size := uint64(b[0])
		n = 1
		if size >= 0x80 {
			if size, n = uvarint(b); n <= 0 {
				return c.fail("the length of field " + strconv.Itoa(int(c.num)) + " is not a varint of at most ten bytes")
			}
		}
		b = b[n:]
		if size > uint64(len(b)) {
			return c.fail("field " + strconv.Itoa(int(c.num)) + " says " + strconv.FormatUint(size, 10) + " bytes and " + strconv.Itoa(len(b)) + " are left")
		}
		c.data = b[:size]
		c.rest = b[size:]
		return true
	case wireVarint:
		if c.value, n = uvarint(b); n <= 0 {
			return c.fail("field " + strconv.Itoa(int(c.num)) + " is not a varint of at most ten bytes")
		}
		c.rest = b[n:]
		return true
	case wireFixed64:
		if len(b) < 8 {
			return c.fail(truncated)
		}
		c.value = binary.LittleEndian.Uint64(b)
		c.rest = b[8:]
		return true
	case wireFixed32:
		if len(b) < 4 {
			return c.fail(truncated)
		}
		c.value = uint64(binary.LittleEndian.Uint32(b))
		c.rest = b[4:]
		return true
	}
	return c.fail("field " + strconv.Itoa(int(c.num)) + " has wire type " + strconv.Itoa(int(c.wire)) + ", which is a group or unknown")
}

const truncated = "the message ends within a field"

func (c *cursor) fail(msg string) bool {
	c.err = errors.New(msg)
	c.rest = nil
	return false
}

// is reports whether the field that was read has the wire type w; if not, it is an error.
func (c *cursor) is(w uint8) bool {
	if c.wire == w {
		return true
	}
	c.fail("field " + strconv.Itoa(int(c.num)) + " has wire type " + strconv.Itoa(int(c.wire)) + ", not " + strconv.Itoa(int(w)))
	return false
}

// uvarint is binary.Uvarint with a short way for the commonest lengths.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if len(b) > 1 && b[1] < 0x80 {
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, 2
	}
	return binary.Uvarint(b)
}

// pathError is an error at a field; the path grows towards the root as the error is returned.
type pathError struct {
	path []string // from leaf to root
	msg  string
}

func (e *pathError) Error() string {
	var s strings.Builder
	for i := len(e.path) - 1; i >= 0; i-- {
		if s.Len() > 0 {
			s.WriteByte('.')
		}
		s.WriteString(e.path[i])
	}
	if s.Len() > 0 {
		s.WriteString(": ")
	}
	s.WriteString(e.msg)
	return s.String()
}

// at puts the name of a field before the path of err.
func at(err error, field string) error {
	var p *pathError
	if !errors.As(err, &p) {
		p = &pathError{msg: err.Error()}
	}
	p.path = append(p.path, field)
	return p
}

// atIndex is at for an element of a repeated field.
func atIndex(err error, field string, i int) error {
	return at(err, field+"["+strconv.Itoa(i)+"]")
}

func twice(field string) error { return at(errors.New("the field is there twice"), field) }

func invalid(err error) error {
	return telemetry.Errorf(telemetry.KindInvalid, "decode traces: %w", err)
}
