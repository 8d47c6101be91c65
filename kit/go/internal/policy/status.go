package policy

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Status is what a kit says about itself with each question, the header Clew-Kit.
type Status struct {
	Language, Version, Service, Instance string
	Applied                              string // version of the document
	Levels                               [Components]Level
	Dropped                              []Dropped // reasons with a count, in a fixed order
}

// Dropped is how many records were lost for a reason.
type Dropped struct {
	Reason string
	Count  uint64
}

// Limits of the header, in bytes.
const (
	maxStatus     = 4096
	maxStatusText = 128 // five of them, escaped, always fit
)

// Append adds the header: JSON in ASCII of at most 4,096 bytes. When it would be
// longer, the losses are left out, then the levels.
func (s Status) Append(b []byte) []byte {
	start := len(b)
	for _, parts := range [...]int{2, 1, 0} {
		b = s.append(b[:start], parts)
		if len(b)-start <= maxStatus {
			break
		}
	}
	return b
}

func (s Status) append(b []byte, parts int) []byte {
	b = appendText(append(b, `{"language":`...), s.Language)
	b = appendText(append(b, `,"version":`...), s.Version)
	b = appendText(append(b, `,"service":`...), s.Service)
	b = appendText(append(b, `,"instance":`...), s.Instance)
	b = appendText(append(b, `,"applied":`...), s.Applied)
	if parts > 0 {
		b = append(b, `,"levels":`...)
		for c, level := range s.Levels {
			b = appendText(append(b, "{,"[min(c, 1)]), Component(c).String())
			b = appendText(append(b, ':'), level.String())
		}
		b = append(b, '}')
	}
	if parts > 1 && len(s.Dropped) > 0 {
		b = append(b, `,"dropped":`...)
		for i, d := range s.Dropped {
			b = appendText(append(b, "{,"[min(i, 1)]), d.Reason)
			b = strconv.AppendUint(append(b, ':'), d.Count, 10)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendText adds a JSON string of ASCII, as headers want it, cut to 128 bytes
// before it is escaped.
func appendText(b []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if end := maxStatusText; len(s) > end {
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			b = appendUnit(appendUnit(b, hi), lo)
		default:
			b = appendUnit(b, r)
		}
	}
	return append(b, '"')
}

func appendUnit(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// RequestURL is the address of the document of a service: base is that of
// /api/kit/policy.
func RequestURL(base, service string) string {
	b := []byte(base)
	if strings.Contains(base, "?") {
		b = append(b, '&')
	} else {
		b = append(b, '?')
	}
	b = append(b, "service="...)
	for i := range len(service) {
		c := service[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			const upper = "0123456789ABCDEF"
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return string(append(b, "&wait=30s"...))
}
