package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sort"
)

// Reader reads the durable records of a log in order. It belongs to one
// goroutine and holds at most one open file.
type Reader struct {
	l      *Log
	from   Position // records before it are not wanted
	pos    Position // all before it has been dealt with
	file   File     // nil between files
	cur    logFile
	scan   *scanner
	opened bool // a file was opened before: a jump from it to the next is a gap
	damage Damage
}

// Reader gives a reader whose first record is the first that starts at or after
// from. It is an error when from is after the durable end: such a cursor belongs
// to another log.
func (l *Log) Reader(from Position) (*Reader, error) {
	if end := l.End(); from > end {
		return nil, fmt.Errorf("read log %s: position %d is after its end %d: pass the highest cursor as NotBefore when opening, or give back the log that the cursor belongs to", l.dir, from, end)
	}
	return &Reader{l: l, from: from, pos: from}, nil
}

// Next gives the next record and its place [pos, end); end is what a consumer
// stores as its cursor. The record is valid until the next call. At the durable
// end Next returns io.EOF, and records again when more has become durable: see
// Wait. Damage is stepped over and counted: see Damage. Any other error is
// of the disk, and the same call may pass later.
func (r *Reader) Next() (pos, end Position, record []byte, err error) {
	for {
		if r.file == nil {
			if err := r.open(); err != nil {
				return 0, 0, nil, err
			}
		}
		end, last := r.refresh()
		h, payload, err := r.scan.next()
		r.count()
		switch {
		case err == nil && h.pos < r.from:
			continue
		case err == nil:
			r.pos = h.pos + Position(h.size())
			return h.pos, r.pos, payload, nil
		case !errors.Is(err, io.EOF):
			return 0, 0, nil, fmt.Errorf("%s: %w", r.cur.path, err)
		}
		r.pos = max(r.pos, r.cur.end)
		if last {
			r.pos = max(r.pos, end) // behind the last file when NotBefore jumped
			return 0, 0, nil, io.EOF
		}
		r.closeFile()
	}
}

// Wait returns nil when more is durable than the last io.EOF of Next knew of, the
// context's error when that ends first, and the log's own when nothing will come
// any more. A new file is more as well, so that Next may give io.EOF again.
func (r *Reader) Wait(ctx context.Context) error { return r.l.wait(ctx, r.pos) }

// Damage counts what this reader had to step over so far.
func (r *Reader) Damage() Damage { return r.damage }

// Close releases the open file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// closeFile ends one file on the way to the next; a file that was only read has
// nothing to lose when it does not close well.
func (r *Reader) closeFile() {
	if err := r.Close(); err != nil {
		r.l.o.Logger.Warn("log file did not close", "path", r.cur.path, "error", err)
	}
}

// open opens the first file that ends after r.pos; io.EOF when there is none.
func (r *Reader) open() error {
	f, end, ok := r.l.fileAfter(r.pos)
	if !ok {
		r.pos = max(r.pos, end)
		return io.EOF
	}
	file, err := r.l.fs.OpenFile(f.path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// A Truncate may have removed it and be about to take it off the list.
		r.l.truncating.Lock()
		f, end, ok = r.l.fileAfter(r.pos)
		r.l.truncating.Unlock()
		if !ok {
			r.pos = max(r.pos, end)
			return io.EOF
		}
		file, err = r.l.fs.OpenFile(f.path, os.O_RDONLY, 0)
	}
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	s := newScanner(file, f.start, int64(f.end-f.start), f.header, f.hasHeader)
	s.durable = true
	if at := int64(r.pos - min(r.pos, f.start)); at > s.off {
		// A cursor is the end of a record. When no frame starts there, the file is
		// read from its first frame, for only frames say where frames start.
		_, _, state, err := s.look(at)
		if err != nil {
			return errors.Join(fmt.Errorf("read %s: %w", f.path, err), file.Close())
		}
		if state != frameNone {
			s.off = at
		}
	}
	if r.opened && f.hasHeader {
		r.damage.MissingBytes += distance(r.pos, f.header.prevEnd)
	}
	r.opened = true
	r.file, r.cur, r.scan = file, f, s
	return nil
}

// refresh learns how far the open file and the log have grown, and whether it is
// the last. A
// file that was truncated away meanwhile keeps the end that was known.
func (r *Reader) refresh() (end Position, last bool) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	files := r.l.files
	i, found := slices.BinarySearchFunc(files, r.cur.start, func(f logFile, p Position) int {
		return cmp.Compare(f.start, p)
	})
	if found {
		r.cur = files[i]
		last = i == len(files)-1
	}
	r.scan.limit = int64(r.cur.end - r.cur.start)
	return r.l.end, last
}

// count adds what the scan stepped over. All of it was durable once. Bytes in
// front of the reader's first position are not its concern.
func (r *Reader) count() {
	from := int64(r.from - min(r.from, r.cur.start))
	for _, hole := range append(r.scan.holes, r.scan.tail) {
		r.damage.CorruptBytes += max(0, hole.to-max(hole.from, from))
	}
	r.scan.holes, r.scan.tail = r.scan.holes[:0], span{}
}

// fileAfter gives the first file that ends after p, and the end of the log.
func (l *Log) fileAfter(p Position) (f logFile, end Position, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.files), func(i int) bool { return l.files[i].end > p })
	if i == len(l.files) {
		return logFile{}, l.end, false
	}
	return l.files[i], l.end, true
}
