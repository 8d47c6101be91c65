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
	last       last
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

// last is what the next keyword has to know of what stands before it.
type last uint8

const (
	anything last = iota
	parenthesis
	distinct
)

// other is a literal or a placeholder.
func (w *words) other() { w.expect, w.last = nothing, anything }

func (w *words) frame() *frame { return &w.frames[min(w.depth, maxFrames-1)] }

// mark is a punctuation mark.
func (w *words) mark(c byte) {
	w.other()
	switch c {
	case '(':
		w.depth++
		*w.frame() = frame{}
		w.last = parenthesis
	case ')':
		w.depth = max(0, w.depth-1)
		w.last = parenthesis
	case ';':
		w.depth, w.started, w.created = 0, false, false
		w.frames[0] = frame{}
	case ',':
		if w.frame().list {
			w.expect = table
		}
	}
}

// word is a keyword or a name. Plain says that it has neither quotes nor dots,
// called that a parenthesis follows at once.
func (w *words) word(text string, plain, called bool) {
	var letters [16]byte
	keyword := letters[:0]
	if plain && len(text) <= len(letters) {
		keyword = appendUpper(keyword, text)
	}
	before := w.last
	w.last = anything
	if string(keyword) == "DISTINCT" {
		w.last = distinct
	}
	expected := w.expect
	if expected != nothing {
		switch string(keyword) {
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
		if string(keyword) != "WITH" {
			w.begin(string(keyword))
		}
		return
	}
	switch string(keyword) {
	case "SELECT":
		w.begin("SELECT")
	case "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE":
		if before == parenthesis {
			w.begin(string(keyword))
		}
	case "FROM":
		if f.query && before != distinct {
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
			w.add(string(keyword))
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
	if strings.ContainsAny(text, "\"`[]") && !strings.ContainsAny(text, " \t\r\n") {
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

// appendUpper maps ASCII letters only, so that both kits agree on every text.
func appendUpper(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}
