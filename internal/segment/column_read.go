package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// rowRange is the rows [lo, hi) of a file.
type rowRange struct{ lo, hi int }

// cells are the values that a column has in some ranges of rows, one after the
// other. rows counts from the first row of the first range on, without gaps.
type cells struct {
	rows  []uint32 // rows with a value; not used for required columns, which have one each
	nums  []uint64
	codes []uint32 // entries of texts
	texts telemetry.Dict
	ids   []telemetry.TraceID
}

var (
	errPage  = errors.New("page ends early")
	errCodes = errors.New("code outside the dictionary")
)

// column reads the values of a column in ascending ranges of rows.
func (t *tableReader) column(col int, ranges []rowRange) (*cells, error) {
	out := &cells{}
	total := 0
	for _, r := range ranges {
		total += r.hi - r.lo
	}
	if !t.foot.cols[col].optional {
		switch t.foot.cols[col].phys {
		case physFixed:
			out.ids = make([]telemetry.TraceID, 0, total)
		case physBytes:
			out.codes = make([]uint32, 0, total)
		default:
			out.nums = make([]uint64, 0, total)
		}
	}
	if err := t.columnInto(col, ranges, out); err != nil {
		return nil, err
	}
	return out, nil
}

// columnInto appends the values to out, whose rows count from 0.
func (t *tableReader) columnInto(col int, ranges []rowRange, out *cells) error {
	row := uint32(0)
	group, page := 0, 0
	if len(ranges) > 0 {
		group = t.groupOf(ranges[0].lo)
	}
	known := -1 // the row group for which remap holds
	for _, r := range ranges {
		for lo := r.lo; lo < r.hi; {
			for group < len(t.foot.groups) && lo >= t.foot.groups[group].first+t.foot.groups[group].rows {
				group++
				page = 0
			}
			if group == len(t.foot.groups) {
				return t.fail(col, fmt.Errorf("row %d of %d", lo, t.foot.rows))
			}
			g, err := t.group(group)
			if err != nil {
				return err
			}
			c := &g.cols[col]
			for page+1 < len(c.pages) && lo-g.first >= int(c.pages[page+1].first) {
				page++
			}
			first, end := g.first+int(c.pages[page].first), g.first+g.rows
			if page+1 < len(c.pages) {
				end = g.first + int(c.pages[page+1].first)
			}
			hi := min(r.hi, end)
			var d *dictionary
			if c.dict {
				if d, err = t.dict(group, col); err != nil {
					return err
				}
				if group != known && t.foot.cols[col].phys == physBytes {
					t.startRemap(d.texts.Len())
				}
				known = group
			}
			if err := t.load(col, c, page); err != nil {
				return err
			}
			if err := t.decode(&t.foot.cols[col], d, lo-first, hi-first, row, out); err != nil {
				return t.fail(col, err)
			}
			row += uint32(hi - lo)
			lo = hi
		}
	}
	return nil
}

func (s *scratch) startRemap(n int) {
	if s.round++; s.round == 0 || cap(s.remap) < n {
		s.remap, s.round = make([]uint64, n), 1
	}
	s.remap = s.remap[:n]
}

// decode appends the rows [lo, hi) of the current page to out, where they are row and following.
func (t *tableReader) decode(spec *colSpec, d *dictionary, lo, hi int, row uint32, out *cells) error {
	p := t.body
	skip, n, all := lo, hi-lo, int(t.page.values)
	if spec.optional {
		if len(p) < 4 {
			return errPage
		}
		size := binary.LittleEndian.Uint32(p)
		if uint64(size) > uint64(len(p)-4) {
			return errPage
		}
		levels := p[4 : 4+size]
		p = p[4+size:]
		var err error
		if skip, err = countLevels(levels, lo); err != nil {
			return err
		}
		t.levels = slices.Grow(t.levels[:0], n)[:n]
		if err := decodeHybrid(levels, 1, lo, t.levels); err != nil {
			return err
		}
		before := len(out.rows)
		for i, l := range t.levels {
			if l != 0 {
				out.rows = append(out.rows, row+uint32(i))
			}
		}
		if n = len(out.rows) - before; n == 0 {
			return nil
		}
		if t.page.enc == encSplit || t.page.enc == encDeltaLength {
			if all, err = countLevels(levels, all); err != nil {
				return err
			}
		}
	}
	switch t.page.enc {
	case encDict:
		if d == nil {
			return fmt.Errorf("codes without a dictionary")
		}
		return t.decodeCodes(p, d, skip, n, out)
	case encDelta:
		if spec.phys != physInt64 && spec.phys != physInt32 {
			break
		}
		if skip == 0 {
			var err error
			_, out.nums, err = decodeDelta(p, n, out.nums)
			return err
		}
		_, nums, err := decodeDelta(p, skip+n, t.nums[:0])
		if err != nil {
			return err
		}
		t.nums = nums
		out.nums = append(out.nums, nums[skip:]...)
		return nil
	case encDeltaLength:
		if spec.phys == physBytes {
			return t.decodeTexts(p, skip, n, all, out)
		}
	case encSplit:
		if spec.phys != physDouble {
			break
		}
		if len(p) != 8*all || skip+n > all {
			return errPage
		}
		for i := skip; i < skip+n; i++ {
			var x uint64
			for b := range 8 {
				x |= uint64(p[b*all+i]) << (8 * b)
			}
			out.nums = append(out.nums, x)
		}
		return nil
	case encPlain:
		if spec.phys != physBytes {
			return decodePlain(p, spec.phys, skip, n, out)
		}
	}
	return fmt.Errorf("values of type %d in encoding %d", spec.phys, t.page.enc)
}

func (s *scratch) decodeCodes(p []byte, d *dictionary, skip, n int, out *cells) error {
	if len(p) == 0 {
		return errPage
	}
	s.codes = slices.Grow(s.codes[:0], n)[:n]
	if err := decodeHybrid(p[1:], int(p[0]), skip, s.codes); err != nil {
		return err
	}
	limit := uint32(d.len())
	for _, c := range s.codes {
		if c >= limit {
			return errCodes
		}
	}
	switch {
	case d.ids != nil:
		for _, c := range s.codes {
			out.ids = append(out.ids, d.ids[c])
		}
	case d.nums != nil:
		for _, c := range s.codes {
			out.nums = append(out.nums, d.nums[c])
		}
	default:
		round := uint64(s.round) << 32
		for _, c := range s.codes {
			m := s.remap[c]
			if m&^(1<<32-1) != round {
				m = round | uint64(out.texts.Append(d.texts.At(c)))
				s.remap[c] = m
			}
			out.codes = append(out.codes, uint32(m))
		}
	}
	return nil
}

func (s *scratch) decodeTexts(p []byte, skip, n, all int, out *cells) error {
	rest, lengths, err := decodeDelta(p, all, s.nums[:0])
	if err != nil {
		return err
	}
	s.nums = lengths
	at := uint64(0)
	for i, k := range lengths[:min(skip+n, all)] {
		if k > uint64(len(rest))-at {
			return errPage
		}
		if i >= skip {
			out.codes = append(out.codes, out.texts.Append(rest[at:at+k]))
		}
		at += k
	}
	if skip+n > all {
		return errPage
	}
	return nil
}

func decodePlain(p []byte, phys int32, skip, n int, out *cells) error {
	switch phys {
	case physBool:
		if (skip+n+7)/8 > len(p) {
			return errPage
		}
		for i := skip; i < skip+n; i++ {
			out.nums = append(out.nums, uint64(p[i/8]>>(i%8)&1))
		}
	case physInt32:
		if (skip+n)*4 > len(p) {
			return errPage
		}
		for i := skip; i < skip+n; i++ {
			out.nums = append(out.nums, uint64(binary.LittleEndian.Uint32(p[4*i:])))
		}
	case physFixed:
		if (skip+n)*16 > len(p) {
			return errPage
		}
		for i := skip; i < skip+n; i++ {
			out.ids = append(out.ids, telemetry.TraceID(p[16*i:16*i+16]))
		}
	default:
		if (skip+n)*8 > len(p) {
			return errPage
		}
		for i := skip; i < skip+n; i++ {
			out.nums = append(out.nums, binary.LittleEndian.Uint64(p[8*i:]))
		}
	}
	return nil
}
