package segment

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/telemetry"
)

// slab is a stretch of rows of one table that is written at once, as one or
// more row groups. Its rows come from several batches; place[i][r]−lo is the row
// of the slab in which row r of batch i goes, if that is below n.
//
// Values are scattered: each source is read in order and written to its places,
// which costs one cache miss a value where gathering costs two.
type slab struct {
	place [][]uint32
	lo    uint32
	n     int

	dense  []uint32
	wide   []uint64
	bitmap []uint64
	codes  []uint32
	texts  telemetry.Dict
	sound  bool     // all of texts is valid UTF-8 and short enough
	canon  []uint32 // by entry of texts: the first equal entry + 1; 0: not looked for
	intern textIntern
	mended int // texts with invalid UTF-8
	vals   values
}

func (s *slab) aim(place [][]uint32, lo, n int) { s.place, s.lo, s.n = place, uint32(lo), n }

// full prepares wide for a column that has a value in every row.
func (s *slab) full() []uint64 {
	if cap(s.wide) < s.n {
		s.wide = make([]uint64, s.n)
	}
	s.wide = s.wide[:s.n]
	return s.wide
}

func (s *slab) required() *values {
	s.vals = values{rows: s.n, nums: s.wide}
	return &s.vals
}

// scatterInts puts a fixed column of integers in order.
func scatterInts[T ~uint8 | ~uint32 | ~int64](s *slab, of func(src int) []T) *values {
	wide := s.full()
	for i, place := range s.place {
		v := of(i)
		for r, p := range place {
			if q := p - s.lo; q < uint32(len(wide)) {
				wide[q] = uint64(v[r])
			}
		}
	}
	return s.required()
}

// scatterMapped is scatterInts for row numbers that differ from source to source.
func (s *slab) scatterMapped(of func(src int) []uint32, to [][]uint32) *values {
	wide := s.full()
	for i, place := range s.place {
		v, m := of(i), to[i]
		for r, p := range place {
			if q := p - s.lo; q < uint32(len(wide)) {
				wide[q] = uint64(m[v[r]])
			}
		}
	}
	return s.required()
}

func (s *slab) clearDense() {
	if cap(s.dense) < s.n {
		s.dense = make([]uint32, s.n)
	}
	s.dense = s.dense[:s.n]
	clear(s.dense)
}

func (s *slab) clearBitmap() {
	words := (s.n + 63) / 64
	if cap(s.bitmap) < words {
		s.bitmap = make([]uint64, words)
	}
	s.bitmap = s.bitmap[:words]
	clear(s.bitmap)
}

// startTexts begins a column of texts; addDict then gives the first entry of each source.
func (s *slab) startTexts() {
	s.texts.Reset()
	s.sound = true
	s.intern.reset()
	s.clearDense()
}

func (s *slab) addDict(d *telemetry.Dict) (uint32, error) {
	base := s.texts.Len()
	if len(s.texts.Data)+len(d.Data) > 1<<31-1 {
		return 0, telemetry.Errorf(telemetry.KindExhausted, "texts of one column are over 2 GiB; write fewer rows at once")
	}
	s.sound = s.sound && soundTexts(d)
	at := int32(len(s.texts.Data))
	s.texts.Data = append(s.texts.Data, d.Data...)
	if len(s.texts.Offsets) == 0 {
		s.texts.Offsets = append(s.texts.Offsets, 0)
	}
	if d.Len() > 0 {
		for _, o := range d.Offsets[1:] {
			s.texts.Offsets = append(s.texts.Offsets, at+o)
		}
	}
	return uint32(base), nil
}

// soundTexts reports whether no text of d needs to be mended or refused. It goes
// through the block in order, where to look at each text in the order of rows would
// miss the cache for each.
func soundTexts(d *telemetry.Dict) bool {
	if len(d.Data) > maxValueBytes || !utf8.Valid(d.Data) {
		return false
	}
	for _, end := range d.Offsets {
		if int(end) < len(d.Data) && !utf8.RuneStart(d.Data[end]) {
			return false
		}
	}
	return true
}

// fixedTexts puts a column of texts in order that has a value in every row.
func (s *slab) fixedTexts(of func(src int) ([]uint32, *telemetry.Dict)) (*values, error) {
	s.startTexts()
	for i, place := range s.place {
		codes, dict := of(i)
		base, err := s.addDict(dict)
		if err != nil {
			return nil, err
		}
		for r, p := range place {
			if q := p - s.lo; q < uint32(s.n) {
				s.dense[q] = base + codes[r] + 1
			}
		}
	}
	return s.gatherTexts(true, true)
}

// sourceColumn is a sparse column of one source.
type sourceColumn struct {
	src int
	col *telemetry.Column
}

// sparse puts a sparse column in order. It returns nil when no row of the slab has a value.
func (s *slab) sparse(typ telemetry.Type, cols []sourceColumn) (*values, error) {
	if typ.IsText() {
		s.startTexts()
		size, entries := 0, 1
		for _, sc := range cols {
			size += len(sc.col.Dict.Data)
			entries += sc.col.Dict.Len()
		}
		s.texts.Data, s.texts.Offsets = slices.Grow(s.texts.Data, size), slices.Grow(s.texts.Offsets, entries)
		for _, sc := range cols {
			base, err := s.addDict(&sc.col.Dict)
			if err != nil {
				return nil, err
			}
			place, codes := s.place[sc.src], sc.col.Codes
			for i, r := range sc.col.Rows {
				if q := place[r] - s.lo; q < uint32(len(s.dense)) {
					s.dense[q] = base + codes[i] + 1
				}
			}
		}
		return s.gatherTexts(false, typ != telemetry.TypeBytes)
	}
	wide := s.full()
	s.clearBitmap()
	for _, sc := range cols {
		place, nums := s.place[sc.src], sc.col.Nums
		for i, r := range sc.col.Rows {
			if q := place[r] - s.lo; q < uint32(len(wide)) {
				wide[q] = nums[i]
				s.bitmap[q/64] |= 1 << (q % 64)
			}
		}
	}
	n := 0
	for w, word := range s.bitmap {
		for at := w * 64; word != 0; word >>= 1 {
			if word&1 != 0 {
				wide[n] = wide[at]
				n++
			}
			at++
		}
	}
	s.vals = values{rows: s.n, bitmap: s.bitmap, nums: wide[:n]}
	return &s.vals, nil
}

// gatherTexts makes compact values of dense, with one entry for equal texts.
func (s *slab) gatherTexts(required, text bool) (*values, error) {
	need := s.texts.Len()
	if cap(s.canon) < need {
		s.canon = make([]uint32, need)
	}
	s.canon = s.canon[:need]
	clear(s.canon)
	s.codes = s.codes[:0]
	if !required {
		s.clearBitmap()
	}
	for q, d := range s.dense {
		if d == 0 {
			continue
		}
		c := s.canon[d-1]
		if c == 0 {
			first, err := s.entry(d-1, text)
			if err != nil {
				return nil, err
			}
			c = first + 1
			s.canon[d-1] = c
		}
		s.codes = append(s.codes, c-1)
		if !required {
			s.bitmap[q/64] |= 1 << (q % 64)
		}
	}
	s.vals = values{rows: s.n, codes: s.codes, texts: &s.texts}
	if !required {
		s.vals.bitmap = s.bitmap
	}
	return &s.vals, nil
}

// entry finds the first entry with the text of entry, after mending invalid
// UTF-8 where a reader would refuse the whole file for it.
func (s *slab) entry(entry uint32, text bool) (uint32, error) {
	if s.sound {
		return s.intern.find(&s.texts, entry), nil
	}
	v := s.texts.At(entry)
	if len(v) > maxValueBytes {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "a text of %d bytes is over the limit of %d", len(v), maxValueBytes)
	}
	if text && !utf8.Valid(v) {
		s.mended++
		entry = s.texts.Append(bytes.ToValidUTF8(v, []byte("\ufffd")))
	}
	return s.intern.find(&s.texts, entry), nil
}

// columnError says where a column's error was.
func columnError(spec *colSpec, err error) error { return fmt.Errorf("column %s: %w", spec.name, err) }
