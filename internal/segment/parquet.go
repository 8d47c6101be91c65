package segment

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The numbers are those of parquet.thrift.
const (
	physBool   = 0
	physInt32  = 1
	physInt64  = 2
	physDouble = 5
	physBytes  = 6
	physFixed  = 7 // FIXED_LEN_BYTE_ARRAY; of 16 bytes everywhere here

	encPlain       = 0
	encRLE         = 3
	encDelta       = 5 // DELTA_BINARY_PACKED
	encDeltaLength = 6 // DELTA_LENGTH_BYTE_ARRAY
	encDict        = 8 // RLE_DICTIONARY
	encSplit       = 9 // BYTE_STREAM_SPLIT

	codecNone = 0
	codecZstd = 6

	pageData = 0
	pageDict = 2

	convertedUTF8   = 0
	convertedUint8  = 11
	convertedUint32 = 13
	convertedUint64 = 14
)

const (
	magic       = "PAR1"
	createdBy   = "clew segment format 1"
	crcKey      = "clew.page_crc32c" // footer key: place of the list of page checksums
	maxFileRows = 1<<31 - 1          // row numbers are INTEGER in parent_dist
	maxPages    = 1 << 24
)

// logical says how DuckDB sees a physical type.
type logical uint8

const (
	logNone   logical = iota // BIGINT, INTEGER, DOUBLE, BOOLEAN or BLOB, as stored
	logText                  // VARCHAR
	logUUID                  // UUID
	logUint8                 // UTINYINT
	logUint32                // UINTEGER
	logUint64                // UBIGINT
)

// colSpec is one column of a file.
type colSpec struct {
	name     string
	phys     int32
	logical  logical
	optional bool
	runs     bool // long runs of 64-bit numbers: each run is an entry of the dictionary
	plain    bool // random numbers, for which no other encoding is tried
}

// pageLoc is the place of one data page. off and size include the page's header.
type pageLoc struct {
	off   int64
	size  uint32
	first uint32 // row of the row group
	crc   uint32 // CRC-32C of the size bytes
}

// chunk is one column of one row group.
type chunk struct {
	codec    int32
	enc      int32 // of the data pages
	off      int64 // of the first byte: the dictionary page, or the first data page
	size     int64
	values   int64 // rows, nulls included
	nulls    int64
	raw      int64 // bytes before compression
	dict     bool
	dictSize uint32 // of the dictionary page with its header
	dictCRC  uint32
	pages    []pageLoc
	min, max []byte   // statistics in PLAIN, or nil
	mins     [][]byte // of each page, for the columns of a ColumnIndex
	maxs     [][]byte

	offsetIndexOff, columnIndexOff int64
	offsetIndexLen, columnIndexLen int32
}

type rowGroup struct {
	rows  int
	first int // row of the file
	cols  []chunk

	metaOff, metaEnd int // its place in FileMetaData that was parsed
}

// footer is the metadata of a file.
type footer struct {
	cols   []colSpec
	rows   int
	groups []rowGroup
	off    int64 // of FileMetaData that was parsed
	crcOff int64 // of the list of page checksums: four bytes, little endian, for each page in the order of row groups, columns, pages, a dictionary first
}

func (c *colSpec) converted() (int32, bool) {
	switch c.logical {
	case logText:
		return convertedUTF8, true
	case logUint8:
		return convertedUint8, true
	case logUint32:
		return convertedUint32, true
	case logUint64:
		return convertedUint64, true
	}
	return 0, false
}

func (c *colSpec) appendSchema(w *thriftWriter) {
	w.beginElem()
	w.i32(1, c.phys)
	if c.phys == physFixed {
		w.i32(2, 16)
	}
	if c.optional {
		w.i32(3, 1)
	} else {
		w.i32(3, 0)
	}
	w.text(4, c.name)
	if v, ok := c.converted(); ok {
		w.i32(6, v)
	}
	if c.logical != logNone {
		w.begin(10)
		switch c.logical {
		case logText:
			w.begin(1)
			w.end()
		case logUUID:
			w.begin(14)
			w.end()
		default:
			width := map[logical]byte{logUint8: 8, logUint32: 32, logUint64: 64}[c.logical]
			w.begin(10)
			w.field(1, thriftByte)
			w.b = append(w.b, width)
			w.boolean(2, false)
			w.end()
		}
		w.end()
	}
	w.end()
}

// appendFooter appends FileMetaData. Levels of 64-bit offsets are absolute.
func appendFooter(dst []byte, f *footer) []byte {
	w := thriftWriter{b: dst}
	w.i32(1, 2)
	w.list(2, thriftStruct, len(f.cols)+1)
	w.beginElem()
	w.text(4, "clew")
	w.i32(5, int32(len(f.cols)))
	w.end()
	for i := range f.cols {
		f.cols[i].appendSchema(&w)
	}
	w.i64(3, int64(f.rows))
	w.list(4, thriftStruct, len(f.groups))
	for i := range f.groups {
		g := &f.groups[i]
		var raw, size int64
		w.beginElem()
		w.list(1, thriftStruct, len(g.cols))
		for j := range g.cols {
			g.cols[j].append(&w, &f.cols[j])
			raw += g.cols[j].raw
			size += g.cols[j].size
		}
		w.i64(2, raw)
		w.i64(3, int64(g.rows))
		w.i64(5, g.cols[0].off)
		w.i64(6, size)
		w.end()
	}
	w.list(5, thriftStruct, 1)
	w.beginElem()
	w.text(1, crcKey)
	w.text(2, fmt.Sprint(f.crcOff))
	w.end()
	w.text(6, createdBy)
	w.list(7, thriftStruct, len(f.cols))
	for range f.cols {
		w.beginElem()
		w.begin(1)
		w.end()
		w.end()
	}
	w.stop()
	return w.b
}

func (c *chunk) append(w *thriftWriter, spec *colSpec) {
	w.beginElem()
	w.i64(2, 0)
	w.begin(3)
	w.i32(1, spec.phys)
	encs := []int32{c.enc}
	if c.dict {
		encs = append(encs, encPlain)
	}
	if spec.optional {
		encs = append(encs, encRLE)
	}
	w.list(2, thriftI32, len(encs))
	for _, e := range encs {
		w.b = binary.AppendVarint(w.b, int64(e))
	}
	w.list(3, thriftBinary, 1)
	w.elemBinary([]byte(spec.name))
	w.i32(4, c.codec)
	w.i64(5, c.values)
	w.i64(6, c.raw)
	w.i64(7, c.size)
	if c.dict {
		w.i64(9, c.off+int64(c.dictSize))
		w.i64(11, c.off)
	} else {
		w.i64(9, c.off)
	}
	w.begin(12)
	w.i64(3, c.nulls)
	if c.min != nil {
		w.binary(5, c.max)
		w.binary(6, c.min)
	}
	w.end()
	w.end()
	w.i64(4, c.offsetIndexOff)
	w.i32(5, c.offsetIndexLen)
	if c.columnIndexLen > 0 {
		w.i64(6, c.columnIndexOff)
		w.i32(7, c.columnIndexLen)
	}
	w.end()
}

func appendOffsetIndex(dst []byte, c *chunk) []byte {
	w := thriftWriter{b: dst}
	w.list(1, thriftStruct, len(c.pages))
	for _, p := range c.pages {
		w.beginElem()
		w.i64(1, p.off)
		w.i32(2, int32(p.size))
		w.i64(3, int64(p.first))
		w.end()
	}
	w.stop()
	return w.b
}

// appendColumnIndex appends the index of a column without nulls whose values ascend.
func appendColumnIndex(dst []byte, c *chunk) []byte {
	w := thriftWriter{b: dst}
	w.list(1, thriftTrue, len(c.mins))
	for range c.mins {
		w.b = append(w.b, thriftFalse)
	}
	w.list(2, thriftBinary, len(c.mins))
	for _, v := range c.mins {
		w.elemBinary(v)
	}
	w.list(3, thriftBinary, len(c.maxs))
	for _, v := range c.maxs {
		w.elemBinary(v)
	}
	w.i32(4, 1)
	w.stop()
	return w.b
}

func appendDataPageHeader(dst []byte, raw, size, values int, enc int32) []byte {
	w := thriftWriter{b: dst}
	w.i32(1, pageData)
	w.i32(2, int32(raw))
	w.i32(3, int32(size))
	w.begin(5)
	w.i32(1, int32(values))
	w.i32(2, enc)
	w.i32(3, encRLE)
	w.i32(4, encRLE)
	w.end()
	w.stop()
	return w.b
}

func appendDictPageHeader(dst []byte, raw, size, values int, sorted bool) []byte {
	w := thriftWriter{b: dst}
	w.i32(1, pageDict)
	w.i32(2, int32(raw))
	w.i32(3, int32(size))
	w.begin(7)
	w.i32(1, int32(values))
	w.i32(2, encPlain)
	w.boolean(3, sorted)
	w.end()
	w.stop()
	return w.b
}

// pageHeader is what a reader needs of a page's header.
type pageHeader struct {
	kind, enc    int32
	raw, size    int32
	values       int32
	headerLength int
}

func parsePageHeader(p []byte) (pageHeader, error) {
	r := thriftReader{b: p}
	var h pageHeader
	h.kind, h.enc = -1, -1
	inner := func(id int, typ byte) {
		switch id {
		case 1:
			h.values = int32(r.fieldInt(typ))
		case 2:
			h.enc = int32(r.fieldInt(typ))
		default:
			r.skip(typ)
		}
	}
	r.fields(func(id int, typ byte) {
		switch id {
		case 1:
			h.kind = int32(r.fieldInt(typ))
		case 2:
			h.raw = int32(r.fieldInt(typ))
		case 3:
			h.size = int32(r.fieldInt(typ))
		case 5, 7:
			if r.expect(typ, thriftStruct) {
				r.fields(inner)
			}
		default:
			r.skip(typ)
		}
	})
	if r.err != nil {
		return h, fmt.Errorf("page header: %w", r.err)
	}
	h.headerLength = len(p) - len(r.b)
	if h.raw < 0 || h.size < 0 || h.values < 0 || int(h.size) != len(r.b) {
		return h, fmt.Errorf("page header: %d bytes, %d inflated, %d values in a page of %d bytes", h.size, h.raw, h.values, len(r.b))
	}
	return h, nil
}

func statBytes(phys int32, v uint64) []byte {
	if phys == physInt32 {
		return binary.LittleEndian.AppendUint32(nil, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(nil, v)
}

func statNum(b []byte) (uint64, bool) {
	switch len(b) {
	case 4:
		return uint64(binary.LittleEndian.Uint32(b)), true
	case 8:
		return binary.LittleEndian.Uint64(b), true
	}
	return 0, false
}

func floatLess(a, b uint64) bool { return math.Float64frombits(a) < math.Float64frombits(b) }
