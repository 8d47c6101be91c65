package sampling

import (
	"strings"

	"github.com/clew-dev/clew/kit/go/internal/propagate"
)

// maxOT is the longest value of the member ot that counts, in bytes.
const maxOT = 256

// otValue is what the member ot says: sub-keys with values, th:e666;rv:…. A value
// that breaks the grammar or has a sub-key twice says nothing at all, and passes
// through untouched like the member of a stranger.
type otValue struct {
	text         string
	t            Threshold
	rv           uint64
	hasT, hasRV  bool
	tStart, tEnd int // where th stands in text
}

func (o *otValue) randomness(id [16]byte) uint64 {
	if o.hasRV {
		return o.rv
	}
	return Randomness(id)
}

// withoutT is the text without th.
func (o *otValue) withoutT() string {
	if o.tEnd < len(o.text) {
		return o.text[:o.tStart] + o.text[o.tEnd+1:]
	}
	return strings.TrimSuffix(o.text[:o.tStart], ";")
}

func parseOT(state string) otValue {
	if state == "" {
		return otValue{}
	}
	text, ok := propagate.OT(state)
	if !ok || len(text) > maxOT {
		return otValue{}
	}
	o := otValue{text: text}
	for at := 0; at <= len(text); {
		end := strings.IndexByte(text[at:], ';')
		if end < 0 {
			end = len(text)
		} else {
			end += at
		}
		part := text[at:end]
		colon := strings.IndexByte(part, ':')
		if colon < 1 || !subKey(part[:colon]) || !subValue(part[colon+1:]) || repeated(text[:at], part[:colon+1]) {
			return otValue{}
		}
		switch part[:colon] {
		case "th":
			if t, ok := ParseThreshold(part[colon+1:]); ok {
				o.t, o.hasT, o.tStart, o.tEnd = t, true, at, end
			}
		case "rv":
			o.rv, o.hasRV = ParseRandomness(part[colon+1:])
		}
		at = end + 1
	}
	return o
}

// repeated reports whether a sub-key, given with its colon, stands in what was
// read before. Values hold no colon, so a match at a border is the sub-key.
func repeated(before, key string) bool {
	for before != "" {
		if strings.HasPrefix(before, key) {
			return true
		}
		_, before, _ = strings.Cut(before, ";")
	}
	return false
}

func subKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// subValue reports whether s is made of letters, digits, dot, underline and minus.
// It may be empty.
func subValue(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
