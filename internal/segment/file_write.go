package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/internal/wal"
)

const (
	groupRows     = 128 << 10 // rows of a row group, at most
	pageRows      = 4096      // rows of a page, at most; a multiple of 64
	pageTextBytes = 1 << 20   // a page of long texts ends at the next multiple of 64 rows
	maxPageBytes  = 1<<31 - 1
	maxValueBytes = 16 << 20 // so that 64 rows of the longest texts fit a page
	writeBuffer   = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileWriter writes one Parquet file. The first error stays and comes out of finish.
type fileWriter struct {
	f      wal.File
	name   string
	enc    *encoder
	foot   footer
	sorted int // column whose values ascend over the whole file and get a ColumnIndex, or -1
	buf    []byte
	off    int64
	crc    uint32 // of the chunk being written
	sums   [][]uint32
	err    error
}

func createFile(fs wal.FS, dir, name string, cols []colSpec, sorted int, enc *encoder) (*fileWriter, error) {
	f, err := fs.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	w := &fileWriter{f: f, name: name, enc: enc, foot: footer{cols: cols}, sorted: sorted}
	w.write([]byte(magic))
	return w, nil
}

func (w *fileWriter) write(p []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, p)
	w.off += int64(len(p))
	w.buf = append(w.buf, p...)
	if len(w.buf) >= writeBuffer {
		w.flush()
	}
}

func (w *fileWriter) flush() {
	if w.err == nil && len(w.buf) > 0 {
		if _, err := w.f.Write(w.buf); err != nil {
			w.err = err
		}
	}
	w.buf = w.buf[:0]
}

// addGroups opens row groups of up to groupRows rows for n rows, whose columns
// then follow one by one through column. It returns the index of the first.
func (w *fileWriter) addGroups(n int) int {
	first := len(w.foot.groups)
	if n == 0 {
		return first
	}
	count := (n + groupRows - 1) / groupRows
	each := (n + count - 1) / count
	each = min((each+pageRows-1)/pageRows*pageRows, groupRows)
	for n > 0 {
		g := rowGroup{rows: min(each, n), first: w.foot.rows, cols: make([]chunk, len(w.foot.cols))}
		w.foot.groups = append(w.foot.groups, g)
		w.sums = append(w.sums, make([]uint32, len(w.foot.cols)))
		w.foot.rows += g.rows
		n -= g.rows
	}
	return first
}

// finish writes the indexes and the footer, makes the file durable and closes it.
func (w *fileWriter) finish() (FileInfo, error) {
	tailOff := w.off
	w.crc = 0
	var idx []byte
	for i := range w.foot.groups {
		g := &w.foot.groups[i]
		if w.sorted >= 0 {
			c := &g.cols[w.sorted]
			idx = appendColumnIndex(idx[:0], c)
			c.columnIndexOff, c.columnIndexLen = w.off, int32(len(idx))
			w.write(idx)
		}
		for j := range g.cols {
			c := &g.cols[j]
			idx = appendOffsetIndex(idx[:0], c)
			c.offsetIndexOff, c.offsetIndexLen = w.off, int32(len(idx))
			w.write(idx)
		}
	}
	w.foot.crcOff = w.off
	idx = idx[:0]
	for i := range w.foot.groups {
		for j := range w.foot.groups[i].cols {
			c := &w.foot.groups[i].cols[j]
			if c.dict {
				idx = binary.LittleEndian.AppendUint32(idx, c.dictCRC)
			}
			for _, p := range c.pages {
				idx = binary.LittleEndian.AppendUint32(idx, p.crc)
			}
		}
	}
	w.write(idx)
	foot := appendFooter(idx[:0], &w.foot)
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(foot)))
	w.write(append(foot, magic...))
	w.flush()
	if w.err == nil {
		w.err = w.f.Sync()
	}
	if err := w.f.Close(); w.err == nil {
		w.err = err
	}
	if w.err != nil {
		return FileInfo{}, fmt.Errorf("write %s: %w", w.name, w.err)
	}
	info := FileInfo{Name: w.name, Bytes: w.off, Rows: w.foot.rows, TailOffset: tailOff, TailCRC: w.crc}
	for i := range w.foot.groups {
		for j := range w.foot.cols {
			c := &w.foot.groups[i].cols[j]
			info.Chunks = append(info.Chunks, ChunkInfo{Offset: c.off, Bytes: c.size, CRC: w.sums[i][j]})
		}
	}
	return info, nil
}

// page writes one page and returns its place.
func (w *fileWriter) page(header, body []byte, first int) pageLoc {
	p := pageLoc{off: w.off, size: uint32(len(header) + len(body)), first: uint32(first)}
	p.crc = crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, body)
	w.write(header)
	w.write(body)
	return p
}
