package wal_test

import (
	"bytes"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// seedFiles are what the fuzzers start from: sound files, and the kinds of
// damage that the reader tells apart.
func seedFiles(kind byte) [][]byte {
	head := header(1, kind, 0, 0, 7)
	one := frame('R', 40, 40, 7, "one")
	two := frame('R', 75, 40, 7, "two")
	three := frame('R', 110, 110, 7, "three")
	rotten := bytes.Clone(two)
	rotten[34] ^= 1
	headless := bytes.Clone(two)
	headless[9] ^= 1
	nested := frame('R', 40, 40, 7, string(frame('R', 72, 72, 7, "inner")))
	return [][]byte{
		nil,
		head,
		header(2, kind, 0, 0, 7),
		join(head, one, two, three),
		join(head, one, rotten, three),
		join(head, one, headless, three),
		join(head, one, rotten),
		join(head, one, two)[:90],
		join(head[:30], one, two, three),
		join(make([]byte, 40), one, two, three),
		join(head, one, frame('V', 75, 75, 7, "x"), frame('S', 108, 108, 7, "")),
		join(head, frame('V', 40, 40, 7, "")),
		join(head, nested),
		join(head, nested[:36], nested[40:]),
		join(head, bytes.Repeat([]byte("\xc7\x1e\x57R"), 50)),
	}
}

// FuzzOpen gives Open two files of any content. It must not panic or allocate by
// what they say; what it reads must be stable, and a record appended afterwards
// must be read by the next life.
func FuzzOpen(f *testing.F) {
	for _, s := range seedFiles('L') {
		f.Add(s, []byte(nil))
		f.Add(s, join(header(1, 'L', 0x1000, 110, 7), frame('R', 0x1028, 0x1028, 7, "next file")))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fs := emptyDir(t)
		putFile(t, fs, first, a)
		if len(b) > 0 {
			putFile(t, fs, dir+"/0000000000001000.log", b)
		}
		l, err := wal.Open(dir, small(fs))
		if err != nil {
			return
		}
		before, _ := readFrom(t, l, 0)
		for i, e := range before {
			if e.End <= e.Pos || i > 0 && e.Pos < before[i-1].End || e.End > l.End() {
				t.Fatalf("record %d–%d of %d", e.Pos, e.End, l.End())
			}
		}
		e := appendOne(t, l, "appended")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		next, err := wal.Open(dir, small(fs.Crash(1)))
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		after, _ := readFrom(t, next, 0)
		testkit.Diff(t, "records of the next life", after, append(before, e))
	})
}

// FuzzJournal is FuzzOpen for a journal.
func FuzzJournal(f *testing.F) {
	for _, s := range seedFiles('J') {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		fs := emptyDir(t)
		putFile(t, fs, manifest, content)
		if err := fs.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
		var before []string
		j, _, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs}, func(b []byte) error {
			before = append(before, string(b))
			return nil
		})
		if err != nil {
			return
		}
		must(t, j.Append(records("appended")...))
		must(t, j.Close())
		_, after, r := openJournal(t, fs.Crash(1))
		testkit.Diff(t, "replayed by the next life", after, append(before, "appended"))
		testkit.Diff(t, "records", r.Records, int64(len(after)))
	})
}
