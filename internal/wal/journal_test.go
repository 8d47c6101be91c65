package wal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

const manifest = dir + "/manifest"

// openJournal gives the journal and what it replayed.
func openJournal(t testing.TB, fs wal.FS) (*wal.Journal, []string, wal.Recovery) {
	t.Helper()
	var got []string
	j, r, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs}, func(b []byte) error {
		got = append(got, string(b))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j, got, r
}

func closeJournal(t testing.TB, j *wal.Journal) {
	t.Helper()
	// A fault may hit the seal as well; nothing that was acknowledged depends on it.
	if err := j.Close(); err != nil && !errors.Is(err, testkit.ErrPowerOff) && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func records(s ...string) [][]byte {
	var all [][]byte
	for _, r := range s {
		all = append(all, []byte(r))
	}
	return all
}

func TestJournalIsAsDrawn(t *testing.T) {
	fs := emptyDir(t)
	j, _, _ := openJournal(t, fs)
	must(t, j.Append(records("a", "b")...))
	closeJournal(t, j)
	got := fileBytes(t, fs, manifest)
	salt := binary.LittleEndian.Uint32(got[32:])
	testkit.Diff(t, "file", hex.Dump(got), hex.Dump(join(
		header(1, 'J', 0, 0, salt),
		frame('S', 40, 40, salt, ""), // of the replacement that created it
		frame('R', 72, 72, salt, "a"),
		frame('R', 105, 72, salt, "b"),
		frame('S', 138, 138, salt, ""))))
}

func TestJournalReplaysInOrder(t *testing.T) {
	fs := emptyDir(t)
	j, got, _ := openJournal(t, fs)
	testkit.Diff(t, "of a new journal", got, []string(nil))
	must(t, j.Append(records("a", "b")...))
	must(t, j.Append())
	must(t, j.Append(records("c")...))
	size := j.Bytes()
	closeJournal(t, j)
	j, got, r := openJournal(t, fs)
	testkit.Diff(t, "replayed", got, []string{"a", "b", "c"})
	testkit.Diff(t, "recovery", r, wal.Recovery{Files: 1, Records: 3})
	must(t, j.Replace(records("ab")...))
	must(t, j.Append(records("d")...))
	if j.Bytes() >= size+wal.FrameBytes {
		t.Errorf("%d bytes after the replacement, %d before", j.Bytes(), size)
	}
	closeJournal(t, j)
	_, got, _ = openJournal(t, fs)
	testkit.Diff(t, "replayed after Replace", got, []string{"ab", "d"})
	testkit.Diff(t, "files", names(t, fs), []string{"manifest"})
}

// Lives of a journal through crashes and faults, like TestCrashes: what was
// acknowledged is replayed, and a replacement is there whole or not at all.
func TestJournalCrashes(t *testing.T) {
	for seed := range uint64(*seeds) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		fs := emptyDir(t)
		durable := []string{}
		possible := [][]string{durable} // contents that the next life may find
		for life := range 6 {
			if life > 0 && rnd.IntN(4) == 0 {
				fs.CutPower(rnd.IntN(12))
			}
			var got []string
			j, r, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs}, func(b []byte) error {
				got = append(got, string(b))
				return nil
			})
			if err != nil {
				if !errors.Is(err, testkit.ErrPowerOff) {
					t.Fatalf("seed %d, life %d: %v", seed, life, err)
				}
				fs = fs.Crash(rnd.Uint64())
				continue
			}
			if r.Damage.Lost() || len(r.Quarantined) > 0 {
				t.Errorf("damage where only crashes were: %+v", r)
			}
			if !slices.ContainsFunc(possible, func(p []string) bool { return slices.Equal(p, got) }) {
				t.Errorf("replayed\n%q, possible were\n%q", got, possible)
			}
			if t.Failed() {
				t.Fatalf("seed %d, life %d", seed, life)
			}
			durable, possible = got, [][]string{got}
			switch rnd.IntN(4) {
			case 0:
				fs.CutPower(rnd.IntN(25))
			case 1:
				op := []testkit.Op{testkit.OpSync, testkit.OpWrite, testkit.OpSyncDir, testkit.OpOpen, testkit.OpRename}[rnd.IntN(5)]
				fs.Inject(testkit.Fault{Op: op, Nth: 1 + rnd.IntN(8), Err: syscall.EIO, Short: rnd.IntN(700)})
			case 2:
				fs.SetCapacity(fs.Used() + int64(rnd.IntN(3000)))
			}
			for step := range rnd.IntN(8) {
				data := fmt.Sprintf("%d-%d-%s", life, step, strings.Repeat("x", rnd.IntN(900)))
				if rnd.IntN(3) == 0 {
					next := []string{data, "second"}
					if j.Replace(records(next...)...) == nil {
						durable, possible = next, [][]string{next}
					} else {
						possible = append(possible, next)
					}
					continue
				}
				more := []string{data}
				if rnd.IntN(2) == 0 {
					more = append(more, "with company "+data)
				}
				with := slices.Concat(durable, more)
				if j.Append(records(more...)...) == nil {
					durable, possible = with, [][]string{with}
				} else {
					// Of a refused append any part may be found, none of it after another.
					for n := range 1 << len(more) {
						some := slices.Clone(durable)
						for i, r := range more {
							if n>>i&1 == 1 {
								some = append(some, r)
							}
						}
						possible = append(possible, some)
					}
				}
			}
			old, closed := fs, rnd.IntN(4) == 0
			if closed {
				closeJournal(t, j)
			}
			if rnd.IntN(2) == 0 {
				fs = old.Crash(rnd.Uint64())
			} else {
				fs = old.Kill()
			}
			if !closed {
				old.CutPower(0)
				closeJournal(t, j)
			}
			fs.Heal()
			fs.SetCapacity(0)
		}
	}
}

func TestJournalTornAtEveryByte(t *testing.T) {
	fs := emptyDir(t)
	j, _, _ := openJournal(t, fs)
	must(t, j.Append(records("first")...))
	must(t, j.Append(records("second", "third")...))
	whole := fileBytes(t, fs, manifest)
	closeJournal(t, j)
	// A header and a seal, then a group and its seal twice.
	ends := []int{72 + 37, 72 + 37 + 32 + 38, 72 + 37 + 32 + 38 + 37}
	testkit.Diff(t, "size", len(whole), ends[2]+32)
	for size := wal.FileHeaderBytes; size <= len(whole); size++ {
		fs := emptyDir(t)
		putFile(t, fs, manifest, whole[:size])
		want := []string(nil)
		for i, r := range []string{"first", "second", "third"} {
			if ends[i] <= size {
				want = append(want, r)
			}
		}
		j, got, r := openJournal(t, fs)
		testkit.Diff(t, "replayed", got, want)
		if r.Damage.Lost() || len(r.Quarantined) > 0 {
			t.Errorf("a torn end is no loss: %+v", r)
		}
		must(t, j.Append(records("after")...))
		closeJournal(t, j)
		_, got, _ = openJournal(t, fs)
		if !testkit.Diff(t, "replayed with one more", got, append(want, "after")) || t.Failed() {
			t.Fatalf("cut at byte %d", size)
		}
	}
}

// Damage to the last record of a process that was killed is told from a write that
// was interrupted, since a seal follows what is durable.
func TestJournalKnowsDamageToItsLastRecord(t *testing.T) {
	fs := emptyDir(t)
	j, _, _ := openJournal(t, fs)
	must(t, j.Append(records("first")...))
	must(t, j.Append(records("last")...))
	killed := fs.Kill()
	closeJournal(t, j)
	size := killed.Files()[manifest]
	for at := size - 32 - 36; at < size-32; at++ { // the frame of the last record
		next := killed.Kill()
		next.Flip(manifest, at, 0x10)
		j, got, r := openJournal(t, next)
		testkit.Diff(t, "replayed", got, []string{"first"})
		if !r.Damage.Lost() || len(r.Quarantined) != 1 {
			t.Fatalf("byte %d: %+v", at, r)
		}
		closeJournal(t, j)
	}
}

// A loss of power may take the seal between two groups from the disk and leave the
// group behind it, whose fsync had not ended. That is no damage, and what is behind a
// third group is: its seal was fsynced.
func TestJournalLosesASealAlone(t *testing.T) {
	const seal = 72 + 33 // behind header, seal and the record a
	for _, c := range []struct {
		groups []string
		lost   bool
	}{{[]string{"a", "b"}, false}, {[]string{"a", "b", "c"}, true}} {
		fs := emptyDir(t)
		j, _, _ := openJournal(t, fs)
		for _, r := range c.groups {
			must(t, j.Append(records(r)...))
		}
		whole := fileBytes(t, fs, manifest)
		closeJournal(t, j)
		whole = whole[:len(whole)-wal.FrameBytes] // the last seal is not there yet
		clear(whole[seal : seal+wal.FrameBytes])
		after := emptyDir(t)
		putFile(t, after, manifest, whole)
		j, got, r := openJournal(t, after)
		testkit.Diff(t, "replayed", got, c.groups)
		if r.Damage.Lost() != c.lost || (len(r.Quarantined) == 1) != c.lost {
			t.Errorf("%q: %+v", c.groups, r)
		}
		must(t, j.Append(records("after")...))
		closeJournal(t, j)
		_, got, r = openJournal(t, after)
		testkit.Diff(t, "replayed with one more", got, append(c.groups, "after"))
		if r.Damage.Lost() && !c.lost {
			t.Errorf("%q: %+v at the second start", c.groups, r)
		}
	}
}

// Damage never changes a record, never hides that something is lost, and keeps
// the damaged bytes.
func TestJournalEveryBitFlipIsFound(t *testing.T) {
	fs := emptyDir(t)
	j, _, _ := openJournal(t, fs)
	must(t, j.Append(records("first")...))
	must(t, j.Append(records("second")...))
	closeJournal(t, j)
	whole := fileBytes(t, fs, manifest)
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		fs := emptyDir(t)
		putFile(t, fs, manifest, flipped)
		j, got, r := openJournal(t, fs)
		if len(got) < 1 || len(got) > 2 || (len(got) == 2) != slices.Equal(got, []string{"first", "second"}) ||
			len(got) == 1 && got[0] != "first" && got[0] != "second" {
			t.Errorf("replayed %q", got)
		}
		if len(got) == 1 && !r.Damage.Lost() {
			t.Errorf("replayed %q and counted %+v", got, r)
		}
		if r.Damage.Lost() && len(r.Quarantined) == 1 {
			for seed := range uint64(8) {
				testkit.Diff(t, "the copy", fileBytes(t, fs.Crash(seed), r.Quarantined[0]), flipped)
			}
		}
		must(t, j.Append(records("after")...))
		closeJournal(t, j)
		_, again, _ := openJournal(t, fs)
		testkit.Diff(t, "replayed by the next life", again, append(slices.Clone(got), "after"))
		if t.Failed() {
			t.Fatalf("bit flipped in byte %d", i)
		}
	}
}

func TestJournalsThatDoNotOpen(t *testing.T) {
	fs := emptyDir(t)
	for name, tc := range map[string]struct {
		content []byte
		text    string
	}{
		"newer version":    {header(9, 'J', 0, 0, 1), "has version 9, this clew reads up to 1: start the newer clew"},
		"a log":            {header(1, 'L', 0, 0, 1), "is of kind 'L' where 'J' is expected"},
		"empty":            {nil, "nothing in it can be read: restore the file from a copy, or move it away"},
		"another's":        {[]byte("SQLite format 3\x00 and more than forty bytes of it"), "nothing in it can be read"},
		"header torn away": {header(1, 'J', 0, 0, 1)[:20], "nothing in it can be read"},
	} {
		t.Run(name, func(t *testing.T) {
			putFile(t, fs, manifest, tc.content)
			_, _, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs}, func([]byte) error { return nil })
			wantKind(t, err, telemetry.KindConflict, tc.text)
			testkit.Diff(t, "the file is untouched", fileBytes(t, fs, manifest), append([]byte{}, tc.content...))
		})
	}
}

func TestJournalReplayErrorNamesTheRecord(t *testing.T) {
	fs := emptyDir(t)
	j, _, _ := openJournal(t, fs)
	must(t, j.Append(records("a", "b")...))
	closeJournal(t, j)
	cause := errors.New("unknown segment")
	_, _, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs}, func(b []byte) error {
		if string(b) == "b" {
			return cause
		}
		return nil
	})
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "open journal /data/log/manifest: replay record 2: ") {
		t.Errorf("got %v", err)
	}
}

func TestJournalFailures(t *testing.T) {
	appendB := func(j *wal.Journal) error { return j.Append([]byte("b")) }
	replace := func(j *wal.Journal) error { return j.Replace([]byte("b")) }
	for _, tc := range []struct {
		name   string
		faults []testkit.Fault
		do     func(*wal.Journal) error
		kind   telemetry.Kind
		sticky bool
	}{
		{"append: fsync", []testkit.Fault{{Op: testkit.OpSync, Err: syscall.EIO}}, appendB, telemetry.KindUnavailable, true},
		{"append: write", []testkit.Fault{{Op: testkit.OpWrite, Err: syscall.EIO, Short: 9}}, appendB, telemetry.KindUnavailable, true},
		{"append: disk full", []testkit.Fault{{Op: testkit.OpWrite, Err: syscall.ENOSPC, Short: 9}}, appendB, telemetry.KindExhausted, false},
		{"append: disk full and no cut", []testkit.Fault{
			{Op: testkit.OpWrite, Err: syscall.ENOSPC, Short: 9},
			{Op: testkit.OpTruncate, Err: syscall.EIO},
		}, appendB, telemetry.KindUnavailable, true},
		{"replace: open", []testkit.Fault{{Op: testkit.OpOpen, Err: syscall.EMFILE}}, replace, telemetry.KindUnavailable, false},
		{"replace: fsync", []testkit.Fault{{Op: testkit.OpSync, Err: syscall.EIO}}, replace, telemetry.KindUnavailable, false},
		{"replace: disk full", []testkit.Fault{{Op: testkit.OpWrite, Err: syscall.ENOSPC, Short: 9}}, replace, telemetry.KindExhausted, false},
		{"replace: rename", []testkit.Fault{{Op: testkit.OpRename, Err: syscall.EIO}}, replace, telemetry.KindUnavailable, false},
		{"replace: fsync of the folder", []testkit.Fault{{Op: testkit.OpSyncDir, Err: syscall.EIO}}, replace, telemetry.KindUnavailable, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fs := emptyDir(t)
			j, _, _ := openJournal(t, fs)
			must(t, j.Append([]byte("a")))
			for _, f := range tc.faults {
				fs.Inject(f)
			}
			wantKind(t, tc.do(j), tc.kind, "journal")
			fs.Heal()
			err := j.Append([]byte("c"))
			if tc.sticky != (err != nil) || tc.sticky != (j.Err() != nil) {
				t.Errorf("append after it: %v; sticky: %v", err, j.Err())
			}
			closeJournal(t, j)
			if !tc.sticky {
				_, got, r := openJournal(t, fs)
				testkit.Diff(t, "replayed", got, []string{"a", "c"})
				testkit.Diff(t, "damage", r.Damage, wal.Damage{})
				testkit.Diff(t, "files", names(t, fs), []string{"manifest"})
			}
		})
	}
}

func TestJournalRefusesRecords(t *testing.T) {
	fs := emptyDir(t)
	j, _, err := wal.OpenJournal(manifest, wal.JournalOptions{FS: fs, MaxRecordBytes: 3}, func([]byte) error { return nil })
	must(t, err)
	wantKind(t, j.Append(records("ok", "")...), telemetry.KindInvalid, "record 1 has 0 bytes: write 1 to 3")
	wantKind(t, j.Replace(records("long")...), telemetry.KindInvalid, "record 0 has 4 bytes: write 1 to 3")
	closeJournal(t, j)
	wantKind(t, j.Append(records("ok")...), telemetry.KindUnavailable, "log is closed")
	closeJournal(t, j) // a second Close does nothing
	_, _, err = wal.OpenJournal(manifest, wal.JournalOptions{FS: fs, MaxRecordBytes: -1}, func([]byte) error { return nil })
	wantKind(t, err, telemetry.KindInvalid, "MaxRecordBytes is -1")
}
