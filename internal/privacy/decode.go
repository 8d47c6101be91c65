package privacy

import "sync"

const (
	mostLayers = 3       // of escapes within escapes
	mostKept   = 1 << 20 // bytes of the scratch that goes back to the pool
)

// scratch is a value without its escapes. Byte i of it came from at[i]:at[i+1] of
// the value.
type scratch struct {
	text []byte
	at   []int32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// findEscaped looks at the value without its escapes, layer by layer. It appends
// what it finds, with places in the value itself.
func (s *Scanner) findEscaped(to []Match, key *Key, value []byte) ([]Match, int) {
	first := 0
	for first < len(value) && value[first] != '+' && (value[first] != '%' && value[first] != '\\' || escape(value[first:]) == 0) {
		first++
	}
	if first == len(value) {
		return to, first
	}
	c := scratches.Get().(*scratch)
	steps := first
	// A plus is a blank in a form, and a plus in most else: both are tried.
	for form := range 2 {
		c.load(value)
		if form == 1 && !blanks(c.text) {
			break
		}
		for layer := 0; layer < mostLayers; layer++ {
			if !c.unescape() {
				if form == 0 || layer > 0 {
					break
				}
			}
			to = c.look(to, s, key, &steps)
		}
		if form == 0 && blanks(c.text) {
			to = c.look(to, s, key, &steps)
		}
	}
	if cap(c.text) <= mostKept {
		scratches.Put(c)
	}
	return to, steps
}

// load begins with the value as it is.
func (c *scratch) load(value []byte) {
	c.text = append(c.text[:0], value...)
	c.at = c.at[:0]
	for i := range len(value) + 1 {
		c.at = append(c.at, int32(i))
	}
}

// look appends what there is in the text, with places in the value.
func (c *scratch) look(to []Match, s *Scanner, key *Key, steps *int) []Match {
	*steps += 3 * len(c.text)
	seen, digits := gate(c.text)
	on := s.on & possible(seen, digits, len(c.text))
	if on == 0 {
		return to
	}
	w := walk{v: c.text, key: key, on: on, found: to, base: len(to), userinfo: -1}
	w.run()
	for i := len(to); i < len(w.found); i++ {
		m := &w.found[i]
		m.Start, m.End = int(c.at[m.Start]), int(c.at[m.End])
	}
	*steps += w.steps
	return w.found
}

// blanks makes blanks of pluses, and reports whether there were any.
func blanks(text []byte) (any bool) {
	for i, b := range text {
		if b == '+' {
			text[i], any = ' ', true
		}
	}
	return any
}

// unescape takes one layer of escapes away, in place, and reports whether there was
// any.
func (c *scratch) unescape() bool {
	n, any := 0, false
	for i := 0; i < len(c.text); {
		size := 0
		b := c.text[i]
		if b == '%' || b == '\\' {
			size = escape(c.text[i:])
		}
		c.at[n] = c.at[i]
		if size == 0 {
			c.text[n] = b
			n++
			i++
			continue
		}
		any = true
		r := unescaped(c.text[i : i+size])
		// A rune of two bytes is kept as such; longer ones are only told from ASCII.
		switch {
		case size == 3 || r < 0x80:
			c.text[n] = byte(r)
			n++
		case r < 0x800:
			c.at[n+1] = c.at[i]
			c.text[n], c.text[n+1] = 0xc0|byte(r>>6), 0x80|byte(r&0x3f)
			n += 2
		default:
			c.text[n] = 0xff
			n++
		}
		i += size
	}
	c.at[n] = c.at[len(c.text)]
	c.text, c.at = c.text[:n], c.at[:n+1]
	return any
}

// escape gives the length of the escape that text begins with, or 0: %40, \u0040,
// \x40, \n, \", \/ and \\.
func escape(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	hex := func(from, to int) bool {
		if len(text) < to {
			return false
		}
		for _, c := range text[from:to] {
			if unhex(c) < 0 {
				return false
			}
		}
		return true
	}
	if text[0] == '%' {
		if hex(1, 3) {
			return 3
		}
		return 0
	}
	switch text[1] {
	case 'u':
		if hex(2, 6) {
			return 6
		}
	case 'x':
		if hex(2, 4) {
			return 4
		}
	case 'n', 'r', 't', '"', '\'', '/', '\\':
		return 2
	}
	return 0
}

// unescaped gives what a whole escape stands for.
func unescaped(e []byte) int {
	if len(e) == 2 {
		switch e[1] {
		case 'n', 'r', 't':
			return ' '
		}
		return int(e[1])
	}
	from := 2
	if e[0] == '%' {
		from = 1
	}
	x := 0
	for _, c := range e[from:] {
		x = x<<4 | unhex(c)
	}
	return x
}
