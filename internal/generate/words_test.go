package generate_test

import (
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/clew-dev/clew/internal/generate"
	"github.com/google/go-cmp/cmp"
)

// What is written of attributes is a charter with the same attributes.
func TestWordsAreACharter(t *testing.T) {
	hardWords := func() (out []charter.Attribute) {
		c := parse(t, hard)
		for _, name := range c.Attributes() {
			if a, _ := c.Attribute(name); c.Owns(name) {
				out = append(out, a)
			}
		}
		return out
	}
	for name, words := range map[string][]charter.Attribute{"hard": hardWords(), "conventions": registry.Builtin().Attributes()} {
		text := generate.Words(words)
		c, err := charter.Parse("charter.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s: %.2000v", name, err)
		}
		for _, want := range words {
			got, _ := c.Attribute(want.Name)
			got.Source, got.Members, got.Examples = want.Source, want.Members, want.Examples // values that stand twice are written once
			if want.Stability == "deprecated" {
				want.Stability = ""
			}
			if want.Formerly == nil {
				got.Formerly = nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: (-want +got)\n%s", want.Name, d)
			}
		}
	}
	long := generate.Words([]charter.Attribute{{Name: "a", Type: charter.TypeString, Brief: strings.Repeat("ä", 4000)}})
	if _, err := charter.Parse("charter.yaml", []byte(long)); err != nil || !strings.Contains(long, "ä…") {
		t.Errorf("a long text is not cut: %v", err)
	}
}
