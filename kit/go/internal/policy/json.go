package policy

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// fault says what is wrong with a document, where, and how to mend it.
type fault struct {
	where string // sampling.rules[3].th; "" for the document
	what  string
}

func (f *fault) Error() string {
	if f.where == "" {
		return "parse policy: " + f.what
	}
	return "parse policy: " + f.where + ": " + f.what
}

// in puts the name of the part around the place of a fault.
func (f *fault) in(part string) *fault {
	switch {
	case f == nil:
	case f.where == "":
		f.where = part
	case f.where[0] == '[':
		f.where = part + f.where
	default:
		f.where = part + "." + f.where
	}
	return f
}

// reader takes a JSON text apart from front to back. It builds no tree, so a
// document costs what is kept of it, and it reads the known keys of objects only.
// It is stricter than JSON where two readers could differ: a lone surrogate is no
// JSON, and a known key that stands twice is a fault.
type reader struct {
	text  string // UTF-8
	at    int
	depth int
}

func (r *reader) notJSON() *fault {
	return &fault{what: "not JSON at byte " + strconv.Itoa(r.at) + "; send one JSON object"}
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// wants checks the first byte of a value. Another value than the wanted one is a
// fault of the document, and anything else is no JSON.
func (r *reader) wants(first byte, what string) *fault {
	c := r.peek()
	switch {
	case c == first:
		return nil
	case startsValue(c):
		return &fault{what: what}
	}
	return r.notJSON()
}

func startsValue(c byte) bool {
	switch c {
	case '{', '[', '"', '-', 't', 'f', 'n':
		return true
	}
	return '0' <= c && c <= '9'
}

func (r *reader) enter() *fault {
	if r.depth++; r.depth > MaxDepth {
		return &fault{what: fmt.Sprintf("deeper than %d at byte %d; make it flatter", MaxDepth, r.at)}
	}
	r.at++
	return nil
}

// object reads an object. Known is called with the number of a key in names,
// unknown with the text of another one; both read the value. Unknown may be nil,
// which skips it.
func (r *reader) object(names []string, known func(int) *fault, unknown func() *fault) *fault {
	if f := r.wants('{', "not an object; write {…}"); f != nil {
		return f
	}
	if f := r.enter(); f != nil {
		return f
	}
	var seen uint32
	for first := true; ; first = false {
		if c := r.peek(); c == '}' && first {
			break
		} else if c != '"' {
			return r.notJSON()
		}
		key, f := r.string()
		if f != nil {
			return f
		}
		if r.peek() != ':' {
			return r.notJSON()
		}
		r.at++
		number := indexOf(names, key)
		switch {
		case number >= 0 && seen&(1<<number) != 0:
			f = (&fault{what: "stands twice; keep one"}).in(key)
		case number >= 0:
			seen |= 1 << number
			f = known(number).in(key)
		case unknown != nil:
			f = unknown()
		default:
			f = r.skip()
		}
		if f != nil {
			return f
		}
		if c := r.peek(); c == '}' {
			break
		} else if c != ',' {
			return r.notJSON()
		}
		r.at++
	}
	r.at++
	r.depth--
	return nil
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// array reads an array of at most so many elements.
func (r *reader) array(most int, element func() *fault) *fault {
	if f := r.wants('[', "not an array; write […]"); f != nil {
		return f
	}
	if f := r.enter(); f != nil {
		return f
	}
	for n := 0; ; n++ {
		if n == 0 && r.peek() == ']' {
			break
		}
		if n == most {
			return &fault{what: fmt.Sprintf("more than %d; leave some out", most)}
		}
		if f := element(); f != nil {
			return f.in("[" + strconv.Itoa(n) + "]")
		}
		if c := r.peek(); c == ']' {
			break
		} else if c != ',' {
			return r.notJSON()
		}
		r.at++
	}
	r.at++
	r.depth--
	return nil
}

// skip reads any value and forgets it.
func (r *reader) skip() *fault {
	switch c := r.peek(); {
	case c == '{':
		return r.object(nil, nil, nil)
	case c == '[':
		return r.array(MaxBytes, r.skip)
	case c == '"':
		_, f := r.string()
		return f
	case c == '-' || '0' <= c && c <= '9':
		_, _, f := r.number()
		return f
	case c == 'n':
		return r.word("null")
	case c == 't':
		return r.word("true")
	case c == 'f':
		return r.word("false")
	}
	return r.notJSON()
}

func (r *reader) word(w string) *fault {
	if len(r.text)-r.at < len(w) || r.text[r.at:r.at+len(w)] != w {
		return r.notJSON()
	}
	r.at += len(w)
	return nil
}

func (r *reader) bool() (bool, *fault) {
	switch c := r.peek(); {
	case c == 't':
		return true, r.word("true")
	case c == 'f':
		return false, r.word("false")
	case startsValue(c):
		return false, &fault{what: "not a boolean; write true or false"}
	}
	return false, r.notJSON()
}

// texts reads a string of at most 256 bytes.
func (r *reader) texts() (string, *fault) {
	if f := r.wants('"', `not a text; write "…"`); f != nil {
		return "", f
	}
	s, f := r.string()
	if f == nil && len(s) > maxText {
		f = &fault{what: fmt.Sprintf("over %d bytes; shorten it", maxText)}
	}
	return s, f
}

// integer reads a number without sign, fraction and exponent up to [maxInteger].
func (r *reader) integer() (int64, *fault) {
	c := r.peek()
	if c != '-' && (c < '0' || c > '9') {
		if startsValue(c) {
			return 0, notInteger()
		}
		return 0, r.notJSON()
	}
	text, whole, f := r.number()
	if f != nil {
		return 0, f
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if !whole || err != nil || v > maxInteger {
		return 0, notInteger()
	}
	return v, nil
}

func notInteger() *fault {
	return &fault{what: fmt.Sprintf("not an integer; write one from 0 to %d", maxInteger)}
}

// number reads a number; whole says that it is digits alone.
func (r *reader) number() (text string, whole bool, f *fault) {
	from := r.at
	whole = true
	if r.text[r.at] == '-' {
		whole = false
		r.at++
	}
	if r.at < len(r.text) && r.text[r.at] == '0' {
		r.at++
	} else if !r.digits() {
		return "", false, r.notJSON()
	}
	if r.at < len(r.text) && r.text[r.at] == '.' {
		whole = false
		if r.at++; !r.digits() {
			return "", false, r.notJSON()
		}
	}
	if r.at < len(r.text) && r.text[r.at]|0x20 == 'e' {
		whole = false
		r.at++
		if r.at < len(r.text) && (r.text[r.at] == '+' || r.text[r.at] == '-') {
			r.at++
		}
		if !r.digits() {
			return "", false, r.notJSON()
		}
	}
	return r.text[from:r.at], whole, nil
}

// digits reads one digit or more.
func (r *reader) digits() bool {
	from := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > from
}

// string reads a string; the next byte is its quote.
func (r *reader) string() (string, *fault) {
	r.at++
	from := r.at
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			s := r.text[from:r.at]
			r.at++
			return s, nil
		case c == '\\':
			return r.escaped(append(make([]byte, 0, 64), r.text[from:r.at]...))
		case c < ' ':
			return "", r.notJSON()
		}
		r.at++
	}
	return "", r.notJSON()
}

// escaped reads the rest of a string from its first escape on.
func (r *reader) escaped(b []byte) (string, *fault) {
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return string(b), nil
		case c < ' ':
			return "", r.notJSON()
		case c != '\\':
			b = append(b, c)
			r.at++
			continue
		}
		if r.at+1 >= len(r.text) {
			return "", r.notJSON()
		}
		if plain := unescaped(r.text[r.at+1]); plain != 0 {
			b = append(b, plain)
			r.at += 2
			continue
		}
		code, ok := r.unit(r.at)
		if !ok {
			return "", r.notJSON()
		}
		width := 6
		if utf16.IsSurrogate(code) {
			low, ok := r.unit(r.at + 6)
			if code = utf16.DecodeRune(code, low); !ok || code == utf8.RuneError {
				return "", r.notJSON()
			}
			width = 12
		}
		b = utf8.AppendRune(b, code)
		r.at += width
	}
	return "", r.notJSON()
}

func unescaped(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// unit reads the \uXXXX that starts at a place.
func (r *reader) unit(at int) (v rune, ok bool) {
	if at+6 > len(r.text) || r.text[at] != '\\' || r.text[at+1] != 'u' {
		return 0, false
	}
	for i := range 4 {
		switch c := r.text[at+2+i]; {
		case '0' <= c && c <= '9':
			v = v<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
