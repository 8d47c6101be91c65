package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// formatVersion is the version that Write writes, and the newest that is read.
const formatVersion = 1

// StartSQL is the expression over a row of spans.parquet that gives its start.
const StartSQL = "(trace_start_ns + start_off_ns)"

// Meta is everything that the manifest keeps of a segment.
type Meta struct {
	Format             int
	Tenant             string
	Rows               int // spans
	Traces             int
	Bytes              int64 // of all files
	MinStart, MaxStart int64 // Unix nanoseconds
	MinSeq, MaxSeq     int64
	MinTrace, MaxTrace telemetry.TraceID
	Services           []string // sorted; "" for spans without service.name
	MoreServices       bool     // Services is not complete, since there are very many
	Columns            []ColumnInfo
	Files              []FileInfo
}

// FileInfo is one file of a segment. The tail is everything behind the column
// chunks: page indexes, checksums of pages, footer. For traces.filter it is the whole file.
type FileInfo struct {
	Name       string
	Bytes      int64
	Rows       int
	TailOffset int64
	TailCRC    uint32      // CRC-32C
	Chunks     []ChunkInfo // by row group, then column
}

// ChunkInfo is one column of one row group.
type ChunkInfo struct {
	Offset, Bytes int64
	CRC           uint32 // CRC-32C
}

// File gives the file of that name, or nil.
func (m *Meta) File(name string) *FileInfo {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}

var (
	errChecksum = errors.New("checksum does not match: the disk has lost or changed bytes; restore the file from a backup")
	errMeta     = errors.New("segment description ends early")
)

func versionError(v int) error {
	return fmt.Errorf("format %d, this clew reads up to %d: start a newer clew, or restore the folder from a backup", v, formatVersion)
}

// AppendMeta appends the description of a segment: unsigned varints, zigzag
// varints for signed numbers, four bytes little endian for checksums, texts
// with their length in front, in the order of the fields.
func AppendMeta(dst []byte, m *Meta) []byte {
	uint := func(v int64) { dst = binary.AppendUvarint(dst, uint64(v)) }
	signed := func(v int64) { dst = binary.AppendVarint(dst, v) }
	text := func(v string) { uint(int64(len(v))); dst = append(dst, v...) }
	uint(int64(m.Format))
	text(m.Tenant)
	uint(int64(m.Rows))
	uint(int64(m.Traces))
	uint(m.Bytes)
	signed(m.MinStart)
	signed(m.MaxStart)
	signed(m.MinSeq)
	signed(m.MaxSeq)
	dst = append(dst, m.MinTrace[:]...)
	dst = append(dst, m.MaxTrace[:]...)
	uint(int64(len(m.Services)))
	for _, s := range m.Services {
		text(s)
	}
	dst = append(dst, flag(m.MoreServices))
	uint(int64(len(m.Columns)))
	for i := range m.Columns {
		c := &m.Columns[i]
		dst = append(dst, c.Table, byte(c.Scope), byte(c.Type), flag(c.Rare))
		text(c.Key)
		uint(int64(c.Rows))
		if c.Type == telemetry.TypeInt {
			signed(c.Min)
			signed(c.Max)
		}
	}
	uint(int64(len(m.Files)))
	for i := range m.Files {
		f := &m.Files[i]
		text(f.Name)
		uint(f.Bytes)
		uint(int64(f.Rows))
		uint(f.TailOffset)
		dst = binary.LittleEndian.AppendUint32(dst, f.TailCRC)
		uint(int64(len(f.Chunks)))
		for _, c := range f.Chunks {
			uint(c.Offset)
			uint(c.Bytes)
			dst = binary.LittleEndian.AppendUint32(dst, c.CRC)
		}
	}
	return dst
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// metaReader reads a description. After the first error every method returns zeros.
type metaReader struct {
	b   []byte
	err error
}

func (r *metaReader) take(n int) []byte {
	if n > len(r.b) {
		r.err, r.b = errMeta, nil
		return make([]byte, min(n, 16))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *metaReader) uint() int64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<62 {
		r.err, r.b = errMeta, nil
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}

func (r *metaReader) signed() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.err, r.b = errMeta, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of items that take at least a byte each.
func (r *metaReader) count(least int) int {
	n := r.uint()
	if n > int64(len(r.b)/least) {
		r.err, r.b = errMeta, nil
		return 0
	}
	return int(n)
}

func (r *metaReader) text() string {
	n := r.count(1)
	return string(r.take(n))
}

func (r *metaReader) crc() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

// ParseMeta reads what AppendMeta wrote, to its end.
func ParseMeta(p []byte) (*Meta, error) {
	r := metaReader{b: p}
	m := &Meta{Format: int(r.uint())}
	if r.err == nil && m.Format != formatVersion {
		return nil, fmt.Errorf("segment description: %w", versionError(m.Format))
	}
	m.Tenant = r.text()
	m.Rows, m.Traces, m.Bytes = int(r.uint()), int(r.uint()), r.uint()
	m.MinStart, m.MaxStart, m.MinSeq, m.MaxSeq = r.signed(), r.signed(), r.signed(), r.signed()
	copy(m.MinTrace[:], r.take(16))
	copy(m.MaxTrace[:], r.take(16))
	for range r.count(1) {
		m.Services = append(m.Services, r.text())
	}
	m.MoreServices = r.take(1)[0] == 1
	columns := r.count(6)
	m.Columns = slices.Grow(m.Columns, min(columns, maxPrepared))
	for i := range columns {
		head := r.take(4)
		c := ColumnInfo{Table: head[0], Scope: telemetry.Scope(head[1]), Type: telemetry.Type(head[2]), Rare: head[3] == 1, Key: r.text(), Rows: int(r.uint())}
		if c.Type == telemetry.TypeInt {
			c.Min, c.Max = r.signed(), r.signed()
		}
		if r.err == nil && (fixedColumns[c.Table] == nil || c.Table == TableRest || !letter(head[1]) || !c.knownType()) {
			return nil, fmt.Errorf("segment description: column %d is %q of table %q", i, head[1:3], c.Table)
		}
		c.Name = columnName(i, c.Scope, c.Type)
		m.Columns = append(m.Columns, c)
	}
	for range r.count(8) {
		f := FileInfo{Name: r.text(), Bytes: r.uint(), Rows: int(r.uint()), TailOffset: r.uint(), TailCRC: r.crc()}
		for range r.count(6) {
			f.Chunks = append(f.Chunks, ChunkInfo{Offset: r.uint(), Bytes: r.uint(), CRC: r.crc()})
		}
		if r.err == nil && !knownFile(f.Name) {
			return nil, fmt.Errorf("segment description: unknown file %q", f.Name)
		}
		m.Files = append(m.Files, f)
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes after the end", len(r.b))
	}
	if r.err != nil {
		return nil, fmt.Errorf("segment description: %w", r.err)
	}
	return m, nil
}

// maxPrepared bounds the columns for which memory is taken before they are read.
const maxPrepared = 1 << 16

func letter(b byte) bool { return b >= 'a' && b <= 'z' }

func (c *ColumnInfo) knownType() bool {
	switch c.Type {
	case telemetry.TypeString, telemetry.TypeInt, telemetry.TypeDouble, telemetry.TypeBool, telemetry.TypeBytes, telemetry.TypeValue:
		return true
	}
	return false
}

func knownFile(name string) bool {
	if name == filterName {
		return true
	}
	for _, n := range fileNames {
		if n == name {
			return true
		}
	}
	return false
}
