package segment

import (
	"encoding/binary"

	"github.com/clew-dev/clew/internal/telemetry"
)

// pageBody appends the uncompressed bodies of the data pages of one chunk.
type pageBody struct {
	e     *encoder
	spec  *colSpec
	v     *values
	at    int // first value of the row group among v
	enc   int32
	width int // of codes
}

// end tells where the page that begins at row first ends. Rows count from the
// beginning of the row group, which is row base of the slab; done values are written.
func (p *pageBody) end(base, first, rows, done int) int {
	last := min(first+pageRows, rows)
	if p.enc != encDeltaLength {
		return last
	}
	size := 0
	i := p.at + done
	for r := first; r < last; r += 64 {
		to := min(r+64, last)
		for range p.v.count(base+r, base+to) {
			size += len(p.v.texts.At(p.v.codes[i]))
			i++
		}
		if size >= pageTextBytes {
			return to
		}
	}
	return last
}

// append appends the page of n rows from row on (of the slab), whose k values
// follow the first done values of the row group.
func (p *pageBody) append(dst []byte, row, n, done, k int) []byte {
	if p.spec.optional {
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		if p.v.bitmap == nil {
			dst = appendRun(dst, n, 1, 1)
		} else {
			dst = appendLevels(dst, p.v.bitmap, row, n)
		}
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	lo, hi := p.at+done, p.at+done+k
	switch p.enc {
	case encDict:
		dst = append(dst, byte(p.width))
		return appendHybrid(dst, p.e.codes[done:done+k], p.width)
	case encDelta:
		return appendDelta(dst, p.v.nums[lo:hi])
	case encDeltaLength:
		p.e.lengths = p.e.lengths[:0]
		for _, entry := range p.v.codes[lo:hi] {
			p.e.lengths = append(p.e.lengths, uint64(len(p.v.texts.At(entry))))
		}
		dst = appendDelta(dst, p.e.lengths)
		for _, entry := range p.v.codes[lo:hi] {
			dst = append(dst, p.v.texts.At(entry)...)
		}
		return dst
	case encSplit:
		for b := 0; b < 64; b += 8 {
			for _, x := range p.v.nums[lo:hi] {
				dst = append(dst, byte(x>>b))
			}
		}
		return dst
	}
	return appendPlain(dst, p.spec.phys, p.v, lo, hi)
}

func appendPlain(dst []byte, phys int32, v *values, lo, hi int) []byte {
	switch phys {
	case physFixed:
		for i := lo; i < hi; i++ {
			dst = append(dst, v.ids[i][:]...)
		}
	case physBool:
		var b byte
		for i, x := range v.nums[lo:hi] {
			b |= byte(x&1) << (i % 8)
			if i%8 == 7 {
				dst = append(dst, b)
				b = 0
			}
		}
		if (hi-lo)%8 != 0 {
			dst = append(dst, b)
		}
	case physInt32:
		for _, x := range v.nums[lo:hi] {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(x))
		}
	default:
		for _, x := range v.nums[lo:hi] {
			dst = binary.LittleEndian.AppendUint64(dst, x)
		}
	}
	return dst
}

// textIntern finds equal texts among the entries of a concatenated dictionary,
// and gives up when nearly every entry is new, as telemetry.Builder does.
type textIntern struct {
	slots []uint64 // upper half of the hash, entry + 1
	used  int
	tried int
	plain bool
}

const tryEntries = 1024

func (t *textIntern) reset() {
	if t.used > 0 {
		clear(t.slots)
	}
	t.used, t.tried, t.plain = 0, 0, false
}

// find gives the first entry with the text of entry.
func (t *textIntern) find(d *telemetry.Dict, entry uint32) uint32 {
	if t.plain {
		return entry
	}
	if t.tried++; t.tried%tryEntries == 0 && t.used > t.tried*7/8 {
		t.plain = true
	}
	if 2*t.used >= len(t.slots) {
		t.grow(d)
	}
	text := d.At(entry)
	h := telemetry.HashBytes(text)
	mask := uint64(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			t.slots[i] = h&^(1<<32-1) | uint64(entry+1)
			t.used++
			return entry
		}
		if s>>32 == h>>32 && string(d.At(uint32(s)-1)) == string(text) {
			return uint32(s) - 1
		}
	}
}

func (t *textIntern) grow(d *telemetry.Dict) {
	old := t.slots
	t.slots = make([]uint64, max(256, 2*len(old)))
	mask := uint64(len(t.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := telemetry.HashBytes(d.At(uint32(s)-1)) & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}
