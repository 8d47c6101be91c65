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

// maxKept bounds what is held of errors while a charter is read: a large file can
// have one every few bytes. The rest is counted.
const maxKept = 100 * maxErrors

// mistakes collects errors.
type mistakes struct {
	errs Errors
	more int // that were not kept
}

func (m *mistakes) fail(at place, path, format string, args ...any) {
	if len(m.errs) == maxKept {
		m.more++
		return
	}
	m.errs = append(m.errs, Error{at.file, max(at.line, 1), max(at.col, 1), path, fmt.Sprintf(format, args...)})
}

// join adds what was found elsewhere.
func (m *mistakes) join(o mistakes) {
	fits := min(maxKept-len(m.errs), len(o.errs))
	m.errs = append(m.errs, o.errs[:fits]...)
	m.more += len(o.errs) - fits + o.more
}

func (m *mistakes) count() int { return len(m.errs) + m.more }

// err gives all of them in the order of their places, or nil.
func (m *mistakes) err() error {
	if len(m.errs) == 0 {
		return nil
	}
	e := m.errs
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col) })
	if m.count() > maxErrors {
		last := e[min(maxErrors, len(e))-1]
		more := Error{File: last.File, Line: last.Line, Col: last.Col, Message: fmt.Sprintf("%d more errors follow; mend these first", m.count()-maxErrors)}
		e = append(e[:maxErrors:maxErrors], more)
	}
	return e
}
