package segment

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/internal/wal"
)

// Flaw is a file of a segment that is not what was written.
type Flaw struct {
	File string
	Err  error
}

// Check compares every file in dir, to its last byte, with the description m and
// gives a flaw for each that differs. Unlike Segment.VerifyAll it does not stop at
// the first, and it needs no open segment.
func Check(fs wal.FS, dir string, m *Meta) []Flaw {
	if m.Format != formatVersion {
		return []Flaw{{"meta", versionError(m.Format)}}
	}
	var flaws []Flaw
	s := &Segment{fs: fs, dir: dir, meta: m}
	buf := make([]byte, 256<<10)
	for i := range m.Files {
		if err := s.checkFile(&m.Files[i], buf); err != nil {
			flaws = append(flaws, Flaw{m.Files[i].Name, err})
		}
	}
	for _, name := range []string{fileNames[TableSpans], fileNames[TableResources], fileNames[TableScopes], filterName} {
		if m.File(name) == nil {
			flaws = append(flaws, Flaw{name, fmt.Errorf("not in the segment's description: restore the segment from a backup")})
		}
	}
	return flaws
}

func (s *Segment) checkFile(info *FileInfo, buf []byte) error {
	f, err := s.fs.OpenFile(filepath.Join(s.dir, info.Name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() != info.Bytes {
		return fmt.Errorf("%d bytes, want %d: the file was cut or changed; restore it from a backup", st.Size(), info.Bytes)
	}
	for i := range info.Chunks {
		if err := s.verifyChunk(f, info, &info.Chunks[i], s.chunkName(info.Name, i), buf); err != nil {
			return err
		}
	}
	if info.Name != filterName {
		var head [len(magic)]byte
		if _, err := f.ReadAt(head[:], 0); err != nil {
			return readError(s.dir, info.Name, err)
		}
		if string(head[:]) != magic {
			return damaged(s.dir, info.Name, errChecksum)
		}
	}
	_, err = s.readTail(f, info)
	return err
}

// chunkName gives the column of a chunk, for a message.
func (s *Segment) chunkName(file string, chunk int) string {
	for table, name := range fileNames {
		if name != file {
			continue
		}
		if specs := tableSpecs(s.meta.Columns, table); len(specs) > 0 {
			return specs[chunk%len(specs)].name
		}
	}
	return fmt.Sprintf("chunk %d", chunk)
}
