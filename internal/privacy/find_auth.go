package privacy

import "bytes"

// keyword looks at words that say that a secret follows.
func (w *walk) keyword(start, end int) int {
	switch w.v[start] | 0x20 {
	case 'b':
		switch {
		case w.on&basicAuth != 0 && end-start == 5 && w.at(start, "basic"):
			return w.basic(end)
		case w.on&bearerToken != 0 && end-start == 6 && w.at(start, "bearer"):
			return w.bearer(end)
		case w.on&privateKey != 0 && w.exactly(start, "BEGIN ") && w.exactly(start-5, "-----"):
			return w.pem(start - 5)
		}
	case 'p':
		if w.on&privateKey != 0 && w.exactly(start, "PuTTY-User-Key-File-") {
			return w.add(privateKey, start, len(w.v))
		}
		if w.on&(connectionString|urlPassword) != 0 && (w.at(start, "password") || w.at(start, "pwd") || w.at(start, "passwd")) {
			return w.password(start, end)
		}
	case 's':
		if w.on&azureKey != 0 && end-start == 3 && w.at(start, "sig") && w.is(end, '=') {
			return w.signature(end + 1)
		}
	}
	return 0
}

// blank passes over what stands between a scheme and its credentials.
func (w *walk) blank(i int) int {
	for n := 0; n < 4 && i < len(w.v) && (w.v[i] == ' ' || w.v[i] == '+' || w.v[i] == '\t'); n++ {
		i++
	}
	return i
}

// token68 gives the end of credentials (RFC 9110, section 11.2), the padding included.
func (w *walk) token68(i int) int {
	from := i
	for i < len(w.v) && (kinds[w.v[i]] != 0 || isOneOf(w.v[i], "-._~+/")) {
		i++
	}
	for n := 0; n < 2 && i < len(w.v) && w.v[i] == '='; n++ {
		i++
	}
	w.steps += i - from
	return i
}

// basic takes base64 that holds a colon among printable bytes.
func (w *walk) basic(end int) int {
	start := w.blank(end)
	if start == end {
		return 0
	}
	end = w.token68(start)
	for end > start && w.v[end-1] == '.' {
		end--
	}
	if !decodesToPair(w.v[start:min(end, start+4096)]) {
		if end-start < 4 || w.context(start-6)&ctxAuthorization == 0 {
			return 0
		}
	}
	return w.add(basicAuth, start, end)
}

// decodesToPair reports whether base64 holds "user:password" in printable ASCII or UTF-8.
func decodesToPair(text []byte) bool {
	bits, have, colon, n := uint32(0), 0, false, 0
	for _, c := range text {
		var x byte
		switch {
		case kinds[c] == upper:
			x = c - 'A'
		case kinds[c] == lower:
			x = c - 'a' + 26
		case kinds[c] == digit:
			x = c - '0' + 52
		case c == '+' || c == '-':
			x = 62
		case c == '/' || c == '_':
			x = 63
		case c == '=':
			continue
		default:
			return false
		}
		bits = bits<<6 | uint32(x)
		if have += 6; have >= 8 {
			have -= 8
			b := byte(bits >> have)
			if b < 0x20 || b == 0x7f {
				return false
			}
			n++
			colon = colon || b == ':'
		}
	}
	return colon && n >= 3
}

// bearer takes a token that is long and no mere word, or any where the key or the
// word before is that of the header.
func (w *walk) bearer(end int) int {
	start := w.blank(end)
	if start == end {
		return 0
	}
	header := w.context(end-6)&ctxAuthorization != 0
	end = w.token68(start)
	for end > start && w.v[end-1] == '.' {
		end--
	}
	n := end - start
	if w.is(end, '"') && w.is(end-1, '=') && n < 16 || n < 16 && (!header || n < 4) || !header && !w.anyDigit(start, end) && !w.mixedCase(start, end) {
		return 0
	}
	return w.add(bearerToken, start, end)
}

// mixedCase reports whether upper-case letters stand behind lower-case ones more
// than once: random letters, no words.
func (w *walk) mixedCase(start, end int) bool {
	turns := 0
	for i := start + 1; i < end; i++ {
		if kinds[w.v[i]] == upper && kinds[w.v[i-1]] == lower {
			turns++
		}
	}
	return turns >= 3
}

// pem takes a key from its first line to its last, or to the end of the value.
func (w *walk) pem(start int) int {
	// The first line: "-----BEGIN", words, "PRIVATE KEY", perhaps "BLOCK", "-----".
	head := w.v[start:min(len(w.v), start+80)]
	close := bytes.Index(head[5:], []byte("-----"))
	if close < 0 || !bytes.Contains(head[:close+5], []byte("PRIVATE KEY")) {
		return 0
	}
	from := start + 5 + close + 5
	end := len(w.v)
	if i := bytes.Index(w.v[from:], []byte("-----END ")); i >= 0 {
		last := from + i + 9
		if j := bytes.Index(w.v[last:min(len(w.v), last+80)], []byte("-----")); j >= 0 {
			end = last + j + 5
		}
	}
	w.steps += end - start
	return w.add(privateKey, start, end)
}

// userinfoOf looks for a password in the authority of a URL that begins at start:
// user:password@host.
func (w *walk) userinfoOf(start int) {
	v := w.v
	colon, at, i := -1, -1, start
authority:
	for ; i < len(v); i++ {
		switch v[i] {
		case '/', '?', '#':
			// A slash belongs to a password that is not escaped, when what stands
			// before is no port and an @ follows.
			if at < 0 && colon >= 0 && v[i] == '/' && !w.port(colon+1, i) && !(w.is(i+1, '/')) {
				continue
			}
			break authority
		case ' ', '\t', '\n', '\r', '"', '\'', '<', '>', '`', ',', ';', '\\', ')':
			break authority
		case ':':
			if colon < 0 {
				colon = i
			}
		case '@':
			at = i
		}
	}
	w.steps += i - start
	if at < 0 {
		return
	}
	w.userinfo = at
	if colon < 0 || colon > at || w.on&urlPassword == 0 || placeholder(v[colon+1:at]) {
		return
	}
	w.add(urlPassword, colon+1, at)
}

// port reports whether v[start:end] is empty or digits.
func (w *walk) port(start, end int) bool {
	for _, c := range w.v[start:min(end, start+6)] {
		if kinds[c] != digit {
			return false
		}
	}
	return true
}

// placeholder reports whether text stands in the place of a secret: nothing, a
// mark, stars, a template's field.
func placeholder(text []byte) bool {
	if len(text) == 0 || isMark(text) {
		return true
	}
	switch text[0] {
	case '{', '<', '$', '%', '?':
		last := text[len(text)-1]
		return last == '}' || last == '>' || len(text) <= 3
	}
	if len(text) == 8 && bytes.EqualFold(text, []byte("redacted")) || len(text) == 10 && bytes.EqualFold(text, []byte("[redacted]")) {
		return true
	}
	for _, c := range text {
		if c != '*' && c != 'x' && c != 'X' && c != '.' {
			return false
		}
	}
	return true
}

// password takes the value behind password=, pwd= and their like: in the query of a
// URL, or among the settings of a connection.
func (w *walk) password(start, end int) int {
	v := w.v
	// "password = x", as in a file of settings, or "password=x".
	equal := w.blank(end)
	if !w.is(equal, '=') {
		return 0
	}
	query := start > 0 && (v[start-1] == '?' || v[start-1] == '&')
	from := equal + 1
	if equal > end {
		from = w.blank(from)
	}
	to := from
	switch {
	case w.is(from, '\'') || w.is(from, '"') || w.is(from, '{'):
		quote := v[from]
		if quote == '{' {
			quote = '}'
		}
		to++
		for to < len(v) && v[to] != quote {
			to++
		}
		if from++; from > to {
			return 0
		}
	case query:
		for to < len(v) && !isOneOf(v[to], "& \t\n\"'<>#;") {
			to++
		}
	default:
		for to < len(v) && !isOneOf(v[to], "; \t\n\"'<>&,") {
			to++
		}
	}
	w.steps += to - from
	if placeholder(v[from:to]) {
		return 0
	}
	switch {
	case query && w.on&urlPassword != 0:
		return w.add(urlPassword, from, to)
	case w.on&connectionString != 0 && w.hasSettings():
		return w.add(connectionString, from, to)
	}
	return 0
}

// settings are words that stand beside a password in the settings of a connection.
var settings = []string{"server=", "host=", "hostname=", "data source=", "datasource=", "uid=", "user id=", "user=", "username=", "dbname=",
	"database=", "initial catalog=", "endpoint=", "addr=", "address=", "port=", "dsn=", "driver="}

// hasSettings reports whether one of settings stands anywhere in the value. It looks once.
func (w *walk) hasSettings() bool {
	if w.settings != 0 {
		return w.settings > 0
	}
	w.settings = -1
	w.steps += len(w.v)
	for i := 0; i < len(w.v); i++ {
		k := bytes.IndexByte(w.v[i:], '=')
		if k < 0 {
			break
		}
		i += k
		// The blanks of "host = db" may stand between.
		end := i
		for end > 0 && i-end < 2 && w.v[end-1] == ' ' {
			end--
		}
		for _, s := range settings {
			if at := end - len(s) + 1; at >= 0 && w.at(at, s[:len(s)-1]) && w.kind(at-1) == 0 {
				w.settings = 1
				return true
			}
		}
	}
	return false
}

// dsn takes the password of user:password@tcp(host) and user:password@unix(path),
// whose user is the word v[start:end].
func (w *walk) dsn(start, end int) int {
	from := end + 1
	// The password may hold what it likes but a blank; it is not long.
	for at := from; at < len(w.v) && at-from < 256; at++ {
		switch c := w.v[at]; {
		case c <= ' ' || c == '"':
			w.steps += at - from
			return 0
		case c == '@' && (w.exactly(at, "@tcp(") || w.exactly(at, "@unix(") || w.exactly(at, "@tcp6(")):
			w.steps += at - from
			if placeholder(w.v[from:at]) {
				return 0
			}
			return w.add(connectionString, from, at)
		}
	}
	w.steps += min(256, len(w.v)-from)
	return 0
}

// signature takes the sig= of a shared access signature: the base64 of 32 bytes.
func (w *walk) signature(start int) int {
	end := start
	for end < len(w.v) && end-start <= 44 && (kinds[w.v[end]] != 0 || isOneOf(w.v[end], "+/-_")) {
		end++
	}
	if end-start != 43 {
		return 0
	}
	if w.is(end, '=') {
		end++
	}
	return w.add(azureKey, start, end)
}
