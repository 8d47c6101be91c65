package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/wal"
)

// unnamedFolder holds segments that a damaged manifest does not name. Nobody reads
// or removes them; with an older copy of the manifest they can be put back.
const unnamedFolder = "unnamed"

// tidy deals with everything in the folder that no manifest record names. It is
// garbage of a crash, unless the manifest has lost records.
func (e *Embedded) tidy() error {
	if why := e.forgotten(); why != "" {
		e.damaged = fmt.Sprintf("%s: segments that it does not name any more are in %s and not read; restore the data folder from a backup to read them", why, filepath.Join(e.o.Dir, unnamedFolder))
		e.o.Logger.Error("manifest damaged", "why", why)
	}
	if err := e.sweep(); err != nil {
		return err
	}
	return removeEmpty(e.o.FS, filepath.Join(e.o.Dir, "segments"), 2)
}

// forgotten says how the manifest is known to have lost records, or is empty. Its
// checksums tell of all but the last record, whose damage looks like a write that
// a crash interrupted. But what follows a commit tells of it: the log is cut only up
// to a cursor that was committed, and a segment is removed only when a record has
// taken its name away.
func (e *Embedded) forgotten() string {
	path := filepath.Join(e.o.Dir, "manifest")
	if d := e.manifest.recovered.Damage; d.Lost() {
		return fmt.Sprintf("%s lost %d bytes to damage", path, d.CorruptBytes+d.MissingBytes)
	}
	if start := e.log.Start(); start > e.manifest.cursor {
		return fmt.Sprintf("%s has consumed the log up to %d, and the log begins at %d only: one of the two has lost data to damage", path, e.manifest.cursor, start)
	}
	for _, name := range sortedKeys(e.tenants) {
		for _, h := range e.tenants[name].segments {
			if _, err := e.o.FS.Stat(filepath.Join(e.o.Dir, h.folder())); errors.Is(err, os.ErrNotExist) {
				return fmt.Sprintf("%s names %s, which is not there: it has lost its last records to damage, or the folder was removed", path, h.folder())
			}
		}
	}
	return ""
}

// sweep looks at every folder below segments that no manifest record names: what a
// crash left of a flush, a merge or a removal. Their numbers are not used again,
// because a removal may not be durable yet. They are removed, or set aside when the
// manifest is damaged.
func (e *Embedded) sweep() error {
	known := map[string]bool{}
	for _, a := range e.manifest.segments {
		known[filepath.Join(e.o.Dir, a.folder())] = true
	}
	return eachFolder(e.o.FS, filepath.Join(e.o.Dir, "segments"), 2, func(path string) error { // tenant, partition, segment
		if known[path] {
			return nil
		}
		number, half := strings.CutSuffix(filepath.Base(path), tempSuffix)
		if id, err := strconv.ParseUint(number, 16, 64); err == nil {
			e.idSeq = max(e.idSeq, id+1)
		}
		if e.damaged != "" && !half {
			return e.setAside(path)
		}
		e.o.Logger.Info("unreferenced segment removed", "folder", path)
		return removeFolder(e.o.FS, path)
	})
}

// setAside moves a folder from segments to the same place below unnamedFolder,
// durably: the damage that tells of it may be mended before the next start.
func (e *Embedded) setAside(path string) error {
	rest, err := filepath.Rel(filepath.Join(e.o.Dir, "segments"), path)
	if err != nil {
		return err
	}
	to := filepath.Join(e.o.Dir, unnamedFolder, rest)
	if err := e.o.FS.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	to, err = freeName(e.o.FS, to)
	if err != nil {
		return err
	}
	if err := e.o.FS.Rename(path, to); err != nil {
		return err
	}
	e.o.Logger.Error("unreferenced segment set aside", "folder", path, "to", to)
	for at := filepath.Dir(to); ; at = filepath.Dir(at) {
		if err := e.o.FS.SyncDir(at); err != nil {
			return err
		}
		if at == e.o.Dir {
			return e.o.FS.SyncDir(filepath.Dir(path))
		}
	}
}

// freeName gives name, or name with the first number behind it that is free.
func freeName(fs wal.FS, name string) (string, error) {
	for i := range 1000 {
		try := name
		if i > 0 {
			try = fmt.Sprintf("%s.%d", name, i)
		}
		if _, err := fs.Stat(try); errors.Is(err, os.ErrNotExist) {
			return try, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("set %s aside: a thousand folders of that name are there already, move them away", name)
}

// removeEmpty removes the folders of tenants and partitions whose last segment has
// gone; depth says how far below dir they may lie. Only a start does it, since a
// flush may be about to write into them.
func removeEmpty(fs wal.FS, dir string, depth int) error {
	entries, err := fs.ReadDir(dir)
	if err != nil || depth == 0 {
		return err
	}
	for _, f := range entries {
		if !f.IsDir() {
			continue
		}
		path := filepath.Join(dir, f.Name())
		if err := removeEmpty(fs, path, depth-1); err != nil {
			return err
		}
		left, err := fs.ReadDir(path)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			if err := fs.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
