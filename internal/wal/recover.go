package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	fileSuffix    = ".log"
	damagedSuffix = ".damaged"
)

// Recovery tells what Open found and mended. Only the last file is read whole at
// the start; damage in older ones is counted by the readers that meet it.
type Recovery struct {
	Files       int      // that belong to the log now
	Records     int64    // in the last file
	Damage      Damage   // in the last file, and files or ends of files that are gone; at least the bytes before Options.NotBefore
	Quarantined []string // files without one readable frame, set aside with the suffix ".damaged"
}

// Open opens the log in dir, which it creates when it is not there. It finds the
// durable end, cuts the rest of an interrupted write, sets files aside of which
// nothing can be read, and makes durable what it keeps. Nothing is created
// before the first Append, so that a log on a full disk opens.
//
// Errors: of kind conflict when a file was written by a newer version; else of
// the disk. Damage is no error: see Recovery.
func Open(dir string, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	l := &Log{
		dir: dir, o: o, fs: o.FS,
		changed: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	if err := l.recover(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	if d := l.recovered.Damage; d != (Damage{}) {
		level := o.Logger.Warn
		if d.Lost() {
			level = o.Logger.Error
		}
		level("log was damaged", "dir", dir, "torn_bytes", d.TornBytes, "corrupt_bytes", d.CorruptBytes,
			"missing_bytes", d.MissingBytes, "quarantined", l.recovered.Quarantined)
	}
	go l.run()
	return l, nil
}

// recover fills l from the folder.
func (l *Log) recover() error {
	if err := MakeFolder(l.fs, l.dir); err != nil {
		return err
	}
	floor, err := l.list()
	if err != nil {
		return err
	}
	if err := l.chooseSalt(); err != nil {
		return err
	}
	if floor, err = l.dropUnreadable(floor); err != nil {
		return err
	}
	if len(l.files) > 0 {
		if floor, err = l.recoverLast(floor); err != nil {
			return err
		}
	}
	// Renames, removals and files that the process before may not have synced.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return fmt.Errorf("fsync folder %s: %w", l.dir, err)
	}
	// What a consumer has stored was durable once: a log that ends before it has
	// lost its end, and nobody knows how much followed.
	l.recovered.Damage.MissingBytes += distance(floor, l.o.NotBefore)
	return l.resume(max(floor, l.o.NotBefore))
}

// MakeFolder makes dir and its missing parents, each durable before the next, so
// that only the deepest folder that is there can be one that a crash takes back.
func MakeFolder(fsys FS, dir string) error {
	var missing []string
	for {
		_, err := fsys.Stat(dir)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, dir)
		dir = filepath.Dir(dir)
	}
	// Who may not open the parent did not create the folder.
	if err := fsys.SyncDir(filepath.Dir(dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("fsync folder %s: %w", filepath.Dir(dir), err)
	}
	for _, dir := range slices.Backward(missing) {
		if err := fsys.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := fsys.SyncDir(filepath.Dir(dir)); err != nil {
			return fmt.Errorf("fsync folder %s: %w", filepath.Dir(dir), err)
		}
	}
	return nil
}

// list reads the folder and the headers of its log files. It returns a floor for
// new positions: no file, not even one set aside, may start after it.
func (l *Log) list() (Position, error) {
	entries, err := l.fs.ReadDir(l.dir)
	if err != nil {
		return 0, err
	}
	floor := Position(0)
	for _, e := range entries { // in the order of names, which is that of positions
		start, aside, ok := parseFileName(e.Name())
		if !ok || e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		floor = max(floor, start)
		if aside {
			// The next file names its end as the end before it: that there is a
			// gap stays known.
			end := start + Position(info.Size())
			floor, l.tailEnd = max(floor, end), max(l.tailEnd, end)
			continue
		}
		f := logFile{path: filepath.Join(l.dir, e.Name()), start: start, bytes: info.Size(), end: start + Position(info.Size())}
		if err := l.readHeader(&f); err != nil {
			return 0, err
		}
		l.files = append(l.files, f)
	}
	return floor, nil
}

// parseFileName reads "%016x.log" and "%016x.log.damaged…".
func parseFileName(name string) (start Position, aside, ok bool) {
	digits, rest, found := strings.Cut(name, fileSuffix)
	if !found || len(digits) != 16 || (rest != "" && !strings.HasPrefix(rest, damagedSuffix)) {
		return 0, false, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || n > 1<<62 || digits != strings.ToLower(digits) {
		return 0, false, false
	}
	return Position(n), rest != "", true
}

func (l *Log) readHeader(f *logFile) error {
	file, err := l.fs.OpenFile(f.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	f.header, f.hasHeader, err = readFileHeader(file, f.path, f.bytes, kindLog)
	if f.header.start != f.start { // the file has another's name: none of its frames will pass
		f.hasHeader = false
	}
	return err
}

// readFileHeader reads the header of a file of size bytes.
func readFileHeader(f File, path string, size int64, kind byte) (fileHeader, bool, error) {
	b := make([]byte, min(size, FileHeaderBytes))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return fileHeader{}, false, fmt.Errorf("read header of %s: %w", path, err)
	}
	return parseFileHeader(path, b, kind)
}

// chooseSalt takes the salt of the newest file that has one, else a new one.
func (l *Log) chooseSalt() error {
	for i := len(l.files) - 1; i >= 0; i-- {
		if l.files[i].hasHeader {
			l.salt = l.files[i].header.salt
			return nil
		}
	}
	var err error
	l.salt, err = newSalt()
	return err
}

func newSalt() (uint32, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw a salt: %w", err)
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// dropUnreadable deals with files whose header is damaged. One that ends within
// its header is a start that a crash interrupted: it is forgotten, and removed
// unless its name still holds the highest position. One without a readable frame
// is set aside for a person to look at. The rest is read as far as it goes.
func (l *Log) dropUnreadable(floor Position) (Position, error) {
	kept := l.files[:0]
	var aside []logFile
	for i, f := range l.files {
		last := i == len(l.files)-1
		readable := f.hasHeader
		if l.cutToNothing(i, f) {
			l.recovered.Damage.CorruptBytes += FileHeaderBytes
		}
		if !readable && f.bytes > FileHeaderBytes {
			var err error
			if readable, err = l.anyFrame(f); err != nil {
				return 0, err
			}
		}
		switch {
		case readable:
			if !f.hasHeader { // it was durable before any frame was written
				l.recovered.Damage.CorruptBytes += FileHeaderBytes
			}
			kept = append(kept, f)
		case f.bytes > FileHeaderBytes:
			if err := l.quarantine(f); err != nil {
				return 0, err
			}
			aside = append(aside, f)
			floor, l.tailEnd = max(floor, f.end), max(l.tailEnd, f.end)
		case !last:
			if err := removeFile(l.fs, f.path); err != nil {
				return 0, err
			}
		}
	}
	l.files = kept
	l.bound(aside)
	return floor, nil
}

// cutToNothing tells a file that lost all of its bytes from a start that a crash
// interrupted: such a start has a file before it, which goes only when the header is
// durable, or begins the log.
func (l *Log) cutToNothing(i int, f logFile) bool {
	return i == 0 && f.start > 0 && l.tailEnd == 0 && !f.hasHeader && f.bytes <= FileHeaderBytes
}

// anyFrame tells whether one frame of f can be read.
func (l *Log) anyFrame(f logFile) (bool, error) {
	file, err := l.fs.OpenFile(f.path, os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer file.Close()
	_, _, err = newScanner(file, f.start, f.bytes, f.header, false).next()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// quarantine renames f out of the log, to a name that is free.
func (l *Log) quarantine(f logFile) error {
	to, err := freeName(l.fs, f.path+damagedSuffix)
	if err != nil {
		return err
	}
	if err := l.fs.Rename(f.path, to); err != nil {
		return err
	}
	l.recovered.Quarantined = append(l.recovered.Quarantined, to)
	l.recovered.Damage.CorruptBytes += f.bytes
	return nil
}

// freeName gives name, or name with the first number behind it that is free.
func freeName(fsys FS, name string) (string, error) {
	for i := 0; i < 1000; i++ {
		try := name
		if i > 0 {
			try = fmt.Sprintf("%s%d", name, i)
		}
		_, err := fsys.Stat(try)
		if errors.Is(err, fs.ErrNotExist) {
			return try, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("set %s aside: a thousand damaged copies are there already, move them away", name)
}

// bound sets the readable end of every file but the last, and counts what is
// missing in between, other than the files that were just set aside.
func (l *Log) bound(aside []logFile) {
	for i := 1; i < len(l.files); i++ {
		f, next := &l.files[i-1], l.files[i]
		f.end = min(f.end, next.start)
		if !next.hasHeader {
			continue
		}
		if next.header.prevEnd < f.end {
			f.end = max(f.start, next.header.prevEnd)
		}
		missing := distance(f.end, next.header.prevEnd)
		for _, a := range aside {
			missing -= distance(max(a.start, f.end), min(a.end, next.header.prevEnd))
		}
		l.recovered.Damage.MissingBytes += missing
	}
}

// distance is how many bytes lie in [from, to), zero when to is before from.
func distance(from, to Position) int64 {
	if to <= from {
		return 0
	}
	return int64(to - from)
}

// recoverLast finds the end of the last file and mends it.
func (l *Log) recoverLast(floor Position) (Position, error) {
	f := &l.files[len(l.files)-1]
	file, err := l.fs.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	s := newScanner(file, f.start, f.bytes, f.header, f.hasHeader)
	if err := s.drain(); err != nil {
		return 0, err
	}
	d, err := mend(file, s)
	if err != nil {
		return 0, fmt.Errorf("mend %s: %w", f.path, err)
	}
	l.recovered.Damage.add(d)
	l.recovered.Records = s.records
	f.bytes, f.end = s.end, f.start+Position(s.end)
	return max(floor, f.end), nil
}

// resume sets the end of the log to at least floor. A last file that holds no
// record yet, because the log was truncated whole, is appended to.
func (l *Log) resume(floor Position) error {
	l.recovered.Files = len(l.files)
	for _, f := range l.files {
		l.bytes += f.bytes
	}
	l.end = floor
	if len(l.files) == 0 {
		l.tailEnd = floor
		return nil
	}
	last := l.files[len(l.files)-1]
	l.tailEnd = max(l.tailEnd, last.end)
	if last.end == l.end && last.bytes == FileHeaderBytes && last.hasHeader {
		f, err := l.fs.OpenFile(last.path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		l.active = f
	}
	return nil
}
