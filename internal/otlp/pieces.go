package otlp

import (
	"io"
	"math/bits"
)

// pieceBytes is what is encoded before it is sent: a batch of a million spans must not
// be in memory a second time as text. A piece is longer by at most one span.
const pieceBytes = 64 << 10

// pieces is what has been encoded and not yet sent. Without out it is kept as a whole.
type pieces struct {
	b   []byte
	out io.Writer
	err error // of out
}

// sendFull sends what is there when it is enough for a piece, up to the last keep bytes.
func (p *pieces) sendFull(keep int) bool {
	if p.out == nil || len(p.b) < pieceBytes {
		return true
	}
	to := len(p.b) - keep
	_, p.err = p.out.Write(p.b[:to])
	p.b = p.b[:copy(p.b, p.b[to:])]
	return p.err == nil
}

// sendRest sends what is left, unless an error came before.
func (p *pieces) sendRest() error {
	if p.err == nil {
		_, p.err = p.out.Write(p.b)
	}
	return p.err
}

// sizer measures what protoWriter writes, and the groups in it, in the order of their begin.
type sizer struct {
	n      int
	open   []int // n in front of each open message
	groups []int // places in sizes of the open groups
	sizes  []int
}

func uvarintBytes(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func (w *sizer) tag(num int) { w.n += uvarintBytes(uint64(num << 3)) }

func (w *sizer) list(field)      {}
func (w *sizer) endList()        {}
func (w *sizer) spanDone() bool  { return true }
func (w *sizer) element(f field) { w.message(f) }

func (w *sizer) message(f field) {
	w.tag(f.num)
	w.open = append(w.open, w.n)
	w.n = 0
}

func (w *sizer) end() {
	last := len(w.open) - 1
	w.n += uvarintBytes(uint64(w.n)) + w.open[last]
	w.open = w.open[:last]
}

func (w *sizer) group(f field) {
	w.groups = append(w.groups, len(w.sizes))
	w.sizes = append(w.sizes, 0)
	w.message(f)
}

func (w *sizer) endGroup() {
	last := len(w.groups) - 1
	w.sizes[w.groups[last]] = w.n
	w.groups = w.groups[:last]
	w.end()
}

func (w *sizer) text(f field, v []byte) { w.bytes(f, v) }
func (w *sizer) id(f field, v []byte)   { w.bytes(f, v) }

func (w *sizer) bytes(f field, v []byte) {
	w.tag(f.num)
	w.n += uvarintBytes(uint64(len(v))) + len(v)
}

func (w *sizer) small(f field, v uint64) {
	w.tag(f.num)
	w.n += uvarintBytes(v)
}

func (w *sizer) int(f field, v int64) { w.small(f, uint64(v)) }

func (w *sizer) time(f field, _ uint64) {
	w.tag(f.num)
	w.n += 8
}

func (w *sizer) flags(f field, _ uint32) {
	w.tag(f.num)
	w.n += 4
}

func (w *sizer) double(f field, _ float64) { w.time(f, 0) }
func (w *sizer) bool(f field, _ bool)      { w.small(f, 0) }
