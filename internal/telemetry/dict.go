package telemetry

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// Dict is a list of texts in one block of memory: entry i is
// Data[Offsets[i]:Offsets[i+1]]. Two entries may be equal: a dictionary of a
// column in which nearly every value is new does not pay for finding repeats.
// The zero value is an empty Dict.
type Dict struct {
	Data    []byte
	Offsets []int32 // Len()+1 entries, or none when empty
}

// Len is the number of entries.
func (d *Dict) Len() int { return max(len(d.Offsets)-1, 0) }

// At gives entry i; it aliases the Dict.
func (d *Dict) At(i uint32) []byte { return d.Data[d.Offsets[i]:d.Offsets[i+1]] }

// Str gives a copy of entry i as a string.
func (d *Dict) Str(i uint32) string { return string(d.At(i)) }

// Bytes is the memory of the dictionary, by the lengths of its slices.
func (d *Dict) Bytes() int64 { return int64(len(d.Data)) + int64(len(d.Offsets))*4 }

// Append adds an entry without looking for an equal one.
func (d *Dict) Append(v []byte) uint32 {
	if len(d.Offsets) == 0 {
		d.Offsets = append(d.Offsets, 0)
	}
	d.Data = append(room(d.Data, len(v)), v...)
	d.Offsets = append(room(d.Offsets, 1), int32(len(d.Data)))
	return uint32(len(d.Offsets) - 2)
}

// appendSome adds the entries [lo, hi) of another without looking for equal ones and
// gives the code of the first.
func (d *Dict) appendSome(src *Dict, lo, hi int) uint32 {
	if len(d.Offsets) == 0 {
		d.Offsets = append(d.Offsets, 0)
	}
	first := uint32(d.Len())
	if lo == hi {
		return first
	}
	data := src.Data[src.Offsets[lo]:src.Offsets[hi]]
	base := int32(len(d.Data)) - src.Offsets[lo]
	d.Data = append(room(d.Data, len(data)), data...)
	d.Offsets = room(d.Offsets, hi-lo)
	for _, end := range src.Offsets[lo+1 : hi+1] {
		d.Offsets = append(d.Offsets, base+end)
	}
	return first
}

// room gives v with room for n more. It doubles what it has at least: append
// itself grows large slices by a quarter, and rows that arrive by the request
// would be copied four times on their way to a full run. And append clears all that
// it adds, where new memory is clear already and costs nothing until it is used.
func room[T any](v []T, n int) []T {
	if cap(v)-len(v) >= n {
		return v
	}
	grown := make([]T, len(v), max(len(v)+n, 2*len(v)))
	copy(grown, v)
	return grown
}

// Reset empties the dictionary and keeps its memory.
func (d *Dict) Reset() {
	d.Data = d.Data[:0]
	d.Offsets = d.Offsets[:0]
}

var hashSeed = maphash.MakeSeed()

// HashBytes hashes v; the answer differs from process to process, so that a
// sender cannot choose values that collide.
func HashBytes(v []byte) uint64 { return maphash.Bytes(hashSeed, v) }

// Interner finds the code of a text in a Dict, adding it when it is new. The
// zero value is ready. It remembers entries added through it only.
type Interner struct {
	slots []slot // open addressing, a power of two
	used  int
}

type slot struct {
	hash uint32 // upper half of the hash; 0 with code 0 means free
	code uint32 // code + 1
}

// Reset forgets every entry and keeps the memory.
func (n *Interner) Reset() {
	if n.used > 0 {
		clear(n.slots)
		n.used = 0
	}
}

// Intern gives the code of v in d.
func (n *Interner) Intern(d *Dict, v []byte) uint32 {
	if n.used*2 >= len(n.slots) {
		n.grow(d)
	}
	h := HashBytes(v)
	mask := uint64(len(n.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &n.slots[i]
		if s.code == 0 {
			code := d.Append(v)
			*s = slot{uint32(h >> 32), code + 1}
			n.used++
			return code
		}
		if s.hash == uint32(h>>32) && bytes.Equal(d.At(s.code-1), v) {
			return s.code - 1
		}
	}
}

func (n *Interner) grow(d *Dict) {
	size := 16
	if len(n.slots) > 0 {
		size = 1 << bits.Len(uint(len(n.slots)))
	}
	old := n.slots
	n.slots = make([]slot, size)
	mask := uint64(size - 1)
	for _, s := range old {
		if s.code == 0 {
			continue
		}
		h := HashBytes(d.At(s.code - 1))
		i := h & mask
		for n.slots[i].code != 0 {
			i = (i + 1) & mask
		}
		n.slots[i] = s
	}
}
