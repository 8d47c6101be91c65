package charter_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
)

// A start beside a charter that does not check goes on with the last that did: of a
// file, of a folder with a registry, and never with another path's.
func TestTheLastGoodCharterIsKept(t *testing.T) {
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "charter"), filepath.Join(dir, "kept.zip")
	put := func(name, text string) { // each one longer than the last, so that no time is needed to tell them apart
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(path, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	words := ""
	o := charter.WatchOptions{Keep: kept, Replace: func(name string, text []byte) error { return os.WriteFile(name, text, 0o600) },
		Resolve: func(folder fs.FS, i charter.Import) ([]charter.Attribute, error) {
			if i.Kind != charter.ImportRegistry {
				return imported, nil
			}
			text, err := fs.ReadFile(folder, i.Value+"/words.txt")
			words = string(text)
			return imported, err
		}}
	watch := func(path string) *charter.Watcher {
		t.Helper()
		w, err := charter.Watch(path, o)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}

	put("a.yaml", "charter: 1\norganisation: one\nimport: [{ registry: words }]\n")
	put("teams/b.yaml", "teams: { x: {} }\n")
	put("words/words.txt", "first")
	good := watch(path).Current().Version()
	first, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if watch(path); !bytes.Equal(first, fileBytes(t, kept)) {
		t.Error("the same files gave another archive")
	}

	put("a.yaml", "charter: 1\norganisatoin: two\nimport: [{ registry: words }]\n")
	words = ""
	w := watch(path)
	if w.Current().Version() != good || w.LastError() == nil || !strings.Contains(w.LastError().Error(), "did you mean organisation?") {
		t.Errorf("in force %s, not %s: %v", w.Current().Version(), good, w.LastError())
	}
	if words != "first" {
		t.Errorf("the registry was read as %q, not from what was kept", words)
	}
	if _, ok := w.Current().Team("x"); !ok {
		t.Error("the second file is missing")
	}
	put("a.yaml", "charter: 1\norganisation: three\n")
	if err := w.Reload(); err != nil || w.Current().Organisation() != "three" || w.LastError() != nil {
		t.Errorf("a mended charter: %v, %v", err, w.LastError())
	}
	put("a.yaml", "charter: 9\n")
	if w := watch(path); w.Current().Organisation() != "three" {
		t.Errorf("a reload was not kept: %s is in force", w.Current().Organisation())
	}

	// Gone altogether is as bad as wrong.
	if err := os.Rename(path, path+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	if w := watch(path); w.Current().Organisation() != "three" || w.LastError() == nil {
		t.Error("a charter that is gone")
	}
	if _, err := charter.Watch(path+"-elsewhere", o); err == nil {
		t.Error("the charter of another path was taken")
	}

	// Whatever happened to the archive, a start says what is wrong with the charter.
	whole := fileBytes(t, kept)
	for i := range whole {
		for _, damaged := range [][]byte{whole[:i], flipped(whole, i)} {
			if err := os.WriteFile(kept, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if w, err := charter.Watch(path, o); err == nil && w.Current().Organisation() != "three" {
				t.Fatalf("byte %d: %s is in force", i, w.Current().Organisation())
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

// A charter that cannot be kept is in force all the same.
func TestAKeeperThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "charter.yaml")
	write(t, path, "charter: 1\norganisation: one\n", 0)
	w, err := charter.Watch(path, charter.WatchOptions{Keep: path + ".zip", Replace: func(string, []byte) error { return errors.New("disk full") }})
	if err != nil || w.Current().Organisation() != "one" {
		t.Errorf("%v", err)
	}
}

func flipped(text []byte, i int) []byte {
	text = bytes.Clone(text)
	text[i] ^= 0x20
	return text
}

func fileBytes(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
