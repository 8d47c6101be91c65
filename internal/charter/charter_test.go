package charter_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/charter"
)

var update = flag.Bool("update", false, "write the expected files anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func fixture(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGoodFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.good.yaml")
	if len(files) == 0 {
		t.Fatal("no corpus")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			c, err := charter.Load(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(f, ".yaml")+".txt", c.Effective())
			again, err := charter.Parse("effective", []byte(c.Effective()))
			if err != nil {
				t.Fatalf("the effective charter does not check: %v", err)
			}
			if diff := cmp.Diff(c.Effective(), again.Effective()); diff != "" {
				t.Errorf("effective text is not stable:\n%s", diff)
			}
		})
	}
}

func TestBadFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.bad.yaml")
	if len(files) == 0 {
		t.Fatal("no corpus")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			c, err := charter.Parse("charter.yaml", text)
			if strings.HasPrefix(filepath.Base(f), "vocabulary.") {
				if err != nil {
					t.Fatal(err)
				}
				c, err = nil, c.WithVocabulary(imported).Check()
			}
			if err == nil || c != nil {
				t.Fatalf("accepted: %v", c)
			}
			golden(t, strings.TrimSuffix(f, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func TestDefaultIsTheEmptyCharter(t *testing.T) {
	c, err := charter.Parse("charter.yaml", []byte("charter: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(charter.Default().Effective(), c.Effective()); diff != "" {
		t.Error(diff)
	}
}

func TestRetentionOf(t *testing.T) {
	c, err := charter.Load("testdata/full.good.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]charter.TenantRetention{}
	for _, tenant := range []string{"team-a", "team_b", "other"} {
		got[tenant] = c.RetentionOf(tenant)
	}
	want := map[string]charter.TenantRetention{
		"team-a": {Age: 24 * time.Hour, Disk: 5 << 30},
		"team_b": {Age: 72 * time.Hour, Disk: 1 << 30},
		"other":  {Age: 72 * time.Hour},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSizeLimitBothSides(t *testing.T) {
	fill := func(n int) []byte {
		s := "charter: 1\n# "
		return []byte(s + strings.Repeat("x", n-len(s)))
	}
	if err := charter.Validate("c", fill(charter.MaxBytes)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := charter.Validate("c", fill(charter.MaxBytes+1)); err == nil || !strings.Contains(err.Error(), "1048577 bytes") {
		t.Errorf("over the limit: %v", err)
	}
}

func TestManyErrorsAreBounded(t *testing.T) {
	text := "charter: 1\n" + strings.Repeat("x: 1\n", 5000)
	err := charter.Validate("c", []byte(text))
	var errs charter.Errors
	if !errors.As(err, &errs) || len(errs) != 101 || !strings.Contains(errs[100].Message, "4900 more errors") {
		t.Fatalf("got %d errors", len(errs))
	}
}

// A file with more mistakes than are kept says how many there are all the same.
func TestMoreErrorsThanAreKeptAreCounted(t *testing.T) {
	err := charter.Validate("c", []byte("charter: 1\n"+strings.Repeat("x: 1\n", 20_000)))
	var errs charter.Errors
	if !errors.As(err, &errs) || len(errs) != 101 || !strings.Contains(errs[100].Message, "19900 more errors") {
		t.Fatalf("got %d errors, the last %v", len(errs), errs[len(errs)-1])
	}
}

// write replaces the file and gives it a time of its own, since two writes may
// fall into one tick of the file system's clock.
func write(t *testing.T, path, text string, n int) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000+int64(n), 0)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherSwapsOrKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "charter.yaml")
	write(t, path, "charter: 1\norganisation: one\n", 0)
	w, err := charter.Watch(path, charter.WatchOptions{Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan *charter.Charter, 10)
	w.OnChange(func(c *charter.Charter) error { changed <- c; return nil })
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	hup := make(chan os.Signal, 1)
	go func() { w.Run(ctx, hup); close(done) }()
	defer func() { stop(); <-done }()

	write(t, path, "charter: 1\norganisation: two\n", 1)
	if c := <-changed; c.Organisation() != "two" || w.LastError() != nil || w.Current() != c { // LastError waits until it is in force
		t.Errorf("got %q", c.Organisation())
	}

	write(t, path, "charter: 1\norganisatoin: three\n", 2)
	if err := w.Reload(); err == nil || !strings.Contains(err.Error(), "did you mean organisation?") {
		t.Errorf("a bad file gave %v", err)
	}
	if w.Current().Organisation() != "two" {
		t.Error("a bad file changed the charter")
	}
	if w.LastError() == nil {
		t.Error("the reason was not kept")
	}

	write(t, path, "charter: 1\norganisation: four\n", 3)
	hup <- os.Interrupt
	if c := <-changed; c.Organisation() != "four" {
		t.Errorf("got %q", c.Organisation())
	}
	if err := w.LastError(); err != nil {
		t.Errorf("the reason stayed: %v", err)
	}
}

// A charter that whoever uses it cannot use does not come into force either.
func TestWatcherKeepsWhatCannotBeApplied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "charter.yaml")
	write(t, path, "charter: 1\norganisation: one\n", 0)
	w, err := charter.Watch(path, charter.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.OnChange(func(c *charter.Charter) error {
		if c.Organisation() == "two" {
			return errors.New("no room")
		}
		return nil
	})
	write(t, path, "charter: 1\norganisation: two\n", 1)
	if err := w.Reload(); err == nil || w.LastError() == nil || w.Current().Organisation() != "one" {
		t.Errorf("%v, %v, in force %s", err, w.LastError(), w.Current().Organisation())
	}
	write(t, path, "charter: 1\norganisation: three\n", 2)
	if err := w.Reload(); err != nil || w.LastError() != nil || w.Current().Organisation() != "three" {
		t.Errorf("%v, %v, in force %s", err, w.LastError(), w.Current().Organisation())
	}
}

func TestWatchRefusesABadFirstFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "charter.yaml")
	if _, err := charter.Watch(path, charter.WatchOptions{}); err == nil {
		t.Error("a missing file was accepted")
	}
	write(t, path, "charter: 9\n", 0)
	if _, err := charter.Watch(path, charter.WatchOptions{}); err == nil || !strings.HasPrefix(err.Error(), "charter.yaml:1:10: charter:") {
		t.Errorf("got %v", err)
	}
	w, err := charter.Watch("", charter.WatchOptions{})
	if err != nil || w.Current().Organisation() != "default" || w.Reload() != nil {
		t.Errorf("without a file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, name := range files {
		f.Add([]byte(fixture(f, name)))
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("charter: 1\ntenants: {? {a: b} : c}\n"))
	f.Add([]byte("charter: 1\norganisation: \"\\x7f\\ufffe\\u2028\\U0001f600\\0\"\n"))
	f.Add([]byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := charter.Parse("c.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "c.yaml:") {
				t.Errorf("error without its place: %v", err)
			}
			return
		}
		for _, again := range []string{c.Effective(), string(c.EffectiveJSON())} {
			other, err := charter.Parse("c.yaml", []byte(again))
			if err != nil || other.Effective() != c.Effective() || other.Version() != c.Version() {
				t.Fatalf("effective charter: %v\n%s", err, again)
			}
			if changes := charter.Diff(c, other); len(changes) > 0 {
				t.Errorf("differs from itself: %v", changes)
			}
		}
		with := c.WithVocabulary(imported)
		if err := with.Check(); err != nil && !strings.HasPrefix(err.Error(), "c.yaml:") {
			t.Errorf("error without its place: %v", err)
		}
		for _, name := range with.Attributes() {
			if to, former := with.Canonical(name); former == (to == name) {
				t.Errorf("%q leads to %q, former %v", name, to, former)
			}
		}
	})
}

// What a folder holds is foreign as well: names of files and what they include.
func FuzzLoadFS(f *testing.F) {
	files, _ := filepath.Glob("testdata/folders/*.txt")
	for _, name := range files {
		text, _, _ := strings.Cut(fixture(f, name), "\n----\n")
		load, rest, _ := strings.Cut(text, "\n")
		f.Add(strings.TrimPrefix(load, "load "), rest)
	}
	f.Fuzz(func(t *testing.T, load, text string) {
		files := folder(text)
		a, err := charter.LoadFS(files, load, nil)
		b, again := charter.LoadFS(files, load, nil)
		if fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatalf("the same files, another answer:\n%v\n%v", err, again)
		}
		if err == nil && a.Effective() != b.Effective() {
			t.Error("the same files, another charter")
		}
	})
}
