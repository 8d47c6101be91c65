package node

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/internal/wal"
)

// replaceFile puts text in the place of a file, whole or not at all, and durably.
func replaceFile(name string, text []byte) error { return replaceIn(wal.OS, name, text) }

// replaceIn writes beside the file under a name that the next call uses again: a
// crash leaves one file, not one each time. Who holds the folder's lock is the only
// one who writes there, and no file is replaced by two goroutines.
func replaceIn(fsys wal.FS, name string, text []byte) error {
	part := name + ".part"
	f, err := fsys.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = fsys.Rename(part, name)
	}
	if err != nil {
		_ = fsys.Remove(part) // the first error is the one that says what is wrong
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}
