package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTableCurrent compares the table with the Go module in the cache: whoever
// raises its version is told to write the table anew. It needs no network.
func TestTableCurrent(t *testing.T) {
	folder, version, err := module()
	if err != nil {
		t.Fatal(err)
	}
	g, err := readGo(filepath.Join(folder, "semconv"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../semconv.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := "go.opentelemetry.io/otel " + version + " (semconv " + g.versions[0] + " and older)"; !strings.Contains(string(text), want) {
		t.Errorf("the table was not written from %s; go generate it anew", want)
	}
	if len(text) > 250_000 {
		t.Errorf("the table has %d bytes, over 250,000", len(text))
	}
	rows, members, last := map[string][]string{}, map[string]map[string]bool{}, ""
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "\t") {
			value, _, _ := strings.Cut(line[1:], "\t")
			members[last][value] = true
			continue
		}
		last, _, _ = strings.Cut(line, "\t")
		members[last] = map[string]bool{}
		if line != "" && line[0] != '#' && line[0] != '\t' {
			columns := strings.Split(line, "\t")
			rows[columns[0]] = columns
		}
	}
	compared, values := 0, 0
	for name, a := range g.attributes {
		r := rows[name]
		if a.version != g.versions[0] {
			continue
		}
		if r == nil {
			t.Errorf("%s of %s is not in the table; go generate it anew", name, a.version)
			continue
		}
		compared++
		for _, m := range a.members {
			if !members[name][m.value] {
				t.Errorf("%s has no value %s in the table; %s has it", name, m.value, a.version)
			}
			values++
		}
		// A name that became stable since is stable in the table.
		if r[1] != a.typ || r[2] != a.stability && r[2] != "stable" && (len(r) < 5 || r[4] == "") {
			t.Errorf("%s is %s %s in the table and %s %s in %s", name, r[1], r[2], a.typ, a.stability, a.version)
		}
	}
	if compared < 600 || values < 300 {
		t.Errorf("only %d names and %d values of the Go package were found", compared, values)
	}
}

func TestDocument(t *testing.T) {
	d := document("* Deprecated, use `b` instead.\n*\n* @example 1\n* @example 2\n*\n* @note Two\n* lines.\n*\n* @deprecated Replaced by\n* `b`.\n")
	if want := (documentation{"Deprecated, use `b` instead.", "1", "Replaced by `b`."}); d != want {
		t.Errorf("got %+v, want %+v", d, want)
	}
}

func TestDeprecation(t *testing.T) {
	for sentence, want := range map[string]string{
		"":                                      "",
		"Replaced by `http.request.method`.":    "renamed:http.request.method",
		"Replaced by `a.b` and `c.d`.":          "uncategorized:Replaced by `a.b` and `c.d`.",
		"Use `user.roles` attribute instead.":   "uncategorized:Use `user.roles` attribute instead.",
		"Removed, no replacement at this time.": "obsoleted:Removed, no replacement at this time.",
	} {
		if got := deprecation(sentence); got != want {
			t.Errorf("%q: got %q, want %q", sentence, got, want)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	g := &goFacts{versions: []string{"v1.2.0"}, attributes: map[string]*goAttribute{
		"a.b": {name: "a.b", typ: "string", version: "v1.2.0"},
		"old": {name: "old", typ: "int", version: "v1.1.0"},
	}}
	n := &npmFacts{attributes: map[string]*npmAttribute{"c.d": {name: "c.d", deprecated: "Replaced by `e.f`."}}}
	for former, want := range map[string]string{
		"":                    "a.b of the Go package v1.2.0 is not in the npm package",
		"a.b c.d 1.0.0":       "c.d was renamed to e.f, which no source has",
		"a.b c.d":             "write OLD NEW VERSION",
		"never.was c.d 1.0.0": "gen/former.txt:1: never.was is in the npm package, or in no Go package",
	} {
		if _, err := combine(g, n, former); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", former, err, want)
		}
	}
}
