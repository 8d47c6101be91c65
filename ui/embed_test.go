package ui_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/clew-dev/clew/ui"
)

// Whatever the state of the checkout, the root has a page that can be shown: the
// built one with its script, or the plain one with the commands that build it.
func TestRootHasAPage(t *testing.T) {
	page, err := fs.ReadFile(ui.FS(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	want := "npm --prefix ui run build"
	if ui.Built() {
		want = `src="/assets/`
	}
	if !strings.Contains(string(page), want) {
		t.Errorf("index.html lacks %q (built: %v)", want, ui.Built())
	}
}

// The content policy forbids anything inline, so a page with an inline script or
// style would come up blank.
func TestPageHasNothingInline(t *testing.T) {
	page, err := fs.ReadFile(ui.FS(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"<script>", "<style", " style=", " onload=", "javascript:"} {
		if strings.Contains(string(page), tag) {
			t.Errorf("index.html contains %q", tag)
		}
	}
}

func TestBuiltFilesHaveCompressedTwins(t *testing.T) {
	if !ui.Built() {
		t.Skip("the page is not built in this checkout")
	}
	scripts := 0
	err := fs.WalkDir(ui.FS(), "assets", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".js") {
			return err
		}
		scripts++
		for _, ext := range []string{".gz", ".br"} {
			if _, err := fs.Stat(ui.FS(), path+ext); err != nil {
				t.Errorf("%s has no %s twin", path, ext)
			}
		}
		return nil
	})
	if err != nil || scripts == 0 {
		t.Fatalf("walked %d scripts: %v", scripts, err)
	}
}
