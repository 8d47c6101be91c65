package charter_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/charter"
)

var (
	rangeText = regexp.MustCompile(`^(\S+) to (\S+)`)
	sizes     = map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	sizeText  = regexp.MustCompile(`^(\d+)([KMGT]?i?B)$`)
)

// at writes a charter that says value at a key, and what else it needs to check.
func at(path, value string) string {
	beside := map[string]string{
		"limits.request_bytes":                  "inflight_bytes: 64GiB",
		"limits.inflight_bytes":                 "request_bytes: 64KiB",
		"attributes.NAME.deprecated.renamed_to": "reason: renamed",
		"attributes.NAME.deprecated.note":       "reason: obsoleted",
		"attributes.NAME.members.NAME":          "other: x",
		"spans.NAME.brief":                      "service: s, match: { name: x }",
	}[path]
	if before, key, ok := strings.Cut(path, ".rules."); ok && strings.HasPrefix(before, "kits.") {
		beside = "match: { name: x }, ratio: 1"
		if strings.HasPrefix(key, "match.") {
			beside = ""
		}
	}
	head, tail := "", ""
	rest := path
	for rest != "" {
		key := rest
		if !strings.HasPrefix(rest, "http.") && !strings.HasPrefix(rest, "rpc.") {
			key, rest, _ = strings.Cut(rest, ".")
		} else {
			rest = ""
		}
		if key == "NAME" {
			key = "x"
		}
		if rest == "" && beside != "" {
			head += beside + ", "
		}
		if key == "match" && strings.HasPrefix(path, "kits.") {
			head += "ratio: 1, "
		} else if key == "match" {
			head += "service: s, "
		}
		head += key + ": { "
		tail += " }"
	}
	head = strings.TrimSuffix(head, "{ ")
	text := "charter: 1\nservices: { s: {}, x: {} }\n" + head + value + tail[2:] + "\n"
	if path == "tenants.NAME.disk" {
		text += "retention: { disk: 1024TiB }\n"
	}
	if strings.Contains(path, ".members.") {
		text = strings.Replace(text, "members:", "type: enum, members:", 1)
	}
	return text
}

// Every bound that the language names is tested on both sides: the least and the
// most that pass, and one less and one more.
func TestEveryBoundHasTwoSides(t *testing.T) {
	tested := 0
	for _, k := range charter.Keys() {
		m := rangeText.FindStringSubmatch(k.Bounds)
		if m == nil {
			if k.Bounds != "" && !strings.HasSuffix(k.Path, ".ratio") { // TestParseShare
				t.Errorf("%s: bounds %q are not understood", k.Path, k.Bounds)
			}
			continue
		}
		var least, most int64
		write := func(n int64) string { return strconv.FormatInt(n, 10) }
		switch k.Kind {
		case "duration":
			a, _ := time.ParseDuration(m[1])
			b, _ := time.ParseDuration(m[2])
			least, most = a.Milliseconds(), b.Milliseconds()
			write = func(n int64) string { return fmt.Sprintf("%dms", n) }
		case "size":
			read := func(s string) int64 {
				p := sizeText.FindStringSubmatch(s)
				n, _ := strconv.ParseInt(p[1], 10, 64)
				return n * sizes[p[2]]
			}
			least, most = read(m[1]), read(m[2])
			write = func(n int64) string { return fmt.Sprintf("%dB", n) }
		default:
			least, _ = strconv.ParseInt(m[1], 10, 64)
			most, _ = strconv.ParseInt(m[2], 10, 64)
			if k.Kind != "whole number" {
				write = func(n int64) string { return `"` + strings.Repeat("a", int(max(n, 0))) + `"` }
			}
		}
		if most <= least {
			t.Fatalf("%s: bounds %q", k.Path, k.Bounds)
		}
		for _, test := range []struct {
			n  int64
			ok bool
		}{{least, true}, {most, true}, {least - 1, false}, {most + 1, false}} {
			if test.n < 0 {
				continue // a text has no less than nothing
			}
			_, err := charter.Parse("c", []byte(list(k, at(k.Path, write(test.n)))))
			if (err == nil) != test.ok {
				t.Errorf("%s at %d: %v\n%.300s", k.Path, test.n, err, at(k.Path, write(min(test.n, 50))))
			}
			tested++
		}
	}
	if tested < 100 {
		t.Errorf("only %d bounds were tested", tested)
	}
}

// list puts the value of an import into a list, where it stands.
func list(k charter.Key, text string) string {
	if before, after, ok := strings.Cut(text, "rules: {"); ok && strings.HasPrefix(k.Path, "kits.") {
		rule, end := "", 0
		for depth := 1; depth > 0; end++ {
			depth += strings.Count(after[end:end+1], "{") - strings.Count(after[end:end+1], "}")
		}
		rule, after = after[:end], after[end:]
		return before + "rules: [{" + rule + "]" + after
	}
	if before, after, ok := strings.Cut(text, "import: {"); ok {
		return before + "import: [{" + strings.TrimSuffix(after, "\n") + "]\n"
	}
	return text
}

// The names that a charter chooses have a length as well.
func TestNamesHaveTwoSides(t *testing.T) {
	cases := []struct {
		text string
		most int
	}{
		{"teams: { %s: {} }", 100},
		{"services: { %s: {} }", 100},
		{"attributes: { %s: { type: string } }", 200},
		{"attributes: { a: { type: enum, members: { %s: x } } }", 200},
		{"attributes: { x: { type: string, formerly: [%s] } }", 200},
		{"services: { s: {} }\nspans: { %s: { service: s, match: { name: x } } }", 100},
		{"services: { s: { journeys: [%s] } }", 100},
		{"environments: [%s]", 100},
		{"tenants: { %s: {} }", 64},
		{"services: { s: {} }\nspans: { a: { service: s, match: { name: x }, requires: [%s] } }", 200},
		{"services: { s: {} }\nspans: { a: { service: s, match: { name: x }, errors: { business: [%s] } } }", 200},
		{"attributes: { a: { type: string, examples: [%s] } }", 1000},
	}
	for _, test := range cases {
		for n, ok := range map[int]bool{0: test.most == 1000, 1: true, test.most: true, test.most + 1: false} {
			name := `"` + strings.Repeat("n", n) + `"`
			_, err := charter.Parse("c", []byte("charter: 1\n"+fmt.Sprintf(test.text, name)+"\n"))
			if (err == nil) != ok {
				t.Errorf("%s with %d bytes: %v", test.text, n, err)
			}
		}
	}
}
