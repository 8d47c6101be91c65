package charter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in a charter.
type Error struct {
	File      string
	Line, Col int    // from 1
	Path      string // such as retention.default; empty for the file as a whole
	Message   string // what was found and the mend
}

func (e Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Col, e.Path, e.Message)
}

// Errors are all errors of a charter in the order of their places, at most 100.
type Errors []Error

// maxErrors bounds what is reported of a file that is not a charter at all.
const maxErrors = 100

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col) })
	if len(e) > maxErrors {
		more := len(e) - maxErrors
		e = append(e[:maxErrors:maxErrors], Error{File: e[0].File, Line: e[maxErrors-1].Line, Col: e[maxErrors-1].Col,
			Message: fmt.Sprintf("%d more errors follow; mend these first", more)})
	}
	return e
}
