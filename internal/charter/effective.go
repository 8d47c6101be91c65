package charter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Effective gives the charter as text with every default written out. Parsing
// it gives an equal charter, and the same charter always gives the same text.
// Imports are named, not written out; nor is what an attribute leaves to them.
func (c *Charter) Effective() string { return c.effective }

// EffectiveJSON is Effective as JSON, which a charter may be written in as well.
func (c *Charter) EffectiveJSON() []byte {
	var b strings.Builder
	c.tree.json(&b)
	return []byte(b.String())
}

func (v *value) effective() string {
	var b strings.Builder
	v.write(&b, "")
	return b.String()
}

// write prints the pairs of a map or a mapping, one a line.
func (v *value) write(b *strings.Builder, indent string) {
	for _, name := range v.order() {
		kid := v.kids[name]
		if v.f.kind == kindMap {
			name = strconv.Quote(name)
		}
		switch {
		case kid.f.kind == kindMap || kid.f.kind == kindMapping:
			var inner strings.Builder
			kid.write(&inner, indent+"  ")
			if inner.Len() > 0 {
				b.WriteString(indent + name + ":\n" + inner.String())
			} else if v.f.kind == kindMap {
				b.WriteString(indent + name + ": {}\n") // the name alone says something
			}
		default:
			b.WriteString(indent + name + ": " + kid.inline() + "\n")
		}
	}
}

// order lists the keys that are printed: those of a mapping as the language has
// them, those of a map by the alphabet.
func (v *value) order() []string {
	if v.f.kind == kindMap {
		return v.names()
	}
	var keys []string
	for _, f := range v.f.fields {
		if v.kids[f.key] != nil && (!f.perFile || f.kind == kindVersion) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// inline gives a value in its one spelling on one line.
func (v *value) inline() string {
	switch {
	case v.list != nil:
		parts := make([]string, len(v.list))
		for i, one := range v.list {
			parts[i] = one.inline()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.kids != nil:
		var parts []string
		for _, key := range v.order() {
			name := key
			if v.f.kind == kindMap {
				name = strconv.Quote(key)
			}
			parts = append(parts, name+": "+v.kids[key].inline())
		}
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case v.f.kind == kindText, strings.Contains(v.text, "["):
		return strconv.Quote(v.text)
	}
	return v.text
}

func (v *value) json(b *strings.Builder) {
	switch {
	case v.list != nil:
		b.WriteByte('[')
		for i, one := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			one.json(b)
		}
		b.WriteByte(']')
	case v.kids != nil:
		b.WriteByte('{')
		for i, key := range v.order() {
			if i > 0 {
				b.WriteByte(',')
			}
			quoteJSON(b, key)
			b.WriteByte(':')
			v.kids[key].json(b)
		}
		b.WriteByte('}')
	case v.f.kind == kindCount, v.f.kind == kindVersion, v.f.kind == kindBool:
		b.WriteString(v.text)
	default:
		quoteJSON(b, v.text)
	}
}

func quoteJSON(b *strings.Builder, s string) {
	text, _ := json.Marshal(s) // a text always can be written
	for _, r := range string(text) {
		if r >= 0x7f && r < 0x10000 && !unicode.IsPrint(r) {
			fmt.Fprintf(b, `\u%04x`, r) // JSON takes it as it is, YAML does not
			continue
		}
		b.WriteRune(r)
	}
}
