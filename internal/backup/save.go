package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// partSuffix is behind the name of a file that is being written.
const partSuffix = ".part"

// SaveFile keeps a stream as the file at path, which must not be there. It reads
// all of it, compares checksums, and gives the file its name when every byte is on
// disk. Until then it has the name with ".part", which must not be there either.
func SaveFile(fsys wal.FS, path string, r io.Reader) (*Catalogue, error) {
	if _, err := fsys.Stat(path); err == nil {
		return nil, telemetry.Errorf(telemetry.KindConflict, "%s is there already: choose another name, or remove it", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	part := path + partSuffix
	f, err := fsys.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, telemetry.Errorf(telemetry.KindConflict, "%s is there: another backup is being written to it, or one broke off; remove it when none runs", part)
	}
	if err != nil {
		return nil, err
	}
	c, err := keepStream(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		if gone := fsys.Remove(part); gone != nil {
			err = fmt.Errorf("%w; %s is left and is no backup (%w)", err, part, gone)
		}
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if err := fsys.Rename(part, path); err != nil {
		return nil, err
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("write %s: fsync of its folder: %w; whether it lasts is not known: make another", path, err)
	}
	return c, nil
}

func keepStream(f wal.File, r io.Reader) (*Catalogue, error) {
	c, err := Pass(f, r)
	if err != nil {
		return nil, err
	}
	return c, f.Sync()
}

// SaveFolder unpacks a stream into dir, which must be empty or not there.
func SaveFolder(fsys wal.FS, dir string, r io.Reader) (*Catalogue, error) {
	t, err := newTarget(fsys, dir, unfinished{Of: "backup"})
	if err != nil {
		return nil, err
	}
	c, err := readStream(r, t, first)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w; what is there so far is no backup: remove the folder", dir, err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{SumsName, c.sums}, {CatalogueName, c.text}} {
		// The catalogue comes last: when it is there, all else is on disk.
		if err := t.sync(); err != nil {
			return nil, err
		}
		if err := t.replace(f.name, f.text); err != nil {
			return nil, fmt.Errorf("write %s: %w", dir, err)
		}
	}
	return c.catalogue, t.finish()
}

// unfinished is the file that a folder holds while it is being written.
type unfinished struct {
	Of     string `json:"of"`               // "backup" or "restore"
	Backup string `json:"backup,omitempty"` // its id, in a restore
}

// Unfinished says why a folder is not to be started on, or is empty: it is a
// backup, or the writing of one, or of a restore, broke off.
func Unfinished(fsys wal.FS, dir string) string {
	if text, err := readAll(fsys, filepath.Join(dir, UnfinishedName), 4096); err == nil {
		var u unfinished
		if json.Unmarshal(text, &u) == nil && u.Of == "restore" {
			return "holds a restore that was not finished: run clew restore again, or empty the folder"
		}
		return "holds a backup that was not finished: choose another folder, or empty this one"
	}
	if _, err := fsys.Stat(filepath.Join(dir, CatalogueName)); err == nil {
		return "is a backup: restore it into another folder with clew restore, and start there"
	}
	return ""
}

// target is a folder that is being written. It implements sink.
type target struct {
	fs    wal.FS
	dir   string
	dirs  map[string]bool // folders below dir that were made, "" for itself
	again bool            // a restore that broke off is done once more
}

// newTarget takes an empty folder, or one in which the same restore broke off.
func newTarget(fsys wal.FS, dir string, u unfinished) (*target, error) {
	t := &target{fs: fsys, dir: dir, dirs: map[string]bool{"": true}}
	entries, err := fsys.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := wal.MakeFolder(fsys, dir); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case len(entries) > 0:
		if t.again, err = sameRestore(fsys, dir, u); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(u)
	if err != nil {
		return nil, err
	}
	if err := t.replace(UnfinishedName, append(text, '\n')); err != nil {
		return nil, fmt.Errorf("write %s: %w", dir, err)
	}
	return t, nil
}

// sameRestore tells whether a folder with files in it holds the rest of this restore.
func sameRestore(fsys wal.FS, dir string, u unfinished) (bool, error) {
	text, err := readAll(fsys, filepath.Join(dir, UnfinishedName), 4096)
	var before unfinished
	if err == nil && json.Unmarshal(text, &before) == nil && u.Of == "restore" && before == u {
		return true, nil
	}
	why := Unfinished(fsys, dir)
	if why == "" {
		why = "is not empty"
	}
	return false, telemetry.Errorf(telemetry.KindConflict, "%s %s; nothing was changed: choose an empty folder, or one that is not there", dir, why)
}

// file implements sink: the content is on disk when it returns.
func (t *target) file(name string, size int64, r io.Reader) error {
	path := filepath.Join(t.dir, filepath.FromSlash(name))
	if parent := filepath.ToSlash(filepath.Dir(filepath.FromSlash(name))); parent != "." && !t.dirs[parent] {
		if err := t.fs.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		for parent != "." {
			t.dirs[parent] = true
			parent = filepath.ToSlash(filepath.Dir(filepath.FromSlash(parent)))
		}
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if t.again {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := t.fs.OpenFile(path, mode, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// sync makes the names of all files durable, the deepest folders first.
func (t *target) sync() error {
	dirs := make([]string, 0, len(t.dirs))
	for d := range t.dirs {
		dirs = append(dirs, d)
	}
	slices.SortFunc(dirs, func(a, b string) int { return strings.Compare(b, a) })
	for _, d := range dirs {
		if err := t.fs.SyncDir(filepath.Join(t.dir, filepath.FromSlash(d))); err != nil {
			return fmt.Errorf("fsync folder %s: %w", filepath.Join(t.dir, d), err)
		}
	}
	return nil
}

// replace writes a small file whole or not at all.
func (t *target) replace(name string, text []byte) error {
	path := filepath.Join(t.dir, name)
	f, err := t.fs.OpenFile(path+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := t.fs.Rename(path+partSuffix, path); err != nil {
		return err
	}
	return t.fs.SyncDir(t.dir)
}

// finish takes the mark away that the folder is not to be used.
func (t *target) finish() error {
	if err := t.sync(); err != nil {
		return err
	}
	if err := t.fs.Remove(filepath.Join(t.dir, UnfinishedName)); err != nil {
		return err
	}
	return t.fs.SyncDir(t.dir)
}

// readAll reads a file of at most most bytes.
func readAll(fsys wal.FS, path string, most int64) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = telemetry.Errorf(telemetry.KindExhausted, "%s has over %d bytes: use another backup", path, most)
	}
	return text, err
}

// Pass copies a stream to w and compares its checksums on the way. Its error says
// that what w got is no backup.
func Pass(w io.Writer, r io.Reader) (*Catalogue, error) {
	both := io.TeeReader(r, w)
	c, err := readStream(both, discard{}, first)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, both) // the end marks of the tar
	return c.catalogue, err
}
