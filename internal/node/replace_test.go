package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

func fileText(t *testing.T, fsys wal.FS, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func begun(t *testing.T) *testkit.FS {
	t.Helper()
	fsys := testkit.NewFS()
	if err := fsys.MkdirAll("/d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fsys.SyncDir("/"), replaceIn(fsys, "/d/f", []byte("old"))); err != nil {
		t.Fatal(err)
	}
	return fsys
}

// A file is the old or the new one wherever the power goes, and the new one once
// replaceIn has said so.
func TestReplaceSurvivesLossOfPower(t *testing.T) {
	long := strings.Repeat("new ", 3000)
	ended := false
	for calls := 0; !ended; calls++ {
		for seed := range uint64(20) {
			fsys := begun(t)
			fsys.CutPower(calls)
			err := replaceIn(fsys, "/d/f", []byte(long))
			ended = !fsys.Off()
			got := fileText(t, fsys.Crash(seed), "/d/f")
			if got != long && (err == nil || got != "old") {
				t.Fatalf("power gone after %d calls, seed %d: %d bytes %.10q, error %v", calls, seed, len(got), got, err)
			}
		}
	}
}

// Each call that fails is told, and leaves the old file or the new one and no other.
func TestReplaceTellsErrors(t *testing.T) {
	for _, op := range []testkit.Op{testkit.OpOpen, testkit.OpWrite, testkit.OpSync, testkit.OpClose, testkit.OpRename, testkit.OpSyncDir} {
		fsys := begun(t)
		broken := fmt.Errorf("%s fails", op)
		fsys.Inject(testkit.Fault{Op: op, Err: broken, Short: 2})
		if err := replaceIn(fsys, "/d/f", []byte("new")); !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		want := "old"
		if op == testkit.OpSyncDir {
			want = "new"
		}
		if got := fileText(t, fsys, "/d/f"); got != want {
			t.Errorf("%s: %q, want %q", op, got, want)
		}
		if files, err := fsys.ReadDir("/d"); err != nil || len(files) != 1 {
			t.Errorf("%s: left %v, %v", op, files, err)
		}
		fsys.Heal()
		if err := replaceIn(fsys, "/d/f", []byte("newer")); err != nil || fileText(t, fsys, "/d/f") != "newer" {
			t.Errorf("%s: not mended: %v", op, err)
		}
	}
}
