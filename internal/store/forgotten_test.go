package store_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/testkit"
)

// A disk gives back the manifest as it was before its last record: a record that
// looks like a write that was interrupted, or an older copy of the file. The next
// start sees by what followed the commit that one is missing: it says that answers
// are partial, and removes no segment that the record named.
func TestManifestWithoutItsLastRecord(t *testing.T) {
	for _, c := range []struct {
		name  string
		last  func(*scripted) // makes the record that is lost
		aside int             // segments that are not named any more
		says  string
	}{
		{"a flush, after which the log was cut", func(s *scripted) {
			s.each(s.trace(tenantLong, 0, 5))
			s.flush()
		}, 1, "the log begins at"},
		{"an end of retention, after which the segment was removed", func(s *scripted) {
			s.clock.Advance(2 * time.Hour)
			s.look()
		}, 0, "which is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScripted(t, t.TempDir(), 3)
			s.begin()
			s.each(s.trace(tenantLong, 0, 5))
			s.each(s.trace(tenantShort, 0, 5))
			s.flush()
			path := filepath.Join(s.dir, "manifest")
			before := contentOf(t, s.fs, path)
			c.last(s)
			s.stop()
			fs := s.fs.Kill()
			if string(contentOf(t, fs, path)) == string(before) {
				t.Fatal("no record was written")
			}
			f, err := fs.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(before, 0); err != nil {
				t.Fatal(err)
			}
			f.Close()

			n := s.on(t, fs)
			n.begin()
			defer n.stop()
			if _, partial, err := n.e.Rows(tenantLong); err != nil || !strings.Contains(partial, c.says) {
				t.Errorf("answers are partial because of %q, %v; want %q", partial, err, c.says)
			}
			if _, partial, err := n.e.Rows(tenantShort); err != nil || partial == "" { // which may know more, that its segment is not there
				t.Errorf("answers to the other tenant are partial because of %q, %v", partial, err)
			}
			aside := 0
			for name := range fs.Files() {
				if strings.HasPrefix(name, filepath.Join(s.dir, "unnamed")) && filepath.Base(name) == "meta" {
					aside++
				}
			}
			if aside != c.aside {
				t.Errorf("%d segments are set aside, want %d; files:\n%s", aside, c.aside, fs.Dump())
			}
		})
	}
}

// contentOf reads a file of a disk in memory whole.
func contentOf(t *testing.T, fs *testkit.FS, path string) []byte {
	t.Helper()
	f, err := fs.OpenFile(path, os.O_RDONLY, 0)
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
