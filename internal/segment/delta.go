package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// DELTA_BINARY_PACKED of Parquet holds integers as differences: a header (block
// size, miniblocks a block, number of values, first value) and blocks of 128
// differences, each with its smallest difference and four bit widths, one for
// every 32 differences, which are packed less the smallest one.
const (
	deltaBlock = 128
	deltaMini  = 32
	deltaMinis = deltaBlock / deltaMini
)

var errDelta = errors.New("differences end early")

// appendDelta appends v. Differences wrap around, so that every value comes back.
func appendDelta(dst []byte, v []uint64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaMinis)
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	if len(v) == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(v[0]))
	var d [deltaBlock]uint64
	last := v[0]
	for v = v[1:]; len(v) > 0; {
		n := min(len(v), deltaBlock)
		least := int64(v[0] - last)
		for i, x := range v[:n] {
			d[i] = x - last
			last = x
			least = min(least, int64(d[i]))
		}
		v = v[n:]
		dst = binary.AppendVarint(dst, least)
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		for m := 0; m*deltaMini < n; m++ {
			mini := d[m*deltaMini : min(n, (m+1)*deltaMini)]
			var all uint64
			for i := range mini {
				mini[i] -= uint64(least)
				all |= mini[i]
			}
			width := bits.Len64(all)
			dst[at+m] = byte(width)
			dst = packBits64(dst, mini, width)
		}
	}
	return dst
}

// packBits64 appends a miniblock of 32 values, those beyond v as zeros.
func packBits64(dst []byte, v []uint64, width int) []byte {
	end := len(dst) + deltaMini*width/8
	var acc uint64
	have := 0
	for _, x := range v {
		acc |= x << have
		have += width
		if have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = 0
			if have > 0 {
				acc = x >> (width - have)
			}
		}
	}
	for len(dst) < end {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// decodeDelta reads the first n values, appends them to out and returns what
// follows the whole encoding when n is the number of values it holds.
func decodeDelta(p []byte, n int, out []uint64) (rest []byte, values []uint64, err error) {
	var head [3]uint64
	for i := range head {
		v, used := binary.Uvarint(p)
		if used <= 0 {
			return nil, nil, errDelta
		}
		head[i], p = v, p[used:]
	}
	first, used := binary.Varint(p)
	if used <= 0 {
		return nil, nil, errDelta
	}
	p = p[used:]
	if head[0] != deltaBlock || head[1] != deltaMinis {
		return nil, nil, fmt.Errorf("differences in blocks of %d by %d, want %d by %d", head[0], head[1], deltaBlock, deltaMinis)
	}
	if head[2] < uint64(n) {
		return nil, nil, fmt.Errorf("%d differences, want %d", head[2], n)
	}
	if n == 0 {
		return p, out, nil
	}
	last := uint64(first)
	out = append(out, last)
	for left := n - 1; left > 0; {
		least, used := binary.Varint(p)
		if used <= 0 || len(p) < used+deltaMinis {
			return nil, nil, errDelta
		}
		widths := p[used : used+deltaMinis]
		p = p[used+deltaMinis:]
		for m := 0; m < deltaMinis && left > 0; m++ {
			width := int(widths[m])
			size := deltaMini * width / 8
			if width > 64 || len(p) < size {
				return nil, nil, errDelta
			}
			take := min(left, deltaMini)
			// The bytes behind are given as well, so that they can be read along.
			out = unpackDelta(p[:min(len(p), size+8)], width, take, uint64(least), last, out)
			last = out[len(out)-1]
			p = p[size:]
			left -= take
		}
	}
	return p, out, nil
}

func unpackDelta(body []byte, width, n int, least, last uint64, out []uint64) []uint64 {
	if width == 0 {
		for range n {
			last += least
			out = append(out, last)
		}
		return out
	}
	mask := ^uint64(0) >> (64 - width)
	at := len(out)
	out = slices.Grow(out, n)[:at+n]
	to, i := out[at:], 0
	if width <= 57 { // then a value lies in the eight bytes from its first one on
		whole := min(n, ((len(body)-8)*8)/width) // what begins before the last eight bytes
		for ; i < whole; i++ {
			bit := i * width
			last += least + binary.LittleEndian.Uint64(body[bit>>3:])>>(bit&7)&mask
			to[i] = last
		}
	}
	for ; i < n; i++ {
		bit := i * width
		var x uint64
		if at := bit / 8; at+8 <= len(body) {
			x = binary.LittleEndian.Uint64(body[at:]) >> (bit % 8)
			if over := bit%8 + width - 64; over > 0 {
				x |= uint64(body[at+8]) << (width - over)
			}
		} else {
			var tail [8]byte
			copy(tail[:], body[at:])
			x = binary.LittleEndian.Uint64(tail[:]) >> (bit % 8)
		}
		last += least + x&mask
		to[i] = last
	}
	return out
}
