package propagate

import "strings"

// MaxMembers is how many members a tracestate has at most.
const MaxMembers = 32

// maxTracestate bounds what is looked at. 32 members of the longest key and value
// are 16,447 bytes; the rest is room for spaces and empty members.
const maxTracestate = 32768

// ParseTracestate joins the lines of the header and checks every member. It returns
// them joined by commas without spaces and empty members, "" when a member is
// malformed, a key stands twice or there are more than 32. One line that is already
// so is returned as it is.
func ParseTracestate(lines ...string) string {
	total := 0
	for _, line := range lines {
		total += len(line) + 1
	}
	if total > maxTracestate+1 {
		return ""
	}
	text := ""
	if len(lines) == 1 {
		text = lines[0]
	} else if len(lines) > 1 {
		text = strings.Join(lines, ",")
	}
	n, canonical := 0, true
	// Where members begin: looking for them again would cost as much for each as a stranger puts commas before it.
	var begins [MaxMembers]uint16
	for at := 0; at <= len(text); {
		from, to, end := nextMember(text, at)
		if from != at || to != end || from == to {
			canonical = false
		}
		if from < to {
			equals := strings.IndexByte(text[from:to], '=')
			if n == MaxMembers || equals < 0 || !stateKey(text[from:from+equals]) || !stateValue(text[from+equals+1:to]) ||
				hasMember(text, begins[:n], text[from:from+equals+1]) {
				return ""
			}
			begins[n] = uint16(from)
			n++
		}
		at = end + 1
	}
	if canonical || n == 0 {
		if n == 0 {
			return ""
		}
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for at := 0; at <= len(text); {
		from, to, end := nextMember(text, at)
		if from < to {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(text[from:to])
		}
		at = end + 1
	}
	return b.String()
}

// nextMember finds the member of a list that begins at a position: its borders without spaces, and where the comma after it stands.
func nextMember(text string, at int) (from, to, end int) {
	end = strings.IndexByte(text[at:], ',')
	if end < 0 {
		end = len(text)
	} else {
		end += at
	}
	from, to = trimSpan(text, at, end)
	return from, to, end
}

// hasMember says whether one of the members begins with a prefix: its key and the equals sign.
func hasMember(text string, begins []uint16, prefix string) bool {
	for _, at := range begins {
		if strings.HasPrefix(text[at:], prefix) {
			return true
		}
	}
	return false
}

// trimSpan moves the borders of text[from:to] inwards over spaces and tabs.
func trimSpan(text string, from, to int) (int, int) {
	for from < to && (text[from] == ' ' || text[from] == '\t') {
		from++
	}
	for from < to && (text[to-1] == ' ' || text[to-1] == '\t') {
		to--
	}
	return from, to
}

// stateKey reports whether s is a key of level 2: a lower-case letter or a digit,
// then up to 255 of these and _ - * / @.
func stateKey(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@'):
		default:
			return false
		}
	}
	return true
}

// stateValue reports whether s is 1 to 256 printable characters without comma and
// equals sign. Its ends were trimmed, so the last is no space.
func stateValue(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

// OT is the value of the member ot in a tracestate that [ParseTracestate] returned.
func OT(state string) (string, bool) {
	from, to := findOT(state)
	if to < 0 {
		return "", false
	}
	return state[from+len("ot=") : to], true
}

// findOT returns the borders of the member ot, or -1 for to.
func findOT(state string) (from, to int) {
	for from = 0; from < len(state); {
		to = strings.IndexByte(state[from:], ',')
		if to < 0 {
			to = len(state)
		} else {
			to += from
		}
		if strings.HasPrefix(state[from:to], "ot=") {
			return from, to
		}
		from = to + 1
	}
	return 0, -1
}

// ReplaceOT puts the member ot with this value first in a tracestate that
// [ParseTracestate] returned; "" takes it out. When that makes 33 members the last
// one goes.
func ReplaceOT(state, value string) string {
	rest := state
	if from, to := findOT(state); to >= 0 {
		switch {
		case to < len(state):
			rest = state[:from] + state[to+1:]
		case from > 0:
			rest = state[:from-1]
		default:
			rest = ""
		}
	} else if strings.Count(state, ",") == MaxMembers-1 && value != "" {
		rest = state[:strings.LastIndexByte(state, ',')]
	}
	switch {
	case value == "":
		return rest
	case rest == "":
		return "ot=" + value
	}
	return "ot=" + value + "," + rest
}
