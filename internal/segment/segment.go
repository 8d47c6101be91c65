package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Segment is an open segment. All methods MAY run concurrently. It holds no
// file open between calls, since a store has many segments.
type Segment struct {
	fs     wal.FS
	dir    string
	meta   *Meta
	cache  *Cache
	serial uint64
	byFile map[byte][]int // by table: numbers of the columns in its file, in order

	mu       sync.Mutex
	verified map[[2]int]bool // by file and chunk
}

var serials atomic.Uint64

// Open opens the segment in dir, whose description m is kept and MUST NOT
// change. It checks that every file is there with its size, and reads nothing.
func Open(fs wal.FS, dir string, m *Meta, o Options) (*Segment, error) {
	if m.Format != formatVersion {
		return nil, fmt.Errorf("open segment %s: %w", dir, versionError(m.Format))
	}
	s := &Segment{fs: fs, dir: dir, meta: m, cache: o.Cache, serial: serials.Add(1),
		byFile: map[byte][]int{}, verified: map[[2]int]bool{}}
	for n := range m.Columns {
		if c := &m.Columns[n]; !c.Rare {
			s.byFile[c.Table] = append(s.byFile[c.Table], n)
		}
	}
	for i := range m.Files {
		f := &m.Files[i]
		st, err := fs.Stat(filepath.Join(dir, f.Name))
		if err != nil {
			return nil, fmt.Errorf("open segment %s: %w", dir, err)
		}
		if st.Size() != f.Bytes {
			return nil, damaged(dir, f.Name, fmt.Errorf("%d bytes, want %d: the file was cut or changed; restore it from a backup", st.Size(), f.Bytes))
		}
	}
	for _, name := range []string{fileNames[TableSpans], fileNames[TableResources], fileNames[TableScopes], filterName} {
		if m.File(name) == nil {
			return nil, damaged(dir, name, fmt.Errorf("not in the segment's description"))
		}
	}
	return s, nil
}

// damaged is the class of every error that says a file is not what was written.
func damaged(dir, file string, err error) error {
	return telemetry.Errorf(telemetry.KindInternal, "segment %s: %s: %w", dir, file, err)
}

// Meta gives the description that Open got.
func (s *Segment) Meta() *Meta { return s.meta }

// Dir gives the folder.
func (s *Segment) Dir() string { return s.dir }

// Close forgets what the cache holds of the segment. No other method may run or follow.
func (s *Segment) Close() error {
	s.cache.forget(s.serial)
	return nil
}

// MayContain reports whether the segment may hold the trace: false is certain,
// true is wrong for about one absent trace in a hundred.
func (s *Segment) MayContain(id telemetry.TraceID) (bool, error) {
	if s.meta.Rows == 0 || compareIDs(id, s.meta.MinTrace) < 0 || compareIDs(id, s.meta.MaxTrace) > 0 {
		return false, nil
	}
	key := cacheKey{serial: s.serial, kind: cacheFilter}
	f, _ := s.cache.get(key).(*filter)
	if f == nil {
		info := s.meta.File(filterName)
		p, err := s.readAll(info)
		if err != nil {
			return false, err
		}
		if f, err = parseFilter(p); err != nil {
			return false, damaged(s.dir, filterName, err)
		}
		s.cache.put(key, f, info.Bytes)
	}
	return f.has(id), nil
}

func compareIDs(a, b telemetry.TraceID) int {
	switch {
	case a.Hi() != b.Hi():
		if a.Hi() < b.Hi() {
			return -1
		}
		return 1
	case a.Lo() < b.Lo():
		return -1
	case a.Lo() > b.Lo():
		return 1
	}
	return 0
}

// readAll reads a file of which the tail is the whole.
func (s *Segment) readAll(info *FileInfo) ([]byte, error) {
	f, err := s.fs.OpenFile(filepath.Join(s.dir, info.Name), os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", s.dir, err)
	}
	defer f.Close()
	return s.readTail(f, info)
}

func (s *Segment) readTail(f wal.File, info *FileInfo) ([]byte, error) {
	if info.TailOffset > info.Bytes {
		return nil, damaged(s.dir, info.Name, fmt.Errorf("tail at %d of %d bytes", info.TailOffset, info.Bytes))
	}
	p := make([]byte, info.Bytes-info.TailOffset) // Open compared the size with the file's
	if _, err := f.ReadAt(p, info.TailOffset); err != nil {
		return nil, readError(s.dir, info.Name, err)
	}
	if crc32.Checksum(p, castagnoli) != info.TailCRC {
		return nil, damaged(s.dir, info.Name, errChecksum)
	}
	return p, nil
}

// readHead checks the bytes in front of the first chunk, which no checksum covers.
func (s *Segment) readHead(f wal.File, info *FileInfo) error {
	var head [len(magic)]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return readError(s.dir, info.Name, err)
	}
	if string(head[:]) != magic {
		return damaged(s.dir, info.Name, errChecksum)
	}
	return nil
}

func readError(dir, name string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return damaged(dir, name, fmt.Errorf("the file was cut: restore it from a backup"))
	}
	return fmt.Errorf("segment %s: read %s: %w", dir, name, err)
}

// loadLayout gives what is known of a Parquet file, whose tail it reads on first use.
func (s *Segment) loadLayout(f wal.File, table byte, info *FileInfo) (*layout, error) {
	key := cacheKey{serial: s.serial, kind: cacheLayout, table: table}
	if l, ok := s.cache.get(key).(*layout); ok {
		return l, nil
	}
	tail, err := s.readTail(f, info)
	if err != nil {
		return nil, err
	}
	if err := s.readHead(f, info); err != nil {
		return nil, err
	}
	foot, err := openTail(tail, info, tableSpecs(s.meta.Columns, table))
	if err != nil {
		return nil, damaged(s.dir, info.Name, err)
	}
	l := foot.layout(table, tail, info.TailOffset)
	s.cache.put(key, l, l.size())
	return l, nil
}

// openTail parses the tail of a Parquet file and checks that the columns are those expected.
func openTail(tail []byte, info *FileInfo, want []colSpec) (*footer, error) {
	const end = 4 + len(magic)
	if len(tail) < end || string(tail[len(tail)-len(magic):]) != magic {
		return nil, fmt.Errorf("no footer in %d bytes", len(tail))
	}
	n := binary.LittleEndian.Uint32(tail[len(tail)-end:])
	if uint64(n) > uint64(len(tail)-end) {
		return nil, fmt.Errorf("footer of %d bytes in %d", n, len(tail))
	}
	foot, err := parseFooter(tail[len(tail)-end-int(n) : len(tail)-end])
	if err != nil {
		return nil, err
	}
	foot.off = info.TailOffset + int64(len(tail)-end-int(n))
	if err := foot.parseIndexes(tail, info.TailOffset); err != nil {
		return nil, err
	}
	if foot.rows != info.Rows || !slices.EqualFunc(foot.cols, want, func(a, b colSpec) bool {
		return a.name == b.name && a.phys == b.phys && a.optional == b.optional
	}) {
		return nil, fmt.Errorf("%d columns and %d rows, which are not those of the segment's description", len(foot.cols), foot.rows)
	}
	return foot, nil
}
