package privacy

// inLocal are the signs of an address before the @, letters and digits aside.
// Others that RFC 5322 allows are signs of the text around it in practice.
const inLocal = "._+-"

// email takes the address around the @ at i. It gives its end, or 0.
func (w *walk) email(i int) int {
	end := w.domain(i + 1)
	if end == 0 {
		return 0
	}
	start := w.local(i)
	if start == i {
		return 0
	}
	// git@host:path and ssh://git@host are places, not people.
	if string(w.v[start:i]) == "git" {
		return 0
	}
	return w.add(email, start, end)
}

// local gives the start of the part before the @ at i, or i.
func (w *walk) local(i int) int {
	v := w.v
	if w.is(i-1, '"') {
		for j := i - 2; j >= 0 && i-j <= 66; j-- {
			if v[j] == '"' {
				return j
			}
		}
		return i
	}
	start := i
	for start > 0 {
		c := v[start-1]
		switch {
		case kinds[c] != 0 || isOneOf(c, inLocal):
			start--
		case c >= 0x80 && w.accented(start-1):
			start -= 2
		// O'Brien, not 'name@…' within quotes.
		case c == '\'' && w.kind(start) != 0 && w.kind(start-2) != 0 && w.kind(start) == upper:
			start--
		default:
			w.steps += i - start
			// What follows a percent sign is an escaped sign of the text around.
			if c == '%' && i-start > 2 && unhex(v[start]) >= 0 && unhex(v[start+1]) >= 0 {
				start += 2
			}
			// And what follows a backslash is the end of a line, or a tab.
			if c == '\\' && i-start > 1 && isOneOf(v[start], "nrt") {
				start++
			}
			return w.trimLocal(start, i)
		}
	}
	w.steps += i - start
	return w.trimLocal(start, i)
}

// trimLocal leaves out signs that no address begins with.
func (w *walk) trimLocal(start, i int) int {
	for start < i && (w.v[start] == '.' || w.v[start] == '-' || w.v[start] == '+') {
		start++
	}
	return start
}

// domain gives the end of the domain at i, or 0 when there is none: labels with at
// least one dot, the last of letters, or an address in brackets.
func (w *walk) domain(i int) int {
	v, start := w.v, i
	if w.is(i, '[') {
		for j := i + 1; j < len(v) && j-i <= 50; j++ {
			if v[j] == ']' {
				return j + 1
			}
			if unhex(v[j]) < 0 && !isOneOf(v[j], ".:IPv") {
				break
			}
		}
		return 0
	}
	end, label, labels := 0, i, 0
	for ; i <= len(v); i++ {
		if i < len(v) {
			c := v[i]
			if kinds[c] != 0 || c == '-' {
				continue
			}
			if c >= 0xc3 && c < 0xe0 && i+1 < len(v) && w.accented(i+1) {
				i++
				continue
			}
		}
		if i == label {
			break
		}
		labels++
		if labels > 1 && w.topLevel(label, i) {
			end = i
		}
		if i == len(v) || v[i] != '.' {
			break
		}
		label = i + 1
	}
	w.steps += i - start
	if end == 0 || w.fileOrVersion(start, end) {
		return 0
	}
	return end
}

// topLevel reports whether v[start:end] may be the last part of a domain.
func (w *walk) topLevel(start, end int) bool {
	n := end - start
	if n < 2 || n > 63 {
		return false
	}
	if n > 4 && w.at(start, "xn--") {
		return true
	}
	for _, c := range w.v[start:end] {
		if kinds[c]&letter == 0 && c < 0x80 {
			return false
		}
	}
	return true
}

// fileOrVersion reports whether what stands behind an @ is none of a mail address:
// icon@2x.png, package@1.2.3-rc.one, getty@tty1.service.
func (w *walk) fileOrVersion(start, end int) bool {
	v := w.v
	dot := start
	for v[dot] != '.' {
		dot++
	}
	if kinds[v[start]] == digit && (dot == start+2 && v[start+1]|0x20 == 'x' || w.port(start, dot) && w.kind(dot+1) == digit) {
		return true
	}
	last := end
	for v[last-1] != '.' {
		last--
	}
	switch string(v[last:end]) {
	case "service", "socket", "timer", "target", "slice", "scope", "mount", "png", "jpg", "svg", "webp":
		return true
	}
	return false
}
