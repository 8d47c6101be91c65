package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// scratch is the memory of one read; it goes from read to read.
type scratch struct {
	z        *zstd.Decoder
	buf      []byte // page as on disk
	inflated []byte
	levels   []uint32
	codes    []uint32
	nums     []uint64
	remap    []uint64 // by code: round in the upper half, entry of the result in the lower
	round    uint32
}

var scratches = sync.Pool{New: func() any {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxPageBytes))
	if err != nil {
		panic(err) // only for options that do not exist
	}
	return &scratch{z: z}
}}

// keepScratch bounds what a scratch keeps after a read of very long texts.
const keepScratch = 4 << 20

func (s *scratch) release() {
	if cap(s.buf)+cap(s.inflated)+8*cap(s.nums) > keepScratch {
		s.buf, s.inflated, s.nums = nil, nil, nil
	}
	scratches.Put(s)
}

// tableReader reads columns of one file during one call.
type tableReader struct {
	s     *Segment
	table byte
	info  *FileInfo
	f     wal.File
	foot  *layout
	near  [2]nearGroup
	*scratch

	lastChunk *chunk // whose page lastPage is in inflated
	lastPage  int
	body      []byte // the inflated page
	page      pageHeader
}

// open opens the file of a table. It returns nil when the segment has none.
func (s *Segment) open(table byte) (*tableReader, error) {
	info := s.meta.File(fileNames[table])
	if info == nil {
		return nil, nil
	}
	f, err := s.fs.OpenFile(filepath.Join(s.dir, info.Name), os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", s.dir, err)
	}
	foot, err := s.loadLayout(f, table, info)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tableReader{s: s, table: table, info: info, f: f, foot: foot, scratch: scratches.Get().(*scratch)}, nil
}

func (t *tableReader) close() {
	t.f.Close()
	t.release()
}

func (t *tableReader) fail(col int, err error) error {
	return damaged(t.s.dir, t.info.Name, fmt.Errorf("column %s: %w", t.foot.cols[col].name, err))
}

// read reads a page as it is on disk and checks it against its checksum.
func (t *tableReader) read(col int, off int64, size, crc uint32) ([]byte, error) {
	t.buf = slices.Grow(t.buf[:0], int(size))[:size] // parseIndexes compared the size with the file's
	if _, err := t.f.ReadAt(t.buf, off); err != nil {
		return nil, readError(t.s.dir, t.info.Name, err)
	}
	if crc32.Checksum(t.buf, castagnoli) != crc {
		return nil, t.fail(col, errChecksum)
	}
	return t.buf, nil
}

// inflate gives the body of a page; it aliases the scratch.
func (s *scratch) inflate(c *chunk, p []byte, h pageHeader) ([]byte, error) {
	body := p[h.headerLength:]
	if c.codec == codecNone {
		return body, nil
	}
	s.inflated = slices.Grow(s.inflated[:0], int(h.raw))
	out, err := s.z.DecodeAll(body, s.inflated[:0:h.raw])
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	if len(out) != int(h.raw) {
		return nil, fmt.Errorf("%d bytes inflated, want %d", len(out), h.raw)
	}
	s.inflated = out
	return out, nil
}

// load makes page i of a chunk the current one.
func (t *tableReader) load(col int, c *chunk, i int) error {
	if t.lastChunk == c && t.lastPage == i {
		return nil
	}
	t.lastChunk = nil
	p, err := t.read(col, c.pages[i].off, c.pages[i].size, c.pages[i].crc)
	if err != nil {
		return err
	}
	h, err := parsePageHeader(p)
	if err != nil {
		return t.fail(col, err)
	}
	end := int(c.values)
	if i+1 < len(c.pages) {
		end = int(c.pages[i+1].first)
	}
	if h.kind != pageData || int(h.values) != end-int(c.pages[i].first) {
		return t.fail(col, fmt.Errorf("page %d has kind %d and %d values", i, h.kind, h.values))
	}
	if t.body, err = t.inflate(c, p, h); err != nil {
		return t.fail(col, err)
	}
	t.page, t.lastChunk, t.lastPage = h, c, i
	return nil
}

// dictionary is a decoded dictionary page. Readers MUST NOT change it.
type dictionary struct {
	nums  []uint64
	texts telemetry.Dict
	ids   []telemetry.TraceID
}

func (d *dictionary) len() int { return max(len(d.nums), d.texts.Len(), len(d.ids)) }

func (t *tableReader) dict(group, col int) (*dictionary, error) {
	key := cacheKey{serial: t.s.serial, kind: cacheDict, table: t.table, group: int32(group), col: int32(col)}
	if d, ok := t.s.cache.get(key).(*dictionary); ok {
		return d, nil
	}
	g, err := t.group(group)
	if err != nil {
		return nil, err
	}
	c := &g.cols[col]
	t.lastChunk = nil // its page makes room
	p, err := t.read(col, c.off, c.dictSize, c.dictCRC)
	if err != nil {
		return nil, err
	}
	h, err := parsePageHeader(p)
	if err != nil {
		return nil, t.fail(col, err)
	}
	if h.kind != pageDict {
		return nil, t.fail(col, fmt.Errorf("page of kind %d where the dictionary belongs", h.kind))
	}
	body, err := t.inflate(c, p, h)
	if err != nil {
		return nil, t.fail(col, err)
	}
	d, err := parseDict(body, t.foot.cols[col].phys, int(h.values))
	if err != nil {
		return nil, t.fail(col, err)
	}
	t.s.cache.put(key, d, int64(len(d.nums)*8+len(d.ids)*16)+d.texts.Bytes()+128)
	return d, nil
}

var errDict = errors.New("dictionary and its length do not agree")

func parseDict(p []byte, phys int32, n int) (*dictionary, error) {
	d := &dictionary{}
	size := map[int32]int{physInt32: 4, physInt64: 8, physDouble: 8, physFixed: 16}[phys]
	if phys == physBytes {
		if n > len(p)/4 {
			return nil, errDict
		}
		d.texts.Offsets = append(make([]int32, 0, n+1), 0)
		d.texts.Data = make([]byte, 0, len(p)-4*n)
		for range n {
			if len(p) < 4 {
				return nil, errDict
			}
			k := binary.LittleEndian.Uint32(p)
			if uint64(k) > uint64(len(p)-4) {
				return nil, errDict
			}
			d.texts.Append(p[4 : 4+k])
			p = p[4+k:]
		}
		if len(p) > 0 {
			return nil, errDict
		}
		return d, nil
	}
	if size == 0 || len(p)/size != n || len(p)%size != 0 {
		return nil, errDict
	}
	switch phys {
	case physFixed:
		d.ids = make([]telemetry.TraceID, n)
		for i := range d.ids {
			copy(d.ids[i][:], p[16*i:])
		}
	case physInt32:
		d.nums = make([]uint64, n)
		for i := range d.nums {
			d.nums[i] = uint64(binary.LittleEndian.Uint32(p[4*i:]))
		}
	default:
		d.nums = make([]uint64, n)
		for i := range d.nums {
			d.nums[i] = binary.LittleEndian.Uint64(p[8*i:])
		}
	}
	return d, nil
}
