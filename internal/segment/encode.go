package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/klauspost/compress/zstd"

	"github.com/clew-dev/clew/internal/telemetry"
)

const (
	maxNumDict   = 4096     // numbers of a dictionary
	maxTextDict  = 64 << 10 // bytes of a dictionary of texts, so that a look-up never inflates much
	statText     = 64       // longer texts get no smallest and largest value
	zstdWorth    = 16       // a chunk is compressed when that saves a sixteenth
	maxDictCodes = 16 << 10 // texts of a dictionary
)

// values are the values of one column over the rows of a slab, without gaps.
// Exactly one of nums, codes and ids is used.
type values struct {
	rows   int
	bitmap []uint64 // which rows have a value; nil: all
	nums   []uint64
	codes  []uint32 // entries of texts
	texts  *telemetry.Dict
	ids    []telemetry.TraceID
}

// count tells how many of the rows [lo, hi) have a value. lo is a multiple of 64.
func (v *values) count(lo, hi int) int {
	if v.bitmap == nil {
		return hi - lo
	}
	n := 0
	for lo+64 <= hi {
		n += bits.OnesCount64(v.bitmap[lo/64])
		lo += 64
	}
	if lo < hi {
		n += bits.OnesCount64(v.bitmap[lo/64] & (1<<(hi-lo) - 1))
	}
	return n
}

// encoder turns columns into pages. It is the scratch memory of one writer and
// serves all its files, columns and row groups in turn.
type encoder struct {
	z               *zstd.Encoder
	raw, alt        []byte // page before compression
	packed, altPack []byte // page after compression
	header          []byte
	dictRaw, dictZ  []byte
	codes           []uint32 // codes of the row group in its own dictionary
	lengths         []uint64
	num             numDict
	local           []uint32 // by entry: code + 1 in the dictionary of the row group
	order           []uint32 // entries in the dictionary of the row group
	dictLen         int
}

func newEncoder() (*encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &encoder{z: z}, nil
}

// column writes a column over the row groups from group on, whose rows v covers.
func (w *fileWriter) column(group, col int, v *values) {
	row, at := 0, 0
	for g := group; g < len(w.foot.groups) && w.err == nil; g++ {
		n := v.count(row, row+w.foot.groups[g].rows)
		w.chunk(g, col, v, row, at, n)
		row += w.foot.groups[g].rows
		at += n
	}
}

// chunk writes one column of one row group: the rows of v from row on, n values from at on.
func (w *fileWriter) chunk(group, col int, v *values, row, at, n int) {
	e, spec := w.enc, &w.foot.cols[col]
	rows := w.foot.groups[group].rows
	c := &w.foot.groups[group].cols[col]
	c.off, c.values, c.nulls = w.off, int64(rows), int64(rows-n)
	w.crc = 0
	p := pageBody{e: e, spec: spec, v: v, at: at}
	if c.dict = e.buildDict(spec, v, at, n); c.dict {
		c.enc = encDict
		p.width = max(1, bits.Len(uint(e.dictLen-1))) // not every reader knows codes of no width
	} else {
		c.enc = plainEncoding(spec, col == w.sorted)
	}
	p.enc = c.enc
	e.stats(spec, c, v, at, n)
	for first, done := 0, 0; first < rows; {
		last := p.end(row, first, rows, done)
		k := v.count(row+first, row+last)
		e.raw = p.append(e.raw[:0], row+first, last-first, done, k)
		if first == 0 {
			w.chooseCodec(c, &p, row, last, k)
			if c.dict {
				w.dictPage(c, spec, v)
			}
		}
		body := e.raw
		if c.codec == codecZstd {
			if first > 0 { // chooseCodec has compressed the first
				e.packed = e.z.EncodeAll(e.raw, e.packed[:0])
			}
			body = e.packed
		}
		e.header = appendDataPageHeader(e.header[:0], len(e.raw), len(body), last-first, c.enc)
		if len(body) > maxPageBytes-len(e.header) {
			w.err = fmt.Errorf("column %s: a page of %d bytes is over the limit of %d", spec.name, len(body), maxPageBytes)
			return
		}
		c.pages = append(c.pages, w.page(e.header, body, first))
		c.raw += int64(len(e.header) + len(e.raw))
		if col == w.sorted {
			c.mins = append(c.mins, v.stat(spec, at+done))
			c.maxs = append(c.maxs, v.stat(spec, at+done+k-1))
		}
		first, done = last, done+k
	}
	c.size = w.off - c.off
	w.sums[group][col] = w.crc
}

// chooseCodec decides by the first page, which lies in e.raw and then compressed in
// e.packed, whether the chunk is compressed, and whether codes are stored in whole bytes: these are larger,
// but repeated patterns of them compress, which codes across bytes do not.
func (w *fileWriter) chooseCodec(c *chunk, p *pageBody, row, rows, k int) {
	e := p.e
	e.packed = e.z.EncodeAll(e.raw, e.packed[:0])
	best := len(e.packed)
	if p.enc == encDict && p.width > 1 && p.width != 8 && p.width < 16 {
		narrow := p.width
		p.width = (narrow + 7) / 8 * 8
		e.alt = p.append(e.alt[:0], row, rows, 0, k)
		e.altPack = e.z.EncodeAll(e.alt, e.altPack[:0])
		if len(e.altPack) < best && len(e.altPack) < len(e.raw) {
			best = len(e.altPack)
			e.raw, e.alt = e.alt, e.raw
			e.packed, e.altPack = e.altPack, e.packed
		} else {
			p.width = narrow
		}
	}
	raw := len(e.raw)
	if p.enc == encDict {
		raw += len(e.dictRaw)
		e.dictZ = e.z.EncodeAll(e.dictRaw, e.dictZ[:0])
		best += len(e.dictZ)
	}
	if raw-best > raw/zstdWorth {
		c.codec = codecZstd
	}
}

func (w *fileWriter) dictPage(c *chunk, spec *colSpec, v *values) {
	e := w.enc
	body := e.dictRaw
	if c.codec == codecZstd {
		body = e.dictZ
	}
	e.header = appendDictPageHeader(e.header[:0], len(e.dictRaw), len(body), e.dictLen, v.ids != nil)
	p := w.page(e.header, body, 0)
	c.dictSize, c.dictCRC = p.size, p.crc
	c.raw += int64(len(e.header) + len(e.dictRaw))
}

// buildDict collects the distinct values of a row group and the code of each
// value, or reports that there are too many of them to be worth it.
func (e *encoder) buildDict(spec *colSpec, v *values, at, n int) bool {
	e.dictRaw, e.dictLen = e.dictRaw[:0], 0
	if n == 0 || spec.phys == physBool || spec.plain {
		return false
	}
	e.codes = e.codes[:0]
	switch {
	case v.ids != nil:
		ids := v.ids[at : at+n]
		for i, id := range ids {
			if i == 0 || id != ids[i-1] {
				e.dictRaw = append(e.dictRaw, id[:]...)
				e.dictLen++
			}
			e.codes = append(e.codes, uint32(e.dictLen-1))
		}
		return e.dictLen <= n/2
	case spec.runs:
		for i, x := range v.nums[at : at+n] {
			if i == 0 || x != v.nums[at+i-1] {
				e.dictRaw = binary.LittleEndian.AppendUint64(e.dictRaw, x)
				e.dictLen++
			}
			e.codes = append(e.codes, uint32(e.dictLen-1))
		}
		return e.dictLen <= n/2
	case v.texts != nil:
		return e.textDict(v, at, n)
	}
	e.num.reset()
	for _, x := range v.nums[at : at+n] {
		code, ok := e.num.code(x)
		if !ok {
			return false
		}
		e.codes = append(e.codes, code)
	}
	e.dictLen = len(e.num.values)
	if e.dictLen > max(1, n/2) {
		return false
	}
	for _, x := range e.num.values {
		if spec.phys == physInt32 {
			e.dictRaw = binary.LittleEndian.AppendUint32(e.dictRaw, uint32(x))
		} else {
			e.dictRaw = binary.LittleEndian.AppendUint64(e.dictRaw, x)
		}
	}
	return true
}

func (e *encoder) textDict(v *values, at, n int) bool {
	if need := v.texts.Len(); len(e.local) < need {
		e.local = make([]uint32, need)
	}
	e.order = e.order[:0]
	bytes, ok := 0, true
	for _, entry := range v.codes[at : at+n] {
		code := e.local[entry]
		if code == 0 {
			e.order = append(e.order, entry)
			code = uint32(len(e.order))
			e.local[entry] = code
			bytes += len(v.texts.At(entry)) + 4
			if bytes > maxTextDict || len(e.order) > maxDictCodes {
				ok = false
				break
			}
		}
		e.codes = append(e.codes, code-1)
	}
	for _, entry := range e.order {
		e.local[entry] = 0
	}
	e.dictLen = len(e.order)
	if !ok || e.dictLen > max(1, n/2) {
		return false
	}
	for _, entry := range e.order {
		t := v.texts.At(entry)
		e.dictRaw = binary.LittleEndian.AppendUint32(e.dictRaw, uint32(len(t)))
		e.dictRaw = append(e.dictRaw, t...)
	}
	return true
}

func plainEncoding(spec *colSpec, ascending bool) int32 {
	switch {
	case spec.plain:
		return encPlain
	case spec.phys == physInt64, spec.phys == physInt32 && ascending:
		return encDelta
	case spec.phys == physDouble:
		return encSplit
	case spec.phys == physBytes:
		return encDeltaLength
	}
	return encPlain
}

// stats notes the smallest and largest value of a chunk in the order of its
// Parquet type. Readers prune by them, so they are left out where they would
// have to be wrong: a NaN has no place in the order.
func (e *encoder) stats(spec *colSpec, c *chunk, v *values, at, n int) {
	if n == 0 || spec.phys == physBool {
		return
	}
	switch {
	case v.ids != nil && spec.plain: // in no order
	case v.ids != nil:
		c.min, c.max = v.stat(spec, at), v.stat(spec, at+n-1)
	case v.texts != nil:
		if !c.dict {
			return
		}
		least, most := v.texts.At(e.order[0]), v.texts.At(e.order[0])
		for _, entry := range e.order {
			t := v.texts.At(entry)
			if bytes.Compare(t, least) < 0 {
				least = t
			}
			if bytes.Compare(t, most) > 0 {
				most = t
			}
		}
		if len(least) <= statText && len(most) <= statText {
			c.min, c.max = append([]byte{}, least...), append([]byte{}, most...)
		}
	default:
		nums := v.nums[at : at+n]
		if c.dict && !spec.runs {
			nums = e.num.values
		}
		if least, most, ok := spec.minMax(nums); ok {
			c.min, c.max = statBytes(spec.phys, least), statBytes(spec.phys, most)
		}
	}
}

func (spec *colSpec) minMax(nums []uint64) (least, most uint64, ok bool) {
	least, most = nums[0], nums[0]
	switch {
	case spec.phys == physDouble:
		for _, x := range nums {
			f := math.Float64frombits(x)
			if f != f {
				return 0, 0, false
			}
			if floatLess(x, least) {
				least = x
			}
			if floatLess(most, x) {
				most = x
			}
		}
		if math.Float64frombits(least) == 0 {
			least = 1 << 63 // −0, as Parquet asks: 0 and −0 are one value in its order
		}
		if math.Float64frombits(most) == 0 {
			most = 0
		}
	case spec.logical != logNone:
		for _, x := range nums {
			least, most = min(least, x), max(most, x)
		}
	default:
		for _, x := range nums {
			least, most = uint64(min(int64(least), int64(x))), uint64(max(int64(most), int64(x)))
		}
	}
	return least, most, true
}

func (v *values) stat(spec *colSpec, i int) []byte {
	if v.ids != nil {
		return append([]byte{}, v.ids[i][:]...)
	}
	return statBytes(spec.phys, v.nums[i])
}

// numDict gives codes to at most maxNumDict numbers.
type numDict struct {
	keys   [4 * maxNumDict]uint64
	codes  [4 * maxNumDict]uint32 // code + 1; 0: free
	values []uint64
	last   uint64
	lastAt uint32
}

func (d *numDict) reset() {
	if len(d.values) > 0 {
		clear(d.codes[:])
		d.values = d.values[:0]
	}
}

func (d *numDict) code(x uint64) (uint32, bool) {
	if len(d.values) > 0 && x == d.last {
		return d.lastAt, true
	}
	const mask = 4*maxNumDict - 1
	for i := x * 0x9e3779b97f4a7c15 >> 50 & mask; ; i = (i + 1) & mask {
		switch c := d.codes[i]; {
		case c == 0:
			if len(d.values) == maxNumDict {
				return 0, false
			}
			d.values = append(d.values, x)
			d.keys[i], d.codes[i] = x, uint32(len(d.values))
			d.last, d.lastAt = x, uint32(len(d.values)-1)
			return d.lastAt, true
		case d.keys[i] == x:
			d.last, d.lastAt = x, c-1
			return c - 1, true
		}
	}
}
