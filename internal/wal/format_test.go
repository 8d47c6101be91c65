package wal_test

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// The encoder below is written from docs/format/wal.md alone. It is what keeps
// the page, the package comment and the code the same.

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func header(version, kind byte, start, prevEnd uint64, salt uint32) []byte {
	b := append([]byte("CLEWLOG"), version)
	b = append(b, le32(sum(b))...)
	b = append(b, kind, 0, 0, 0)
	b = append(b, le64(start)...)
	b = append(b, le64(prevEnd)...)
	b = append(b, le32(salt)...)
	return append(b, le32(sum(b))...)
}

func frame(kind byte, pos, group uint64, salt uint32, payload string) []byte {
	b := append([]byte{0xc7, 0x1e, 0x57}, kind)
	b = append(b, le32(uint32(len(payload)))...)
	b = append(b, le64(pos)...)
	b = append(b, le32(uint32(pos-group))...)
	b = append(b, le32(salt)...)
	b = append(b, le32(sum([]byte(payload)))...)
	b = append(b, le32(sum(b))...)
	return append(b, payload...)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestWrittenFilesAreAsDrawn(t *testing.T) {
	fs := testkit.NewFS()
	l, err := wal.Open(dir, small(fs))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 2900)
	appendOne(t, l, "first")
	appendOne(t, l, long)
	appendOne(t, l, long)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const one, two = "0000000000000000.log", "0000000000000bc1.log"
	testkit.Diff(t, "names", names(t, fs), []string{one, two})
	got := fileBytes(t, fs, dir+"/"+one)
	salt := binary.LittleEndian.Uint32(got[32:])
	want := join(
		header(1, 'L', 0, 0, salt),
		frame('R', 40, 40, salt, "first"),
		frame('R', 77, 77, salt, long))
	testkit.Diff(t, "first file", hex.Dump(got), hex.Dump(want))
	want = join(
		header(1, 'L', 0xbc1, 0xbc1, salt),
		frame('R', 0xbc1+40, 0xbc1+40, salt, long),
		frame('S', 0xbc1+2972, 0xbc1+2972, salt, ""))
	testkit.Diff(t, "second file", hex.Dump(fileBytes(t, fs, dir+"/"+two)), hex.Dump(want))
}

func TestDrawnFilesAreRead(t *testing.T) {
	fs := emptyDir(t)
	putFile(t, fs, dir+"/0000000000000000.log", join(
		header(1, 'L', 0, 0, 7),
		frame('R', 40, 40, 7, "alone"),
		frame('R', 77, 77, 7, "in a group"),
		frame('V', 119, 119, 7, "covered"),
		frame('R', 158, 77, 7, "of two"),
		frame('S', 196, 196, 7, "")))
	// A floor was given when this one was started: a gap without a loss.
	putFile(t, fs, dir+"/0000000000000400.log", join(
		header(1, 'L', 0x400, 228, 7),
		frame('R', 0x428, 0x428, 7, "after a gap")))
	l := open(t, small(fs))
	got, damage := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, []entry{
		{40, 77, "alone"}, {77, 119, "in a group"}, {158, 196, "of two"}, {0x428, 0x428 + 43, "after a gap"}})
	testkit.Diff(t, "damage", damage, wal.Damage{})
	testkit.Diff(t, "recovery", l.Recovery(), wal.Recovery{Files: 2, Records: 1})
	testkit.Diff(t, "end", l.End(), wal.Position(0x428+43))
}

func TestNewerVersionIsRefusedWithTheMend(t *testing.T) {
	fs := emptyDir(t)
	name := dir + "/0000000000000000.log"
	putFile(t, fs, name, header(7, 'L', 0, 0, 7))
	_, err := wal.Open(dir, small(fs))
	const want = "open log /data/log: log file /data/log/0000000000000000.log has version 7, this clew reads up to 1: " +
		"start the newer clew, or restore a copy of the folder that this version wrote"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := telemetry.KindOf(err); got != telemetry.KindConflict {
		t.Errorf("kind %s", got)
	}
	testkit.Diff(t, "the file is untouched", fileBytes(t, fs, name), header(7, 'L', 0, 0, 7))
}

// A version byte that rotted is damage, not news from the future.
func TestRottenVersionByteIsDamage(t *testing.T) {
	fs := emptyDir(t)
	file := join(header(1, 'L', 0, 0, 7), frame('R', 40, 40, 7, "kept"))
	file[7] ^= 6
	putFile(t, fs, dir+"/0000000000000000.log", file)
	l := open(t, small(fs))
	got, _ := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, []entry{{40, 76, "kept"}})
}

func TestAJournalIsNotALog(t *testing.T) {
	fs := emptyDir(t)
	putFile(t, fs, dir+"/0000000000000000.log", header(1, 'J', 0, 0, 7))
	_, err := wal.Open(dir, small(fs))
	if err == nil || !strings.Contains(err.Error(), `is of kind 'J' where 'L' is expected: put it back where it came from`) {
		t.Errorf("got %v", err)
	}
}

// Frames of another log, of another place and of another file do not pass,
// though each is sound in itself.
func TestStaleFramesDoNotPass(t *testing.T) {
	fs := emptyDir(t)
	putFile(t, fs, dir+"/0000000000000000.log", join(
		header(1, 'L', 0, 0, 7),
		frame('R', 40, 40, 7, "own"),
		frame('R', 75, 75, 8, "another log's salt"),
		frame('R', 75, 75, 7, "another place"),
		frame('R', 170, 200, 7, "a group that starts after it"),
		frame('X', 230, 230, 7, "a kind that is not known")))
	l := open(t, small(fs))
	got, _ := readFrom(t, l, 0)
	testkit.Diff(t, "records", got, []entry{{40, 75, "own"}})
	if l.Recovery().Damage.TornBytes == 0 {
		t.Error("no torn bytes counted")
	}
}
