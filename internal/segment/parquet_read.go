package segment

import (
	"errors"
	"fmt"
	"strconv"
)

// parseFooter reads FileMetaData of a file that this package wrote, from bytes
// that may be anything. Fields that only other readers need are skipped.
func parseFooter(p []byte) (*footer, error) {
	f := &footer{crcOff: -1}
	r := thriftReader{b: p}
	at := func() int { return len(p) - len(r.b) }
	r.fields(func(id int, typ byte) {
		switch id {
		case 2:
			if r.expect(typ, thriftList) {
				f.parseSchema(&r)
			}
		case 3:
			f.rows = int(r.fieldInt(typ))
		case 4:
			if r.expect(typ, thriftList) {
				n := r.list(thriftStruct)
				first := 0
				for i := 0; i < n && r.err == nil; i++ {
					from := at()
					g := parseGroup(&r, f.cols, first)
					g.metaOff, g.metaEnd = from, at()
					first = g.first + g.rows
					f.groups = append(f.groups, g)
				}
			}
		case 5:
			if r.expect(typ, thriftList) {
				f.parseKeyValues(&r)
			}
		default:
			r.skip(typ)
		}
	})
	if r.err != nil {
		return nil, fmt.Errorf("footer: %w", r.err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("footer: %w", err)
	}
	return f, nil
}

func (f *footer) parseSchema(r *thriftReader) {
	n := r.list(thriftStruct)
	for i := 0; i < n && r.err == nil; i++ {
		c := colSpec{phys: -1}
		r.fields(func(id int, typ byte) {
			switch id {
			case 1:
				c.phys = int32(r.fieldInt(typ))
			case 3:
				c.optional = r.fieldInt(typ) == 1
			case 4:
				if r.expect(typ, thriftBinary) {
					c.name = string(r.binary())
				}
			default:
				r.skip(typ)
			}
		})
		if i > 0 {
			f.cols = append(f.cols, c)
		}
	}
}

// parseGroup reads a row group that begins with row first of the file.
func parseGroup(r *thriftReader, cols []colSpec, first int) rowGroup {
	g := rowGroup{first: first}
	r.fields(func(id int, typ byte) {
		switch id {
		case 1:
			if !r.expect(typ, thriftList) {
				return
			}
			n := r.list(thriftStruct)
			if n != len(cols) {
				r.fail(fmt.Errorf("row group with %d columns, schema with %d", n, len(cols)))
				return
			}
			g.cols = make([]chunk, n)
			for i := 0; i < n && r.err == nil; i++ {
				g.cols[i].parse(r, &cols[i])
			}
		case 3:
			g.rows = int(r.fieldInt(typ))
		default:
			r.skip(typ)
		}
	})
	if g.rows <= 0 || g.rows > maxFileRows || g.first > maxFileRows-g.rows {
		r.fail(fmt.Errorf("row group with %d rows", g.rows))
	}
	if len(g.cols) != len(cols) {
		r.fail(errors.New("row group without columns"))
	}
	return g
}

func (c *chunk) parse(r *thriftReader, spec *colSpec) {
	dataOff := int64(-1)
	dictOff := int64(-1)
	stats := func(id int, typ byte) {
		switch id {
		case 3:
			c.nulls = r.fieldInt(typ)
		case 5, 6:
			if !r.expect(typ, thriftBinary) {
				return
			}
			if v := r.binary(); id == 5 {
				c.max = v
			} else {
				c.min = v
			}
		default:
			r.skip(typ)
		}
	}
	meta := func(id int, typ byte) {
		switch id {
		case 1:
			if v := r.fieldInt(typ); v != int64(spec.phys) {
				r.fail(fmt.Errorf("column %s has type %d, schema says %d", spec.name, v, spec.phys))
			}
		case 4:
			c.codec = int32(r.fieldInt(typ))
		case 5:
			c.values = r.fieldInt(typ)
		case 7:
			c.size = r.fieldInt(typ)
		case 9:
			dataOff = r.fieldInt(typ)
		case 11:
			dictOff = r.fieldInt(typ)
		case 12:
			if r.expect(typ, thriftStruct) {
				r.fields(stats)
			}
		default:
			r.skip(typ)
		}
	}
	r.fields(func(id int, typ byte) {
		switch id {
		case 3:
			if r.expect(typ, thriftStruct) {
				r.fields(meta)
			}
		case 4:
			c.offsetIndexOff = r.fieldInt(typ)
		case 5:
			c.offsetIndexLen = int32(r.fieldInt(typ))
		case 6:
			c.columnIndexOff = r.fieldInt(typ)
		case 7:
			c.columnIndexLen = int32(r.fieldInt(typ))
		default:
			r.skip(typ)
		}
	})
	c.off = dataOff
	if dictOff >= 0 {
		c.dict, c.off = true, dictOff
		if d := dataOff - dictOff; d > 0 && d < maxPageBytes {
			c.dictSize = uint32(d)
		} else {
			r.fail(fmt.Errorf("column %s has a dictionary of %d bytes", spec.name, d))
		}
	}
}

func (f *footer) parseKeyValues(r *thriftReader) {
	n := r.list(thriftStruct)
	for i := 0; i < n && r.err == nil; i++ {
		var kv [2]string
		r.fields(func(id int, typ byte) {
			if (id == 1 || id == 2) && r.expect(typ, thriftBinary) {
				kv[id-1] = string(r.binary())
				return
			}
			r.skip(typ)
		})
		if kv[0] == crcKey {
			v, err := strconv.ParseInt(kv[1], 10, 64)
			if err != nil {
				r.fail(fmt.Errorf("%s: %w", crcKey, err))
			}
			f.crcOff = v
		}
	}
}

func (f *footer) check() error {
	rows := 0
	for i := range f.groups {
		g := &f.groups[i]
		rows += g.rows
		for j := range g.cols {
			c := &g.cols[j]
			if c.off < 4 || c.size <= 0 || c.size > 1<<40 || c.off > 1<<46 || c.values != int64(g.rows) ||
				c.codec != codecNone && c.codec != codecZstd || c.offsetIndexLen <= 0 {
				return fmt.Errorf("row group %d, column %s: %d bytes at %d, %d values of %d, codec %d", i, f.cols[j].name, c.size, c.off, c.values, g.rows, c.codec)
			}
		}
	}
	if rows != f.rows {
		return fmt.Errorf("%d rows in the row groups, %d in all", rows, f.rows)
	}
	if f.crcOff < 0 {
		return errors.New("no page checksums")
	}
	return nil
}

// parseIndexes fills the pages of every chunk. tail is the file from tailOff to its end.
func (f *footer) parseIndexes(tail []byte, tailOff int64) error {
	pages := 0
	for i := range f.groups {
		g := &f.groups[i]
		if err := g.parseIndexes(f.cols, tail, tailOff, tailOff); err != nil {
			return fmt.Errorf("row group %d, %w", i, err)
		}
		if pages += g.sums(); pages > maxPages {
			return fmt.Errorf("%d pages", pages)
		}
	}
	if f.crcOff < tailOff || f.crcOff-tailOff > int64(len(tail))-4*int64(pages) {
		return errors.New("page checksums outside the file")
	}
	sums := tail[f.crcOff-tailOff:]
	for i := range f.groups {
		n := 4 * f.groups[i].sums()
		if err := f.groups[i].parseSums(sums[:n]); err != nil {
			return fmt.Errorf("row group %d, %w", i, err)
		}
		sums = sums[n:]
	}
	return nil
}

func (c *chunk) parseOffsetIndex(p []byte, rows int, limit int64) error {
	r := thriftReader{b: p}
	r.fields(func(id int, typ byte) {
		if id != 1 || typ != thriftList {
			r.skip(typ)
			return
		}
		n := r.list(thriftStruct)
		c.pages = make([]pageLoc, n)
		for i := 0; i < n && r.err == nil; i++ {
			var off, size, first int64
			r.fields(func(id int, typ byte) {
				switch id {
				case 1:
					off = r.fieldInt(typ)
				case 2:
					size = r.fieldInt(typ)
				case 3:
					first = r.fieldInt(typ)
				default:
					r.skip(typ)
				}
			})
			want := c.off + int64(c.dictSize)
			least := int64(0)
			if i > 0 {
				want = c.pages[i-1].off + int64(c.pages[i-1].size)
				least = int64(c.pages[i-1].first) + 1
			}
			if off != want || size <= 0 || size > maxPageBytes || off+size > limit || first < least || first >= int64(rows) || i == 0 && first != 0 {
				r.fail(fmt.Errorf("page %d: row %d, %d bytes at %d", i, first, size, off))
				return
			}
			c.pages[i] = pageLoc{off: off, size: uint32(size), first: uint32(first)}
		}
	})
	if r.err == nil && len(c.pages) == 0 {
		return errors.New("no pages")
	}
	if r.err == nil {
		if last := c.pages[len(c.pages)-1]; last.off+int64(last.size) != c.off+c.size {
			return fmt.Errorf("pages end at %d, the column at %d", last.off+int64(last.size), c.off+c.size)
		}
	}
	return r.err
}

func (c *chunk) parseColumnIndex(p []byte) error {
	r := thriftReader{b: p}
	r.fields(func(id int, typ byte) {
		if id != 2 && id != 3 || typ != thriftList {
			r.skip(typ)
			return
		}
		n := r.list(thriftBinary)
		list := make([][]byte, 0, n)
		for i := 0; i < n && r.err == nil; i++ {
			list = append(list, r.binary())
		}
		if id == 2 {
			c.mins = list
		} else {
			c.maxs = list
		}
	})
	if r.err == nil && (len(c.mins) != len(c.pages) || len(c.maxs) != len(c.pages)) {
		return fmt.Errorf("%d smallest and %d largest values of %d pages", len(c.mins), len(c.maxs), len(c.pages))
	}
	return r.err
}
