package testkit_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
)

func create(t *testing.T, fs *testkit.FS, name, content string) interface {
	io.WriterAt
	Sync() error
	Truncate(int64) error
} {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return f
}

// content gives what a file holds, or "absent".
func content(t *testing.T, fs *testkit.FS, name string) string {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// outcomes gives every content that 200 crashes leave.
func outcomes(t *testing.T, fs *testkit.FS, name string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for seed := range uint64(200) {
		all[content(t, fs.Crash(seed), name)] = true
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCrashForgetsTheNameUntilTheFolderIsSynced(t *testing.T) {
	fs := testkit.NewFS()
	must(t, fs.MkdirAll("/d", 0o700))
	must(t, fs.SyncDir("/"))
	f := create(t, fs, "/d/a", "content")
	must(t, f.Sync())
	testkit.Diff(t, "before SyncDir", outcomes(t, fs, "/d/a"), map[string]bool{"absent": true, "content": true})
	must(t, fs.SyncDir("/d"))
	testkit.Diff(t, "after SyncDir", outcomes(t, fs, "/d/a"), map[string]bool{"content": true})
}

func TestCrashForgetsAFolderAndAllInIt(t *testing.T) {
	fs := testkit.NewFS()
	must(t, fs.MkdirAll("/d", 0o700))
	f := create(t, fs, "/d/a", "content")
	must(t, f.Sync())
	must(t, fs.SyncDir("/d"))
	testkit.Diff(t, "before the parent's SyncDir", outcomes(t, fs, "/d/a"), map[string]bool{"absent": true, "content": true})
	must(t, fs.SyncDir("/"))
	testkit.Diff(t, "after the parent's SyncDir", outcomes(t, fs, "/d/a"), map[string]bool{"content": true})
}

func TestCrashTearsAtSectorsAndReorders(t *testing.T) {
	fs := testkit.NewFS()
	a, b := strings.Repeat("a", testkit.Sector), strings.Repeat("b", testkit.Sector)
	f := create(t, fs, "/x", a+a)
	must(t, f.Sync())
	must(t, fs.SyncDir("/"))
	if _, err := f.WriteAt([]byte(b), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(b), testkit.Sector); err != nil {
		t.Fatal(err)
	}
	testkit.Diff(t, "contents", outcomes(t, fs, "/x"), map[string]bool{a + a: true, a + b: true, b + a: true, b + b: true})
}

func TestCrashMayKeepATruncateOrNot(t *testing.T) {
	fs := testkit.NewFS()
	f := create(t, fs, "/x", "long")
	must(t, f.Sync())
	must(t, fs.SyncDir("/"))
	must(t, f.Truncate(1))
	testkit.Diff(t, "contents", outcomes(t, fs, "/x"), map[string]bool{"long": true, "l": true})
	must(t, f.Sync())
	testkit.Diff(t, "contents after Sync", outcomes(t, fs, "/x"), map[string]bool{"l": true})
}

func TestRenameIsAtomicAndDurableWithTheFolder(t *testing.T) {
	fs := testkit.NewFS()
	must(t, create(t, fs, "/x", "old").Sync())
	must(t, create(t, fs, "/y", "new").Sync())
	must(t, fs.SyncDir("/"))
	must(t, fs.Rename("/y", "/x"))
	testkit.Diff(t, "contents", outcomes(t, fs, "/x"), map[string]bool{"old": true, "new": true})
	must(t, fs.SyncDir("/"))
	testkit.Diff(t, "contents after SyncDir", outcomes(t, fs, "/x"), map[string]bool{"new": true})
}

// The trap that databases fell into: the second fsync says yes, the data is gone.
func TestAFailedSyncForgetsAndTheNextOneLies(t *testing.T) {
	fs := testkit.NewFS()
	f := create(t, fs, "/x", "")
	must(t, f.Sync())
	must(t, fs.SyncDir("/"))
	if _, err := f.WriteAt([]byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	fs.Inject(testkit.Fault{Op: testkit.OpSync, Path: "x", Err: syscall.EIO})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Sync: %v, want EIO", err)
	}
	must(t, f.Sync())
	if got := content(t, fs, "/x"); got != "data" {
		t.Errorf("read %q before the crash, want data", got)
	}
	if got := outcomes(t, fs, "/x"); got["data"] {
		t.Errorf("data survived: %v", got)
	}
	if _, err := f.WriteAt([]byte("data"), 0); err != nil { // written again, it is dirty again
		t.Fatal(err)
	}
	must(t, f.Sync())
	testkit.Diff(t, "contents", outcomes(t, fs, "/x"), map[string]bool{"data": true})
}

func TestCapacityWritesWhatFits(t *testing.T) {
	fs := testkit.NewFS()
	fs.SetCapacity(6)
	f := create(t, fs, "/x", "1234")
	n, err := f.WriteAt([]byte("5678"), 4)
	if n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("wrote %d, %v; want 2, ENOSPC", n, err)
	}
	must(t, fs.Remove("/x"))
	if got := fs.Used(); got != 0 {
		t.Errorf("%d bytes used after the only file was removed", got)
	}
}

func TestFaultHitsTheNthCallOnMatchingNames(t *testing.T) {
	fs := testkit.NewFS()
	fs.Inject(testkit.Fault{Op: testkit.OpOpen, Path: "*.log", Nth: 2, Err: syscall.EACCES})
	open := func(name string) error {
		_, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		return err
	}
	must(t, open("/1.log"))
	must(t, open("/other"))
	if err := open("/2.log"); !errors.Is(err, syscall.EACCES) {
		t.Fatalf("second open: %v, want EACCES", err)
	}
	must(t, open("/3.log"))
}

func TestKillKeepsWhatWasWrittenAndStopsTheOldProcess(t *testing.T) {
	fs := testkit.NewFS()
	f := create(t, fs, "/x", "data")
	next := fs.Kill()
	if _, err := f.WriteAt([]byte("late"), 0); !errors.Is(err, testkit.ErrPowerOff) {
		t.Fatalf("write of the old process: %v", err)
	}
	if got := content(t, next, "/x"); got != "data" {
		t.Errorf("new process reads %q", got)
	}
	testkit.Diff(t, "after a crash", outcomes(t, next, "/x")["absent"], true)
}

func TestEndProcessStopsOpenFilesOnly(t *testing.T) {
	fs := testkit.NewFS()
	f := create(t, fs, "/x", "data")
	fs.EndProcess()
	if _, err := f.WriteAt([]byte("late"), 0); !errors.Is(err, testkit.ErrPowerOff) {
		t.Fatalf("write of the old process: %v", err)
	}
	if got := content(t, fs, "/x"); got != "data" {
		t.Errorf("new process reads %q", got)
	}
}

func TestCutPowerChangesNothingAfterwards(t *testing.T) {
	fs := testkit.NewFS()
	fs.CutPower(2)
	f := create(t, fs, "/x", "data") // an open and a write
	if err := f.Sync(); !errors.Is(err, testkit.ErrPowerOff) {
		t.Fatalf("Sync: %v", err)
	}
	if got := outcomes(t, fs, "/x"); !got["absent"] {
		t.Errorf("the name was durable without SyncDir: %v", got)
	}
}

func TestAFolderMadeAnewIsAnotherOne(t *testing.T) {
	fs := testkit.NewFS()
	must(t, fs.MkdirAll("/a/b", 0o700))
	must(t, create(t, fs, "/a/b/old", "old").Sync())
	for _, d := range []string{"/a/b", "/a", "/"} {
		must(t, fs.SyncDir(d))
	}
	for _, name := range []string{"/a/b/old", "/a/b", "/a"} {
		must(t, fs.Remove(name))
	}
	must(t, fs.MkdirAll("/a/b", 0o700))
	must(t, create(t, fs, "/a/b/new", "new").Sync())
	for _, d := range []string{"/a/b", "/a", "/"} {
		must(t, fs.SyncDir(d))
	}
	testkit.Diff(t, "new", outcomes(t, fs, "/a/b/new"), map[string]bool{"new": true})
	testkit.Diff(t, "old", outcomes(t, fs, "/a/b/old"), map[string]bool{"absent": true})

	// And under a name that it gets later.
	must(t, fs.Remove("/a/b/new"))
	must(t, fs.Remove("/a/b"))
	must(t, fs.MkdirAll("/a/b", 0o700))
	must(t, create(t, fs, "/a/b/new", "newer").Sync())
	must(t, fs.SyncDir("/a/b"))
	must(t, fs.Rename("/a/b", "/a/c"))
	must(t, fs.SyncDir("/a"))
	testkit.Diff(t, "renamed", outcomes(t, fs, "/a/c/new"), map[string]bool{"newer": true})
}

func TestForgetKeepsOnlyWhatIsDurable(t *testing.T) {
	fs := testkit.NewFS()
	f := create(t, fs, "/x", "data")
	must(t, f.Sync())
	must(t, fs.SyncDir("/"))
	if _, err := f.WriteAt([]byte("late"), 0); err != nil {
		t.Fatal(err)
	}
	create(t, fs, "/y", "new")
	for range 20 {
		next := fs.Forget()
		testkit.Diff(t, "x", content(t, next, "/x"), "data")
		testkit.Diff(t, "y", content(t, next, "/y"), "absent")
	}
}

func TestPowerGoesInTheMiddleOfAWrite(t *testing.T) {
	fs := testkit.NewFS()
	f := create(t, fs, "/x", "")
	fs.CutPowerIn(0, 3)
	if fs.Off() {
		t.Error("off before the call that it goes in")
	}
	if n, err := f.WriteAt([]byte("data"), 0); n != 3 || !errors.Is(err, testkit.ErrPowerOff) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := f.WriteAt([]byte("more"), 3); n != 0 || !errors.Is(err, testkit.ErrPowerOff) || !fs.Off() {
		t.Errorf("after it: wrote %d, %v", n, err)
	}
	testkit.Diff(t, "what the next process reads", content(t, fs.Kill(), "/x"), "dat")
}

func TestRecordListsWhatChanges(t *testing.T) {
	fs := testkit.NewFS()
	must(t, create(t, fs, "/early", "e").Sync())
	fs.Record()
	f := create(t, fs, "/x", "data")
	content(t, fs, "/x")
	must(t, f.Sync())
	must(t, fs.Rename("/x", "/y"))
	must(t, fs.SyncDir("/"))
	var ops []testkit.Op
	last := 0
	for _, c := range fs.Changes() {
		ops = append(ops, c.Op)
		if c.Before <= last {
			t.Errorf("%v comes after %d calls", c, last)
		}
		last = c.Before
	}
	testkit.Diff(t, "operations", ops, []testkit.Op{testkit.OpWrite, testkit.OpSync, testkit.OpRename, testkit.OpSyncDir})
	testkit.Diff(t, "calls before the last", last, fs.Calls("")-1)
}

func TestFlipChangesMemoryAndDisk(t *testing.T) {
	fs := testkit.NewFS()
	must(t, create(t, fs, "/x", "data").Sync())
	must(t, fs.SyncDir("/"))
	fs.Flip("/x", 1, 2)
	testkit.Diff(t, "now", content(t, fs, "/x"), "dcta")
	testkit.Diff(t, "after a crash", outcomes(t, fs, "/x"), map[string]bool{"dcta": true})
	testkit.Diff(t, "files", fs.Files(), map[string]int64{"/x": 4})
	must(t, fs.MkdirAll("/a/b", 0o700))
	testkit.Diff(t, "folders", fs.Folders(), []string{"/a", "/a/b"})
}
