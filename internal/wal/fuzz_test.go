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
	seedTwoFiles(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fs := twoFiles(t, a, b)
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

// FuzzExtents reads two files of any content as a log that is not to be changed,
// as a backup and a verification do. It changes nothing, gives the same again, and
// gives every record that a start on the same files finds; bytes that it lacks are flaws.
func FuzzExtents(f *testing.F) {
	seedTwoFiles(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fs := twoFiles(t, a, b)
		before := fs.Calls(testkit.OpWrite) + fs.Calls(testkit.OpTruncate) + fs.Calls(testkit.OpRename) + fs.Calls(testkit.OpRemove)
		got, flaws, ok := extentRecords(t, fs)
		if !ok {
			return
		}
		again, _, _ := extentRecords(t, fs)
		testkit.Diff(t, "read again", again, got)
		if after := fs.Calls(testkit.OpWrite) + fs.Calls(testkit.OpTruncate) + fs.Calls(testkit.OpRename) + fs.Calls(testkit.OpRemove); after != before {
			t.Fatalf("%d changes of the disk by reading", after-before)
		}
		l, err := wal.Open(dir, small(fs))
		if err != nil {
			return
		}
		started, damage := readFrom(t, l, 0)
		lost := l.Recovery().Damage
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, e := range started {
			want = append(want, e.Data)
		}
		testkit.Diff(t, "records that a start finds", got, want)
		if flaws == 0 && (damage.Lost() || lost.Lost()) {
			t.Fatalf("a start finds damage, and reading none: %+v, %+v", damage, lost)
		}
	})
}

// extentRecords reads the folder's log; false means that it is refused.
func extentRecords(t *testing.T, fs wal.FS) (records []string, flaws int, ok bool) {
	extents, err := wal.OpenExtents(fs, dir, 0)
	if err != nil {
		return nil, 0, false
	}
	found, torn, err := wal.CheckExtents(extents, 0, func(b []byte) error {
		records = append(records, string(b))
		return nil
	})
	if err != nil || torn < 0 {
		t.Fatalf("%d bytes torn, %v", torn, err)
	}
	if err := wal.CloseExtents(extents); err != nil {
		t.Fatal(err)
	}
	return records, len(found), true
}

// FuzzReadJournal reads a file of any content as a journal that is not to be
// changed, and gives the records that opening it gives.
func FuzzReadJournal(f *testing.F) {
	for _, s := range seedFiles('J') {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		fs := emptyDir(t)
		putFile(t, fs, manifest, content)
		if err := fs.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
		var got, want []string
		damage, err := wal.ReadJournal(fs, manifest, func(b []byte) error {
			got = append(got, string(b))
			return nil
		})
		if !bytes.Equal(fileBytes(t, fs, manifest), content) {
			t.Fatal("reading has changed the file")
		}
		if err != nil {
			return
		}
		j, recovered, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs}, func(b []byte) error {
			want = append(want, string(b))
			return nil
		})
		if err != nil {
			if !damage.Lost() {
				t.Fatalf("it cannot be opened, and reading finds no damage: %v", err)
			}
			return
		}
		must(t, j.Close())
		testkit.Diff(t, "records", got, want)
		testkit.Diff(t, "damage", damage, recovered.Damage)
	})
}

// seedTwoFiles adds logs of one file and of two.
func seedTwoFiles(f *testing.F) {
	for _, s := range seedFiles('L') {
		f.Add(s, []byte(nil))
		f.Add(s, join(header(1, 'L', 0x1000, 110, 7), frame('R', 0x1028, 0x1028, 7, "next file")))
	}
}

// twoFiles is a log of the file a and, unless that is empty, b behind it.
func twoFiles(t *testing.T, a, b []byte) *testkit.FS {
	fs := emptyDir(t)
	putFile(t, fs, first, a)
	if len(b) > 0 {
		putFile(t, fs, dir+"/0000000000001000.log", b)
	}
	return fs
}
