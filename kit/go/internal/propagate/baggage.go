package propagate

import (
	"strings"
	"unicode/utf8"
)

// Limits of baggage, when it is read and when it is written.
const (
	MaxBaggageMembers = 64
	MaxBaggageBytes   = 8192
)

// Member is one entry of baggage.
type Member struct {
	Key        string // a token of RFC 9110
	Value      string // decoded, UTF-8
	Properties string // what stood after the first semicolon, as it was; "" when nothing did
}

// ParseBaggage reads the lines of the header. A malformed member is skipped; a key
// that comes again replaces the value where the key first stood. The first member
// that would make 65, or more than 8,192 bytes with the commas between, ends the
// reading: it and all that follow are counted in dropped.
func ParseBaggage(lines ...string) (members []Member, dropped int) {
	size, full := 0, false
	for _, line := range lines {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ",")
			from, to := trimSpan(part, 0, len(part))
			if part = part[from:to]; part == "" {
				continue
			}
			if full {
				dropped++
				continue
			}
			cost := len(part)
			if size > 0 {
				cost++
			}
			if size+cost > MaxBaggageBytes {
				full = true
				dropped++
				continue
			}
			m, ok := parseMember(part)
			if !ok {
				continue
			}
			at := -1
			for i := range members {
				if members[i].Key == m.Key {
					at = i
				}
			}
			switch {
			case at >= 0:
				members[at] = m
			case len(members) == MaxBaggageMembers:
				full = true
				dropped++
				continue
			default:
				members = append(members, m)
			}
			size += cost
		}
	}
	return members, dropped
}

func parseMember(s string) (m Member, ok bool) {
	if at := strings.IndexByte(s, ';'); at >= 0 {
		from, to := trimSpan(s, at+1, len(s))
		m.Properties = s[from:to]
		for i := range len(m.Properties) {
			if c := m.Properties[i]; !baggageOctet(c) && c != ';' && c != ' ' && c != '\t' {
				return Member{}, false
			}
		}
		s = s[:at]
	}
	equals := strings.IndexByte(s, '=')
	if equals < 0 {
		return Member{}, false
	}
	from, to := trimSpan(s, 0, equals)
	m.Key = s[from:to]
	if !Token(m.Key) {
		return Member{}, false
	}
	from, to = trimSpan(s, equals+1, len(s))
	m.Value, ok = decodeValue(s[from:to])
	return m, ok
}

// Token reports whether s is a token of RFC 9110, as keys of baggage are.
func Token(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// baggageOctet reports whether a value may hold c as it is: printable ASCII without
// space, quote, comma, semicolon and backslash.
func baggageOctet(c byte) bool {
	return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\'
}

// decodeValue undoes percent-encoding. Bytes that are not UTF-8 after it become
// U+FFFD, each its own, as W3C Baggage asks for.
func decodeValue(s string) (string, bool) {
	encoded := false
	for i := range len(s) {
		if !baggageOctet(s[i]) {
			return "", false
		}
		encoded = encoded || s[i] == '%'
	}
	if !encoded {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
		if hi|lo > 15 {
			return "", false
		}
		b = append(b, hi<<4|lo)
		i += 2
	}
	if utf8.Valid(b) {
		return string(b), true
	}
	return string([]rune(string(b))), true
}

// hexValue is the value of a hex digit of either case, 0xff of anything else.
func hexValue(c byte) byte {
	if 'A' <= c && c <= 'F' {
		c += 'a' - 'A'
	}
	return nibbles[c]
}

// AppendBaggage adds the members that a filter lets through as one line of the
// header. A member that is no valid one, or that would go over the limits, is left
// out; once one is over the limits, so are all that follow. They are counted in
// dropped.
func AppendBaggage(b []byte, members []Member, allow func(key string) bool) (out []byte, dropped int) {
	start, count, full := len(b), 0, false
	for _, m := range members {
		if allow != nil && !allow(m.Key) {
			continue
		}
		if full || count == MaxBaggageMembers || !Token(m.Key) {
			full = full || count == MaxBaggageMembers
			dropped++
			continue
		}
		before := len(b)
		if before > start {
			b = append(b, ',')
		}
		b = append(append(b, m.Key...), '=')
		b = appendValue(b, m.Value)
		if m.Properties != "" {
			b = append(append(b, ';'), m.Properties...)
		}
		if len(b)-start > MaxBaggageBytes {
			b, full = b[:before], true
			dropped++
			continue
		}
		count++
	}
	return b, dropped
}

func appendValue(b []byte, s string) []byte {
	const upper = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; baggageOctet(c) && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return b
}
