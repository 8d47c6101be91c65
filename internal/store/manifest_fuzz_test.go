package store

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// FuzzManifest gives openManifest two records of any content, in a journal that is
// sound. It says what is wrong with them and where, or gives a state that only names
// folders below the data folder, and that is the same after a change, a compaction
// and a start.
func FuzzManifest(f *testing.F) {
	const sound = `{"v":1,"add":[{"id":7,"tenant":"default","partition":"20261122","meta_bytes":4096,"meta_crc":305419896}],"cursor":9,"seq":3,"next":8}`
	for _, second := range []string{
		`{"v":1,"add":[{"id":8,"tenant":"default","partition":"20261122"}],"remove":[7],"cursor":12,"seq":4,"next":9}`,
		`{"v":1,"remove":[7,7,99],"cursor":0,"seq":0,"next":0}`,
		`{"v":1,"remove":[7],"expired":{"default":9223372036854775807,"other":-1}}`, `{"v":1,"remove":[7]}`,
		`{"v":2}`, `{"v":1,"cursor":-1}`, `{"v":1,"seq":9223372036854775807,"cursor":9223372036854775807}`,
		`{"v":1,"add":[{"id":18446744073709551615,"tenant":"a","partition":"20261122"}]}`,
		`{"v":1,"add":[{"id":1,"tenant":"../../etc","partition":"20261122"}]}`,
		`{"v":1,"add":[{"id":1,"tenant":"a","partition":"../.."}]}`,
		`{"v":1,"add":[{"id":1,"tenant":"a","partition":"20261122","meta_bytes":-1}]}`,
		`{"v":1,"add":[{"id":-1}]}`, `{"v":"1"}`, `[]`, `null`, `{`, "\x00", `{"v":1}{"v":1}`,
	} {
		f.Add([]byte(sound), []byte(second))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first) == 0 || len(second) == 0 {
			return
		}
		fs := testkit.NewFS()
		if err := fs.MkdirAll("/data", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := fs.SyncDir("/"); err != nil {
			t.Fatal(err)
		}
		const path = "/data/manifest"
		j, _, err := wal.OpenJournal(path, wal.JournalOptions{FS: fs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Append(first, second); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		m, err := openManifest(fs, path)
		if err != nil {
			if say := err.Error(); !strings.Contains(say, path) || strings.Contains(say, "%!") {
				t.Fatalf("no word of where: %s", say)
			}
			return
		}
		for id, a := range m.segments {
			if folder := filepath.Clean(a.folder()); a.ID != id || filepath.Dir(filepath.Dir(filepath.Dir(folder))) != "segments" || strings.Contains(folder, "..") {
				t.Fatalf("segment %d lies in %s", id, folder)
			}
			if id >= m.nextID {
				t.Fatalf("segment %d has the number of one to come, %d", id, m.nextID)
			}
		}
		same(t, fs, m)
		if m.compact() != nil {
			t.Fatal("not compacted")
		}
		same(t, fs, m)
		if _, err := m.write(&change{Cursor: m.cursor, Seq: m.seq}); err != nil {
			t.Fatal(err)
		}
		same(t, fs, m)
	})
}

// same starts on a copy of the disk and wants the same state.
func same(t *testing.T, fs *testkit.FS, m *manifest) {
	t.Helper()
	disk := fs.Crash(1)
	n, err := openManifest(disk, "/data/manifest")
	if err != nil {
		t.Fatal(err)
	}
	if n.cursor != m.cursor || n.seq != m.seq || n.nextID != m.nextID || !maps.Equal(n.segments, m.segments) || !maps.Equal(n.expired, m.expired) {
		t.Fatalf("after a start: %d %d %d %v %v, want %d %d %d %v %v", n.cursor, n.seq, n.nextID, n.segments, n.expired, m.cursor, m.seq, m.nextID, m.segments, m.expired)
	}
}
