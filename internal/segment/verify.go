package segment

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Verify compares the bytes of columns of a table's file with their checksums,
// before a reader uses them that does not, which DuckDB is. columns are names
// of Parquet columns; none means all. What matched once is not read again while
// the segment is open. The error for a difference is of telemetry.KindInternal
// and names file and column. A table without a file is whole.
func (s *Segment) Verify(table byte, columns ...string) error {
	name, ok := fileNames[table]
	if !ok {
		return telemetry.Errorf(telemetry.KindInvalid, "segment %s: no table %q", s.dir, table)
	}
	at := slices.IndexFunc(s.meta.Files, func(f FileInfo) bool { return f.Name == name })
	if at < 0 {
		return nil
	}
	specs := tableSpecs(s.meta.Columns, table)
	info := &s.meta.Files[at]
	if len(info.Chunks)%len(specs) != 0 {
		return damaged(s.dir, name, fmt.Errorf("%d column chunks of %d columns", len(info.Chunks), len(specs)))
	}
	for _, c := range columns {
		if !slices.ContainsFunc(specs, func(spec colSpec) bool { return spec.name == c }) {
			return telemetry.Errorf(telemetry.KindInvalid, "segment %s: %s has no column %q", s.dir, name, c)
		}
	}
	const tail = -1
	todo := []int{}
	s.mu.Lock()
	if !s.verified[[2]int{at, tail}] {
		todo = append(todo, tail)
	}
	for i := range info.Chunks {
		if (len(columns) == 0 || slices.Contains(columns, specs[i%len(specs)].name)) && !s.verified[[2]int{at, i}] {
			todo = append(todo, i)
		}
	}
	s.mu.Unlock()
	if len(todo) == 0 {
		return nil
	}
	f, err := s.fs.OpenFile(filepath.Join(s.dir, name), os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("segment %s: %w", s.dir, err)
	}
	defer f.Close()
	buf := make([]byte, 256<<10)
	for _, i := range todo {
		if i == tail {
			if _, err := s.readTail(f, info); err != nil {
				return err
			}
			if err := s.readHead(f, info); err != nil {
				return err
			}
		} else if err := s.verifyChunk(f, info, &info.Chunks[i], specs[i%len(specs)].name, buf); err != nil {
			return err
		}
		s.mu.Lock()
		s.verified[[2]int{at, i}] = true
		s.mu.Unlock()
	}
	return nil
}

func (s *Segment) verifyChunk(f wal.File, info *FileInfo, c *ChunkInfo, column string, buf []byte) error {
	var crc uint32
	for off, left := c.Offset, c.Bytes; left > 0; {
		n := min(left, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], off); err != nil {
			return readError(s.dir, info.Name, err)
		}
		crc = crc32.Update(crc, castagnoli, buf[:n])
		off, left = off+n, left-n
	}
	if crc != c.CRC {
		return damaged(s.dir, info.Name, fmt.Errorf("column %s: %w", column, errChecksum))
	}
	return nil
}

// VerifyAll compares every byte of the segment with its checksums, also what
// matched before: disks change what nobody touches.
func (s *Segment) VerifyAll() error {
	s.mu.Lock()
	clear(s.verified)
	s.mu.Unlock()
	for _, table := range []byte{TableSpans, TableEvents, TableLinks, TableResources, TableScopes, TableRest} {
		if err := s.Verify(table); err != nil {
			return err
		}
	}
	info := s.meta.File(filterName)
	p, err := s.readAll(info)
	if err != nil {
		return err
	}
	if _, err := parseFilter(p); err != nil {
		return damaged(s.dir, filterName, err)
	}
	return nil
}
