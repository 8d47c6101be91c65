package wal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// filled gives an open log of several files and where each record ended.
func filled(t *testing.T, fs wal.FS) (*wal.Log, []wal.Position) {
	t.Helper()
	l, err := wal.Open("/log", wal.Options{FS: fs, SegmentBytes: 4 << 10, MaxBytes: 1 << 20, MaxRecordBytes: 2 << 10, Delay: -1})
	if err != nil {
		t.Fatal(err)
	}
	var ends []wal.Position
	for n := range 40 {
		_, end, err := l.Append(context.Background(), fmt.Appendf(nil, "record %02d %s", n, strings.Repeat("x", 400)))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	return l, ends
}

// copyOf writes the extents into a folder of another file system and opens it.
func copyOf(t *testing.T, extents []wal.Extent) *wal.Log {
	t.Helper()
	fs := testkit.NewFS()
	if err := fs.MkdirAll("/log", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, x := range extents {
		f, err := fs.OpenFile(filepath.Join("/log", x.Name), os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, io.NewSectionReader(x.File, 0, x.Bytes)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	l, err := wal.Open("/log", wal.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func count(t *testing.T, l *wal.Log, from wal.Position) int {
	t.Helper()
	r, err := l.Reader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for n := 0; ; n++ {
		if _, _, _, err := r.Next(); errors.Is(err, io.EOF) {
			if r.Damage().Lost() || l.Recovery().Damage.Lost() {
				t.Errorf("the copy is damaged: %+v %+v", r.Damage(), l.Recovery().Damage)
			}
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Extents hold every record that was durable when they were taken, whatever is
// appended and truncated after; their copies are a log.
func TestExtentsAreALog(t *testing.T) {
	for _, from := range []int{0, 1, 17, 39} {
		l, ends := filled(t, testkit.NewFS())
		start := wal.Position(0)
		if from > 0 {
			start = ends[from-1]
		}
		extents, err := l.Extents(start)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, _, err := l.Append(context.Background(), make([]byte, 400)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Truncate(l.End()); err != nil {
			t.Fatal(err)
		}
		records := 0
		flaws, torn, err := wal.CheckExtents(extents, start, func([]byte) error { records++; return nil })
		if err != nil || len(flaws) > 0 || torn != 0 || records != 40-from {
			t.Errorf("from record %d: %d records, %v, %d torn, %v", from, records, flaws, torn, err)
		}
		c := copyOf(t, extents)
		if n := count(t, c, start); n != 40-from {
			t.Errorf("from record %d: the copy has %d records", from, n)
		}
		c.Close()
		l.Close()
		if err := wal.CloseExtents(extents); err != nil {
			t.Error(err)
		}
	}
}

// The files of a folder are read without changing them; each kind of damage names
// its file, and the rest of an interrupted write is none.
func TestOpenExtentsFindsDamage(t *testing.T) {
	write := func(t *testing.T, fs wal.FS, name string, at int64, b []byte) {
		t.Helper()
		f, err := fs.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		ruin func(t *testing.T, fs *testkit.FS, files []string)
		file int // that is named; -1: none
		torn bool
	}{
		"sound":          {func(*testing.T, *testkit.FS, []string) {}, -1, false},
		"a flipped byte": {func(t *testing.T, fs *testkit.FS, f []string) { write(t, fs, f[1], 500, []byte("#")) }, 1, false},
		"a header":       {func(t *testing.T, fs *testkit.FS, f []string) { write(t, fs, f[2], 3, []byte("#")) }, 2, false},
		"a missing file": {func(t *testing.T, fs *testkit.FS, f []string) { _ = fs.Remove(f[1]) }, 2, false},
		"the first gone": {func(t *testing.T, fs *testkit.FS, f []string) { _ = fs.Remove(f[0]) }, 1, false},
		"half a record": {func(t *testing.T, fs *testkit.FS, f []string) {
			write(t, fs, f[len(f)-1], size(t, fs, f[len(f)-1]), []byte("\xc7\x1e\x57R half"))
		}, -1, true},
		"a foreign file": {func(t *testing.T, fs *testkit.FS, f []string) {
			_, _ = fs.OpenFile("/log/notes.txt", os.O_CREATE|os.O_RDWR, 0o600)
		}, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			fs := testkit.NewFS()
			l, _ := filled(t, fs)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			entries, err := fs.ReadDir("/log")
			if err != nil || len(entries) < 4 {
				t.Fatalf("%d files, %v", len(entries), err)
			}
			files := make([]string, len(entries))
			for i, e := range entries {
				files[i] = "/log/" + e.Name()
			}
			c.ruin(t, fs, files)
			before := fs.Dump()
			extents, err := wal.OpenExtents(fs, "/log", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer wal.CloseExtents(extents)
			flaws, torn, err := wal.CheckExtents(extents, 0, func([]byte) error { return nil })
			if err != nil || (torn > 0) != c.torn || fs.Dump() != before {
				t.Errorf("%d torn, %v", torn, err)
			}
			if c.file < 0 && len(flaws) > 0 || c.file >= 0 && (len(flaws) != 1 || "/log/"+flaws[0].Name != files[c.file]) {
				t.Errorf("%v", flaws)
			}
		})
	}
	if extents, err := wal.OpenExtents(testkit.NewFS(), "/none", 0); err != nil || len(extents) != 0 {
		t.Errorf("a folder that is not there: %v, %v", extents, err)
	}
}

func size(t *testing.T, fs wal.FS, name string) int64 {
	t.Helper()
	info, err := fs.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A journal is read as it lies and encoded as it is written.
func TestReadJournal(t *testing.T) {
	fs := testkit.NewFS()
	text, err := wal.EncodeJournal([]byte("one"), []byte("two"), make([]byte, 300<<10))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fs.OpenFile("/j", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	read := func() (n int, d wal.Damage) {
		d, err := wal.ReadJournal(fs, "/j", func([]byte) error { n++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return n, d
	}
	if n, d := read(); n != 3 || d != (wal.Damage{}) {
		t.Errorf("%d records, %+v", n, d)
	}
	j, r, err := wal.OpenJournal("/j", wal.JournalOptions{FS: fs}, func([]byte) error { return nil })
	if err != nil || r.Records != 3 || r.Damage != (wal.Damage{}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := j.Append([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if n, d := read(); n != 4 || d != (wal.Damage{}) {
		t.Errorf("while it is open: %d records, %+v", n, d)
	}
	j.Close()
	if _, err := f.WriteAt([]byte("#"), wal.FileHeaderBytes+wal.FrameBytes); err != nil {
		t.Fatal(err)
	}
	if n, d := read(); n != 3 || !d.Lost() {
		t.Errorf("damaged: %d records, %+v", n, d)
	}
}
