package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/clew-dev/clew/internal/backup"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// whole says whether the thing at path would be used: a backup that can be
// restored, or a data folder on which a node would start.
func whole(fs wal.FS, path string) bool {
	if _, err := fs.Stat(path); err != nil {
		return false
	}
	r, err := backup.Verify(path, backup.Options{FS: fs})
	return err == nil && len(r.Problems) == 0
}

// The ways of writing, each from the same stream.
var writings = []struct {
	name  string
	write func(fs wal.FS, dir string, stream []byte) (path string, err error)
}{
	{"file", func(fs wal.FS, dir string, stream []byte) (string, error) {
		path := filepath.Join(dir, "b.tar")
		_, err := backup.SaveFile(fs, path, bytes.NewReader(stream))
		return path, err
	}},
	{"folder", func(fs wal.FS, dir string, stream []byte) (string, error) {
		path := filepath.Join(dir, "deep", "b")
		_, err := backup.SaveFolder(fs, path, bytes.NewReader(stream))
		return path, err
	}},
	{"restore", func(fs wal.FS, dir string, _ []byte) (string, error) {
		path := filepath.Join(dir, "data")
		_, err := backup.Restore(filepath.Join(dir, "given.tar"), path, backup.Options{FS: fs})
		return path, err
	}},
}

// place gives a file system that holds the stream as given.tar, durably.
func place(t *testing.T, stream []byte) (*testkit.FS, string) {
	t.Helper()
	fs, dir := memoryFS(t)
	if _, err := backup.SaveFile(fs, filepath.Join(dir, "given.tar"), bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	return fs, dir
}

// same compares the files of the backup with those at path.
func same(fs wal.FS, path, dir string) error {
	r := backup.Options{FS: fs}
	check := filepath.Join(dir, "check")
	if filepath.Base(path) == "data" {
		c, err := store.OpenCopy(fs, path)
		if err != nil {
			return err
		}
		defer c.Close()
		if len(c.Segments) != 3 || len(c.Log) == 0 {
			return fmt.Errorf("%d segments, %d files of log", len(c.Segments), len(c.Log))
		}
		return nil
	}
	_, err := backup.Restore(path, check, r)
	return err
}

// The power goes, or the process dies, at every call in turn. What is there after
// is either whole or cannot be taken for it, and what was called done is whole.
func TestKilledAtEveryCall(t *testing.T) {
	stream, _ := small(t)
	for _, w := range writings {
		t.Run(w.name, func(t *testing.T) {
			fs, dir := place(t, stream)
			before := fs.Calls("")
			if _, err := w.write(fs, dir, stream); err != nil {
				t.Fatal(err)
			}
			calls := fs.Calls("") - before
			finished := 0
			for cut := 0; cut <= calls+1; cut++ { // the last lets all calls happen
				// Of what makes a thing count, at its end, no call is left out.
				if ending := calls - 20; cut < ending && cut%(1+calls/60) > 0 {
					continue
				}
				fs, dir := place(t, stream)
				fs.CutPower(cut)
				path, err := w.write(fs, dir, stream)
				when := fmt.Sprintf("cut at call %d of %d", cut, calls)
				judge(t, fs.Forget(), path, dir, err, when+", power lost, all forgotten")
				for seed := range uint64(4) {
					judge(t, fs.Crash(uint64(cut)*4+seed), path, dir, err, fmt.Sprintf("%s, power lost, seed %d", when, seed))
				}
				judge(t, fs.Kill(), path, dir, err, when+", killed")
				if err == nil {
					finished++
				}
			}
			if finished == 0 {
				t.Error("no run finished, so that durability was not tested")
			}
		})
	}
}

// judge holds what a crash left against what the call said.
func judge(t *testing.T, left *testkit.FS, path, dir string, err error, when string) {
	t.Helper()
	isData := filepath.Base(path) == "data"
	usable := whole(left, path)
	if err == nil && !usable {
		t.Fatalf("%s: it said done and is not whole:\n%s", when, left.Dump())
	}
	if usable {
		if err := same(left, path, dir); err != nil {
			t.Fatalf("%s: it looks whole and is not: %v\n%s", when, err, left.Dump())
		}
		return
	}
	// A node starts on a folder that is not marked: then it must hold nothing of a
	// restore that counts.
	if _, err := left.Stat(filepath.Join(path, "manifest")); isData && err == nil && backup.Unfinished(left, path) == "" {
		t.Fatalf("%s: a node would start on half a restore:\n%s", when, left.Dump())
	}
	if _, err := backup.Restore(path, filepath.Join(dir, "check"), backup.Options{FS: left}); err == nil {
		t.Fatalf("%s: half a backup was restored", when)
	}
}

// A disk that is full, or fails, at every size and at every kind of call: an error,
// and nothing that could be taken for whole.
func TestDisksThatFail(t *testing.T) {
	stream, _ := small(t)
	for _, w := range writings {
		t.Run(w.name, func(t *testing.T) {
			fs, dir := place(t, stream)
			before := fs.Used()
			if _, err := w.write(fs, dir, stream); err != nil {
				t.Fatal(err)
			}
			needed := fs.Used() - before
			for part := range int64(20) {
				fs, dir := place(t, stream)
				fs.SetCapacity(fs.Used() + needed*part/20)
				path, err := w.write(fs, dir, stream)
				if !errors.Is(err, syscall.ENOSPC) || whole(fs, path) {
					t.Fatalf("disk full at %d of 20: %v", part, err)
				}
				if entries, _ := fs.ReadDir(dir); w.name == "file" && len(entries) != 1 {
					t.Fatalf("disk full at %d of 20: a part is left: %s", part, fs.Dump())
				}
			}
			for _, op := range []testkit.Op{testkit.OpSync, testkit.OpSyncDir, testkit.OpRename, testkit.OpWrite, testkit.OpRead} {
				for nth := 1; ; nth++ {
					fs, dir := place(t, stream)
					before := fs.Calls(op)
					fs.Inject(testkit.Fault{Op: op, Nth: nth, Err: syscall.EIO})
					path, err := w.write(fs, dir, stream)
					if fs.Calls(op)-before < nth {
						break
					}
					fs.Heal()
					if err == nil || op != testkit.OpRead && !errors.Is(err, syscall.EIO) { // what reads differently is told in words
						t.Fatalf("%s %d fails with EIO: the call says %v", op, nth, err)
					}
					judge(t, fs.Crash(uint64(nth)), path, dir, err, fmt.Sprintf("EIO at %s %d", op, nth))
				}
			}
		})
	}
}

// A restore that broke off is done again on the same folder; another backup is not
// mixed into it.
func TestRestoreAgain(t *testing.T) {
	stream, spans := small(t)
	other, _ := small(t)
	fs, dir := place(t, stream)
	fs.Inject(testkit.Fault{Op: testkit.OpSync, Nth: 9, Err: syscall.EIO})
	data, given := filepath.Join(dir, "data"), filepath.Join(dir, "given.tar")
	if _, err := backup.Restore(given, data, backup.Options{FS: fs}); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	fs.Heal()
	if why := backup.Unfinished(fs, data); !strings.Contains(why, "run clew restore again") {
		t.Errorf("the folder says %q", why)
	}
	if _, err := backup.SaveFile(fs, filepath.Join(dir, "other.tar"), bytes.NewReader(other)); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(filepath.Join(dir, "other.tar"), data, backup.Options{FS: fs}); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("another backup into the folder: %v", err)
	}
	if _, err := backup.Restore(given, data, backup.Options{FS: fs}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o755); err != nil { // for DuckDB
		t.Fatal(err)
	}
	e := openEngine(t, fs, data)
	defer e.Close()
	e.holds(spans)
}

// flip changes one byte of a file.
func flip(t *testing.T, fs wal.FS, path string, at int64) {
	t.Helper()
	f, err := fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x20
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// files lists every file below dir with its size.
func files(t *testing.T, fs wal.FS, dir string) (names []string, sizes map[string]int64) {
	t.Helper()
	sizes = map[string]int64{}
	var at func(string)
	at = func(below string) {
		entries, err := fs.ReadDir(filepath.Join(dir, below))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := filepath.Join(below, e.Name())
			if e.IsDir() {
				at(name)
				continue
			}
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			names, sizes[name] = append(names, name), info.Size()
		}
	}
	at("")
	return names, sizes
}

// Every file of a backup's folder, and of a data folder, changed in several places:
// the file is named, with what to do.
func TestVerifyNamesTheDamagedFile(t *testing.T) {
	stream, _ := small(t)
	for _, kind := range []string{"backup", "data"} {
		t.Run(kind, func(t *testing.T) {
			build := func() (*testkit.FS, string) {
				fs, dir := place(t, stream)
				path := filepath.Join(dir, "x")
				var err error
				if kind == "data" {
					_, err = backup.Restore(filepath.Join(dir, "given.tar"), path, backup.Options{FS: fs})
				} else {
					_, err = backup.SaveFolder(fs, path, bytes.NewReader(stream))
				}
				if err != nil {
					t.Fatal(err)
				}
				return fs, path
			}
			fs, path := build()
			names, sizes := files(t, fs, path)
			if len(names) < 15 {
				t.Fatalf("only %v", names)
			}
			for _, name := range names {
				if kind == "data" && name == "state.db" {
					continue // SQLite's own check finds what it can: cmd/clew's scripts
				}
				for part := range int64(5) {
					fs, path := build()
					at := (sizes[name] - 1) * part / 4
					flip(t, fs, filepath.Join(path, name), at)
					r, err := backup.Verify(path, backup.Options{FS: fs})
					if err != nil {
						t.Fatalf("%s at %d: %v", name, at, err)
					}
					if torn := kind == "data" && (strings.HasPrefix(name, "log/") || name == "manifest" && part == 4) && len(r.Problems) == 0 && len(r.Notes) > 0; torn {
						continue // the last group of a log that was not closed cannot be told from an interrupted write; a journal ends in a seal
					}
					if !named(r, name) {
						t.Errorf("%s changed at %d of %d: %v", name, at, sizes[name], r.Problems)
					}
				}
				fs, path := build()
				if err := fs.Remove(filepath.Join(path, name)); err != nil {
					t.Fatal(err)
				}
				if r, err := backup.Verify(path, backup.Options{FS: fs}); kind == "backup" && (err != nil || len(r.Problems) == 0) && name != "backup.json" {
					t.Errorf("%s is missing: %+v, %v", name, r, err)
				}
			}
		})
	}
}

// What is wrong with a data folder and changes no byte that has a checksum.
func TestVerifyNamesWhatIsMissingOrTooMuch(t *testing.T) {
	stream, _ := small(t)
	fs, dir := place(t, stream)
	sound := filepath.Join(dir, "sound")
	if _, err := backup.Restore(filepath.Join(dir, "given.tar"), sound, backup.Options{FS: fs}); err != nil {
		t.Fatal(err)
	}
	all, _ := files(t, fs, sound)
	only := func(t *testing.T, part string) string {
		t.Helper()
		for _, name := range all {
			if strings.Contains(name, part) {
				return name
			}
		}
		t.Fatalf("no %s among %v", part, all)
		return ""
	}
	for _, c := range []struct{ name, problem, note string }{
		{"untouched", "", ""},
		{"log removed", "its end is missing", ""},
		{"log cut to nothing", "restore", ""},
		{"bytes behind a description", "goes on behind its", ""},
		{"no tokens", "", "its tokens are gone"},
		{"half a request", "", "unless something other than clew cut the file"},
		{"a folder of nobody", "", "a start removes them"},
		{"a folder of nobody, damaged manifest", "manifest", "sets them aside in the folder unnamed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if _, err := backup.Restore(filepath.Join(dir, "given.tar"), path, backup.Options{FS: fs}); err != nil {
				t.Fatal(err)
			}
			at := func(part string) string { return filepath.Join(path, only(t, part)) }
			switch c.name {
			case "log removed":
				for _, name := range all {
					if strings.HasPrefix(name, "log/") {
						must(t, fs.Remove(filepath.Join(path, name)))
					}
				}
			case "log cut to nothing":
				cut(t, fs, at("log/"), 0)
			case "bytes behind a description":
				lengthen(t, fs, at("/meta"))
			case "no tokens":
				must(t, fs.Remove(at("state.db")))
			case "half a request":
				lengthen(t, fs, at("log/"))
			case "a folder of nobody, damaged manifest":
				flip(t, fs, at("manifest"), 100)
				fallthrough
			case "a folder of nobody":
				must(t, fs.MkdirAll(filepath.Join(path, "segments", tenant, "20200101", "00000000000000ff"), 0o700))
			}
			r, err := backup.Verify(path, backup.Options{FS: fs})
			must(t, err)
			problems, notes := fmt.Sprint(r.Problems), fmt.Sprint(r.Notes)
			if (len(r.Problems) > 0) != (c.problem != "") || !strings.Contains(problems, c.problem) {
				t.Errorf("problems: %s", problems)
			}
			if (len(r.Notes) > 0) != (c.note != "") || !strings.Contains(notes, c.note) {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cut shortens a file, lengthen adds a few bytes to it.
func cut(t *testing.T, fs wal.FS, path string, size int64) {
	t.Helper()
	f, err := fs.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(size))
}

func lengthen(t *testing.T, fs wal.FS, path string) {
	t.Helper()
	info, err := fs.Stat(path)
	must(t, err)
	f, err := fs.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("junk"), info.Size())
	must(t, err)
}

func named(r *backup.Report, name string) bool {
	return slices.ContainsFunc(r.Problems, func(p backup.Problem) bool {
		if strings.HasPrefix(name, "log/") && strings.HasPrefix(p.Path, "log") {
			return true // what is missing shows in the file after
		}
		own := name == backup.SumsName || name == backup.CatalogueName
		return (p.Path == name || own && p.Path == backup.CatalogueName) && (strings.Contains(p.What, "restore") || strings.Contains(p.What, "use ") || strings.Contains(p.What, "start"))
	})
}

// A byte of a tar file changed anywhere: it is found, or it changed nothing that is restored.
func TestVerifyFindsFlipsInAFile(t *testing.T) {
	stream, _ := small(t)
	found, harmless := 0, 0
	for at := 0; at < len(stream)-1024; at += max(1, len(stream)/997) {
		fs, dir := memoryFS(t)
		path := filepath.Join(dir, "b.tar")
		changed := bytes.Clone(stream)
		changed[at] ^= 0x11
		f, err := fs.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, bytes.NewReader(changed)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		r, err := backup.Verify(path, backup.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Problems) > 0 {
			found++
			continue
		}
		harmless++
		if _, err := backup.Restore(path, filepath.Join(dir, "data"), backup.Options{FS: fs}); err != nil {
			t.Fatalf("byte %d: verify finds nothing, restore says %v", at, err)
		}
	}
	if found < 3*harmless/2 {
		t.Errorf("%d flips found, %d harmless", found, harmless)
	}
}
