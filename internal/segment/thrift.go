package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of Thrift's compact protocol, the notation of Parquet's metadata.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxThriftDepth bounds the nesting that a reader follows; Parquet needs 6.
const maxThriftDepth = 12

// thriftWriter appends structs of the compact protocol. Fields of a struct MUST
// be written in ascending order of their ids, which keeps every header one byte.
type thriftWriter struct {
	b     []byte
	last  [maxThriftDepth]int
	depth int
}

func (w *thriftWriter) field(id int, typ byte) {
	if d := id - w.last[w.depth]; d > 0 && d <= 15 {
		w.b = append(w.b, byte(d)<<4|typ)
	} else {
		w.b = append(w.b, typ)
		w.b = binary.AppendVarint(w.b, int64(id))
	}
	w.last[w.depth] = id
}

func (w *thriftWriter) i32(id int, v int32) {
	w.field(id, thriftI32)
	w.b = binary.AppendVarint(w.b, int64(v))
}

func (w *thriftWriter) i64(id int, v int64) {
	w.field(id, thriftI64)
	w.b = binary.AppendVarint(w.b, v)
}

func (w *thriftWriter) boolean(id int, v bool) {
	if v {
		w.field(id, thriftTrue)
	} else {
		w.field(id, thriftFalse)
	}
}

func (w *thriftWriter) binary(id int, v []byte) {
	w.field(id, thriftBinary)
	w.elemBinary(v)
}

func (w *thriftWriter) text(id int, v string) { w.binary(id, []byte(v)) }

func (w *thriftWriter) elemBinary(v []byte) {
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) list(id int, elem byte, n int) {
	w.field(id, thriftList)
	if n < 15 {
		w.b = append(w.b, byte(n)<<4|elem)
		return
	}
	w.b = append(w.b, 15<<4|elem)
	w.b = binary.AppendUvarint(w.b, uint64(n))
}

// begin opens a struct field; end closes it.
func (w *thriftWriter) begin(id int) {
	w.field(id, thriftStruct)
	w.beginElem()
}

// beginElem opens a struct that is an element of a list.
func (w *thriftWriter) beginElem() {
	w.depth++
	w.last[w.depth] = 0
}

func (w *thriftWriter) end() {
	w.stop()
	w.depth--
}

// stop closes the outermost struct.
func (w *thriftWriter) stop() { w.b = append(w.b, 0) }

var errThriftShort = errors.New("metadata ends early")

// thriftReader reads structs of the compact protocol from foreign bytes. After
// the first error every method returns zeros.
type thriftReader struct {
	b   []byte
	err error
}

func (r *thriftReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *thriftReader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errThriftShort)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *thriftReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errThriftShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *thriftReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errThriftShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// binary aliases the input.
func (r *thriftReader) binary() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail(errThriftShort)
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// list reads the head of a list. Every element takes at least a byte, so that
// no length can ask for more memory than the input is long.
func (r *thriftReader) list(want byte) int {
	head := r.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = r.uvarint()
	}
	if n > uint64(len(r.b)) {
		r.fail(errThriftShort)
		return 0
	}
	if got := head & 15; n > 0 && got != want && (want != thriftTrue || got != thriftFalse) {
		r.fail(fmt.Errorf("metadata has a list of type %d where type %d belongs", got, want))
		return 0
	}
	return int(n)
}

// fields calls f for each field of a struct. f reads the value, or calls skip.
func (r *thriftReader) fields(f func(id int, typ byte)) {
	id := 0
	for r.err == nil {
		head := r.byte()
		if head == 0 {
			return
		}
		if d := int(head >> 4); d != 0 {
			id += d
		} else {
			id = int(int16(r.int()))
		}
		f(id, head&15)
	}
}

// skip passes over a value without recursion into more than maxThriftDepth levels.
func (r *thriftReader) skip(typ byte) { r.skipDepth(typ, 0) }

func (r *thriftReader) skipDepth(typ byte, depth int) {
	if depth > maxThriftDepth {
		r.fail(fmt.Errorf("metadata is nested more than %d deep", maxThriftDepth))
		return
	}
	switch typ {
	case thriftTrue, thriftFalse:
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.int()
	case thriftDouble:
		if len(r.b) < 8 {
			r.fail(errThriftShort)
			return
		}
		r.b = r.b[8:]
	case thriftBinary:
		r.binary()
	case thriftList, thriftSet:
		head := r.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = r.uvarint()
		}
		for i := uint64(0); i < n && r.err == nil; i++ {
			if e := head & 15; e == thriftTrue || e == thriftFalse {
				r.byte()
			} else {
				r.skipDepth(e, depth+1)
			}
		}
	case thriftStruct:
		r.fields(func(_ int, t byte) { r.skipDepth(t, depth+1) })
	default:
		r.fail(fmt.Errorf("metadata has a value of unknown type %d", typ))
	}
}

// expect reports whether a field has the type it should have, and skips it if not.
func (r *thriftReader) expect(typ, want byte) bool {
	if typ == want {
		return true
	}
	r.fail(fmt.Errorf("metadata has a field of type %d where type %d belongs", typ, want))
	return false
}

func (r *thriftReader) fieldInt(typ byte) int64 {
	switch typ {
	case thriftByte:
		return int64(int8(r.byte()))
	case thriftI16, thriftI32, thriftI64:
		return r.int()
	}
	r.fail(fmt.Errorf("metadata has a field of type %d where a number belongs", typ))
	return 0
}
