package wal_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

const dir = "/data/log"

// entry is a record and its place.
type entry struct {
	Pos, End wal.Position
	Data     string
}

// small makes files of a few records and does not wait for company.
func small(fs wal.FS) wal.Options {
	return wal.Options{FS: fs, SegmentBytes: 4096, MaxBytes: 1 << 20, MaxRecordBytes: 3000, MaxPendingBytes: 1 << 20, Delay: -1}
}

func open(t testing.TB, o wal.Options) *wal.Log {
	t.Helper()
	l, err := wal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, testkit.ErrPowerOff) {
			t.Error(err)
		}
	})
	return l
}

func appendOne(t testing.TB, l *wal.Log, data string) entry {
	t.Helper()
	pos, end, err := l.Append(context.Background(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return entry{pos, end, data}
}

// readFrom reads to the end and gives what it had to step over.
func readFrom(t testing.TB, l *wal.Log, from wal.Position) ([]entry, wal.Damage) {
	t.Helper()
	r, err := l.Reader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return readAll(t, r), r.Damage()
}

func readAll(t testing.TB, r *wal.Reader) []entry {
	t.Helper()
	all, err := tryReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func tryReadAll(r *wal.Reader) ([]entry, error) {
	var all []entry
	for {
		pos, end, b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, entry{pos, end, string(b)})
	}
}

// fileBytes reads a file whole.
func fileBytes(t testing.TB, fs wal.FS, name string) []byte {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// putFile makes content the durable content of a file.
func putFile(t testing.TB, fs wal.FS, name string, content []byte) {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// names lists the log's folder.
func names(t testing.TB, fs wal.FS) []string {
	t.Helper()
	entries, err := fs.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// emptyDir gives a file system with the log's folder in it.
func emptyDir(t testing.TB) *testkit.FS {
	t.Helper()
	fs := testkit.NewFS()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"/", "/data"} {
		if err := fs.SyncDir(d); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}
