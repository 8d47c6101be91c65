package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// The tail of a large file has a place for every page of it: parsed, those of 100
// million spans take 55 MiB. So a file is known by its layout, a hundred bytes a row
// group, and a row group's pages are parsed from its own part of the tail when a
// row of it is asked for, which takes about as long as reading one page.

// layout is what is kept of the footer of a file.
type layout struct {
	cols   []colSpec
	rows   int
	groups []groupPlace
}

// groupPlace is a row group of a layout.
type groupPlace struct {
	rows  int
	first int                      // row of the file
	stats [layoutStats]columnStats // of the columns of statColumns

	meta  piece // its part of FileMetaData
	index piece // from the first of its page indexes to the end of the last
	sums  piece // the checksums of its pages
}

// columnStats are statistics in PLAIN, or nil.
type columnStats struct{ min, max []byte }

// piece is a part of a tail. Its checksum is taken when the tail has been compared
// with its own, so that each later read of the piece is checked.
type piece struct {
	off  int64
	size uint32
	crc  uint32
}

// layoutStats is how many columns of a file a layout has the statistics of.
const layoutStats = 2

// statColumns are the columns of a table by which row groups are chosen.
func statColumns(table byte) [layoutStats]int {
	switch table {
	case TableSpans:
		return [...]int{colTrace, colDuration}
	case TableRest:
		return [...]int{colRestTable, colRestRow}
	}
	return [...]int{0, 0}
}

// stat gives the statistics of one of the statColumns in a row group.
func (t *tableReader) stat(group, col int) columnStats {
	at := statColumns(t.table)
	return t.foot.groups[group].stats[slices.Index(at[:], col)]
}

// layout gives what is kept of the footer, whose checksum matched; tail is that of the file.
func (f *footer) layout(table byte, tail []byte, tailOff int64) *layout {
	l := &layout{cols: f.cols, rows: f.rows, groups: make([]groupPlace, len(f.groups))}
	part := func(off, end int64) piece {
		return piece{off, uint32(end - off), crc32.Checksum(tail[off-tailOff:end-tailOff], castagnoli)}
	}
	sums := f.crcOff
	for i := range f.groups {
		g := &f.groups[i]
		p := groupPlace{rows: g.rows, first: g.first}
		for k, col := range statColumns(table) {
			p.stats[k] = columnStats{bytes.Clone(g.cols[col].min), bytes.Clone(g.cols[col].max)}
		}
		p.meta = part(f.off+int64(g.metaOff), f.off+int64(g.metaEnd))
		p.index = part(g.indexRange())
		end := sums + 4*int64(g.sums())
		p.sums = part(sums, end)
		sums = end
		l.groups[i] = p
	}
	return l
}

// size estimates the memory of a layout.
func (l *layout) size() int64 { return int64(len(l.cols)*48 + len(l.groups)*224) }

// group gives a row group with the places of its pages. It keeps the two that were
// asked for last, so that the pages of a column are found without asking the cache.
func (t *tableReader) group(i int) (*rowGroup, error) {
	for _, n := range t.near {
		if n.group != nil && n.at == i {
			return n.group, nil
		}
	}
	key := cacheKey{serial: t.s.serial, kind: cacheGroup, table: t.table, group: int32(i)}
	g, ok := t.s.cache.get(key).(*rowGroup)
	if !ok {
		var err error
		if g, err = t.readGroup(i); err != nil {
			return nil, err
		}
		t.s.cache.put(key, g, g.size())
	}
	t.near[1] = t.near[0]
	t.near[0] = nearGroup{i, g}
	return g, nil
}

// nearGroup is a row group that a reader holds.
type nearGroup struct {
	at    int
	group *rowGroup
}

// readGroup parses a row group from its pieces of the tail. Statistics are left out.
func (t *tableReader) readGroup(i int) (*rowGroup, error) {
	p := &t.foot.groups[i]
	fail := func(err error) error {
		return damaged(t.s.dir, t.info.Name, fmt.Errorf("row group %d: %w", i, err))
	}
	meta, err := t.piece(p.meta, fail)
	if err != nil {
		return nil, err
	}
	r := thriftReader{b: meta}
	g := parseGroup(&r, t.foot.cols, p.first)
	if r.err != nil {
		return nil, fail(r.err)
	}
	for i := range g.cols {
		g.cols[i].min, g.cols[i].max = nil, nil // parts of a buffer that is used again
	}
	index, err := t.piece(p.index, fail)
	if err != nil {
		return nil, err
	}
	if err := g.parseIndexes(t.foot.cols, index, p.index.off, t.info.TailOffset); err != nil {
		return nil, fail(err)
	}
	sums, err := t.piece(p.sums, fail)
	if err != nil {
		return nil, err
	}
	if err := g.parseSums(sums); err != nil {
		return nil, fail(err)
	}
	return &g, nil
}

// piece reads a part of the tail; it aliases the scratch.
func (t *tableReader) piece(p piece, fail func(error) error) ([]byte, error) {
	t.buf = slices.Grow(t.buf[:0], int(p.size))[:p.size]
	if _, err := t.f.ReadAt(t.buf, p.off); err != nil {
		return nil, readError(t.s.dir, t.info.Name, err)
	}
	if crc32.Checksum(t.buf, castagnoli) != p.crc {
		return nil, fail(errChecksum)
	}
	return t.buf, nil
}

// size estimates the memory of a row group.
func (g *rowGroup) size() int64 {
	n := int64(len(g.cols) * 208)
	for i := range g.cols {
		n += int64(len(g.cols[i].pages)*24 + len(g.cols[i].maxs)*96)
	}
	return n
}

// indexRange gives the place of the bytes in which all page indexes of the row group are.
func (g *rowGroup) indexRange() (off, end int64) {
	for i := range g.cols {
		c := &g.cols[i]
		if i == 0 || c.offsetIndexOff < off {
			off = c.offsetIndexOff
		}
		end = max(end, c.offsetIndexOff+int64(c.offsetIndexLen))
		if c.columnIndexLen > 0 {
			off, end = min(off, c.columnIndexOff), max(end, c.columnIndexOff+int64(c.columnIndexLen))
		}
	}
	return off, end
}

// sums counts the checksums of pages that the row group has.
func (g *rowGroup) sums() int {
	n := 0
	for i := range g.cols {
		n += len(g.cols[i].pages)
		if g.cols[i].dict {
			n++
		}
	}
	return n
}

// parseIndexes fills the pages of every chunk. index is what the file has from
// indexOff on; pages MUST lie in front of limit, without a gap, in the order of rows.
func (g *rowGroup) parseIndexes(cols []colSpec, index []byte, indexOff, limit int64) error {
	at := func(off int64, n int32) ([]byte, bool) {
		if n <= 0 || off < indexOff || off-indexOff > int64(len(index))-int64(n) {
			return nil, false
		}
		return index[off-indexOff:][:n], true
	}
	for j := range g.cols {
		c := &g.cols[j]
		p, ok := at(c.offsetIndexOff, c.offsetIndexLen)
		if !ok {
			return fmt.Errorf("column %s: offset index outside the file", cols[j].name)
		}
		if err := c.parseOffsetIndex(p, g.rows, limit); err != nil {
			return fmt.Errorf("column %s: offset index: %w", cols[j].name, err)
		}
		if c.columnIndexLen > 0 {
			p, ok := at(c.columnIndexOff, c.columnIndexLen)
			if !ok {
				return fmt.Errorf("column %s: column index outside the file", cols[j].name)
			}
			if err := c.parseColumnIndex(bytes.Clone(p)); err != nil {
				return fmt.Errorf("column %s: column index: %w", cols[j].name, err)
			}
		}
	}
	return nil
}

// parseSums takes the checksums of the pages.
func (g *rowGroup) parseSums(sums []byte) error {
	if len(sums) != 4*g.sums() {
		return errors.New("page checksums outside the file")
	}
	next := func() uint32 {
		v := binary.LittleEndian.Uint32(sums)
		sums = sums[4:]
		return v
	}
	for i := range g.cols {
		c := &g.cols[i]
		if c.dict {
			c.dictCRC = next()
		}
		for k := range c.pages {
			c.pages[k].crc = next()
		}
	}
	return nil
}
