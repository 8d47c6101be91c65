package sanitise

import "strings"

// Limits of a summary.
const (
	maxSummary = 255 // bytes; a word that does not fit is left out whole
	maxWords   = 32
	maxFrames  = 32 // parentheses within each other; within more, nothing is looked at
)

// words follows the keywords of a statement and collects operations and tables. It
// is no parser: it knows after which words a table stands.
type words struct {
	summary    []byte
	count      int
	operation  string
	collection string
	tables     int // different ones, 2 for more
	expect     expect
	last       string // the last keyword, in upper case; a mark as itself
	frames     [maxFrames]frame
	depth      int
	started    bool // the statement has its first word
	created    bool // after CREATE, ALTER or DROP
}

// frame is one level of parentheses.
type frame struct {
	query bool // it holds an operation, so that its FROM names tables
	list  bool // after FROM, where a comma brings another table
}

type expect uint8

const (
	nothing expect = iota
	table          // of FROM and JOIN: a name with parentheses is a function
	target         // of INTO, UPDATE, TABLE and CALL
)

// other is a literal or a placeholder.
func (w *words) other() { w.expect, w.last = nothing, "?" }

func (w *words) frame() *frame { return &w.frames[min(w.depth, maxFrames-1)] }

// mark is a punctuation mark.
func (w *words) mark(c byte) {
	w.expect = nothing
	switch c {
	case '(':
		w.depth++
		*w.frame() = frame{}
		w.last = "("
	case ')':
		w.depth = max(0, w.depth-1)
		w.last = ")"
	case ';':
		w.depth, w.started, w.created = 0, false, false
		w.frames[0] = frame{}
		w.last = ";"
	case ',':
		if w.frame().list {
			w.expect = table
		}
		w.last = ","
	default:
		w.last = "?"
	}
}

// word is a keyword or a name. Plain says that it has neither quotes nor dots,
// called that a parenthesis follows at once.
func (w *words) word(text string, plain, called bool) {
	keyword := ""
	if plain && len(text) <= 16 {
		keyword = upper(text)
	}
	before := w.last
	w.last = keyword
	expected := w.expect
	if expected != nothing {
		switch keyword {
		case "ONLY", "LATERAL", "IF", "NOT", "EXISTS", "CONCURRENTLY", "TABLE", "INTO", "IGNORE", "FROM":
			return // It may stand between; the table is still to come.
		case "SELECT", "SET", "WHERE", "VALUES":
		default:
			w.expect = nothing
			if expected == target || !called {
				w.table(text)
			}
			return
		}
	}
	w.expect = nothing
	f := w.frame()
	if !w.started {
		w.started = true
		if keyword != "WITH" {
			w.begin(keyword)
		}
		return
	}
	switch keyword {
	case "SELECT":
		w.begin(keyword)
	case "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE":
		if before == "(" || before == ")" {
			w.begin(keyword)
		}
	case "FROM":
		if f.query && before != "DISTINCT" {
			f.list, w.expect = true, table
		}
	case "JOIN":
		f.list, w.expect = false, table
	case "INTO":
		w.expect = target
	case "USING":
		f.list, w.expect = false, table
	case "WHERE", "GROUP", "ORDER", "LIMIT", "ON", "SET", "HAVING", "UNION", "WINDOW", "RETURNING", "VALUES", "EXCEPT", "INTERSECT", "FOR":
		f.list = false
	case "TABLE", "INDEX", "VIEW", "SCHEMA", "DATABASE", "FUNCTION", "PROCEDURE", "TRIGGER", "SEQUENCE", "TYPE", "USER", "ROLE", "EXTENSION":
		if w.created {
			w.created = false
			w.add(keyword)
			w.expect = target
		}
	}
}

// begin enters an operation.
func (w *words) begin(keyword string) {
	if keyword == "" {
		return // A name where an operation should stand is none.
	}
	*w.frame() = frame{query: true}
	if w.operation == "" {
		w.operation = keyword
	}
	w.add(keyword)
	switch keyword {
	case "UPDATE", "TRUNCATE", "CALL", "EXEC", "EXECUTE":
		w.expect = target
	case "CREATE", "ALTER", "DROP":
		w.created = true
	}
}

var unquote = strings.NewReplacer(`"`, "", "`", "", "[", "", "]", "")

// table enters a table by its name without quotes.
func (w *words) table(text string) {
	if !strings.ContainsAny(text, " \t\r\n") {
		text = unquote.Replace(text)
	}
	if text == "" {
		return
	}
	switch {
	case w.tables == 0:
		w.collection, w.tables = text, 1
	case w.tables == 1 && w.collection != text:
		w.collection, w.tables = "", 2
	}
	w.add(text)
}

func (w *words) add(word string) {
	if w.count == maxWords || len(w.summary)+1+len(word) > maxSummary {
		w.count = maxWords // What follows would read as if it stood here.
		return
	}
	if w.count > 0 {
		w.summary = append(w.summary, ' ')
	}
	w.summary = append(w.summary, word...)
	w.count++
}

// upper maps ASCII letters only, so that both kits agree on every text.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - ('a' - 'A')
		}
	}
	return string(b)
}
