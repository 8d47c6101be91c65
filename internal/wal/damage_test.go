package wal_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

const first = dir + "/0000000000000000.log"

// written gives a log's files after a good end, and its records.
func written(t testing.TB, records int) (*testkit.FS, []entry) {
	t.Helper()
	fs := emptyDir(t)
	o := small(fs)
	o.SegmentBytes = 1200
	l, err := wal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for i := range records {
		all = append(all, appendOne(t, l, fmt.Sprintf("record %d %s", i, strings.Repeat("·", 20+i*7%90))))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, all
}

// without gives the entries for which drop is false.
func without(all []entry, drop func(entry) bool) []entry {
	var kept []entry
	for _, e := range all {
		if !drop(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// A file that ends anywhere gives the records that are whole, and the next
// append works.
func TestTornAtEveryByte(t *testing.T) {
	fs, all := written(t, 5)
	whole := fileBytes(t, fs, first)
	for size := range len(whole) + 1 {
		fs := emptyDir(t)
		putFile(t, fs, first, whole[:size])
		l := open(t, small(fs))
		want := without(all, func(e entry) bool { return int(e.End) > size })
		got, damage := readFrom(t, l, 0)
		testkit.Diff(t, "records", got, want)
		testkit.Diff(t, "damage", damage, wal.Damage{})
		if torn := l.Recovery().Damage.TornBytes; size > wal.FileHeaderBytes && len(want) < len(all) {
			at := wal.FileHeaderBytes
			if n := len(want); n > 0 {
				at = int(want[n-1].End)
			}
			testkit.Diff(t, "torn", torn, int64(size-at))
			if n := len(fileBytes(t, fs, first)); torn > 0 && n != at {
				t.Errorf("the file has %d bytes after the cut, want %d", n, at)
			}
		}
		want = append(want, appendOne(t, l, "after"))
		got, _ = readFrom(t, l, 0)
		if !testkit.Diff(t, "records with one more", got, want) || t.Failed() {
			t.Fatalf("cut at byte %d of %d", size, len(whole))
		}
	}
}

// Every single bit flip costs at most the record that it hits, and is counted.
func TestEveryBitFlipIsFound(t *testing.T) {
	fs, all := written(t, 30)
	for _, name := range names(t, fs) {
		path := dir + "/" + name
		whole := fileBytes(t, fs, path)
		for i := range whole {
			copied := emptyDir(t)
			for _, other := range names(t, fs) {
				putFile(t, copied, dir+"/"+other, fileBytes(t, fs, dir+"/"+other))
			}
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << (i % 8)
			putFile(t, copied, path, flipped)
			l := open(t, small(copied))
			got, damage := readFrom(t, l, 0)
			lost := 0
			for _, e := range all {
				if !slices.Contains(got, e) {
					lost++
				}
			}
			if len(got)+lost != len(all) {
				t.Errorf("records that were never written: %v", got)
			}
			rec := l.Recovery()
			if lost > 1 || lost == 1 && !damage.Lost() && !rec.Damage.Lost() {
				t.Errorf("%d records lost; reader %+v, recovery %+v", lost, damage, rec)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Fatalf("bit flipped in byte %d of %s", i, name)
			}
		}
	}
}

func TestDamageInTheMiddleCostsOneRecord(t *testing.T) {
	for _, tc := range []struct {
		name string
		at   int64 // in the frame
		n    int
	}{{"header", 5, 1}, {"payload", wal.FrameBytes + 2, 1}, {"all", 0, 60}} {
		t.Run(tc.name, func(t *testing.T) {
			fs, all := written(t, 5)
			b := fileBytes(t, fs, first)
			for i := range tc.n {
				b[int64(all[1].Pos)+tc.at+int64(i)] ^= 0xff
			}
			putFile(t, fs, first, b)
			l := open(t, small(fs))
			got, damage := readFrom(t, l, 0)
			testkit.Diff(t, "records", got, slices.Delete(slices.Clone(all), 1, 2))
			lost := wal.Damage{CorruptBytes: int64(all[1].End - all[1].Pos)}
			testkit.Diff(t, "reader's damage", damage, lost)
			testkit.Diff(t, "recovery's damage", l.Recovery().Damage, lost)

			_, damage = readFrom(t, l, all[1].End)
			testkit.Diff(t, "damage after the damage", damage, wal.Damage{})
			got, damage = readFrom(t, l, all[1].Pos)
			testkit.Diff(t, "records from the damaged one on", got, all[2:])
			testkit.Diff(t, "damage from the damaged one on", damage, lost)
		})
	}
}

// After a good end the last record is known to have been durable.
func TestDamageToTheLastRecordOfASealedLogIsALoss(t *testing.T) {
	fs, all := written(t, 5)
	b := fileBytes(t, fs, first)
	b[all[4].Pos+wal.FrameBytes] ^= 1
	putFile(t, fs, first, b)
	l := open(t, small(fs))
	got, _ := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, all[:4])
	testkit.Diff(t, "damage", l.Recovery().Damage, wal.Damage{CorruptBytes: int64(all[4].End - all[4].Pos)})
}

// A hole of a group that was never acknowledged is covered, so that the next
// start does not take it for damage.
func TestTornHoleIsCovered(t *testing.T) {
	fs := emptyDir(t)
	torn := frame('R', 75, 40, 7, "torn")
	torn[wal.FrameBytes] ^= 1
	putFile(t, fs, first, join(
		header(1, 'L', 0, 0, 7),
		frame('R', 40, 40, 7, "one"),
		torn,
		frame('R', 111, 40, 7, "three")))
	want := []entry{{40, 75, "one"}, {111, 148, "three"}}
	l := open(t, small(fs))
	got, damage := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, want)
	testkit.Diff(t, "damage", damage, wal.Damage{})
	testkit.Diff(t, "recovery", l.Recovery(), wal.Recovery{Files: 1, Records: 2, Damage: wal.Damage{TornBytes: 36}})
	want = append(want, appendOne(t, l, "four"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, small(fs))
	got, damage = readFrom(t, l, 0)
	testkit.Diff(t, "records of the next life", got, want)
	testkit.Diff(t, "damage of the next life", damage, wal.Damage{})
	testkit.Diff(t, "recovery of the next life", l.Recovery().Damage, wal.Damage{})
}

func TestFileWithoutAReadableFrameIsSetAside(t *testing.T) {
	for _, which := range []string{"middle", "last"} {
		t.Run(which, func(t *testing.T) {
			fs, all := written(t, 30)
			files := names(t, fs)
			bad := files[1]
			if which == "last" {
				bad = files[len(files)-1]
			}
			size := len(fileBytes(t, fs, dir+"/"+bad))
			garbage := bytes.Repeat([]byte("\xc7\x1e\x57R"), size)[:size]
			putFile(t, fs, dir+"/"+bad, garbage)

			l := open(t, small(fs))
			got, damage := readFrom(t, l, 0)
			testkit.Diff(t, "recovery names it", l.Recovery().Quarantined, []string{dir + "/" + bad + ".damaged"})
			testkit.Diff(t, "its bytes are kept", fileBytes(t, fs, dir+"/"+bad+".damaged"), garbage)
			var from, to wal.Position
			if _, err := fmt.Sscanf(bad, "%x.log", &from); err != nil {
				t.Fatal(err)
			}
			to = from + wal.Position(size)
			testkit.Diff(t, "records", got, without(all, func(e entry) bool { return e.Pos >= from && e.Pos < to }))
			testkit.Diff(t, "recovery counts it once", l.Recovery().Damage, wal.Damage{CorruptBytes: int64(size)})
			if which == "middle" {
				testkit.Diff(t, "the reader counts the gap", damage, wal.Damage{MissingBytes: int64(size)})
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			// The next starts set nothing aside, and know the gap and the position.
			for range 2 {
				l = open(t, small(fs))
				testkit.Diff(t, "set aside by the next start", l.Recovery().Quarantined, []string(nil))
				if e := appendOne(t, l, "after"); e.Pos < all[len(all)-1].End {
					t.Errorf("position %d was given out twice", e.Pos)
				}
				_, damage = readFrom(t, l, 0)
				testkit.Diff(t, "the gap", damage, wal.Damage{MissingBytes: int64(size)})
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestMissingFileIsCounted(t *testing.T) {
	fs, all := written(t, 30)
	files := names(t, fs)
	size := int64(len(fileBytes(t, fs, dir+"/"+files[2])))
	if err := fs.Remove(dir + "/" + files[2]); err != nil {
		t.Fatal(err)
	}
	l := open(t, small(fs))
	testkit.Diff(t, "recovery", l.Recovery().Damage, wal.Damage{MissingBytes: size})
	got, damage := readFrom(t, l, 0)
	testkit.Diff(t, "reader", damage, wal.Damage{MissingBytes: size})
	if len(got) >= len(all) || len(got) == 0 {
		t.Errorf("%d of %d records", len(got), len(all))
	}
}

func TestNotBeforeKeepsPositionsFromBeingGivenOutTwice(t *testing.T) {
	fs, all := written(t, 5)
	cursor := all[4].End
	putFile(t, fs, first, fileBytes(t, fs, first)[:all[2].End]) // the disk lost the end
	o := small(fs)
	o.NotBefore = cursor
	l := open(t, o)
	if _, err := l.Reader(cursor); err != nil {
		t.Fatal(err)
	}
	e := appendOne(t, l, "new")
	if e.Pos < cursor {
		t.Fatalf("record at %d, consumed up to %d", e.Pos, cursor)
	}
	got, damage := readFrom(t, l, cursor)
	testkit.Diff(t, "what the consumer reads", got, []entry{e})
	testkit.Diff(t, "damage", damage, wal.Damage{})
	got, damage = readFrom(t, l, 0)
	testkit.Diff(t, "what another reads", got, append(slices.Clone(all[:3]), e))
	testkit.Diff(t, "damage for the other", damage, wal.Damage{})
}

// A log that ends before what a consumer has stored, or whose only file has lost its
// header, is known to have lost its end, by a start and by who reads the files alone;
// as soon as there is a new record the loss is history. A log that has its end, with
// all of its records consumed, none ever written, or an interrupted write, is sound.
func TestLogThatEndsBeforeTheCursor(t *testing.T) {
	for _, c := range []struct {
		name    string
		emptied bool // all records are consumed and dropped
		ruin    func(t *testing.T, fs *testkit.FS, cursor wal.Position)
		want    func(cursor wal.Position) wal.Damage
	}{
		{"whole", false, func(*testing.T, *testkit.FS, wal.Position) {}, func(wal.Position) (d wal.Damage) { return d }},
		{"emptied", true, func(*testing.T, *testkit.FS, wal.Position) {}, func(wal.Position) (d wal.Damage) { return d }},
		{"interrupted", false, func(t *testing.T, fs *testkit.FS, _ wal.Position) {
			last := dir + "/" + names(t, fs)[len(names(t, fs))-1]
			putFile(t, fs, last, append(fileBytes(t, fs, last), "\xc7\x1e\x57R"...))
		}, func(wal.Position) wal.Damage { return wal.Damage{TornBytes: 4} }},
		{"a start of a file interrupted", false, func(t *testing.T, fs *testkit.FS, cursor wal.Position) {
			putFile(t, fs, fmt.Sprintf("%s/%016x.log", dir, uint64(cursor+wal.FrameBytes)), nil)
		}, func(wal.Position) (d wal.Damage) { return d }},
		{"no file", false, func(t *testing.T, fs *testkit.FS, _ wal.Position) {
			for _, name := range names(t, fs) {
				must(t, fs.Remove(dir+"/"+name))
			}
		}, func(cursor wal.Position) wal.Damage { return wal.Damage{MissingBytes: int64(cursor)} }},
		{"the last byte before the cursor cut", false, func(t *testing.T, fs *testkit.FS, cursor wal.Position) {
			last := dir + "/" + names(t, fs)[len(names(t, fs))-1]
			var start wal.Position
			if _, err := fmt.Sscanf(last, dir+"/%x.log", &start); err != nil {
				t.Fatal(err)
			}
			putFile(t, fs, last, fileBytes(t, fs, last)[:cursor-start-1])
		}, nil},
		{"the emptied file cut", true, func(t *testing.T, fs *testkit.FS, _ wal.Position) {
			putFile(t, fs, dir+"/"+names(t, fs)[0], nil)
		}, func(wal.Position) wal.Damage { return wal.Damage{CorruptBytes: wal.FileHeaderBytes} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, all := written(t, 30)
			o := small(fs)
			o.NotBefore = all[len(all)-1].End
			if c.emptied {
				l := open(t, o)
				must(t, l.Truncate(l.End()))
				o.NotBefore = l.Start()
				must(t, l.Close())
				testkit.Diff(t, "files", len(names(t, fs)), 1)
			}
			c.ruin(t, fs, o.NotBefore)
			flaws := flawsFrom(t, fs, o.NotBefore)
			l := open(t, o)
			got := l.Recovery().Damage
			if c.want != nil {
				testkit.Diff(t, "damage", got, c.want(o.NotBefore))
			} else if got.MissingBytes <= 0 {
				t.Errorf("damage: %+v", got)
			}
			if (len(flaws) > 0) != got.Lost() || len(flaws) > 1 {
				t.Errorf("a start finds %+v, reading %v", got, flaws)
			}
			appendOne(t, l, "after")
			must(t, l.Close())
			testkit.Diff(t, "damage after a new record", open(t, o).Recovery().Damage, wal.Damage{})
			testkit.Diff(t, "flaws after a new record", len(flawsFrom(t, fs, o.NotBefore)), 0)
		})
	}
}

func flawsFrom(t *testing.T, fs wal.FS, from wal.Position) []wal.Flaw {
	t.Helper()
	extents, err := wal.OpenExtents(fs, dir, from)
	must(t, err)
	flaws, _, err := wal.CheckExtents(extents, from, func([]byte) error { return nil })
	must(t, err)
	must(t, wal.CloseExtents(extents))
	return flaws
}

func TestReaderRefusesACursorOfAnotherLog(t *testing.T) {
	fs, _ := written(t, 5)
	l := open(t, small(fs))
	if _, err := l.Reader(l.End() + 1); err == nil || !strings.Contains(err.Error(), "NotBefore") {
		t.Errorf("got %v", err)
	}
}

// A position inside a record means the next one, and costs no damage.
func TestReaderStartsAtEveryPosition(t *testing.T) {
	fs, all := written(t, 12)
	l := open(t, small(fs))
	for p := range l.End() + 1 {
		got, damage := readFrom(t, l, p)
		want := without(all, func(e entry) bool { return e.Pos < p })
		testkit.Diff(t, "records", got, want)
		if damage != (wal.Damage{}) || t.Failed() {
			t.Fatalf("from position %d: damage %+v", p, damage)
		}
	}
}

// A sound frame that another log wrote at this very place, as a disk gives it back
// in blocks that were not written since, is no record of this one, alone or between others.
func TestFrameOfAnotherLogIsNoRecord(t *testing.T) {
	head, ours := header(1, 'L', 0, 0, 7), frame('R', 40, 40, 7, "ours")
	for name, content := range map[string][]byte{
		"at the end": join(head, ours, frame('R', 76, 76, 8, "theirs")),
		"between":    join(head, ours, frame('R', 76, 76, 8, "theirs"), frame('R', 114, 76, 7, "ours")),
	} {
		fs := emptyDir(t)
		putFile(t, fs, first, content)
		got, _ := readFrom(t, open(t, small(fs)), 0)
		for _, e := range got {
			if e.Data != "ours" {
				t.Errorf("%s: read %q", name, e.Data)
			}
		}
		if want := bytes.Count(content, []byte("ours")); len(got) != want {
			t.Errorf("%s: %d records, want %d", name, len(got), want)
		}
	}
}
