package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/privacy"
	"github.com/clew-dev/clew/internal/telemetry"
)

// maxNested bounds how deep a nested value is looked into; what is deeper is
// dropped as a whole. The wire's own limit is lower.
const maxNested = 64

// nested redacts the texts and numbers within a list or key-value list, which is
// in the canonical text of telemetry.AppendValueString and its neighbours. A
// number that has to go becomes a text. A text that cannot be read is dropped.
func (w *redaction) nested(key string, v []byte, action charter.Action) (to []byte, what string) {
	n := nestedWalk{redaction: w, src: v}
	if !n.walk(key, action, 0) || n.at != len(v) {
		return []byte(`"[` + reasonFailed + `]"`), reasonFailed
	}
	if n.what == "" {
		return v, ""
	}
	return n.dst, n.what
}

type nestedWalk struct {
	*redaction
	src, dst []byte
	at       int
	what     string // what was found first
}

func (n *nestedWalk) note(what string) {
	if n.what == "" {
		n.what = what
	}
}

// walk copies one value from src to dst; false when it is not canonical text.
func (n *nestedWalk) walk(key string, action charter.Action, depth int) bool {
	if n.at >= len(n.src) || depth > maxNested {
		return false
	}
	switch n.src[n.at] {
	case '"':
		text, ok := n.text()
		if !ok {
			return false
		}
		n.scalar(key, text, action)
		return true
	case '[':
		n.take()
		return n.list(']', func() bool { return n.walk(key, action, depth+1) })
	case '{':
		return n.object(key, action, depth)
	}
	return n.literal(key, action)
}

func (n *nestedWalk) take() {
	n.dst = append(n.dst, n.src[n.at])
	n.at++
}

// list copies elements up to a closing byte.
func (n *nestedWalk) list(closing byte, element func() bool) bool {
	for first := true; n.at < len(n.src); first = false {
		if n.src[n.at] == closing {
			n.take()
			return true
		}
		if !first {
			if n.src[n.at] != ',' {
				return false
			}
			n.take()
		}
		if !element() {
			return false
		}
	}
	return false
}

func (n *nestedWalk) object(key string, action charter.Action, depth int) bool {
	from := len(n.dst)
	n.take()
	marked := false
	ok := n.list('}', func() bool {
		name, ok := n.text()
		if !ok || n.at >= len(n.src) || n.src[n.at] != ':' {
			return false
		}
		n.at++
		if string(name) == "@bytes" {
			marked = true
			return n.bytes(key, action)
		}
		inner := action
		if a, ok := n.action(name); ok {
			inner = a
		}
		if to, what := n.value("", name, charter.Action{}); what != "" {
			n.note(what)
			n.dst = telemetry.AppendValueKey(n.dst, to)
		} else {
			n.dst = appendRawKey(n.dst, name)
		}
		return n.walk(string(name), inner, depth+1)
	})
	if marked && ok {
		// The bytes were written as a text in the place of the object's only member.
		n.dst = append(n.dst[:from], n.dst[from+1:len(n.dst)-1]...)
	}
	return ok
}

// appendRawKey writes a name as it was read: one that begins with "@" has its
// second "@" already.
func appendRawKey(dst, name []byte) []byte {
	return append(telemetry.AppendValueString(dst, name), ':')
}

func (n *nestedWalk) bytes(key string, action charter.Action) bool {
	text, ok := n.text()
	if !ok {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return false
	}
	to, what := n.value(key, raw, action)
	if what != "" {
		n.note(what)
		raw = to
	}
	n.dst = telemetry.AppendValueBytes(n.dst, raw)
	return true
}

// text reads a string of src without its quotes and escapes.
func (n *nestedWalk) text() ([]byte, bool) {
	if n.at >= len(n.src) || n.src[n.at] != '"' {
		return nil, false
	}
	start, escaped := n.at+1, false
	for i := start; i < len(n.src); i++ {
		switch n.src[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			n.at = i + 1
			if !escaped {
				return n.src[start:i], true
			}
			var text string
			if json.Unmarshal(n.src[start-1:i+1], &text) != nil {
				return nil, false
			}
			return []byte(text), true
		}
	}
	return nil, false
}

// scalar writes a text, redacted.
func (n *nestedWalk) scalar(key string, text []byte, action charter.Action) {
	if to, what := n.value(key, text, action); what != "" {
		n.note(what)
		text = to
	}
	n.dst = telemetry.AppendValueString(n.dst, text)
}

// literal copies a number or a word. A number under an action, or one that a
// detector knows, becomes a text that says what it was.
func (n *nestedWalk) literal(key string, action charter.Action) bool {
	start := n.at
	for n.at < len(n.src) && n.src[n.at] != ',' && n.src[n.at] != ']' && n.src[n.at] != '}' {
		n.at++
	}
	word := n.src[start:n.at]
	if len(word) == 0 {
		return false
	}
	number := word[0] == '-' || word[0] >= '0' && word[0] <= '9'
	if k := action.Kind; number && k == charter.ActionTruncate {
		n.note(string(k)) // no text that could be cut, as in a kit
		n.dst = telemetry.AppendValueString(n.dst, privacy.MaskText(nil, word))
		return true
	} else if number && k != "" && k != charter.ActionKeep {
		n.note(string(k))
		n.dst = telemetry.AppendValueString(n.dst, n.apply(action, word))
		return true
	}
	if number {
		typ, num := telemetry.TypeInt, uint64(0)
		if v, err := strconv.ParseInt(string(word), 10, 64); err == nil {
			num = uint64(v)
		} else if f, err := strconv.ParseFloat(string(word), 64); err == nil && f > -1<<62 && f < 1<<62 && f == float64(int64(f)) {
			num = uint64(int64(f))
		}
		if what := n.number(key, typ, num); what != "" {
			n.note(what)
			n.dst = telemetry.AppendValueString(n.dst, []byte("["+what+"]"))
			return true
		}
	}
	n.dst = append(n.dst, word...)
	return true
}
