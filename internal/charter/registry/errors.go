package registry

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clew-dev/clew/internal/charter"
)

// maxErrors bounds what is reported of a folder that is not a registry at all.
const maxErrors = 100

// place is where something stands in a file.
type place struct {
	file      string
	line, col int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (p place) error(path, format string, args ...any) charter.Error {
	return charter.Error{File: p.file, Line: max(p.line, 1), Col: max(p.col, 1), Path: path, Message: fmt.Sprintf(format, args...)}
}

// sorted orders errors by their places and says how many were left out.
func sorted(errs charter.Errors) charter.Errors {
	slices.SortStableFunc(errs, func(a, b charter.Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
	errs = slices.Compact(errs)
	if len(errs) > maxErrors {
		last := errs[maxErrors-1]
		more := fmt.Sprintf("%d more errors follow; mend these first", len(errs)-maxErrors)
		errs = append(errs[:maxErrors:maxErrors], charter.Error{File: last.File, Line: last.Line, Col: last.Col, Message: more})
	}
	return errs
}

// nearest finds the word that a misspelled one was meant to be, or nothing. A word
// further away than a third of its letters is another word.
func nearest(word string, known []string) string {
	best, distance := "", min(len(word)/3, 4)+1
	for _, k := range known {
		if abs(len(k)-len(word)) >= distance || len(k) > 64 || len(word) > 64 {
			continue
		}
		if d := editDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	var before, row [65]int
	for j := range len(b) + 1 {
		before[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(before[j]+cost, before[j+1]+1, row[j]+1)
		}
		before = row
	}
	return before[len(b)]
}

func abs(n int) int { return max(n, -n) }
