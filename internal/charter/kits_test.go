package charter_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
)

func TestParseShare(t *testing.T) {
	for text, want := range map[string]string{
		"1/10": "1/10", "10%": "1/10", "0.1": "1/10", "1": "1", "0": "0", "100%": "1", "0.5%": "1/200", "3/3": "1", "0/7": "0", "1/72057594037927936": "1/72057594037927936",
		"": "is not a share", "-1": "is not a share", "1e-3": "is not a share", "0x1": "is not a share", "1/": "is not a share", ".5": "is not a share", "1 %": "is not a share",
		"1/0": "has no value", "3/2": "is over 1", "100.1%": "is over 1", "1/72057594037927937": "is under 2^-56", "1/99999999999999999999": "is not a share",
	} {
		got, why := charter.ParseShare(text)
		exact, isShare := new(big.Rat).SetString(want)
		if isShare && (why != "" || got.Cmp(exact) != 0) || !isShare && !strings.HasPrefix(why, want) {
			t.Errorf("%q: %v %q, want %s", text, got, why, want)
		}
	}
}

// What kits do follows from the attributes, by all their names; what needs the
// gateway stays there.
func TestKitRedactions(t *testing.T) {
	c, err := charter.Parse("c", []byte(`charter: 1
attributes:
  a.drop: { type: string, on_ingest: drop, formerly: [old, odd*] }
  a.mask: { type: "template[string]", on_ingest: mask }
  a.cut: { type: string, on_ingest: { truncate: 7 } }
  a.hash: { type: string, on_ingest: hash }
  a.ip: { type: string, on_ingest: truncate_ip }
  a.text: { type: string, on_ingest: { replace: x } }
  a.keep: { type: string, on_ingest: keep, personal: secret }
  a.secret: { type: string, personal: secret }
  a.plain: { type: string, personal: direct }
`))
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range c.KitRedactions() {
		got += fmt.Sprintf("%s %v %s %d\n", r.Key, r.Family, r.Action.Kind, r.Action.Length)
	}
	if want := "a.cut false truncate 7\na.drop false drop 0\na.mask true mask 0\na.secret false mask 0\nold false drop 0\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if n := len(c.Redactions()); n != 9 {
		t.Errorf("%d redactions in all", n)
	}
}

// Every bound on what a kit is told has two sides.
func TestKitBounds(t *testing.T) {
	list := func(n int, one string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(one, i)
		}
		return strings.Join(parts, ", ")
	}
	for _, test := range []struct {
		text, one string
		most      int
	}{
		{"kits: { sampling: { rules: [%s] } }", "{ match: { route: /%d }, ratio: 1 }", 40},
		{"kits: { propagate_to: [%s] }", "host-%d", 256},
		{"attributes: { }\nkits: { baggage_keys: [%s] }", "k%d", 64},
		{"attributes: { %s }", `"a%07d": { type: string, on_ingest: drop }`, 160 << 10 / 58},
	} {
		for n, ok := range map[int]bool{test.most: true, test.most + 1: false} {
			c, err := charter.Parse("c", []byte("charter: 1\n"+fmt.Sprintf(test.text, list(n, test.one))+"\n"))
			if err == nil && strings.HasPrefix(test.text, "attributes: { %s") {
				err = c.WithVocabulary(nil).Check()
			}
			if (err == nil) != ok {
				t.Errorf("%s with %d: %.200v", test.text, n, err)
			}
		}
	}
}
