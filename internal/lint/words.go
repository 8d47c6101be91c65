package lint

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// wordRule is a pattern that no line of some files may match.
type wordRule struct {
	files   *regexp.Regexp // by path
	except  *regexp.Regexp // by path; nil: none
	pattern *regexp.Regexp
	unless  *regexp.Regexp // a line that matches this too is right; nil: none
	what    string
}

// The patterns are put together from parts, so that this file does not match itself.
var (
	code  = regexp.MustCompile(`\.(go|rs|ts|tsx|mjs|css|proto)$`)
	prose = regexp.MustCompile(`\.(go|rs|ts|tsx|mjs|css|proto|md|yaml|yml|toml|json|html|sh|txt|txtar|mod|sum|lock)$|(^|/)(Makefile|run|\.npmrc|\.gitignore)$`)
	locks = regexp.MustCompile(`(^|/)(package-lock\.json|\.npmrc|go\.mod|go\.sum|Cargo\.toml|config\.toml)$`)

	wordRules = []wordRule{
		{files: code, pattern: regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), unless: regexp.MustCompile(`\(#\d+\)`),
			what: "an unfinished mark without an issue; write it as (#12), or finish it"},
		{files: code, pattern: regexp.MustCompile(`\b(un` + `implemented!|to` + `do!)\(`), what: "an unfinished branch; return an error that says what is not supported"},
		{files: regexp.MustCompile(`\.go$`), pattern: regexp.MustCompile(`\.(Skip` + `|Skipf)\(\s*(""\s*)?\)|\.Skip` + `Now\(`), what: "a skip without a reason; write t.Skip with a sentence that a stranger accepts"},
		{files: regexp.MustCompile(`\.rs$`), pattern: regexp.MustCompile(`#\[ign` + `ore\]`), what: "an ignored test without a reason; write #[ign" + `ore = "…"]`},
		{files: regexp.MustCompile(`\.(ts|tsx|mjs)$`), pattern: regexp.MustCompile(`\b(describe|it|test)\.(only|skip|to` + `do)\(`), what: "a test that is left out or runs alone; run them all"},
		{files: prose, pattern: regexp.MustCompile(`(^|[^A-Za-z0-9_./-])/(wo` + `rk|ho` + `me|ro` + `ot|Us` + `ers)/[a-z]`), what: "a path of one workplace; write it relative to the repository"},
		{files: prose, pattern: regexp.MustCompile(`(^|[^A-Za-z0-9_./-])/t` + `mp/[a-z]`), except: regexp.MustCompile(`_test\.go$|/testdata/`), what: "a path in the machine's temporary folder; use t.TempDir or mktemp"},
		{files: locks, pattern: regexp.MustCompile(`https?://[a-z0-9.-]*(registry|proxy|npmjs|mirror)|"resolved":`), what: "the host of a registry; set omit-lockfile-registry-resolved in ui/.npmrc and write the lock file anew"},
	}
)

// Words checks lines of text against patterns.
func Words(tree fs.FS) ([]Finding, error) {
	var out []Finding
	suffixes := []string{".go", ".rs", ".ts", ".tsx", ".mjs", ".css", ".proto", ".md", ".yaml", ".yml", ".toml", ".json", ".html", ".sh",
		".txt", ".txtar", ".mod", ".sum", ".lock", "Makefile", "run", ".npmrc", ".gitignore"}
	err := walk(tree, suffixes, func(name string, content []byte) {
		for _, r := range wordRules {
			if !r.files.MatchString(name) || (r.except != nil && r.except.MatchString(name)) {
				continue
			}
			sc := bufio.NewScanner(bytes.NewReader(content))
			sc.Buffer(nil, 16<<20)
			for n := 1; sc.Scan(); n++ {
				line := sc.Bytes()
				if r.pattern.Match(line) && (r.unless == nil || !r.unless.Match(line)) {
					out = append(out, finding(name+":"+strconv.Itoa(n), "%s", r.what))
				}
			}
		}
	})
	return out, err
}

// Documents checks the length of the documents that have a bound.
func Documents(tree fs.FS) ([]Finding, error) {
	var out []Finding
	err := walk(tree, []string{".md"}, func(name string, content []byte) {
		most := map[string]int{"README.md": 150, "ARCHITECTURE.md": 250}[name]
		if strings.HasPrefix(name, "docs/adr/") {
			most = 80
			if !adrName.MatchString(path.Base(name)) {
				out = append(out, finding(name, "the name of a decision is NNN-slug.md"))
			}
		}
		if n := bytes.Count(content, []byte("\n")); most > 0 && n > most {
			out = append(out, finding(name, "has %d lines, over %d; a reader in a hurry stops before: move details to docs", n, most))
		}
	})
	return out, err
}

var adrName = regexp.MustCompile(`^\d{3}-[a-z0-9-]+\.md$`)
