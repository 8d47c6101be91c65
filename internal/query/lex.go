package query

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/telemetry"
)

type tokenKind uint8

const (
	tokEnd   tokenKind = iota
	tokValue           // literal, or a word that stands for one
	tokField
	tokWord // function names, with
	tokOp
)

type token struct {
	kind  tokenKind
	pos   int    // byte offset of its first byte
	text  string // as written
	value Value
	field Field
}

// operators, longest first: the first that fits is taken.
var operators = []string{
	"!>>", "!<<", "&>>", "&<<",
	"!>", "!<", "&>", "&<", "&~", "&&", "||", ">>", "<<", ">=", "<=", "!=", "=~", "!~",
	"{", "}", "(", ")", "|", "=", ">", "<", "~", "!", ",", "+", "-", "*", "/", "%", "^",
}

// lexer cuts the text into tokens, one at a time, so that an error names the
// first thing wrong and nothing is kept of a text that is refused.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) fail(pos int, format string, args ...any) error {
	return fail(l.text, pos, format, args...)
}

func (l *lexer) next() (token, error) {
	l.space()
	t := token{pos: l.pos}
	if l.pos == len(l.text) {
		return t, nil
	}
	r, _ := utf8.DecodeRuneInString(l.text[l.pos:])
	var err error
	switch {
	case r == '"' || r == '`':
		t.kind = tokValue
		t.value.Type = TypeString
		t.value.Str, err = l.str()
	case r >= '0' && r <= '9':
		t.kind = tokValue
		t.value, err = l.number()
	case r == '.':
		l.pos++
		t.kind = tokField
		t.field.Key, err = l.key()
	case r == '_' || unicode.IsLetter(r):
		err = l.name(&t)
	default:
		t.kind = tokOp
		err = l.operator(r)
	}
	t.text = l.text[t.pos:l.pos]
	return t, err
}

// space skips white space and comments: from // to the end of the line.
func (l *lexer) space() {
	for l.pos < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.pos:])
		switch {
		case unicode.IsSpace(r):
			l.pos += n
		case strings.HasPrefix(l.text[l.pos:], "//"):
			if end := strings.IndexByte(l.text[l.pos:], '\n'); end >= 0 {
				l.pos += end
			} else {
				l.pos = len(l.text)
			}
		default:
			return
		}
	}
}

func (l *lexer) operator(r rune) error {
	for _, op := range operators {
		if strings.HasPrefix(l.text[l.pos:], op) {
			l.pos += len(op)
			return nil
		}
	}
	mend := "remove it, or put text in quotes"
	switch r {
	case '&':
		mend = "write && for and"
	case '\'':
		mend = `write text in "double quotes"`
	case '[', ']':
		mend = "a range is given with the request, and a list is compared with one of its elements"
	}
	return l.fail(l.pos, "%q does not belong here: %s", r, mend)
}

func (l *lexer) str() (string, error) {
	start := l.pos
	if l.text[start] == '`' {
		end := strings.IndexByte(l.text[start+1:], '`')
		if end < 0 {
			return "", l.fail(start, "the text that begins here has no end: add a `")
		}
		l.pos = start + end + 2
		return l.text[start+1 : start+1+end], nil
	}
	for i := start + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			i++
		case '\n':
			return "", l.fail(start, "the text that begins here has no end on its line: add a \", or write a line break as \\n")
		case '"':
			l.pos = i + 1
			s, err := strconv.Unquote(l.text[start:l.pos])
			if err != nil {
				return "", l.fail(start, "%s has an unknown escape: write \\\\ for a backslash, or put the text in `backquotes`", clip(l.text[start:l.pos]))
			}
			if !utf8.ValidString(s) {
				return "", l.fail(start, "%s is not UTF-8: stored text always is, so it would never match", clip(l.text[start:l.pos]))
			}
			return s, nil
		}
	}
	return "", l.fail(start, "the text that begins here has no end: add a \"")
}

// number reads an integer, a float or a duration such as 1.5s or 1h30m.
func (l *lexer) number() (Value, error) {
	start, isFloat := l.pos, false
	digits := func() {
		for l.pos < len(l.text) && l.text[l.pos] >= '0' && l.text[l.pos] <= '9' {
			l.pos++
		}
	}
	digits()
	if l.pos+1 < len(l.text) && l.text[l.pos] == '.' && l.text[l.pos+1] >= '0' && l.text[l.pos+1] <= '9' {
		isFloat = true
		l.pos++
		digits()
	}
	if rest := strings.TrimLeft(l.text[l.pos:], "eE"); len(rest) == len(l.text)-l.pos-1 {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "+"), "-")
		if rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			isFloat = true
			l.pos = len(l.text) - len(rest)
			digits()
		}
	}
	end := l.pos
	for l.pos < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.pos:])
		if !unicode.IsLetter(r) && r != '_' && r != '.' && !unicode.IsDigit(r) {
			break
		}
		l.pos += n
	}
	text := l.text[start:l.pos]
	if l.pos > end {
		d, err := time.ParseDuration(text)
		if err != nil {
			return Value{}, l.fail(start, "%q is no number or duration: units are ns, us, ms, s, m and h, as in 1.5s or 1h30m, up to 292 years", clip(text))
		}
		return Value{Type: TypeDuration, Int: int64(d)}, nil
	}
	if !isFloat {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Value{}, l.fail(start, "%s is over the largest integer %d: write it as a float, %s.0", clip(text), int64(math.MaxInt64), clip(text))
		}
		return Value{Type: TypeInt, Int: n}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Value{}, l.fail(start, "%s is over the largest float %g", clip(text), math.MaxFloat64)
	}
	return Value{Type: TypeFloat, Float: f}, nil
}

// key reads an attribute name: bare characters and "quoted pieces" in any mixture.
func (l *lexer) key() (string, error) {
	start := l.pos
	var b strings.Builder
	quoted := false
	for l.pos < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.pos:])
		if r == '"' {
			s, err := l.str()
			if err != nil {
				return "", err
			}
			b.WriteString(s)
			quoted = true
			continue
		}
		if !isKeyRune(r) || strings.HasPrefix(l.text[l.pos:], "//") {
			break
		}
		b.WriteRune(r)
		l.pos += n
	}
	if b.Len() == 0 && !quoted {
		return "", l.fail(start, "the attribute's name is missing after the point: write for example .http.route")
	}
	return b.String(), nil
}

// name reads a word: a scope with its attribute, an intrinsic, a literal's name or a function.
func (l *lexer) name(t *token) error {
	letters := func() string {
		start := l.pos
		for l.pos < len(l.text) {
			r, n := utf8.DecodeRuneInString(l.text[l.pos:])
			if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				break
			}
			l.pos += n
		}
		return l.text[start:l.pos]
	}
	w := letters()
	if l.pos < len(l.text) && l.text[l.pos] == ':' {
		l.pos++
		w += ":" + letters()
	}
	if w == "parent" {
		return l.parent(t)
	}
	if l.pos < len(l.text) && l.text[l.pos] == '.' {
		l.pos++
		if l.pos < len(l.text) && l.text[l.pos] == '.' {
			return l.fail(l.pos, "the attribute's name is missing before this point: put it in quotes if it begins with one")
		}
		key, err := l.key()
		if err != nil {
			return err
		}
		scope, ok := scopeWords[w]
		if !ok {
			full := quoteKey(w + "." + key)
			return l.fail(t.pos, "%q needs a scope: write .%s, span.%s or resource.%s", clip(w+"."+key), clip(full), clip(full), clip(full))
		}
		t.kind, t.field = tokField, Field{Scope: scope, Key: key}
		return nil
	}
	if f, ok := parentIntrinsic(w); ok {
		t.kind, t.field = tokField, f
		return nil
	}
	if i, ok := intrinsicByName[w]; ok {
		t.kind, t.field = tokField, IntrinsicField(i)
		return nil
	}
	if v, ok := word(w); ok {
		t.kind, t.value = tokValue, v
		return nil
	}
	if strings.Contains(w, ":") {
		return l.fail(t.pos, "%s is no known field: %s", clip(w), knownWith(w))
	}
	if telemetryScope(w) {
		return l.fail(t.pos, "%s is a scope without an attribute: write for example %s.name", w, w)
	}
	t.kind = tokWord
	return nil
}

// parent reads what stands behind the word: the name of an attribute, with or
// without a scope of its own.
func (l *lexer) parent(t *token) error {
	if l.pos == len(l.text) || l.text[l.pos] != '.' {
		return l.fail(t.pos, "parent is a scope without an attribute: write for example parent.name, parent.resource.service.name or parent:name; { parent:id = nil } has no stored parent")
	}
	l.pos++
	t.kind, t.field = tokField, Field{Parent: true}
	start := l.pos
	for w, scope := range scopeWords {
		if !strings.HasPrefix(l.text[start:], w+".") {
			continue
		}
		if scope == telemetry.ScopeEvent || scope == telemetry.ScopeLink {
			return l.fail(start, "%ss of a parent cannot be asked for here: write { %s.… } > { … }, or put the name in quotes when it is one", w, w)
		}
		t.field.Scope = scope
		l.pos += len(w) + 1
	}
	var err error
	t.field.Key, err = l.key()
	return err
}

func telemetryScope(w string) bool { _, ok := scopeWords[w]; return ok }

// knownWith lists the fields that share the word's prefix, as a mend.
func knownWith(w string) string {
	prefix := w[:strings.IndexByte(w, ':')+1]
	var names []string
	for _, info := range intrinsics[1:] {
		for _, n := range []string{info.name, info.alias} {
			if strings.HasPrefix(n, prefix) {
				names = append(names, n)
			}
		}
	}
	if prefix == "parent:" {
		for _, w := range parentWords {
			names = append(names, w.name)
		}
	}
	if len(names) == 0 {
		return "prefixes are span:, parent:, trace:, event:, link: and instrumentation:"
	}
	return "there are " + strings.Join(names, ", ")
}

// ParseField reads one field as it stands in a query, such as
// `resource.service.name`, `.k` or `span:duration`.
func ParseField(text string) (Field, error) {
	if err := checkText(text); err != nil {
		return Field{}, err
	}
	l := lexer{text: text}
	t, err := l.next()
	if err != nil {
		return Field{}, err
	}
	end, err := l.next()
	if err != nil {
		return Field{}, err
	}
	if t.kind == tokWord {
		return Field{}, l.fail(t.pos, "%s", needsScope(t.text))
	}
	if t.kind != tokField || end.kind != tokEnd {
		return Field{}, l.fail(0, "%q is no field: write for example .http.route, resource.service.name or duration", clip(text))
	}
	return t.field, nil
}

func needsScope(w string) string {
	for name := range intrinsicByName {
		if strings.EqualFold(name, w) {
			return strconv.Quote(w) + " is no field: write " + name
		}
	}
	w = clip(w)
	return strconv.Quote(w) + " needs a scope: write ." + w + ", span." + w + " or resource." + w + "; text stands in quotes"
}

func checkText(text string) error {
	if len(text) > MaxBytes {
		return telemetry.Errorf(telemetry.KindInvalid, "query: %d bytes are over the limit of %d: ask less in one query", len(text), MaxBytes)
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return fail(text, i, "the text is not UTF-8 here: send the query in UTF-8")
			}
		}
	}
	return nil
}
