package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Source is what a backup is made of.
type Source struct {
	FS      wal.FS
	Dir     string                                    // the data folder
	Copy    *store.Copy                               // a pinned state of it; stays the caller's
	State   func(ctx context.Context) ([]byte, error) // the bytes of the file of tokens; nil: there is none
	Version string                                    // of this clew
	Now     func() time.Time
	// AllowDamaged takes files that are damaged already as they are, and lists
	// them in the catalogue; otherwise the first one ends the backup.
	AllowDamaged bool
}

// Write sends the backup as a tar stream. A stream whose last entry is not
// backup.json is none; when the source fails on the way, the last entry says why.
func Write(ctx context.Context, w io.Writer, s Source) error {
	t := tar.NewWriter(w)
	b := &writer{ctx: ctx, s: &s, tar: t, sums: newSums(), catalogue: Catalogue{
		Format: formatVersion, ID: newID(), Created: s.Now().UTC().Truncate(time.Second), Clew: s.Version,
		Cursor: uint64(s.Copy.Cursor), LogEnd: uint64(s.Copy.Cursor), Damaged: []Problem{},
	}}
	if err := b.all(); err != nil {
		// Whoever reads the stream learns the reason where the connection still
		// stands and no entry is half-written; else that it broke off says enough.
		if text := []byte(err.Error()); b.entry(failedName, int64(len(text))) == nil {
			if _, wrote := t.Write(text); wrote == nil {
				_ = t.Close()
			}
		}
		return fmt.Errorf("back up %s: %w", s.Dir, err)
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("back up %s: %w", s.Dir, err)
	}
	return nil
}

type writer struct {
	ctx       context.Context
	s         *Source
	tar       *tar.Writer
	sums      *sums
	catalogue Catalogue
}

func (b *writer) all() error {
	c := b.s.Copy
	if c.Damage.Lost() {
		lost := c.Damage.CorruptBytes + c.Damage.MissingBytes
		if err := b.damaged(store.Flaw{Path: manifestName, Err: fmt.Errorf("%d bytes fail their checksum: segments that they named are not in this backup; restore the manifest from another", lost)}); err != nil {
			return err
		}
	}
	if err := b.bytes(manifestName, c.Manifest); err != nil {
		return err
	}
	for _, p := range c.Segments {
		if err := b.segment(p); err != nil {
			return err
		}
	}
	if err := b.log(); err != nil {
		return err
	}
	if err := b.state(); err != nil {
		return err
	}
	return b.finish()
}

// damaged notes a file that was damaged before the backup, or ends the backup.
func (b *writer) damaged(f store.Flaw) error {
	if !b.s.AllowDamaged {
		return telemetry.Errorf(telemetry.KindConflict, "%s is damaged: %w; or take it as it is with --allow-damaged (clew verify lists all damage)", f.Path, f.Err)
	}
	b.catalogue.Damaged = append(b.catalogue.Damaged, Problem{f.Path, f.Err.Error()})
	return nil
}

// segment checks a segment and sends its files. They are read twice: once by
// column, whose checksums the description holds, once as they lie.
func (b *writer) segment(p store.Piece) error {
	rows, _, flaws := b.s.Copy.Check(p)
	for _, f := range flaws {
		if err := b.damaged(f); err != nil {
			return err
		}
	}
	b.catalogue.Segments++
	b.catalogue.Spans += rows
	dir := filepath.Join(b.s.Dir, filepath.FromSlash(p.Folder))
	entries, err := b.s.FS.ReadDir(dir)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && b.s.AllowDamaged) {
		return err
	}
	for _, e := range entries {
		if err := b.file(p.Folder+"/"+e.Name(), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// log sends the log from the cursor on.
func (b *writer) log() error {
	records, _, flaws, err := b.s.Copy.CheckLog()
	if err != nil {
		return err
	}
	for _, f := range flaws {
		if err := b.damaged(f); err != nil {
			return err
		}
	}
	b.catalogue.Records = records
	for i := range b.s.Copy.Log {
		x := &b.s.Copy.Log[i]
		b.catalogue.LogEnd = max(b.catalogue.LogEnd, uint64(x.End()))
		if err := b.stream("log/"+x.Name, x.Bytes, io.NewSectionReader(x.File, 0, x.Bytes)); err != nil {
			return err
		}
	}
	return nil
}

// state sends tokens and what else the node keeps.
func (b *writer) state() error {
	if b.s.State != nil {
		p, err := b.s.State(b.ctx)
		if err != nil {
			return err
		}
		if err := b.bytes(stateName, p); err != nil {
			return err
		}
	}
	for _, name := range governed {
		p, err := os.ReadFile(filepath.Join(b.s.Dir, name)) // small, and not of the store's file system
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.bytes(name, p); err != nil {
			return err
		}
	}
	return nil
}

func (b *writer) finish() error {
	text := b.sums.encode()
	sum := sha256.Sum256(text)
	b.catalogue.Sums, b.catalogue.Files = hex.EncodeToString(sum[:]), len(b.sums.names)
	catalogue, err := b.catalogue.encode()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{SumsName, text}, {CatalogueName, catalogue}} {
		if err := b.entry(f.name, int64(len(f.text))); err != nil {
			return err
		}
		if _, err := b.tar.Write(f.text); err != nil {
			return err
		}
	}
	return nil
}

func (b *writer) file(name, path string) error {
	f, err := b.s.FS.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.stream(name, info.Size(), f)
}

func (b *writer) bytes(name string, p []byte) error {
	if err := b.entry(name, int64(len(p))); err != nil {
		return err
	}
	if _, err := b.tar.Write(p); err != nil {
		return err
	}
	b.catalogue.Bytes += int64(len(p))
	return b.sums.add(name, sha256.Sum256(p))
}

// stream sends size bytes of r.
func (b *writer) stream(name string, size int64, r io.Reader) error {
	if err := b.entry(name, size); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(b.tar, sum), &stopping{b.ctx, io.LimitReader(r, size)})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n < size {
		return telemetry.Errorf(telemetry.KindInternal, "%s ended after %d of %d bytes: run clew verify on the data folder", name, n, size)
	}
	b.catalogue.Bytes += size
	return b.sums.add(name, [sha256.Size]byte(sum.Sum(nil)))
}

func (b *writer) entry(name string, size int64) error {
	return b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: b.catalogue.Created, Format: tar.FormatPAX})
}

// stopping ends a copy when the context does.
type stopping struct {
	ctx context.Context
	r   io.Reader
}

func (s *stopping) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
