package store_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	breakAll  = flag.Bool("breaks", false, "run the tests that must fail for each break")
	breakOnly = flag.String("break", "", "break only what has this in its name")
)

// broken is a mechanism of durability, how to break it, and which tests see that.
type broken struct {
	name, pkg, run string
	edits          []breakEdit
}

type breakEdit struct{ file, old, new string }

// Whoever breaks one of the mechanisms that keep what is acknowledged hears of it
// from a test: for each there is a break in testdata/breaks.txt and the test that
// fails with it. With -breaks each is made, by an overlay, so that no file
// changes, and the test must fail. Without it the list is held against the code and
// against docs/durability.md, which has every mechanism and its test.
func TestBreaks(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "durability.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := readBreaks(t)
	for _, b := range all {
		overlay := b.apply(t, root)
		if row := fmt.Sprintf("| %s | `%s -run %s` |", b.name, b.pkg, b.run); !strings.Contains(string(doc), row) {
			t.Errorf("docs/durability.md lacks the row\n%s", row)
		}
		if *breakAll && overlay != "" && strings.Contains(b.name, *breakOnly) {
			t.Run(b.name, func(t *testing.T) { b.prove(t, root, overlay) })
		}
	}
	if len(all) < 40 {
		t.Errorf("%d breaks: the list is cut", len(all))
	}
}

// readBreaks reads the list; its head says how it is written.
func readBreaks(t *testing.T) (all []broken) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "breaks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n== ")[1:] {
		head, rest, _ := strings.Cut(block, "\n-- ")
		name, proof, _ := strings.Cut(head, "\n@@ ")
		pkg, run, ok := strings.Cut(strings.TrimSpace(proof), " ")
		b := broken{name: name, pkg: pkg, run: run}
		for _, e := range strings.Split(rest, "\n-- ") {
			file, body, _ := strings.Cut(e, "\n")
			parts := strings.Split(body, "\n----")
			if len(parts) != 3 {
				t.Fatalf("testdata/breaks.txt: an edit of %s in block %q cannot be read", file, name)
			}
			b.edits = append(b.edits, breakEdit{file, parts[0], strings.TrimPrefix(parts[1], "\n")})
		}
		if !ok {
			t.Fatalf("testdata/breaks.txt: block %q cannot be read", name)
		}
		all = append(all, b)
	}
	return all
}

// apply writes the broken files and an overlay for the go command that puts them
// in place of the sound ones, and gives its name, or nothing when an edit has no place.
func (b broken) apply(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	changed := map[string]string{}
	for _, e := range b.edits {
		path := filepath.Join(root, e.file)
		if changed[path] == "" {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed[path] = string(text)
		}
		if n := strings.Count(changed[path], e.old); n != 1 {
			t.Errorf("break %q: its text is %d times in %s and not once: write the break anew for what is there now:\n%s", b.name, n, e.file, e.old)
			return ""
		}
		changed[path] = strings.Replace(changed[path], e.old, e.new, 1)
	}
	replace := map[string]string{}
	for path, text := range changed {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// prove wants one of the tests to fail, and to fail by itself, not by not being built.
func (b broken) prove(t *testing.T, root, overlay string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-failfast", "-short", "-p", "1", "-tags", "duckdb_arrow,invariants",
		"-overlay", overlay, b.pkg, "-run", "^("+b.run+")$")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	failed := failedTest.FindSubmatch(out)
	if err == nil || failed == nil {
		t.Fatalf("no test fails without it: %v\n%s", err, out[max(0, len(out)-2000):])
	}
	t.Logf("%s fails after %.0f s", failed[1], time.Since(began).Seconds())
}
