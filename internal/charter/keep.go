package charter

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxKeptBytes bounds a kept charter, registries included, packed and unpacked.
const maxKeptBytes = 64 << 20

// keptFrom is the comment of the archive: another path is another charter.
type keptFrom struct {
	Path string `json:"path"` // absolute
	File string `json:"file"` // of its folder, or "." for all that are in it
}

func (w *Watcher) from(file string) keptFrom {
	path, err := filepath.Abs(w.path)
	if err != nil {
		path = w.path
	}
	return keptFrom{filepath.ToSlash(path), file}
}

// pack makes the archive of what load has read. It is nil when a file has changed
// since: what is kept has to be what was checked, and the change is looked at next.
func (w *Watcher) pack(folder, file string) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	var total int64
	for _, name := range slices.Sorted(maps.Keys(w.seen)) {
		if i, err := os.Stat(name); err != nil || i.IsDir() {
			continue // a folder, or a name that was looked for and is not there
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if total += int64(len(text)); total > maxKeptBytes {
			return nil, fmt.Errorf("its files have over %d MiB, which is the limit", maxKeptBytes>>20)
		}
		inner, err := filepath.Rel(folder, name)
		if err != nil {
			return nil, err
		}
		entry, err := z.CreateHeader(&zip.FileHeader{Name: filepath.ToSlash(inner), Method: zip.Deflate, Modified: time.Unix(315532800, 0).UTC()}) // 1980, the first that zip can say: same files, same bytes
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(text); err != nil {
			return nil, err
		}
	}
	comment, err := json.Marshal(w.from(file))
	if err == nil {
		err = z.SetComment(string(comment))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil || w.changed() {
		return nil, err
	}
	return out.Bytes(), nil
}

// keep saves the charter that load has just read. A failure costs nothing now: it is
// logged, and the charter is in force.
func (w *Watcher) keep(version string) {
	if w.keepPath == "" || version == w.kept {
		return
	}
	folder, file, err := locate(w.path)
	var archive []byte
	if err == nil {
		archive, err = w.pack(folder, file)
	}
	if err == nil && archive == nil {
		return
	}
	if err == nil {
		err = w.replace(w.keepPath, archive)
	}
	if err != nil {
		w.log.Warn("charter not kept: a start beside a charter that does not check would fail", "path", w.path, "err", err)
		return
	}
	w.kept = version
}

// lastGood reads what keep saved, or nil when there is none of this path.
func (w *Watcher) lastGood() *Charter {
	if w.keepPath == "" {
		return nil
	}
	archive, err := readKept(w.keepPath)
	if err != nil {
		return nil // none, or none that can be read: the start says what is wrong with the charter that was named
	}
	c, err := w.unpack(archive)
	if err != nil {
		w.log.Warn("the last charter that checked cannot be used", "err", err)
		return nil
	}
	return c
}

// unpack gives nil for the archive of another path.
func (w *Watcher) unpack(archive []byte) (*Charter, error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	var from keptFrom
	if err := json.Unmarshal([]byte(z.Comment), &from); err != nil {
		return nil, fmt.Errorf("its comment: %w", err)
	}
	if from.Path != w.from("").Path {
		return nil, nil
	}
	var total uint64
	for _, f := range z.File {
		if total += f.UncompressedSize64; total > maxKeptBytes {
			return nil, fmt.Errorf("its files have over %d MiB, which is the limit", maxKeptBytes>>20)
		}
	}
	return LoadFS(z, from.File, w.resolve)
}

func readKept(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeptBytes+1<<20))
}
