package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Extent is one file of a log as far as it can be copied, open for reading. The
// copies of all extents, under their names in one folder, are a log.
type Extent struct {
	Name   string // within the log's folder
	Start  Position
	Bytes  int64 // from the file's first byte on
	File   File
	header fileHeader
	sound  bool // the header is
	open   bool // the end may be the rest of a write that a crash interrupted
	first  bool // no file of the folder, not even one set aside, is before it
}

// End is the position behind the extent.
func (x *Extent) End() Position { return x.Start + Position(x.Bytes) }

// CloseExtents closes the files.
func CloseExtents(extents []Extent) error {
	var errs []error
	for i := range extents {
		errs = append(errs, extents[i].File.Close())
	}
	return errors.Join(errs...)
}

// Extents opens the files that hold the durable records at or after from, and the
// last file in any case, because its name keeps the position. What is truncated or
// appended later changes nothing of them. The caller closes them.
func (l *Log) Extents(from Position) ([]Extent, error) {
	l.truncating.Lock() // so that no file goes between the list and its opening
	defer l.truncating.Unlock()
	l.mu.Lock()
	files := slices.Clone(l.files)
	l.mu.Unlock()
	var out []Extent
	for i, f := range files {
		if f.end <= from && i < len(files)-1 {
			continue
		}
		file, err := l.fs.OpenFile(f.path, os.O_RDONLY, 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the log for a copy: %w", err), CloseExtents(out))
		}
		out = append(out, Extent{Name: filepath.Base(f.path), Start: f.start, Bytes: int64(f.end - f.start), File: file, header: f.header, sound: f.hasHeader})
	}
	return out, nil
}

// OpenExtents is Log.Extents for a folder that no Log of this process has open. It
// changes nothing; what a process that writes there appends meanwhile may be cut
// in the middle of a record. A folder that is not there is an empty log.
func OpenExtents(fsys FS, dir string, from Position) ([]Extent, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log's folder: %w", err)
	}
	var out []Extent
	first := true
	for _, e := range entries { // in the order of names, which is that of positions
		start, aside, ok := parseFileName(e.Name())
		if !ok || e.IsDir() {
			continue
		}
		x := Extent{Name: e.Name(), Start: start, first: first}
		if first = false; aside {
			continue
		}
		if x.File, err = fsys.OpenFile(filepath.Join(dir, e.Name()), os.O_RDONLY, 0); err != nil {
			return nil, errors.Join(fmt.Errorf("open the log: %w", err), CloseExtents(out))
		}
		out = append(out, x)
		if err := out[len(out)-1].look(); err != nil {
			return nil, errors.Join(err, CloseExtents(out))
		}
	}
	return neededExtents(out, from)
}

// look learns the size and the header of an open file.
func (x *Extent) look() error {
	info, err := x.File.Stat()
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	x.Bytes = info.Size()
	x.header, x.sound, err = readFileHeader(x.File, x.File.Name(), x.Bytes, kindLog)
	x.sound = x.sound && x.header.start == x.Start
	return err
}

// neededExtents closes the files before from, and bounds each file by the next.
func neededExtents(all []Extent, from Position) ([]Extent, error) {
	var out []Extent
	for i := range all {
		x := &all[i]
		last := i == len(all)-1
		if !last {
			next := &all[i+1]
			x.Bytes = min(x.Bytes, int64(next.Start-x.Start))
			if next.sound && next.header.prevEnd > x.Start {
				x.Bytes = min(x.Bytes, int64(next.header.prevEnd-x.Start))
			}
		}
		if x.open = last; !last && x.End() <= from {
			if err := x.File.Close(); err != nil {
				return nil, errors.Join(err, CloseExtents(out), CloseExtents(all[i+1:]))
			}
			continue
		}
		out = append(out, *x)
	}
	return out, nil
}

// Flaw is a file that is not what was written.
type Flaw struct {
	Name string // within the folder
	Err  error
}

// CheckExtents reads every frame of the extents that follow from and gives a flaw
// for each file that lost bytes, and one without a name when there is no file; a
// record that each refuses is one as well. torn is what a crash left of an
// interrupted write at the end, which is no loss. The error is of the disk.
func CheckExtents(extents []Extent, from Position, each func(record []byte) error) (flaws []Flaw, torn int64, err error) {
	at := from
	for i := range extents {
		x := &extents[i]
		if x.sound && x.header.prevEnd > at {
			flaws = append(flaws, Flaw{x.Name, fmt.Errorf("%d bytes of the log before it are missing: restore the file before it from a backup", x.header.prevEnd-at)})
		}
		at = max(from, x.End())
		c, err := x.check(from, each)
		if err != nil {
			return flaws, torn, fmt.Errorf("%s: %w", x.Name, err)
		}
		torn += c.torn
		last := i == len(extents)-1
		switch {
		case c.refused != nil:
			flaws = append(flaws, Flaw{x.Name, c.refused})
		case c.lost > 0:
			flaws = append(flaws, Flaw{x.Name, fmt.Errorf("%d bytes fail their checksum: restore the file from a backup, or start without the spans in them", c.lost)})
		case last && c.end < from:
			flaws = append(flaws, lostEnd(x.Name, c.end, from))
		}
	}
	if len(extents) == 0 && from > 0 {
		flaws = append(flaws, lostEnd("", 0, from))
	}
	return flaws, torn, nil
}

// lostEnd is the flaw of a log that ends before a position that a consumer stored:
// that was durable once, and what followed it is unknown.
func lostEnd(name string, end, from Position) Flaw {
	return Flaw{name, fmt.Errorf("the log ends at position %d, and was read up to %d before: its end is missing, with every request after it; restore the folder of the log from a backup", end, from)}
}

// checked is what check has found in one extent.
type checked struct {
	lost, torn int64
	end        Position // behind the last good frame
	refused    error
}

// check reads one extent.
func (x *Extent) check(from Position, each func([]byte) error) (checked, error) {
	var c checked
	s := newScanner(x.File, x.Start, x.Bytes, x.header, x.sound)
	s.durable = !x.open
	for {
		h, record, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, err
		}
		if h.pos < from {
			continue
		}
		if err := each(record); err != nil && c.refused == nil {
			c.refused = fmt.Errorf("the record at position %d: %w", h.pos, err)
		}
	}
	before := int64(from - min(from, x.Start)) // what a flush has consumed is nobody's loss
	bad := int64(0)
	for _, hole := range append(s.holes, s.tail) {
		bad += max(0, hole.to-max(hole.from, before))
	}
	c.lost, c.end = bad, x.End()
	if x.open {
		c.lost, c.torn, c.end = s.corrupt, bad, x.Start+Position(min(s.end, x.Bytes))
	}
	if !x.sound && (x.Bytes > FileHeaderBytes || x.first && x.Start > 0) {
		c.lost += FileHeaderBytes
	}
	return c, nil
}

// ReadJournal passes the records of a journal to replay in order and changes
// nothing: neither its torn end nor damage is mended. The process that owns it may
// append to it or replace it meanwhile.
func ReadJournal(fsys FS, path string, replay func(record []byte) error) (Damage, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return Damage{}, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Damage{}, fmt.Errorf("read journal: %w", err)
	}
	h, sound, err := readFileHeader(f, path, info.Size(), kindJournal)
	if err != nil {
		return Damage{}, err
	}
	s := newScanner(f, 0, info.Size(), h, sound)
	for {
		_, record, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Damage{}, fmt.Errorf("read journal %s: %w", path, err)
		}
		if err := replay(record); err != nil {
			return Damage{}, fmt.Errorf("read journal %s: record %d: %w", path, s.records, err)
		}
	}
	d := Damage{CorruptBytes: s.corrupt, TornBytes: s.tail.to - s.tail.from}
	for _, hole := range s.holes {
		d.TornBytes += hole.to - hole.from
	}
	if !sound {
		d.CorruptBytes += FileHeaderBytes
	}
	return d, nil
}

// EncodeJournal gives the bytes of a journal that holds the records.
func EncodeJournal(records ...[]byte) ([]byte, error) {
	salt, err := newSalt()
	if err != nil {
		return nil, fmt.Errorf("encode journal: %w", err)
	}
	var out groupWriter
	var to memory
	if _, err := out.journal(&to, salt, records); err != nil {
		return nil, fmt.Errorf("encode journal: %w", err)
	}
	return to, nil
}

// memory is a file that is written from its start to its end.
type memory []byte

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if off != int64(len(*m)) {
		return 0, fmt.Errorf("write at %d of %d bytes", off, len(*m))
	}
	*m = append(*m, b...)
	return len(b), nil
}
