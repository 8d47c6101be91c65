package sanitise

import (
	"strings"
	"unicode/utf8"
)

// Limits of statements, in bytes.
const (
	maxStatement = 4096  // of the text that is returned
	maxScanned   = 16384 // of the text that is read; a literal may be long and the rest still fit
)

// Statement is what is said about a statement without its literals.
type Statement struct {
	Text       string // literals are ?, comments are gone, at most 4,096 bytes
	Summary    string // operations and their tables in order: SELECT orders
	Operation  string // the first operation: SELECT
	Collection string // the table, when there is exactly one
}

// SQL takes the literals out of a statement and says what it does. System is the
// value of db.system.name; it decides where the dialects differ on what a literal
// is. For a system that is not known, whatever is a literal in any dialect counts
// as one, and where even that cannot be told the rest of the statement is left out.
// Text is the statement itself when there is nothing to take out.
func SQL(system, text string) Statement {
	s := scanner{text: cut(text, maxScanned), dialect: dialects(system)}
	s.scan()
	return Statement{Text: cut(s.output(), maxStatement), Summary: string(s.words.summary), Operation: s.words.operation, Collection: s.words.collection}
}

// cut shortens a text to a length on a character's border.
func cut(s string, length int) string {
	if len(s) <= length {
		return s
	}
	for length > 0 && !utf8.RuneStart(s[length]) {
		length--
	}
	return s[:length]
}

// dialect says where a system differs.
type dialect struct {
	doubleIsName bool // "x" is a name, not a text
	hashIsWord   bool // # begins no comment
	brackets     bool // [x] is a name
	backslash    bool // \ escapes in every text
	plain        bool // \ escapes in no text but E'…'
	quoteQ       bool // q'[…]' may be a text
}

func dialects(system string) dialect {
	switch system {
	case "postgresql", "sqlite", "cockroachdb":
		return dialect{doubleIsName: true, hashIsWord: true, plain: true}
	case "microsoft.sql_server":
		return dialect{doubleIsName: true, hashIsWord: true, plain: true, brackets: true}
	case "oracle.db":
		return dialect{doubleIsName: true, hashIsWord: true, plain: true, quoteQ: true}
	case "mysql", "mariadb":
		return dialect{backslash: true}
	}
	return dialect{quoteQ: true}
}

type scanner struct {
	text string
	at   int
	dialect
	out   []byte // text[:done] as it will be, once something was replaced
	done  int
	words words
}

// replace puts something in the place of text[from:to].
func (s *scanner) replace(from, to int, with string) {
	if s.out == nil {
		s.out = make([]byte, 0, len(s.text))
	}
	s.out = append(append(s.out, s.text[s.done:from]...), with...)
	s.done = to
}

func (s *scanner) output() string {
	if s.out == nil {
		return s.text
	}
	return strings.Trim(string(append(s.out, s.text[s.done:]...)), " \t\r\n")
}

// literal replaces text[from:at] and goes on.
func (s *scanner) literal(from int) {
	s.replace(from, s.at, "?")
	s.words.other()
}

// giveUp leaves out everything from a place on.
func (s *scanner) giveUp(from int) {
	s.at = len(s.text)
	s.literal(from)
}

func (s *scanner) peek(offset int) byte {
	if s.at+offset < len(s.text) {
		return s.text[s.at+offset]
	}
	return 0
}

func (s *scanner) scan() {
	for s.at < len(s.text) {
		c, from := s.text[s.at], s.at
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.at++
		case c == '-' && s.peek(1) == '-', c == '#' && !s.hashIsWord:
			for s.at < len(s.text) && s.text[s.at] != '\n' {
				s.at++
			}
			s.replace(from, s.at, "")
		case c == '/' && s.peek(1) == '*':
			s.comment()
			s.replace(from, s.at, " ")
		case c == '\'' || c == '"' && !s.doubleIsName:
			s.quoted(from, s.backslash)
		case c == '$':
			s.dollar()
		case digit(c) || c == '.' && digit(s.peek(1)):
			s.number()
			s.literal(from)
		case wordStart(c) || c == '#' || c == '"' || c == '`' || c == '[' && s.brackets:
			s.word()
		case c == '?' || c == ':' && wordStart(s.peek(1)):
			s.at++
			for s.at < len(s.text) && wordPart(s.text[s.at]) {
				s.at++
			}
			s.words.other()
		default:
			s.at++
			s.words.mark(c)
		}
	}
}

// comment reads a comment. It may hold others; a dialect that knows none ends it
// earlier, but to leave out more is safe.
func (s *scanner) comment() {
	depth := 0
	for s.at < len(s.text) {
		switch {
		case s.text[s.at] == '/' && s.peek(1) == '*':
			depth++
			s.at += 2
		case s.text[s.at] == '*' && s.peek(1) == '/':
			s.at += 2
			if depth--; depth == 0 {
				return
			}
		default:
			s.at++
		}
	}
}

// quoted reads a text whose quote stands at s.at and replaces it with what is
// before it from a place on, its prefix.
func (s *scanner) quoted(from int, backslash bool) {
	quote := s.text[s.at]
	slashes := 0 // right before
	for s.at++; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		if c == '\\' {
			slashes++
			continue
		}
		escaped := slashes%2 == 1
		slashes = 0
		if c != quote || escaped && backslash {
			continue
		}
		if escaped && !s.plain {
			s.giveUp(from) // Some dialects end the text here and others do not.
			return
		}
		if s.peek(1) != quote {
			s.at++
			break
		}
		s.at++
	}
	s.literal(from)
}

// dollar reads $1, which stays, or a text between $tag$ and $tag$.
func (s *scanner) dollar() {
	from := s.at
	s.at++
	if digit(s.peek(0)) {
		for digit(s.peek(0)) {
			s.at++
		}
		s.words.other()
		return
	}
	for s.at < len(s.text) && wordPart(s.text[s.at]) && s.text[s.at] != '$' {
		s.at++
	}
	if s.peek(0) != '$' {
		s.words.other()
		return
	}
	s.at++
	tag := s.text[from:s.at]
	if end := strings.Index(s.text[s.at:], tag); end >= 0 {
		s.at += end + len(tag)
	} else {
		s.at = len(s.text)
	}
	s.literal(from)
}

// number reads everything that may belong to a number.
func (s *scanner) number() {
	hexadecimal := s.peek(0) == '0' && s.peek(1)|0x20 == 'x'
	for s.at < len(s.text) {
		c := s.text[s.at]
		exponent := c|0x20 == 'e' && !hexadecimal
		if !wordPart(c) && c != '.' {
			return
		}
		s.at++
		if sign := s.peek(0); exponent && (sign == '+' || sign == '-') && digit(s.peek(1)) {
			s.at++
		}
	}
}

// word reads a keyword or a name with dots in it, plain or quoted, and what is a
// text with a prefix.
func (s *scanner) word() {
	from := s.at
	plain := false // one part without quotes
	for parts := 0; ; parts++ {
		switch c := s.peek(0); {
		case c == '"' && s.doubleIsName || c == '`':
			if !s.name(c) {
				s.giveUp(from)
				return
			}
			plain = false
		case c == '[' && s.brackets:
			if !s.name(']') {
				s.giveUp(from)
				return
			}
			plain = false
		case wordStart(c) || c == '#' && s.hashIsWord:
			for s.at++; wordPart(s.peek(0)) || s.peek(0) == '#' && s.hashIsWord; {
				s.at++
			}
			plain = parts == 0
		default: // A dot with no name behind it.
			plain = false
		}
		if next := s.peek(1); s.peek(0) != '.' || !wordStart(next) && next != '"' && next != '`' && next != '[' {
			break
		}
		s.at++
	}
	word := s.text[from:s.at]
	if plain && s.peek(0) == '\'' {
		switch word {
		case "e", "E":
			s.quoted(from, true)
			return
		case "n", "N", "x", "X", "b", "B":
			s.quoted(from, s.backslash)
			return
		case "q", "Q", "nq", "nQ", "Nq", "NQ":
			if s.quoteQ {
				s.giveUp(from)
				return
			}
		}
	}
	s.words.word(word, plain, s.peek(0) == '(')
}

// name reads a quoted name up to its closing quote, if there is one; a doubled one
// belongs to it.
func (s *scanner) name(closing byte) bool {
	for s.at++; s.at < len(s.text); s.at++ {
		if s.text[s.at] != closing {
			continue
		}
		if s.at++; s.peek(0) != closing {
			return true
		}
	}
	return false
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func wordStart(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '@' || c >= 0x80
}

func wordPart(c byte) bool { return wordStart(c) || digit(c) || c == '$' }
