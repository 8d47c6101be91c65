package lint

import (
	"bytes"
	"io/fs"
	"slices"
)

// Budgets are the bounds on lines a file, over files that people write.
const (
	MedianLines = 200
	TenthLines  = 500 // nine files in ten are no longer
	MostLines   = 800
)

var sources = []string{".go", ".rs", ".ts", ".tsx", ".mjs", ".css", ".yaml"}

// Budgets checks the length of source files, tests included.
func Budgets(tree fs.FS) ([]Finding, error) {
	var out []Finding
	var lengths []int
	err := walk(tree, sources, func(name string, content []byte) {
		if generated(name, content) {
			return
		}
		n := bytes.Count(content, []byte("\n"))
		lengths = append(lengths, n)
		if n > MostLines {
			out = append(out, finding(name, "has %d lines, over %d; split it by subject, one file an operator", n, MostLines))
		}
	})
	if err != nil || len(lengths) == 0 {
		return out, err
	}
	slices.Sort(lengths)
	if m := lengths[(len(lengths)-1)/2]; m > MedianLines {
		out = append(out, finding(".", "the median file has %d lines, over %d; split the longest by subject", m, MedianLines))
	}
	if p := lengths[(len(lengths)-1)*9/10]; p > TenthLines {
		out = append(out, finding(".", "one file in ten is over %d lines (%d); split the longest by subject", TenthLines, p))
	}
	return out, nil
}
