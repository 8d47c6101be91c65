package registry_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the errors of testdata/*.bad.txtar anew")

// Each archive is a registry; its last file, errors, is what a user sees of it.
func TestBad(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.bad.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".bad.txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want := archive.Files, ""
			if last := len(files) - 1; last >= 0 && files[last].Name == "errors" {
				files, want = files[:last], string(files[last].Data)
			}
			r, err := registry.Read(tree(files))
			if err == nil {
				t.Fatalf("no error; %d attributes were read", len(r.Definitions()))
			}
			got := err.Error() + "\n"
			if *update {
				archive.Files = append(files, txtar.File{Name: "errors", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("errors (-want +got):\n%s", d)
			}
		})
	}
}

func tree(files []txtar.File) fs.FS {
	fsys := fstest.MapFS{}
	for _, f := range files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return fsys
}

// FuzzRead reads any bytes as a registry: one file, or an archive of several.
// What is accepted keeps its promises: sorted, every use defined.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/*.bad.txtar", "testdata/first/*", "testdata/first/deeper/*", "testdata/second/*", "testdata/depends/*/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files := []txtar.File{{Name: "a.yaml", Data: text}}
		if parts := bytes.Split(text, []byte("\n-- ")); len(parts) > 1 { // an archive
			files = nil
			for _, part := range parts[1:] {
				name, data, _ := bytes.Cut(part, []byte(" --\n"))
				if fs.ValidPath(string(name)) && string(name) != "." {
					files = append(files, txtar.File{Name: string(name), Data: data})
				}
			}
		}
		r, err := registry.Read(tree(files))
		if (err == nil) != (r != nil) {
			t.Fatalf("a registry %v and an error %v", r, err)
		}
		if err != nil {
			return
		}
		last := ""
		for _, a := range r.Definitions() {
			if a.Name <= last && last != "" {
				t.Fatalf("%q stands after %q", a.Name, last)
			}
			last = a.Name
			if _, ok := r.Definition(a.Name); !ok || a.Stability == "" {
				t.Fatalf("%q is not whole: %+v", a.Name, a)
			}
		}
		for _, s := range r.Spans() {
			for _, u := range s.Attributes {
				if _, ok := r.Definition(u.Name); !ok || u.Level == "" {
					t.Fatalf("%s uses %q, which is not defined", s.ID, u.Name)
				}
			}
		}
		if len(r.Attributes()) != len(r.Definitions()) {
			t.Fatal("a charter would lose attributes")
		}
	})
}
