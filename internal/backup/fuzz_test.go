package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/wal"
)

// seen is a sink that fails the test at a name that leads out of the folder.
type seen struct{ t *testing.T }

func (s seen) file(name string, size int64, r io.Reader) error {
	if strings.Contains(name, "..") || strings.HasPrefix(name, "/") || name == CatalogueName || name == SumsName || name == UnfinishedName {
		s.t.Errorf("the sink gets %q", name)
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// tiny is a sound backup of an empty store.
func tiny(t testing.TB) []byte {
	t.Helper()
	manifest, err := wal.EncodeJournal([]byte(`{"v":1,"cursor":0,"seq":0,"next":1}`))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = Write(context.Background(), &b, Source{FS: wal.OS, Dir: t.TempDir(), Copy: &store.Copy{Manifest: manifest}, Version: "1",
		Now: func() time.Time { return time.Unix(1e9, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarOf(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: entries[i], Size: int64(len(entries[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, entries[i+1])
	}
	w.Close()
	return b.Bytes()
}

// FuzzStream reads foreign bytes as a backup: no panic, no name that leads out of
// the folder, and what is taken for a backup reads the same again.
func FuzzStream(f *testing.F) {
	sound := tiny(f)
	f.Add(sound)
	f.Add(sound[:len(sound)/2])
	f.Add(tarOf(f, "../../etc/passwd", "x"))
	f.Add(tarOf(f, "manifest", "x", "SHA256SUMS", "y", "backup.json", "{}"))
	f.Add(tarOf(f, "FAILED", "why"))
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		c, err := readStream(bytes.NewReader(stream), seen{t}, first)
		if err != nil {
			return
		}
		again, err := readStream(bytes.NewReader(stream), seen{t}, first)
		if err != nil || again.catalogue.ID != c.catalogue.ID {
			t.Errorf("read once and not again: %v", err)
		}
	})
}

// FuzzCatalogue reads foreign text as the two files that say what a backup is.
func FuzzCatalogue(f *testing.F) {
	c := Catalogue{Format: 1, ID: strings.Repeat("ab", 16), Sums: strings.Repeat("0", 64), Damaged: []Problem{}}
	text, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, []byte(strings.Repeat("0", 64)+"  manifest\n"))
	f.Add([]byte(`{"format":2}`), []byte("zz  manifest\n"))
	f.Add([]byte(`{`), []byte(strings.Repeat("0", 64)+"  ../manifest\n"))
	f.Fuzz(func(t *testing.T, catalogue, lines []byte) {
		if c, err := parseCatalogue(catalogue); err == nil {
			text, err := c.encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseCatalogue(text); err != nil {
				t.Errorf("what was read does not read again: %v", err)
			}
		}
		if s, err := parseSums(lines); err == nil {
			back, err := parseSums(s.encode())
			if err != nil || len(back.names) != len(s.names) {
				t.Errorf("what was read does not read again: %v", err)
			}
		}
	})
}

// Hostile streams are refused with a sentence, and nothing of them is written.
func TestHostileStreams(t *testing.T) {
	sum := strings.Repeat("0", 64) + "  manifest\n"
	link := func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "manifest", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
		w.Close()
		return b.Bytes()
	}()
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"out of the folder":  {tarOf(t, "segments/../../x", "x"), "is no file of a backup"},
		"absolute":           {tarOf(t, "/etc/passwd", "x"), "is no file of a backup"},
		"a link":             {link, "is no plain file"},
		"a segment too deep": {tarOf(t, "segments/a/20260101/0000000000000001/x/y", "x"), "is no file of a backup"},
		"a lock":             {tarOf(t, "lock", "1"), "is no file of a backup"},
		"twice":              {tarOf(t, "manifest", "x", "manifest", "y"), "is there twice"},
		"after the sums":     {tarOf(t, "SHA256SUMS", sum, "manifest", "x"), "not in its place"},
		"no catalogue":       {tarOf(t, "manifest", "x", "SHA256SUMS", sum), "ends before backup.json"},
		"a newer format":     {tarOf(t, "backup.json", `{"format":7,"clew":"9.9"}`), "has format 7, this clew reads up to 1: use the clew that wrote it, 9.9"},
		"no JSON":            {tarOf(t, "backup.json", `x`), "cannot be read"},
		"a changed sum":      {tarOf(t, "backup.json", `{"format":1,"sum":"00"}`), "checksum does not match"},
		"a failure":          {tarOf(t, "manifest", "x", "FAILED", "the disk is gone"), "the source could not go on: the disk is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readStream(bytes.NewReader(c.stream), seen{t}, first); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The bounds hold on both sides.
func TestBounds(t *testing.T) {
	for size, ok := range map[int64]bool{4: true, 5: false} {
		_, err := readBounded(strings.NewReader("12345"), &tar.Header{Name: "x", Size: size}, 4)
		if (err == nil) != ok {
			t.Errorf("%d bytes of at most 4: %v", size, err)
		}
	}
	s := newSums()
	s.names = make([]string, maxFiles-1)
	if err := s.add("manifest", [32]byte{}); err != nil {
		t.Errorf("the last file: %v", err)
	}
	if err := s.add("state.db", [32]byte{}); err == nil || !strings.Contains(err.Error(), "over 4194304 files") {
		t.Errorf("one file more: %v", err)
	}
}
