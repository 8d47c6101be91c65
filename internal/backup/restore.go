package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Options are common to Restore and Verify.
type Options struct {
	FS wal.FS // nil: wal.OS
	// Progress hears of bytes as they are read; may be nil.
	Progress func(bytes int64)
	// AllowDamaged restores files that were damaged when they were backed up.
	AllowDamaged bool
	// CheckState checks a file of tokens; nil: it is not looked into.
	CheckState func(path string) error
}

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = wal.OS
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
}

// Restore makes a data folder of the backup at from, a file or a folder. dir must
// be empty or not there, or hold the rest of this very restore. Before it returns,
// everything is on disk, has been read again and compared with its checksums;
// until then no node starts on dir.
func Restore(from, dir string, o Options) (*Catalogue, error) {
	o.setDefaults()
	c, read, err := open(from, &o)
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", from, err)
	}
	if n := len(c.Damaged); n > 0 && !o.AllowDamaged {
		return nil, telemetry.Errorf(telemetry.KindConflict, "restore %s: %d files were damaged before they were backed up, the first is %s; use another backup, or take them as they are with --allow-damaged", from, n, c.Damaged[0])
	}
	t, err := newTarget(o.FS, dir, unfinished{Of: "restore", Backup: c.ID})
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", from, err)
	}
	if err := read(counting{t, o.Progress}); err != nil {
		return nil, fmt.Errorf("restore %s into %s: %w; the folder is not complete, and no clew starts on it", from, dir, err)
	}
	if err := t.sync(); err != nil {
		return nil, fmt.Errorf("restore %s into %s: %w", from, dir, err)
	}
	if err := checkRestored(dir, c, o); err != nil {
		return nil, fmt.Errorf("restore %s: what was written to %s reads differently: %w", from, dir, err)
	}
	return c, t.finish()
}

// checkRestored reads the folder as Verify does.
func checkRestored(dir string, c *Catalogue, o Options) error {
	r := &Report{}
	if err := r.dataFolder(dir, o); err != nil {
		return err
	}
	for _, p := range r.Problems {
		if !slices.ContainsFunc(c.Damaged, func(d Problem) bool { return d.Path == p.Path }) {
			return first(p)
		}
	}
	return nil
}

// open finds out what a backup is before anything of it is used; read gives its
// files to a sink and ends at the first that differs.
func open(from string, o *Options) (c *Catalogue, read func(sink) error, err error) {
	info, err := o.FS.Stat(from)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		found, _, err := openFolder(o.FS, from)
		if err != nil {
			return nil, nil, err
		}
		return found.catalogue, func(to sink) error {
			_, err := readFolder(o.FS, from, to, first)
			return err
		}, nil
	}
	if c, err = catalogueOf(o.FS, from); err != nil {
		return nil, nil, err
	}
	return c, func(to sink) error {
		f, err := o.FS.OpenFile(from, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = readStream(f, to, first)
		return err
	}, nil
}

// catalogueOf gives the last entry of a tar file, which is its catalogue. It
// steps over the files before it without reading them.
func catalogueOf(fsys wal.FS, path string) (*Catalogue, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := tar.NewReader(f)
	for n := 0; n <= maxFiles; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, ErrUnfinished
		case err != nil:
			return nil, telemetry.Errorf(telemetry.KindInvalid, "%s is no backup: %w", path, err)
		case h.Name == CatalogueName:
			text, err := readBounded(t, h, maxCatalogue)
			if err != nil {
				return nil, err
			}
			return parseCatalogue(text)
		}
	}
	return nil, telemetry.Errorf(telemetry.KindExhausted, "over %d files: use another backup", maxFiles)
}

// counting tells a sink's progress.
type counting struct {
	to       sink
	progress func(int64)
}

func (c counting) file(name string, size int64, r io.Reader) error {
	return c.to.file(name, size, &counted{r, c.progress})
}

type counted struct {
	r        io.Reader
	progress func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.progress(int64(n))
	return n, err
}
