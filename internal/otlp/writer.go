package otlp

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/clew-dev/clew/internal/telemetry"
)

// protoWriter writes protobuf with lengths in their shortest form.
type protoWriter struct {
	pieces
	open  []int // where the lengths of the open messages stand
	sizes []int // of the groups that come
}

func (w *protoWriter) tag(num, wire int) { w.b = binary.AppendUvarint(w.b, uint64(num<<3|wire)) }

func (w *protoWriter) list(field) {}
func (w *protoWriter) endList()   {}

func (w *protoWriter) element(f field) { w.message(f) }

func (w *protoWriter) message(f field) {
	w.tag(f.num, wireBytes)
	w.open = append(w.open, len(w.b))
	w.b = append(w.b, 0)
}

func (w *protoWriter) group(f field) {
	w.tag(f.num, wireBytes)
	w.b = binary.AppendUvarint(w.b, uint64(w.sizes[0]))
	w.sizes = w.sizes[1:]
}

func (w *protoWriter) endGroup() {}

func (w *protoWriter) spanDone() bool { return w.sendFull(0) }

// end writes the length into the byte that is kept for it, and moves the message when it takes more.
func (w *protoWriter) end() {
	at := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	n := len(w.b) - at - 1
	if n < 0x80 {
		w.b[at] = byte(n)
		return
	}
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	w.b = append(w.b, length[:size-1]...)
	copy(w.b[at+size:], w.b[at+1:at+1+n])
	copy(w.b[at:], length[:size])
}

func (w *protoWriter) text(f field, v []byte) { w.bytes(f, v) }
func (w *protoWriter) id(f field, v []byte)   { w.bytes(f, v) }

func (w *protoWriter) bytes(f field, v []byte) {
	w.tag(f.num, wireBytes)
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *protoWriter) small(f field, v uint64) {
	w.tag(f.num, wireVarint)
	w.b = binary.AppendUvarint(w.b, v)
}

func (w *protoWriter) int(f field, v int64) { w.small(f, uint64(v)) }

func (w *protoWriter) time(f field, v uint64) {
	w.tag(f.num, wireFixed64)
	w.b = binary.LittleEndian.AppendUint64(w.b, v)
}

func (w *protoWriter) flags(f field, v uint32) {
	w.tag(f.num, wireFixed32)
	w.b = binary.LittleEndian.AppendUint32(w.b, v)
}

func (w *protoWriter) double(f field, v float64) { w.time(f, math.Float64bits(v)) }

func (w *protoWriter) bool(f field, v bool) {
	n := uint64(0)
	if v {
		n = 1
	}
	w.small(f, n)
}

// jsonWriter writes OTLP/JSON.
type jsonWriter struct{ pieces }

// comma separates what comes from what is there.
func (w *jsonWriter) comma() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *jsonWriter) name(f field) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, f.name...)
	w.b = append(w.b, '"', ':')
}

func (w *jsonWriter) list(f field) {
	w.name(f)
	w.b = append(w.b, '[')
}

func (w *jsonWriter) endList() { w.b = append(w.b, ']') }

func (w *jsonWriter) element(field) {
	w.comma()
	w.b = append(w.b, '{')
}

func (w *jsonWriter) message(f field) {
	w.name(f)
	w.b = append(w.b, '{')
}

func (w *jsonWriter) end() { w.b = append(w.b, '}') }

func (w *jsonWriter) group(f field) { w.element(f) }
func (w *jsonWriter) endGroup()     { w.end() }

// spanDone keeps the last byte, by which comma knows what comes before.
func (w *jsonWriter) spanDone() bool { return w.sendFull(1) }

func (w *jsonWriter) text(f field, v []byte) {
	w.name(f)
	w.b = telemetry.AppendValueString(w.b, v)
}

func (w *jsonWriter) bytes(f field, v []byte) {
	w.name(f)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, v)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) id(f field, v []byte) {
	w.name(f)
	w.b = append(w.b, '"')
	w.b = hex.AppendEncode(w.b, v)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) small(f field, v uint64) {
	w.name(f)
	w.b = strconv.AppendUint(w.b, v, 10)
}

func (w *jsonWriter) int(f field, v int64) {
	w.name(f)
	w.b = append(w.b, '"')
	w.b = strconv.AppendInt(w.b, v, 10)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) time(f field, v uint64) {
	w.name(f)
	w.b = append(w.b, '"')
	w.b = strconv.AppendUint(w.b, v, 10)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) flags(f field, v uint32) { w.small(f, uint64(v)) }

func (w *jsonWriter) double(f field, v float64) {
	w.name(f)
	switch {
	case math.IsNaN(v):
		w.b = append(w.b, `"NaN"`...)
	case math.IsInf(v, 1):
		w.b = append(w.b, `"Infinity"`...)
	case math.IsInf(v, -1):
		w.b = append(w.b, `"-Infinity"`...)
	default:
		w.b = strconv.AppendFloat(w.b, v, 'g', -1, 64)
	}
}

func (w *jsonWriter) bool(f field, v bool) {
	w.name(f)
	w.b = strconv.AppendBool(w.b, v)
}
