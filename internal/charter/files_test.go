package charter_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/charter"
)

// folder makes a file system of "== NAME" lines with the text of each file below.
func folder(text string) fstest.MapFS {
	out := fstest.MapFS{}
	for _, part := range strings.Split("\n"+text, "\n== ")[1:] {
		name, content, _ := strings.Cut(part, "\n")
		out[name] = &fstest.MapFile{Data: []byte(strings.TrimSuffix(content, "\n") + "\n")}
	}
	return out
}

// Each file of testdata/folders is a folder of files, the name that is loaded in
// the first line, and what comes of it after "----": names or all errors.
func TestFolders(t *testing.T) {
	files, _ := filepath.Glob("testdata/folders/*.txt")
	if len(files) == 0 {
		t.Fatal("no corpus")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, _, _ := strings.Cut(fixture(t, f), "\n----\n")
			name, rest, _ := strings.Cut(text, "\n")
			c, err := charter.LoadFS(folder(rest), strings.TrimPrefix(name, "load "), func(folder fs.FS, i charter.Import) ([]charter.Attribute, error) {
				switch i.Value {
				case "broken":
					return nil, charter.Errors{{File: "broken/x.yaml", Line: 1, Col: 2, Message: "one mistake"}, {File: "broken/x.yaml", Line: 2, Col: 1, Message: "another"}}
				case "odd":
					return nil, errors.New("odd words")
				}
				return imported, nil
			})
			got := ""
			if err != nil {
				got = err.Error() + "\n"
			} else {
				got = fmt.Sprintf("organisation %s\nteams %v\nservices %v\nimports %v\n", c.Organisation(), c.Teams(), c.Services(), c.Imports())
			}
			golden(t, f, text+"\n----\n"+got)
		})
	}
}

func TestOneFileOrManyIsTheSameCharter(t *testing.T) {
	one := folder("== charter.yaml\n" + fixture(t, "testdata/fleet.good.yaml"))
	whole := fixture(t, "testdata/fleet.good.yaml")
	cut := strings.Index(whole, "attributes:")
	end := strings.Index(whole, "spans:")
	many := folder("== charter.yaml\n" + whole[:cut] + whole[end:] + "\n== words/attributes.yml\n" + whole[cut:end])
	a, err := charter.LoadFS(one, ".", nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := charter.LoadFS(many, ".", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.Effective(), b.Effective()); diff != "" || a.Version() != b.Version() {
		t.Error(diff)
	}
}

func TestBoundsOfFiles(t *testing.T) {
	files := func(n, bytes int) fstest.MapFS {
		out := fstest.MapFS{}
		for i := range n {
			out[fmt.Sprintf("f%04d.yaml", i)] = &fstest.MapFile{Data: []byte("charter: 1\n#" + strings.Repeat("x", bytes-12))}
		}
		return out
	}
	values := func(n int) fstest.MapFS {
		out := fstest.MapFS{}
		for i := 0; n > 0; i++ {
			k := min(n, 100_000) // with 9 above the elements of the list
			text := fmt.Sprintf("charter: 1\nattributes: { a%d: { examples: [", i)
			var list strings.Builder
			for one := range k - 9 {
				fmt.Fprintf(&list, "%d,", one)
			}
			out[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: []byte(text + list.String() + "] } }\n")}
			n -= k
		}
		return out
	}
	chain := func(n int) fstest.MapFS {
		out := fstest.MapFS{"f0.yaml": {Data: []byte("charter: 1\ninclude: [f1.yaml]\n")}}
		for i := 1; i < n; i++ {
			out[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf("include: [f%d.yaml]\n", i+1))}
		}
		out[fmt.Sprintf("f%d.yaml", n)] = &fstest.MapFile{Data: []byte("organisation: end\n")}
		return out
	}
	deep := func(n int) fstest.MapFS {
		return fstest.MapFS{strings.Repeat("d/", n) + "a.yaml": {Data: []byte("charter: 1\n")}}
	}
	cases := []struct {
		name   string
		folder fs.FS
		load   string
		want   string // in the error; empty: it checks
	}{
		{"files at the bound", files(charter.MaxFiles, 20), ".", ""},
		{"one file more", files(charter.MaxFiles+1, 20), ".", "f1000.yaml:1:1: the charter is too large here: it has at most 1000 files"},
		{"bytes at the bound", files(16, 1<<20), ".", ""},
		{"some bytes more", files(17, 1<<20), ".", "f0016.yaml:1:1: the charter is too large here: it has at most 1000 files and 16777216 bytes in all"},
		{"values at the bound", values(charter.MaxValues), ".", ""},
		{"some values more", values(charter.MaxValues + 10), ".", "f5.yaml:1:1: the charter is too large here: it has at most 500000 keys and values in all"},
		{"a chain at the bound", chain(charter.MaxDepth), "f0.yaml", ""},
		{"one link more", chain(charter.MaxDepth + 1), "f0.yaml", `f8.yaml:1:11: include: "f9.yaml" is the end of a chain of 9 files that include each other; at most 8 may`},
		{"folders at the bound", deep(charter.MaxDepth), ".", ""},
		{"one folder more", deep(charter.MaxDepth + 1), ".", "9 folders deep; a charter has at most 8"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			_, err := charter.LoadFS(test.folder, test.load, nil)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// A mounted configuration is a folder of links into a hidden folder.
func TestLinksToFilesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "..data"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "..data", "charter.yaml"), "charter: 1\norganisation: linked\n", 0)
	if err := os.Symlink(filepath.Join("..data", "charter.yaml"), filepath.Join(dir, "charter.yaml")); err != nil {
		t.Skip("the file system of this machine has no links: " + err.Error())
	}
	c, err := charter.Load(dir, nil)
	if err != nil || c.Organisation() != "linked" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestWatcherFollowsAllFiles(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"teams", "registry"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "charter.yaml"), "charter: 1\nimport: [{ registry: registry }]\nservices: { a: { team: one } }\n", 0)
	write(t, filepath.Join(dir, "teams", "one.yaml"), "teams: { one: {} }\n", 0)
	write(t, filepath.Join(dir, "registry", "words.yaml"), "first", 0)
	resolve := func(folder fs.FS, i charter.Import) ([]charter.Attribute, error) {
		text, err := fs.ReadFile(folder, i.Value+"/words.yaml")
		if string(text) == "broken" || err == nil && len(text) == 0 { // empty while it is written
			return nil, errors.New("broken words")
		}
		return []charter.Attribute{{Name: string(text), Type: charter.TypeString}}, err
	}
	w, err := charter.Watch(dir, charter.WatchOptions{Every: time.Millisecond, Resolve: resolve})
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan *charter.Charter, 10)
	w.OnChange(func(c *charter.Charter) error { changed <- c; return nil })
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(ctx, nil); close(done) }()
	defer func() { stop(); <-done }()

	if got := w.Current().Attributes(); !cmp.Equal(got, []string{"first"}) {
		t.Fatalf("got %v", got)
	}
	write(t, filepath.Join(dir, "registry", "words.yaml"), "second", 1)
	if c := <-changed; !cmp.Equal(c.Attributes(), []string{"second"}) {
		t.Errorf("a file of the import: got %v", c.Attributes())
	}
	write(t, filepath.Join(dir, "teams", "one.yaml"), "teams: { one: { contact: c } }\n", 1)
	if c := <-changed; func() string { x, _ := c.Team("one"); return x.Contact }() != "c" {
		t.Error("a file of a folder within: no contact")
	}
	write(t, filepath.Join(dir, "teams", "two.yaml"), "teams: { two: {} }\n", 1)
	if c := <-changed; !cmp.Equal(c.Teams(), []string{"one", "two"}) {
		t.Errorf("a new file: got %v", c.Teams())
	}
	write(t, filepath.Join(dir, "registry", "words.yaml"), "broken", 2)
	if err := w.Reload(); err == nil || !strings.Contains(err.Error(), "charter.yaml:2:10: import: registry registry: broken words") {
		t.Errorf("broken words: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "teams", "one.yaml")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "registry", "words.yaml"), "third", 3)
	if err := w.Reload(); err == nil || !strings.Contains(err.Error(), `"one" is not among the teams`) {
		t.Errorf("a file is gone: %v", err)
	}
	if !cmp.Equal(w.Current().Teams(), []string{"one", "two"}) {
		t.Error("the charter before is not in force")
	}
}

func TestWatchResolvesTheDefault(t *testing.T) {
	w, err := charter.Watch("", charter.WatchOptions{Resolve: func(_ fs.FS, i charter.Import) ([]charter.Attribute, error) {
		if i != (charter.Import{Kind: charter.ImportSemconv, Value: "builtin"}) {
			return nil, fmt.Errorf("unexpected import %v", i)
		}
		return imported, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.Current().Attribute("http.route"); !ok {
		t.Error("the words of the default are not there")
	}
}
