package generate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// mapping is a mapping of YAML that keeps its order.
type mapping []pair

type pair struct {
	key   string // plain: letters, digits and _
	value any    // mapping, []any, string, word, int, int64, float64 or bool
}

// word is a text that YAML takes for one without quotes.
type word string

func (m *mapping) add(key string, value any) { *m = append(*m, pair{key, value}) }

// addIf adds what is not empty.
func (m *mapping) addIf(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case mapping:
		if len(v) == 0 {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	case bool:
		if !v {
			return
		}
	}
	m.add(key, value)
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// writeYAML writes the pairs of a mapping, one a line.
func writeYAML(b *strings.Builder, m mapping, indent string) {
	for i, p := range m {
		if i > 0 {
			b.WriteString(indent)
		}
		b.WriteString(p.key + ":")
		switch v := p.value.(type) {
		case mapping:
			if len(v) == 0 {
				b.WriteString(" {}\n")
				continue
			}
			b.WriteString("\n" + indent + "  ")
			writeYAML(b, v, indent+"  ")
		case []any:
			writeList(b, v, indent)
		default:
			b.WriteString(" " + scalarYAML(v) + "\n")
		}
	}
}

// writeList writes a list of single values on one line, of mappings on one line each.
func writeList(b *strings.Builder, list []any, indent string) {
	if len(list) > 0 {
		if _, ok := list[0].(mapping); ok {
			b.WriteString("\n")
			for _, one := range list {
				b.WriteString(indent + "  - ")
				writeYAML(b, one.(mapping), indent+"    ")
			}
			return
		}
	}
	parts := make([]string, len(list))
	for i, one := range list {
		parts[i] = scalarYAML(one)
	}
	b.WriteString(" [" + strings.Join(parts, ", ") + "]\n")
}

func scalarYAML(value any) string {
	switch v := value.(type) {
	case string:
		return quoteYAML(v)
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0" // otherwise it would be read as a whole number
		}
		return text
	}
	return fmt.Sprint(value)
}

// quoteYAML writes a text in quotes in the way that YAML and JSON share.
func quoteYAML(s string) string {
	text, _ := json.Marshal(s) // a text always can be written
	var b strings.Builder
	for _, r := range string(text) {
		if r >= 0x7f && r < 0x10000 && !unicode.IsPrint(r) {
			fmt.Fprintf(&b, `\u%04x`, r) // JSON takes it as it is, YAML does not
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
