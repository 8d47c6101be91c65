package query

import (
	"fmt"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/telemetry"
)

// fail builds the error of a place in the text: `query:line:column: what and the
// mend`. Lines and columns count from 1; columns count characters, as editors do.
func fail(text string, pos int, format string, args ...any) error {
	line, col := place(text, pos)
	return telemetry.Errorf(telemetry.KindInvalid, "query:%d:%d: %s", line, col, fmt.Sprintf(format, args...))
}

func place(text string, pos int) (line, col int) {
	line, col = 1, 1
	for i := 0; i < pos && i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		if r == '\n' {
			line, col = line+1, 1
		} else {
			col++
		}
	}
	return line, col
}

// clip shortens a piece of the query for an error message.
func clip(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
