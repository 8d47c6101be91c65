package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// transcoder rewrites a JSON request as protobuf. It reads the text once, from left to
// right; after the first error every method does nothing. What it writes is never
// longer than what it reads, but for constants.
type transcoder struct {
	in    []byte
	pos   int
	out   []byte
	buf   []byte // the last string with escapes
	raw   []byte // the last byte string
	bits  []byte // open brackets of a value that is stepped over, one bit each
	path  []step
	depth int // of arrays and key-value lists
	err   error
}

type step struct {
	field string
	index int // −1: not an element
}

func (t *transcoder) fail(format string, args ...any) {
	if t.err != nil {
		return
	}
	var err error = &pathError{msg: fmt.Sprintf(format, args...) + " (at byte " + strconv.Itoa(t.pos) + ")"}
	for i := len(t.path) - 1; i >= 0; i-- {
		if s := t.path[i]; s.index >= 0 {
			err = atIndex(err, s.field, s.index)
		} else {
			err = at(err, s.field)
		}
	}
	t.err = err
	t.pos = len(t.in)
}

// peek steps over white space and gives the byte that comes next, or 0 at the end.
func (t *transcoder) peek() byte {
	for t.pos < len(t.in) {
		switch c := t.in[t.pos]; c {
		case ' ', '\n', '\t', '\r':
			t.pos++
		default:
			return c
		}
	}
	return 0
}

func (t *transcoder) want(c byte, what string) bool {
	if t.err != nil {
		return false
	}
	if got := t.peek(); got != c {
		t.fail("%s is wanted, not %s", what, t.seen())
		return false
	}
	t.pos++
	return true
}

// seen describes what comes next, for errors.
func (t *transcoder) seen() string {
	if t.pos >= len(t.in) {
		return "the end of the text"
	}
	return strconv.QuoteToASCII(string(t.in[t.pos:min(t.pos+12, len(t.in))]))
}

// null steps over a null and reports whether there was one. In OTLP/JSON a field that
// is null is a field that is not there.
func (t *transcoder) null() bool {
	if t.err == nil && t.peek() == 'n' {
		t.word("null")
		return true
	}
	return false
}

func (t *transcoder) word(w string) {
	if len(t.in)-t.pos < len(w) || string(t.in[t.pos:t.pos+len(w)]) != w {
		t.fail("%s is not JSON", t.seen())
		return
	}
	t.pos += len(w)
}

// more steps to member or element n of an object or array and reports whether there is one.
func (t *transcoder) more(n int, closing byte) bool {
	if t.err != nil {
		return false
	}
	c := t.peek()
	if c == closing {
		t.pos++
		return false
	}
	if n > 0 {
		if c != ',' {
			t.fail("a comma or %q is wanted, not %s", closing, t.seen())
			return false
		}
		t.pos++
		if t.peek() == closing {
			t.fail("a value is wanted after the comma, not %s", t.seen())
			return false
		}
	}
	return true
}

// key reads the name of member n and its colon; ok is false at the end of the object.
func (t *transcoder) key(n int) (name []byte, ok bool) {
	if !t.more(n, '}') {
		return nil, false
	}
	name = t.text()
	return name, t.want(':', "a colon")
}

// text reads a string. The result holds until the next call. Escaped halves of
// surrogate pairs become invalid UTF-8, which the Decoder mends and counts.
func (t *transcoder) text() []byte {
	if !t.want('"', "a string") {
		return nil
	}
	from := t.pos
	for i := from; i < len(t.in); i++ {
		switch c := t.in[i]; {
		case c == '"':
			t.pos = i + 1
			return t.in[from:i]
		case c == '\\':
			return t.escaped(from, i)
		case c < 0x20:
			t.pos = i
			t.fail("a string holds the control character %#x, which JSON wants escaped", c)
			return nil
		}
	}
	t.fail("a string has no end")
	return nil
}

// escaped reads the rest of a string whose first backslash is at i.
func (t *transcoder) escaped(from, i int) []byte {
	t.buf = append(t.buf[:0], t.in[from:i]...)
	for i < len(t.in) {
		c := t.in[i]
		switch {
		case c == '"':
			t.pos = i + 1
			return t.buf
		case c < 0x20:
			t.pos = i
			t.fail("a string holds the control character %#x, which JSON wants escaped", c)
			return nil
		case c != '\\':
			t.buf = append(t.buf, c)
			i++
			continue
		}
		if i+1 >= len(t.in) {
			break
		}
		switch e := t.in[i+1]; e {
		case '"', '\\', '/':
			t.buf = append(t.buf, e)
		case 'b':
			t.buf = append(t.buf, '\b')
		case 'f':
			t.buf = append(t.buf, '\f')
		case 'n':
			t.buf = append(t.buf, '\n')
		case 'r':
			t.buf = append(t.buf, '\r')
		case 't':
			t.buf = append(t.buf, '\t')
		case 'u':
			r, ok := hex4(t.in[i:])
			if !ok {
				t.pos = i
				t.fail("%s is not an escape of JSON", t.seen())
				return nil
			}
			i += 6
			if low, ok := hex4(t.in[i:]); ok && r >= 0xd800 && r < 0xdc00 && low >= 0xdc00 && low < 0xe000 {
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
				i += 6
			}
			if r >= 0xd800 && r < 0xe000 {
				t.buf = append(t.buf, 0xff)
			} else {
				t.buf = utf8.AppendRune(t.buf, r)
			}
			continue
		default:
			t.pos = i
			t.fail("%s is not an escape of JSON", t.seen())
			return nil
		}
		i += 2
	}
	t.fail("a string has no end")
	return nil
}

// hex4 reads \uXXXX at the beginning of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var two [2]byte
	if _, err := hex.Decode(two[:], b[2:6]); err != nil {
		return 0, false
	}
	return rune(two[0])<<8 | rune(two[1]), true
}

// number reads the text of a number, which may stand in a string.
func (t *transcoder) number() []byte {
	if t.err == nil && t.peek() == '"' {
		return t.text()
	}
	from := t.pos
	for t.pos < len(t.in) && isNumber(t.in[t.pos]) {
		t.pos++
	}
	if t.pos == from && t.err == nil {
		t.fail("a number is wanted, not %s", t.seen())
	}
	return t.in[from:t.pos]
}

func isNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// unsigned reads an integer of at most 64 bits; a double with a whole value is one as well.
func (t *transcoder) unsigned() uint64 {
	v := t.number()
	if n, ok := digits(v); ok {
		return n
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f >= 1<<64 {
		t.fail("%.40q is not an integer from 0 to 2^64−1", v)
		return 0
	}
	return uint64(f)
}

func (t *transcoder) signed() int64 {
	v := t.number()
	minus := len(v) > 0 && v[0] == '-'
	w := v
	if minus {
		w = v[1:]
	}
	if n, ok := digits(w); ok {
		if minus && n <= 1<<63 {
			return int64(-n)
		}
		if !minus && n < 1<<63 {
			return int64(n)
		}
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 || len(w) > 0 && onlyDigits(w) {
		t.fail("%.40q is not an integer of 64 bits", v)
		return 0
	}
	return int64(f)
}

func digits(v []byte) (n uint64, ok bool) {
	if len(v) == 0 || len(v) > 20 {
		return 0, false
	}
	if len(v) == 20 {
		n, err := strconv.ParseUint(string(v), 10, 64)
		return n, err == nil
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// onlyDigits tells a whole number that is too large from one in the notation of doubles.
func onlyDigits(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (t *transcoder) double() float64 {
	v := t.number()
	if t.err != nil {
		return 0
	}
	switch string(v) {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	for _, c := range v {
		if !isNumber(c) {
			t.fail("%.40q is not a number", v)
			return 0
		}
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		t.fail("%.40q is not a number that a double can hold", v)
	}
	return f
}

func (t *transcoder) bool() bool {
	if t.err == nil && t.peek() == 't' {
		t.word("true")
		return true
	}
	if t.err == nil && t.peek() == 'f' {
		t.word("false")
		return false
	}
	t.fail("true or false is wanted, not %s", t.seen())
	return false
}

// base64 reads a byte string in the standard or the URL alphabet, padded or not.
func (t *transcoder) base64() []byte {
	v := t.text()
	for len(v) > 0 && v[len(v)-1] == '=' {
		v = v[:len(v)-1]
	}
	enc := base64.RawStdEncoding
	for _, c := range v {
		if c == '-' || c == '_' {
			enc = base64.RawURLEncoding
		}
	}
	t.raw = t.raw[:0]
	out, err := enc.AppendDecode(t.raw, v)
	t.raw = out
	if err != nil {
		t.fail("%.40q is not base64", v)
		return nil
	}
	return out
}

// skip steps over any value. Its stack is one bit a bracket.
func (t *transcoder) skip() {
	depth := 0
	t.bits = t.bits[:0]
	for t.err == nil {
		switch c := t.peek(); {
		case c == '{' || c == '[':
			t.pos++
			if depth%8 == 0 {
				t.bits = append(t.bits[:depth/8], 0)
			}
			if c == '{' {
				t.bits[depth/8] |= 1 << (depth % 8)
			} else {
				t.bits[depth/8] &^= 1 << (depth % 8)
			}
			depth++
			if t.empty(c == '{') {
				depth--
				break
			}
			if c == '{' {
				t.text()
				t.want(':', "a colon")
			}
			continue
		case c == '"':
			t.text()
		case c == 't':
			t.word("true")
		case c == 'f':
			t.word("false")
		case c == 'n':
			t.word("null")
		default:
			t.number()
		}
		// A value has ended: close what ends here, and go to the next member or element.
		for depth > 0 && t.err == nil {
			object := t.bits[(depth-1)/8]&(1<<((depth-1)%8)) != 0
			closing := byte(']')
			if object {
				closing = '}'
			}
			if !t.more(1, closing) {
				depth--
				continue
			}
			if object {
				t.text()
				t.want(':', "a colon")
			}
			break
		}
		if depth == 0 {
			return
		}
	}
}

// empty steps over the end of an object or array that has nothing in it.
func (t *transcoder) empty(object bool) bool {
	c := t.peek()
	if object && c == '}' || !object && c == ']' {
		t.pos++
		return true
	}
	return false
}
