package otlp

import (
	"math"
	"strconv"

	"github.com/clew-dev/clew/internal/telemetry"
)

// anyKind is the field of AnyValue that is set.
type anyKind uint8

const (
	anyNone   anyKind = 0
	anyString anyKind = 1
	anyBool   anyKind = 2
	anyInt    anyKind = 3
	anyDouble anyKind = 4
	anyArray  anyKind = 5
	anyList   anyKind = 6
	anyBytes  anyKind = 7
	anyIndex  anyKind = 8 // of a string in a table that profiles have and traces do not: no value
)

// anyValue reads the fields of an AnyValue. The last one of the wire is the one that is set.
func anyValue(body []byte) (kind anyKind, num uint64, data []byte, err error) {
	// Nearly every value is one short string or one integer.
	if data, rest := shortField(body, byte(anyString)<<3|wireBytes); data != nil && len(rest) == 0 {
		return anyString, 0, data, nil
	}
	if len(body) > 1 && body[0] == byte(anyInt)<<3|wireVarint {
		if num, n := uvarint(body[1:]); n > 0 && n == len(body)-1 {
			return anyInt, num, nil, nil
		}
	}
	c := cursor{rest: body}
	for c.next() {
		if c.num > uint32(anyIndex) {
			continue
		}
		wire := uint8(wireBytes)
		switch anyKind(c.num) {
		case anyBool, anyInt, anyIndex:
			wire = wireVarint
		case anyDouble:
			wire = wireFixed64
		}
		if !c.is(wire) {
			break
		}
		now := anyKind(c.num)
		if now == kind && (kind == anyArray || kind == anyList) {
			return 0, 0, nil, twice(containerNames[kind])
		}
		kind, num, data = now, c.value, c.data
	}
	return kind, num, data, c.err
}

var containerNames = map[anyKind]string{anyArray: "array_value", anyList: "kvlist_value"}

// value reads an AnyValue into a, whose key it leaves alone.
func (d *Decoder) value(body []byte, a *attr, marks *uint8) error {
	kind, num, data, err := anyValue(body)
	if err != nil {
		return at(err, "value")
	}
	a.num, a.text = num, nil
	switch kind {
	case anyString:
		a.typ, a.text = typeString, d.mend(data, d.lim.ValueBytes, marks)
	case anyBool:
		a.typ = typeBool
		if num != 0 {
			a.num = 1
		}
	case anyInt:
		a.typ = typeInt
	case anyDouble:
		a.typ = typeDouble
	case anyBytes:
		a.typ, a.text = typeBytes, data
		if len(data) > d.lim.ValueBytes {
			a.text = data[:d.lim.ValueBytes]
			d.truncated(LongValue, marks)
		}
	case anyNone, anyIndex:
		a.typ, a.text = typeValue, nullText
	default:
		a.typ = typeValue
		from := len(d.scratch)
		if err := d.nest(kind, data, marks); err != nil {
			return at(err, "value")
		}
		a.text = d.scratch[from:]
		d.nested += len(a.text)
	}
	return nil
}

var nullText = []byte("null")

func (d *Decoder) truncated(r Reason, marks *uint8) {
	d.report.Counts[r]++
	*marks |= telemetry.MarkTruncated
}

// frame is an array or a key-value list whose elements are being read.
type frame struct {
	c    cursor
	kind anyKind
	n    int // elements so far
}

// nest appends the canonical text of an array or key-value list to d.scratch. It goes
// down at most MaxDepth levels, and stops adding elements when the text is too long;
// every bracket that it opens it closes.
func (d *Decoder) nest(kind anyKind, body []byte, marks *uint8) error {
	var stack [MaxDepth]frame
	depth := 1
	stack[0] = frame{c: cursor{rest: body}, kind: kind}
	from := len(d.scratch)
	room := min(d.lim.ValueBytes, d.lim.NestedBytes-d.nested)
	d.scratch = append(d.scratch, opening(kind))
	for depth > 0 {
		f := &stack[depth-1]
		if !f.c.next() {
			if f.c.err != nil {
				f.n = 0 // the error is one of the list, not of its last element
				return nestedAt(f.c.err, stack[:depth])
			}
			d.scratch = append(d.scratch, closing(f.kind))
			depth--
			continue
		}
		if f.c.num != 1 {
			continue
		}
		if !f.c.is(wireBytes) {
			return nestedAt(f.c.err, stack[:depth])
		}
		if len(d.scratch)-from >= room {
			d.truncated(LargeNested, marks)
			for ; depth > 0; depth-- {
				d.scratch = append(d.scratch, closing(stack[depth-1].kind))
			}
			break
		}
		if f.n > 0 {
			d.scratch = append(d.scratch, ',')
		}
		f.n++
		value := f.c.data
		if f.kind == anyList {
			key, v, err := keyValue(f.c.data)
			if err != nil {
				return nestedAt(err, stack[:depth])
			}
			d.scratch = telemetry.AppendValueKey(d.scratch, d.nestedText(key, d.lim.KeyBytes, marks))
			value = v
		}
		kind, num, data, err := anyValue(value)
		if err != nil {
			return nestedAt(err, stack[:depth])
		}
		switch kind {
		case anyArray, anyList:
			if depth == MaxDepth {
				d.truncated(DeepNested, marks)
				d.scratch = append(d.scratch, nullText...)
				break
			}
			stack[depth] = frame{c: cursor{rest: data}, kind: kind}
			depth++
			d.scratch = append(d.scratch, opening(kind))
		default:
			d.nestedScalar(kind, num, data, room-(len(d.scratch)-from), marks)
		}
	}
	return nil
}

func (d *Decoder) nestedScalar(kind anyKind, num uint64, data []byte, room int, marks *uint8) {
	switch kind {
	case anyString:
		d.scratch = telemetry.AppendValueString(d.scratch, d.nestedText(data, min(room, d.lim.ValueBytes), marks))
	case anyBool:
		d.scratch = strconv.AppendBool(d.scratch, num != 0)
	case anyInt:
		d.scratch = telemetry.AppendValueInt(d.scratch, int64(num))
	case anyDouble:
		d.scratch = telemetry.AppendValueDouble(d.scratch, math.Float64frombits(num))
	case anyBytes:
		if room = min(max(room, 0), d.lim.ValueBytes); len(data) > room {
			data = data[:room]
			d.truncated(LargeNested, marks)
		}
		d.scratch = telemetry.AppendValueBytes(d.scratch, data)
	default:
		d.scratch = append(d.scratch, nullText...)
	}
}

// nestedText is mend for a text within a nested value. Its result holds until the next call.
func (d *Decoder) nestedText(v []byte, limit int, marks *uint8) []byte {
	d.text = d.text[:0]
	return d.mendTo(&d.text, v, max(limit, 0), LargeNested, marks)
}

func opening(k anyKind) byte {
	if k == anyArray {
		return '['
	}
	return '{'
}

func closing(k anyKind) byte {
	if k == anyArray {
		return ']'
	}
	return '}'
}

// nestedAt puts the path of the element at hand, the last one of the stack, before err.
func nestedAt(err error, stack []frame) error {
	for i := len(stack) - 1; i >= 0; i-- {
		if n := stack[i].n; n > 0 {
			err = atIndex(err, "values", n-1)
		}
		err = at(err, containerNames[stack[i].kind])
	}
	return err
}
