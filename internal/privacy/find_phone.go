package privacy

// phoneSign takes a telephone number that begins with the '+' or '(' at i:
// +49 30 1234567, (555) 234-5678.
func (w *walk) phoneSign(i int) int {
	if w.kind(i-1) != 0 || w.is(i-1, '_') || w.kind(i+1) != digit {
		return 0
	}
	if w.v[i] == '+' {
		if w.v[i+1] == '0' {
			return 0
		}
		return w.phoneFrom(i, i+1, 8)
	}
	// A number in brackets is one of many things; an area code has three digits,
	// and seven digits behind it.
	if !w.is(i+4, ')') || w.v[i+1] < '2' {
		return 0
	}
	if end, n := w.phoneDigits(i + 1); n == 10 {
		return w.add(phone, i, end)
	}
	return 0
}

// phoneFrom takes the number that begins at start, and whose digits begin at from.
func (w *walk) phoneFrom(start, from, least int) int {
	end, n := w.phoneDigits(from)
	if n < least || n > 15 {
		return 0
	}
	return w.add(phone, start, end)
}

// phoneDigits gives the end of the digits at i with the signs between them that
// people write, and how many there are.
func (w *walk) phoneDigits(i int) (end, n int) {
	signs := 0
	for ; i < len(w.v) && n <= 16; i++ {
		c := w.v[i]
		switch {
		case kinds[c] == digit:
			n++
			signs = 0
			end = i + 1
			continue
		case kinds[c] != 0 || c == '_':
			if i == end {
				return 0, 0
			}
			return end, n
		}
		if signs++; signs > 2 || !isOneOf(c, " -.()/") {
			break
		}
	}
	return end, n
}

// phoneGroups takes a number with separators: 555-234-5678, or any that the word
// before calls one.
func (w *walk) phoneGroups(start int, g *groups) int {
	sep := g.sep[1]
	if to, ok := g.shape("334"); ok && (sep == '-' || sep == '.') && w.v[start] >= '2' && w.v[g.start[1]] >= '2' &&
		w.edges(start, to, sep) && w.context(start)&ctxID == 0 {
		return w.add(phone, start, to)
	}
	if w.v[start] == '0' && w.is(start+1, '0') && g.size[0] <= 4 && w.kind(start+2) == digit {
		return w.phoneFrom(start, start, 10)
	}
	if w.context(start)&ctxPhone != 0 {
		return w.phoneFrom(start, start, 7)
	}
	return 0
}
