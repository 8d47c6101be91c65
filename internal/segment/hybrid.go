package segment

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// The RLE/bit-packing hybrid of Parquet holds small unsigned integers of one bit
// width as a sequence of runs. A run begins with a varint: an even one is twice
// the length of a run of one value, which follows in whole bytes; an odd one is
// twice the number of groups of eight packed values, plus one.

var errHybrid = errors.New("run of packed values ends early")

// appendHybrid appends v packed in width bits. A repeated value becomes a run
// from eight on, since a packed run must hold a multiple of eight values.
func appendHybrid(dst []byte, v []uint32, width int) []byte {
	if width == 0 {
		return appendRun(dst, len(v), 0, 0)
	}
	packed := 0 // start of the values that wait to be packed
	for i := 0; i < len(v); {
		run := 1
		for i+run < len(v) && v[i+run] == v[i] {
			run++
		}
		if run < 8 {
			i += run
			continue
		}
		fill := 0
		if wait := i - packed; wait%8 != 0 {
			fill = 8 - wait%8
		}
		if run-fill < 8 {
			i += run
			continue
		}
		dst = appendPacked(dst, v[packed:i+fill], width)
		dst = appendRun(dst, run-fill, v[i], width)
		i += run
		packed = i
	}
	return appendPacked(dst, v[packed:], width)
}

func appendRun(dst []byte, n int, v uint32, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for w := 0; w < width; w += 8 {
		dst = append(dst, byte(v>>w))
	}
	return dst
}

func appendPacked(dst []byte, v []uint32, width int) []byte {
	if len(v) == 0 {
		return dst
	}
	groups := (len(v) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	return packBits(dst, v, groups*8, width)
}

// packBits appends n values of width bits, those beyond v as zeros.
func packBits(dst []byte, v []uint32, n, width int) []byte {
	switch width {
	case 8:
		for _, x := range v {
			dst = append(dst, byte(x))
		}
		return append(dst, make([]byte, n-len(v))...)
	case 16:
		for _, x := range v {
			dst = append(dst, byte(x), byte(x>>8))
		}
		return append(dst, make([]byte, 2*(n-len(v)))...)
	}
	var acc uint64
	have := 0
	for _, x := range v {
		acc |= uint64(x) << have
		have += width
		if have >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(acc))
			acc >>= 32
			have -= 32
		}
	}
	have += (n - len(v)) * width
	for have > 0 {
		dst = append(dst, byte(acc))
		acc >>= 8
		have -= 8
	}
	return dst
}

// decodeHybrid reads the values [skip, skip+len(out)) into out.
func decodeHybrid(p []byte, width, skip int, out []uint32) error {
	if width == 0 {
		clear(out)
		return nil
	}
	if width > 32 {
		return errHybrid
	}
	for len(out) > 0 {
		head, n := binary.Uvarint(p)
		if n <= 0 || head>>1 == 0 {
			return errHybrid
		}
		p = p[n:]
		if head&1 == 0 {
			size := (width + 7) / 8
			if len(p) < size || head>>1 > maxFileRows {
				return errHybrid
			}
			var v uint32
			for i := range size {
				v |= uint32(p[i]) << (8 * i)
			}
			p = p[size:]
			if width < 32 && v>>width != 0 {
				return errHybrid
			}
			run := int(head >> 1)
			if run <= skip {
				skip -= run
				continue
			}
			run = min(run-skip, len(out))
			skip = 0
			for i := range run {
				out[i] = v
			}
			out = out[run:]
			continue
		}
		groups := head >> 1
		if groups > uint64(len(p)/width) {
			return errHybrid
		}
		count := int(groups) * 8
		body := p[:int(groups)*width]
		p = p[len(body):]
		if count <= skip {
			skip -= count
			continue
		}
		take := min(count-skip, len(out))
		unpackBits(body, width, skip, out[:take])
		skip = 0
		out = out[take:]
	}
	return nil
}

// unpackBits reads values [skip, skip+len(out)) of width bits from body, which is long enough.
func unpackBits(body []byte, width, skip int, out []uint32) {
	switch width {
	case 8:
		for i := range out {
			out[i] = uint32(body[skip+i])
		}
		return
	case 16:
		for i := range out {
			out[i] = uint32(binary.LittleEndian.Uint16(body[2*(skip+i):]))
		}
		return
	}
	mask := uint64(1)<<width - 1
	bit := skip * width
	i := 0
	for ; i < len(out) && bit/8+8 <= len(body); i++ {
		out[i] = uint32(binary.LittleEndian.Uint64(body[bit/8:]) >> (bit % 8) & mask)
		bit += width
	}
	for ; i < len(out); i++ {
		var tail [8]byte
		copy(tail[:], body[bit/8:])
		out[i] = uint32(binary.LittleEndian.Uint64(tail[:]) >> (bit % 8) & mask)
		bit += width
	}
}

// appendLevels appends the definition levels of a page: bit i of the bitmap says
// whether row lo+i has a value. lo is a multiple of 64. Stretches of at least 32
// equal levels become runs.
func appendLevels(dst []byte, bitmap []uint64, lo, n int) []byte {
	const least = 4 // bytes
	at := func(i int) byte { return byte(bitmap[lo/64+i/8] >> (i % 8 * 8)) }
	whole := n / 8
	packed := 0
	flush := func(dst []byte, to int) []byte {
		if to > packed {
			dst = binary.AppendUvarint(dst, uint64(to-packed)<<1|1)
			for i := packed; i < to; i++ {
				dst = append(dst, at(i))
			}
		}
		return dst
	}
	for i := 0; i < whole; {
		b := at(i)
		if b != 0 && b != 0xff {
			i++
			continue
		}
		run := 1
		for i+run < whole && at(i+run) == b {
			run++
		}
		if run >= least {
			dst = flush(dst, i)
			dst = appendRun(dst, run*8, uint32(b&1), 1)
			packed = i + run
		}
		i += run
	}
	if n%8 == 0 {
		return flush(dst, whole)
	}
	last := at(whole) & (1<<(n%8) - 1)
	dst = flush(dst, whole)
	packed = whole
	dst = binary.AppendUvarint(dst, 1<<1|1)
	return append(dst, last)
}

// countLevels counts the ones among the first n levels.
func countLevels(p []byte, n int) (int, error) {
	ones := 0
	for n > 0 {
		head, used := binary.Uvarint(p)
		if used <= 0 || head>>1 == 0 {
			return 0, errHybrid
		}
		p = p[used:]
		if head&1 == 0 {
			if len(p) < 1 || head>>1 > maxFileRows {
				return 0, errHybrid
			}
			run := min(int(head>>1), n)
			ones += run * int(p[0]&1)
			p = p[1:]
			n -= run
			continue
		}
		groups := head >> 1
		if groups > uint64(len(p)) {
			return 0, errHybrid
		}
		body := p[:groups]
		p = p[groups:]
		for len(body) >= 8 && n >= 64 {
			ones += bits.OnesCount64(binary.LittleEndian.Uint64(body))
			body = body[8:]
			n -= 64
		}
		for _, b := range body {
			if n <= 0 {
				break
			}
			if n < 8 {
				b &= 1<<n - 1
			}
			ones += bits.OnesCount8(b)
			n -= 8
		}
		n = max(n, 0)
	}
	return ones, nil
}
