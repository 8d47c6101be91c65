package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// ErrUnfinished says that a backup ends before its catalogue.
var ErrUnfinished = telemetry.Errorf(telemetry.KindInvalid, "it ends before %s, so it is no backup: the command that made it broke off; make another", CatalogueName)

// sink takes the files of a backup as they are read, every one before it is known
// to be right. size is of r.
type sink interface {
	file(name string, size int64, r io.Reader) error
}

// discard is a sink for reading alone.
type discard struct{}

func (discard) file(_ string, _ int64, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// contents is what reading a backup to its end has found.
type contents struct {
	catalogue *Catalogue
	sums      []byte // SHA256SUMS
	text      []byte // backup.json
}

// report hears of each file that is not what was written; its error ends the work.
type report func(Problem) error

// first ends the work at the first problem.
func first(p Problem) error {
	return telemetry.Errorf(telemetry.KindInternal, "%s", p)
}

// readStream reads a tar stream to its catalogue and compares every file with its
// checksum. The sink gets data files only.
func readStream(r io.Reader, to sink, tell report) (*contents, error) {
	t := tar.NewReader(r)
	seen, total := newSums(), int64(0)
	var c contents
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrUnfinished
		}
		if err != nil {
			return nil, fmt.Errorf("read the stream: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "%q is no plain file: this is no backup of Clew", telemetry.Clip(h.Name))
		}
		switch h.Name {
		case failedName:
			text, _ := io.ReadAll(io.LimitReader(t, 64<<10))
			return nil, telemetry.Errorf(telemetry.KindInternal, "the source could not go on: %s", text)
		case SumsName:
			if c.sums, err = readBounded(t, h, maxSums); err != nil {
				return nil, err
			}
			continue
		case CatalogueName:
			if c.text, err = readBounded(t, h, maxCatalogue); err != nil {
				return nil, err
			}
			return &c, c.compare(seen, total, tell)
		}
		if c.sums != nil || !allowed.MatchString(h.Name) {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "%q is no file of a backup, or not in its place: this is no backup of Clew", telemetry.Clip(h.Name))
		}
		sum := sha256.New()
		if err := to.file(h.Name, h.Size, io.TeeReader(t, sum)); errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrUnfinished
		} else if err != nil {
			return nil, err
		}
		total += h.Size
		if err := seen.add(h.Name, [sha256.Size]byte(sum.Sum(nil))); err != nil {
			return nil, err
		}
	}
}

func readBounded(r io.Reader, h *tar.Header, most int64) ([]byte, error) {
	if h.Size > most {
		return nil, telemetry.Errorf(telemetry.KindExhausted, "%s has %d bytes, the limit is %d: use another backup", h.Name, h.Size, most)
	}
	text, err := io.ReadAll(r)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, ErrUnfinished
	}
	return text, err
}

const changedSince = "its checksum does not match: it was changed after the backup was made; use another backup"

// compare holds what was read against what the backup says of itself.
func (c *contents) compare(seen *sums, total int64, tell report) error {
	listed, err := c.parse()
	if err != nil {
		return err
	}
	if err := c.catalogue.check(c.sums, listed, total); err != nil {
		return err
	}
	for _, name := range listed.names {
		got, ok := seen.of[name]
		want := listed.of[name]
		switch {
		case !ok:
			err = tell(Problem{name, "is missing: use another backup"})
		case !bytes.Equal(got[:], want[:]):
			err = tell(Problem{name, changedSince})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) parse() (*sums, error) {
	var err error
	if c.catalogue, err = parseCatalogue(c.text); err != nil {
		return nil, err
	}
	return parseSums(c.sums)
}

// readFolder reads the files of a backup's folder, as readStream does of a stream.
func readFolder(fsys wal.FS, dir string, to sink, tell report) (*contents, error) {
	c, listed, err := openFolder(fsys, dir)
	if err != nil {
		return nil, err
	}
	for _, name := range listed.names {
		got, err := readFile(fsys, filepath.Join(dir, filepath.FromSlash(name)), name, to)
		want := listed.of[name]
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = tell(Problem{name, "is missing: use another backup"})
		case err == nil && !bytes.Equal(got[:], want[:]):
			err = tell(Problem{name, changedSince})
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", dir, err)
		}
	}
	return c, nil
}

// openFolder reads what a backup's folder says of itself.
func openFolder(fsys wal.FS, dir string) (*contents, *sums, error) {
	var c contents
	var err error
	if c.text, err = readAll(fsys, filepath.Join(dir, CatalogueName), maxCatalogue); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrUnfinished
	} else if err != nil {
		return nil, nil, err
	}
	if c.sums, err = readAll(fsys, filepath.Join(dir, SumsName), maxSums); err != nil {
		return nil, nil, err
	}
	listed, err := c.parse()
	if err != nil {
		return nil, nil, err
	}
	return &c, listed, c.catalogue.check(c.sums, listed, -1)
}

// readFile gives a file to the sink and its checksum back.
func readFile(fsys wal.FS, path, name string, to sink) (sum [sha256.Size]byte, err error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	if err := to.file(name, info.Size(), io.TeeReader(f, h)); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
