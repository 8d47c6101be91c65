package privacy

// A walk goes once over the words of a value. It is kept on the stack.
type walk struct {
	v     []byte
	key   *Key
	on    set
	found []Match
	base  int // found[base:] is of this walk
	steps int // bytes looked at
	full  bool

	userinfo int // place of the @ that ends the password of a URL: it is no address
	run64    run // the last run of base64 that was measured
	runToken run // the last run of letters, digits, '-' and '_'
	settings int8
}

// run is a stretch of bytes of one class: a measure that is taken once.
type run struct{ start, end int }

// signs are the bytes between words that a detector begins with.
var signs = [256]bool{'@': true, ':': true, '+': true, '(': true, '~': true}

func (w *walk) run() {
	v := w.v
	w.run64.end, w.runToken.end = -1, -1
	for i := 0; i < len(v) && !w.full; {
		kind := kinds[v[i]]
		if kind == 0 {
			if signs[v[i]] {
				i = max(i+1, w.sign(i))
				continue
			}
			i++
			continue
		}
		start := i
		for i++; i < len(v); i++ {
			k := kinds[v[i]]
			if k == 0 {
				break
			}
			kind |= k
		}
		if next := w.word(start, i, kind); next > i {
			i = next
		}
	}
	w.steps += len(v)
}

// add notes a finding, and says where the walk goes on.
func (w *walk) add(d set, start, end int) int {
	w.found = append(w.found, Match{d.name(), start, end})
	if len(w.found)-w.base >= MaxMatches {
		w.found[len(w.found)-1].End = len(w.v)
		w.full = true
	}
	return end
}

// sign looks at what begins with, or lies around, the sign at i. It gives the end
// of what it found, or 0.
func (w *walk) sign(i int) int {
	switch w.v[i] {
	case '@':
		if w.on&email != 0 && i != w.userinfo {
			return w.email(i)
		}
	case ':':
		if w.on&(urlPassword|email) != 0 && i+2 < len(w.v) && w.v[i+1] == '/' && w.v[i+2] == '/' {
			w.userinfoOf(i + 3)
		}
		if w.on&ipv6 != 0 && i+1 < len(w.v) && w.v[i+1] == ':' && w.gapBefore(i) {
			return w.ipv6(i)
		}
	case '+', '(':
		if w.on&phone != 0 {
			return w.phoneSign(i)
		}
	case '~':
		if w.on&azureKey != 0 {
			return w.azureSecret(i)
		}
	}
	return 0
}

// word looks at v[start:end], a run of letters and digits of these kinds. It gives
// the end of what it found, or 0.
func (w *walk) word(start, end int, kind uint8) int {
	v, n := w.v, end-start
	if w.on&(ipv6|macAddress) != 0 && n <= 4 && end < len(v) {
		switch v[end] {
		case ':':
			if w.on&macAddress != 0 && n == 2 {
				if next := w.mac(start, 2); next > 0 {
					return next
				}
			}
			if w.on&ipv6 != 0 {
				if next := w.ipv6(start); next > 0 {
					return next
				}
			}
		case '-':
			if w.on&macAddress != 0 && n == 2 {
				if next := w.mac(start, 2); next > 0 {
					return next
				}
			}
		case '.':
			if w.on&macAddress != 0 && n == 4 {
				if next := w.mac(start, 4); next > 0 {
					return next
				}
			}
		}
	}
	if kind == digit {
		grouped := end+1 < len(v) && kinds[v[end+1]] != 0 && kinds[v[end]] == 0
		if n < 7 && !grouped {
			return 0
		}
		if n <= 3 && w.on&ipv4 != 0 && end < len(v) && v[end] == '.' {
			if next := w.ipv4(start); next > 0 {
				return next
			}
		}
		if w.on&(numeric|esDNI) != 0 {
			if next := w.number(start, end); next > 0 {
				return next
			}
		}
	}
	if kind&letter != 0 && kind&digit != 0 && (n >= 15 || n == 9 || n == 4 || n == 2) && w.on&(iban|itFiscalCode|ukNINO|esDNI|frNIR) != 0 {
		if next := w.mixed(start, end, kind); next > 0 {
			return next
		}
	}
	if kind&digit == 0 && n <= 3 && w.on&(ukNINO|esDNI|itFiscalCode) != 0 && end+1 < len(v) {
		if next := w.spaced(start, end); next > 0 {
			return next
		}
	}
	if w.on&starts[v[start]] != 0 {
		if next := w.token(start, end); next > 0 {
			return next
		}
	}
	if w.on&connectionString != 0 && end < len(v) && v[end] == ':' && kind&letter != 0 {
		if next := w.dsn(start, end); next > 0 {
			return next
		}
	}
	// Secrets without a form of their own are runs of forty and more.
	if w.on&(awsKey|azureKey) != 0 && (n >= 40 || end < len(v) && (v[end] == '/' || v[end] == '+') || start > 0 && v[start-1] == '/') {
		return w.secretRun(start)
	}
	return 0
}

// starts gives the detectors that look closer at words that begin with a letter.
var starts = [256]set{
	'e': jwt,
	'A': awsKey | gcpKey | privateKey,
	'G': gcpKey | gitLabToken,
	'y': gcpKey,
	'g': gitHubToken | gitLabToken,
	'x': slackToken,
	's': stripeKey | slackToken | azureKey, 'r': stripeKey,
	'S': azureKey,
	'w': stripeKey | slackToken,
	't': slackToken,
	'b': basicAuth | bearerToken, 'B': basicAuth | bearerToken | privateKey,
	'p': connectionString | urlPassword, 'P': connectionString | urlPassword | privateKey,
}

// gapBefore reports whether i begins a token: no letter, digit or underscore stands before.
func (w *walk) gapBefore(i int) bool {
	return i == 0 || kinds[w.v[i-1]] == 0 && w.v[i-1] != '_'
}

// is reports whether v[i] is c.
func (w *walk) is(i int, c byte) bool { return i >= 0 && i < len(w.v) && w.v[i] == c }

// kind gives the kind of v[i], 0 outside of the value.
func (w *walk) kind(i int) uint8 {
	if i < 0 || i >= len(w.v) {
		return 0
	}
	return kinds[w.v[i]]
}

// at reports whether the lower-case word stands at i, in any case.
func (w *walk) at(i int, word string) bool {
	if i < 0 || i+len(word) > len(w.v) {
		return false
	}
	for j := range len(word) {
		c := w.v[i+j]
		if kinds[c] == upper {
			c |= 0x20
		}
		if c != word[j] {
			return false
		}
	}
	return true
}

// exactly reports whether the text stands at i.
func (w *walk) exactly(i int, text string) bool {
	return i >= 0 && i+len(text) <= len(w.v) && string(w.v[i:i+len(text)]) == text
}

// tokenRun measures the run of letters, digits, '-' and '_' around i, once for all
// that begin within it.
func (w *walk) tokenRun(i int) int {
	if i < w.runToken.end && i >= w.runToken.start {
		return w.runToken.end
	}
	j := i
	for j < len(w.v) && (kinds[w.v[j]] != 0 || w.v[j] == '-' || w.v[j] == '_') {
		j++
	}
	w.runToken = run{i, j}
	w.steps += j - i
	return j
}
