package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Copy is one state of a store that stays readable until Close, whatever flushes,
// merges and retention do meanwhile: every span that was acknowledged before it
// was taken is in one of its segments or in its log. A folder with the manifest,
// the segments and the log of a Copy is a data folder.
type Copy struct {
	Manifest []byte // the whole file
	Damage   wal.Damage
	Segments []Piece // by number
	Log      []wal.Extent
	Cursor   wal.Position // records of the log before it are in segments

	fs      wal.FS
	dir     string
	release func()
}

// Piece is one segment of a Copy.
type Piece struct {
	Folder string // below the data folder, with slashes
	Rows   int64  // 0 where its description has not been read
	added
}

// Copy pins the store as it is now. It waits for a flush that is under way,
// because that moves rows from the log into segments in several steps.
func (e *Embedded) Copy() (*Copy, error) {
	e.flushMu.Lock()
	defer e.flushMu.Unlock()
	c := &Copy{fs: e.o.FS, dir: e.o.Dir}
	v := &view{e: e}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, telemetry.Errorf(telemetry.KindUnavailable, "copy the store: it is being closed")
	}
	for _, name := range sortedKeys(e.tenants) {
		for _, h := range e.tenants[name].segments {
			h.refs++
			v.segments = append(v.segments, h)
			c.Segments = append(c.Segments, pieceOf(h.added, int64(h.meta.Rows)))
		}
	}
	c.Cursor = e.manifest.cursor
	state := change{Cursor: c.Cursor, Seq: e.manifest.seq, NextID: max(e.manifest.nextID, e.idSeq), Expired: maps.Clone(e.manifest.expired)}
	e.mu.Unlock()
	c.release = v.release
	if err := c.encodeManifest(state); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	var err error
	if c.Log, err = e.log.Extents(c.Cursor); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func pieceOf(a added, rows int64) Piece {
	return Piece{Folder: filepath.ToSlash(a.folder()), Rows: rows, added: a}
}

// encodeManifest writes the records of a compacted manifest into memory.
func (c *Copy) encodeManifest(state change) error {
	slices.SortFunc(c.Segments, func(a, b Piece) int { return int(int64(a.ID) - int64(b.ID)) })
	segments := make([]added, len(c.Segments))
	for i, p := range c.Segments {
		segments[i] = p.added
	}
	records, err := stateRecords(state, segments)
	if err != nil {
		return err
	}
	c.Manifest, err = wal.EncodeJournal(records...)
	return err
}

// copyTries bounds how often OpenCopy begins anew because a process moved the cursor.
const copyTries = 20

// OpenCopy reads the state of a data folder from its files and changes none. A
// process may be running on the folder: then segments of the Copy can go while it
// is read, which Named tells from damage. The error is os.ErrNotExist when there is
// no manifest.
func OpenCopy(fs wal.FS, dir string) (*Copy, error) {
	for range copyTries {
		m, damage, err := readManifest(fs, dir)
		if err != nil {
			return nil, err
		}
		extents, err := wal.OpenExtents(fs, filepath.Join(dir, "log"), m.cursor)
		vanished := errors.Is(err, os.ErrNotExist)
		if err != nil && !vanished {
			return nil, err
		}
		// A flush in between has dropped what the older cursor still asks for.
		after, _, err := readManifest(fs, dir)
		if err == nil && (vanished || after.cursor != m.cursor) {
			err = wal.CloseExtents(extents)
			if err == nil {
				continue
			}
		}
		c := &Copy{fs: fs, dir: dir, Damage: damage, Cursor: m.cursor, Log: extents, release: func() {}}
		for _, a := range m.segments {
			c.Segments = append(c.Segments, pieceOf(a, 0))
		}
		if err == nil {
			err = c.encodeManifest(change{Cursor: m.cursor, Seq: m.seq, NextID: m.nextID, Expired: m.expired})
		}
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
	return nil, telemetry.Errorf(telemetry.KindUnavailable, "the log of %s moves on faster than it can be opened: try again", dir)
}

func readManifest(fs wal.FS, dir string) (*manifest, wal.Damage, error) {
	m := newManifest()
	path := filepath.Join(dir, "manifest")
	damage, err := wal.ReadJournal(fs, path, func(record []byte) error { return m.replay(path, record) })
	return m, damage, err
}

// Named reports whether the manifest on disk still names the segment.
func (c *Copy) Named(p Piece) (bool, error) {
	m, _, err := readManifest(c.fs, c.dir)
	if err != nil {
		return false, err
	}
	_, ok := m.segments[p.ID]
	return ok, nil
}

// Close lets go of the segments and closes the log's files.
func (c *Copy) Close() error {
	if c.release == nil {
		return nil
	}
	c.release()
	c.release = nil
	return wal.CloseExtents(c.Log)
}

// Flaw is a file of a Copy that is not what was written, and why.
type Flaw struct {
	Path string // below the data folder, with slashes
	Err  error
}

// Check compares every byte of a segment with its checksums, and gives its spans
// and its size as far as its description can be read.
func (c *Copy) Check(p Piece) (rows, bytes int64, flaws []Flaw) {
	dir := filepath.Join(c.dir, filepath.FromSlash(p.Folder))
	meta, err := readMeta(c.fs, dir, &p.added)
	if err != nil {
		return 0, 0, []Flaw{{p.Folder + "/" + metaName, err}}
	}
	if meta.Tenant != p.Tenant {
		return 0, 0, []Flaw{{p.Folder + "/" + metaName, fmt.Errorf("is of tenant %q, the manifest says %q: restore the folder from a backup", meta.Tenant, p.Tenant)}}
	}
	for _, f := range segment.Check(c.fs, dir, meta) {
		flaws = append(flaws, Flaw{p.Folder + "/" + f.File, f.Err})
	}
	return int64(meta.Rows), meta.Bytes + int64(p.MetaBytes), flaws
}

// CheckLog reads every record of the log that is not in segments. torn is the rest
// of a write that a crash, or the moment of looking, interrupted: no loss.
func (c *Copy) CheckLog() (records, torn int64, flaws []Flaw, err error) {
	found, torn, err := wal.CheckExtents(c.Log, c.Cursor, func(record []byte) error {
		records++
		if _, _, err := telemetry.DecodeRecord(record); err != nil {
			return fmt.Errorf("%w: start the clew that wrote it", err)
		}
		return nil
	})
	for _, f := range found {
		flaws = append(flaws, Flaw{filepath.ToSlash(filepath.Join("log", f.Name)), f.Err})
	}
	return records, torn, flaws, err
}

// Unnamed lists folders below segments that the Copy does not name: what a crash
// left, or a step that is under way.
func (c *Copy) Unnamed() ([]string, error) {
	known := map[string]bool{}
	for _, p := range c.Segments {
		known[p.Folder] = true
	}
	out := map[string]bool{}
	err := eachFolder(c.fs, filepath.Join(c.dir, "segments"), 2, func(path string) error {
		if at, err := filepath.Rel(c.dir, path); err != nil {
			return err
		} else if !known[filepath.ToSlash(at)] {
			out[filepath.ToSlash(at)] = true
		}
		return nil
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return slices.Sorted(maps.Keys(out)), err
}

// eachFolder calls fn with the folders that lie depth levels below those in dir.
func eachFolder(fs wal.FS, dir string, depth int, fn func(path string) error) error {
	entries, err := fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range entries {
		if !f.IsDir() { // a plain file is nobody's of ours
			continue
		}
		path := filepath.Join(dir, f.Name())
		if depth == 0 {
			err = fn(path)
		} else {
			err = eachFolder(fs, path, depth-1, fn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
