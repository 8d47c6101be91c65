package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/clew-dev/clew/internal/telemetry"
)

// JournalOptions tunes a Journal. The zero value is good for production.
type JournalOptions struct {
	FS             FS  // nil means OS
	MaxRecordBytes int // default 16 MiB, at most 1 GiB
}

// Journal is one file of records that is replayed whole when it is opened: the
// home of small state that must not be lost, such as the manifest of segments.
// Its owner bounds it by replacing its records with fewer ones now and then.
//
// It keeps the promises of [Log]: what is acknowledged is fsynced, a torn end is
// cut, and after a failed fsync it is read-only. The file never exists without
// its header, because it is created, like every Replace, by writing a file
// beside it and renaming that. Its methods MAY be called concurrently; they run
// one at a time.
type Journal struct {
	mu     sync.Mutex
	path   string
	o      JournalOptions
	f      File
	salt   uint32
	off    int64 // durable end
	out    groupWriter
	err    error // sticky
	sealed bool  // the last frame is a seal
	loose  bool  // that seal is not fsynced
	done   bool  // closed
}

// OpenJournal opens or creates the journal at path and passes its records to
// replay in order; a record is valid during the call only. Damage in front of
// later records is stepped over: the file is then copied beside itself with the
// suffix ".damaged", and the owner decides by Recovery.Damage whether it can go
// on without what is lost. The last frames, when they are bad and no seal follows
// them, are taken for an interrupted write and cut.
//
// Errors: of kind conflict when a newer version wrote the file, or when not one
// record of a file with a damaged header can be read; replay's own; the disk's.
func OpenJournal(path string, o JournalOptions, replay func(record []byte) error) (*Journal, Recovery, error) {
	if o.FS == nil {
		o.FS = OS
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = 16 << 20
	}
	if o.MaxRecordBytes < 1 || o.MaxRecordBytes > maxPayload {
		return nil, Recovery{}, telemetry.Errorf(telemetry.KindInvalid, "open journal %s: MaxRecordBytes is %d: use 1 to %d", path, o.MaxRecordBytes, maxPayload)
	}
	j := &Journal{path: path, o: o}
	r, err := j.open(replay)
	if err != nil {
		if j.f != nil {
			err = errors.Join(err, j.f.Close())
		}
		return nil, r, fmt.Errorf("open journal %s: %w", path, err)
	}
	return j, r, nil
}

func (j *Journal) open(replay func([]byte) error) (Recovery, error) {
	if err := removeFile(j.o.FS, j.temporary()); err != nil { // a Replace that a crash interrupted
		return Recovery{}, err
	}
	f, err := j.o.FS.OpenFile(j.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := j.replace(nil); err != nil {
			return Recovery{}, err
		}
		return Recovery{Files: 1}, nil
	}
	if err != nil {
		return Recovery{}, err
	}
	j.f = f
	// The rename that made this file may not be durable yet.
	if err := j.syncDir(); err != nil {
		return Recovery{}, err
	}
	return j.replay(replay)
}

// replay reads the open file, mends its end and readies it for appending.
func (j *Journal) replay(replay func([]byte) error) (Recovery, error) {
	info, err := j.f.Stat()
	if err != nil {
		return Recovery{}, err
	}
	h, hasHeader, err := readFileHeader(j.f, j.path, info.Size(), kindJournal)
	if err != nil {
		return Recovery{}, err
	}
	s := newScanner(j.f, 0, info.Size(), h, hasHeader)
	for {
		_, record, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Recovery{}, err
		}
		if err := replay(record); err != nil {
			return Recovery{}, fmt.Errorf("replay record %d: %w", s.records, err)
		}
	}
	r := Recovery{Files: 1, Records: s.records}
	if !hasHeader && s.records == 0 {
		return r, telemetry.Errorf(telemetry.KindConflict,
			"nothing in it can be read: restore the file from a copy, or move it away to start without what it held")
	}
	if !hasHeader || s.corrupt > 0 {
		to, err := freeName(j.o.FS, j.path+damagedSuffix)
		if err != nil {
			return r, err
		}
		if err := j.copyTo(to, info.Size()); err != nil {
			return r, fmt.Errorf("keep a copy of the damaged file: %w", err)
		}
		r.Quarantined = []string{to}
	}
	j.salt, j.off, j.sealed = s.salt, s.end, s.sealed
	if r.Damage, err = mend(j.f, s); err != nil {
		return r, fmt.Errorf("mend: %w", err)
	}
	if !hasHeader {
		r.Damage.CorruptBytes += FileHeaderBytes
		if _, err := j.f.WriteAt(j.header(), 0); err != nil {
			return r, fmt.Errorf("mend the header: %w", err)
		}
		if err := j.f.Sync(); err != nil {
			return r, fmt.Errorf("fsync the header: %w", err)
		}
	}
	return r, nil
}

func (j *Journal) header() []byte {
	return fileHeader{kind: kindJournal, salt: j.salt}.encode()
}

// copyTo keeps the damaged bytes for a person to look at. The copy is durable
// before anything in the journal is changed.
func (j *Journal) copyTo(path string, size int64) error {
	to, err := j.o.FS.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(j.f, 0, size))
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, removeFile(j.o.FS, path))
	}
	return j.syncDir()
}

// Append adds the records, each for itself, and returns when all are durable.
// After an error none of them is acknowledged, though a crash may leave some.
// Kinds are those of Log.Append.
func (j *Journal) Append(records ...[]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(records); err != nil {
		return fmt.Errorf("append to journal %s: %w", j.path, err)
	}
	if len(records) == 0 {
		return nil
	}
	end, err := j.writeGroup(records)
	if err != nil {
		if !isDiskFull(err) {
			return j.fail(fmt.Errorf("write: %w", err))
		}
		if cut := j.f.Truncate(j.off); cut != nil {
			return j.fail(fmt.Errorf("write: %w; cut it back to %d bytes: %w", err, j.off, cut))
		}
		return diskFull("append to journal "+j.path, err)
	}
	if err := j.f.Sync(); err != nil {
		return j.fail(fmt.Errorf("fsync: %w", err))
	}
	j.off, j.sealed, j.loose = end, false, false
	// The records are durable, and from here on damage to them is told from an
	// interrupted write, unless the power goes before this seal is on disk too.
	// Without the space for it they are as durable.
	if err := j.seal(); err != nil {
		_ = j.f.Truncate(j.off) // what is left there would be written over in any case
	}
	return nil
}

// writeGroup writes the records as one group at the end and returns the offset
// behind them.
func (j *Journal) writeGroup(records [][]byte) (int64, error) {
	at := Position(j.off)
	group := at
	if j.loose {
		// The seal in front is fsynced with them, so that a crash may lose it alone: that
		// must not look like damage to what was durable.
		group -= FrameBytes
	}
	j.out.begin(j.f, j.off)
	for _, b := range records {
		h := frameHeader{kind: frameRecord, length: uint32(len(b)), pos: at, group: group, salt: j.salt, sum: checksum(b)}
		if err := j.out.frame(h, [][]byte{b}); err != nil {
			return 0, err
		}
		at += Position(h.size())
	}
	return int64(at), j.out.flush()
}

// usable checks the journal's state and the records before anything is written.
func (j *Journal) usable(records [][]byte) error {
	if j.err != nil {
		return j.err
	}
	if j.done {
		return ErrClosed
	}
	total := int64(0)
	for i, b := range records {
		total += FrameBytes + int64(len(b))
		if len(b) == 0 || len(b) > j.o.MaxRecordBytes {
			return telemetry.Errorf(telemetry.KindInvalid, "record %d has %d bytes: write 1 to %d", i, len(b), j.o.MaxRecordBytes)
		}
	}
	if total > maxPayload {
		return telemetry.Errorf(telemetry.KindInvalid, "%d records have %d bytes together: write at most %d at once", len(records), total, maxPayload)
	}
	return nil
}

// Replace makes records the whole content, atomically: after a crash either all
// old records are there or all new ones. On a full disk, and on any other error
// before the rename, the old content stays and the journal goes on.
func (j *Journal) Replace(records ...[]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(records); err != nil {
		return fmt.Errorf("replace journal %s: %w", j.path, err)
	}
	return j.replace(records)
}

// replace writes the new content beside the old, makes it durable and renames
// it. Every frame is a group of its own and a seal ends them: once the rename is
// seen all of it was durable, so that damage to any of it is told from an
// interrupted write.
func (j *Journal) replace(records [][]byte) error {
	salt, err := newSalt()
	if err != nil {
		return fmt.Errorf("replace journal %s: %w", j.path, err)
	}
	next := &Journal{path: j.path, o: j.o, salt: salt}
	if next.f, err = j.o.FS.OpenFile(j.temporary(), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return j.notReplaced(nil, err)
	}
	if err := next.fill(records); err != nil {
		return j.notReplaced(next.f, err)
	}
	if err := j.o.FS.Rename(j.temporary(), j.path); err != nil {
		return j.notReplaced(next.f, err)
	}
	old := j.f
	j.f, j.salt, j.off, j.sealed, j.loose = next.f, next.salt, next.off, true, false
	if old != nil {
		// It has no name any more and nothing in it counts.
		_ = old.Close()
	}
	if err := j.syncDir(); err != nil { // a crash may now bring back the old content or the new
		return j.fail(err)
	}
	return nil
}

// fill writes header, records and seal into an empty file and makes them durable.
func (j *Journal) fill(records [][]byte) error {
	end, err := j.out.journal(j.f, j.salt, records)
	if err != nil {
		return err
	}
	j.off = end
	return j.f.Sync()
}

// journal writes the whole content of a journal that holds the records, each a
// group of its own and a seal behind them, and gives its size.
func (w *groupWriter) journal(to io.WriterAt, salt uint32, records [][]byte) (int64, error) {
	w.begin(to, 0)
	w.buf = append(w.buf, fileHeader{kind: kindJournal, salt: salt}.encode()...)
	at := Position(FileHeaderBytes)
	for _, b := range records {
		h := frameHeader{kind: frameRecord, length: uint32(len(b)), pos: at, group: at, salt: salt, sum: checksum(b)}
		if err := w.frame(h, [][]byte{b}); err != nil {
			return 0, err
		}
		at += Position(h.size())
	}
	if err := w.frame(frameHeader{kind: frameSeal, pos: at, group: at, salt: salt}, nil); err != nil {
		return 0, err
	}
	return int64(at) + FrameBytes, w.flush()
}

// notReplaced cleans up after a Replace that did not reach its rename.
func (j *Journal) notReplaced(f File, err error) error {
	if f != nil {
		err = errors.Join(err, f.Close(), removeFile(j.o.FS, j.temporary()))
	}
	if isDiskFull(err) {
		return diskFull("replace journal "+j.path, err)
	}
	return telemetry.Errorf(telemetry.KindUnavailable, "replace journal %s: %w", j.path, err)
}

func (j *Journal) temporary() string { return j.path + ".tmp" }

func (j *Journal) syncDir() error {
	dir := filepath.Dir(j.path)
	if err := j.o.FS.SyncDir(dir); err != nil {
		return fmt.Errorf("fsync folder %s: %w", dir, err)
	}
	return nil
}

// fail makes the journal read-only. The caller holds mu.
func (j *Journal) fail(cause error) error {
	if j.err == nil {
		j.err = readOnly("journal "+j.path, cause)
	}
	return j.err
}

// Bytes is the size of the file, which tells the owner when to Replace.
func (j *Journal) Bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.off
}

// Err is the reason why the journal is read-only, or nil.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Close seals the journal, so that damage to its last records is told from an
// interrupted write, and closes the file. A second Close does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.done {
		return nil
	}
	j.done = true
	err := j.finish()
	if err = errors.Join(err, j.f.Close()); err != nil {
		return fmt.Errorf("close journal %s: %w", j.path, err)
	}
	return nil
}

// seal adds a seal behind the last record, without an fsync.
func (j *Journal) seal() error {
	j.out.begin(j.f, j.off)
	err := j.out.frame(frameHeader{kind: frameSeal, pos: Position(j.off), group: Position(j.off), salt: j.salt}, nil)
	if err == nil {
		err = j.out.flush()
	}
	if err == nil {
		j.off += FrameBytes
		j.sealed, j.loose = true, true
	}
	return err
}

// finish leaves a durable seal behind the last record; a full disk is no reason to
// fail, it is a help only.
func (j *Journal) finish() error {
	if j.err != nil {
		return nil
	}
	if !j.sealed {
		if err := j.seal(); isDiskFull(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if !j.loose {
		return nil
	}
	j.loose = false
	return j.f.Sync()
}
