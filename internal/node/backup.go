package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/backup"
	"github.com/clew-dev/clew/internal/health"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/wal"
)

// backup writes a backup of the running node's data folder.
func (n *Node) backup(ctx context.Context, w io.Writer, allowDamaged bool) error {
	c, err := n.store.Copy()
	if err != nil {
		return err
	}
	s := source(n.folder.path, c, allowDamaged)
	s.State = n.state.Dump
	return errors.Join(backup.Write(ctx, w, s), c.Close())
}

func source(dir string, c *store.Copy, allowDamaged bool) backup.Source {
	return backup.Source{FS: wal.OS, Dir: dir, Copy: c,
		Version: health.ReadBuild().Version, Now: time.Now, AllowDamaged: allowDamaged}
}

// BackupFolder writes a backup of a data folder on which no node runs, and holds
// its lock meanwhile.
func BackupFolder(ctx context.Context, w io.Writer, data string, allowDamaged bool) (err error) {
	if _, err := os.Stat(filepath.Join(data, "manifest")); err != nil {
		return fmt.Errorf("%s is no data folder: %w: name the folder that clew up got with --data", data, cause(err))
	}
	f, err := openFolder(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	c, err := store.OpenCopy(wal.OS, f.path)
	if err != nil {
		return err
	}
	s := source(f.path, c, allowDamaged)
	if _, err := os.Stat(f.join(stateFile)); err == nil {
		state, err := auth.Open(ctx, f.join(stateFile), auth.Options{})
		if err != nil {
			return errors.Join(err, c.Close())
		}
		defer func() { err = errors.Join(err, state.Close()) }()
		s.State = state.Dump
	}
	return errors.Join(backup.Write(ctx, w, s), c.Close())
}
