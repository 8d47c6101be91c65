package privacy_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/privacy"
)

// line is one of a corpus: whether there is something to find, the key ("-" for
// none), and the value, with what is to be found between « and ». A broken bar is
// left out of the value: without it, tools that look through repositories for
// secrets would take what is made up here for real.
type line struct {
	at    string
	yes   bool
	key   string
	value []byte
	want  [][2]int
}

func corpus(t testing.TB, d privacy.Detector) (out []line) {
	name := filepath.Join("testdata", string(d)+".txt")
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n, text := range strings.Split(strings.TrimSuffix(string(content), "\n"), "\n") {
		if text == "" || text[0] == '#' {
			continue
		}
		parts := strings.SplitN(text, " ", 3)
		if len(parts) != 3 || parts[0] != "yes" && parts[0] != "no" {
			t.Fatalf("%s:%d: %q is not: yes or no, a key, a value", name, n+1, text)
		}
		l := line{at: text, yes: parts[0] == "yes", key: strings.TrimPrefix(parts[1], "-")}
		rest := strings.ReplaceAll(parts[2], "¦", "")
		for {
			before, after, ok := strings.Cut(rest, "«")
			l.value = append(l.value, before...)
			if !ok {
				break
			}
			inner, after, ok := strings.Cut(after, "»")
			if !ok {
				t.Fatalf("%s:%d: « without »", name, n+1)
			}
			l.want = append(l.want, [2]int{len(l.value), len(l.value) + len(inner)})
			l.value = append(l.value, inner...)
			rest = after
		}
		if l.yes != (len(l.want) > 0) {
			t.Fatalf("%s:%d: yes needs a mark «…», no has none", name, n+1)
		}
		out = append(out, l)
	}
	return out
}

func scanner(t testing.TB, on ...privacy.Detector) *privacy.Scanner {
	s, err := privacy.New(on)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCorpus runs each detector alone over its file.
func TestCorpus(t *testing.T) {
	for _, d := range privacy.Detectors() {
		t.Run(string(d), func(t *testing.T) {
			s := scanner(t, d)
			yes, no := 0, 0
			for _, l := range corpus(t, d) {
				if l.yes {
					yes++
				} else {
					no++
				}
				var want []privacy.Match
				for _, r := range l.want {
					want = append(want, privacy.Match{Detector: d, Start: r[0], End: r[1]})
				}
				got := s.Find(nil, l.key, l.value)
				same := len(got) == len(want)
				for i := 0; same && i < len(got); i++ {
					same = got[i] == want[i]
				}
				if !same {
					t.Errorf("%s\ngot  %s\nwant %s", l.at, show(l.value, got), show(l.value, want))
				}
			}
			if yes < 4 || no < 4 {
				t.Errorf("%d lines with and %d without a finding; want four of each", yes, no)
			}
		})
	}
}

func show(value []byte, found []privacy.Match) string {
	if len(found) == 0 {
		return "nothing"
	}
	var b strings.Builder
	for _, m := range found {
		b.WriteString(string(m.Detector) + " " + string(value[m.Start:m.End]) + "; ")
	}
	return b.String()
}

// TestAllOn runs all detectors over all files: what one finds is at least covered,
// whichever of them claims it, and the mark is in the redacted text.
func TestAllOn(t *testing.T) {
	s := scanner(t, privacy.Detectors()...)
	for _, d := range privacy.Detectors() {
		for _, l := range corpus(t, d) {
			got := s.Find(nil, l.key, l.value)
			for _, r := range l.want {
				for i := r[0]; i < r[1]; i++ {
					covered := false
					for _, m := range got {
						covered = covered || m.Start <= i && i < m.End
					}
					if !covered {
						t.Errorf("%s\nbyte %d is not covered: %s", l.at, i, show(l.value, got))
						break
					}
				}
			}
			text, _ := s.Redact(nil, l.key, l.value)
			for _, r := range l.want {
				if bytes.Contains(text, l.value[r[0]:r[1]]) && r[1]-r[0] > 4 {
					t.Errorf("%s\nis left in %s", l.at, text)
				}
			}
			checkRedacted(t, s, l.key, l.value)
		}
	}
}
