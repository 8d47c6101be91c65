package charter

import (
	"encoding/json"
	"strings"
)

// Schema gives the language as a JSON Schema (draft 2020-12), for editors that
// complete and check YAML. It accepts each file of every charter that checks, as
// long as no number stands in quotes; what it cannot say, such as names that must
// exist elsewhere, only a check finds.
func Schema() []byte {
	s := language().schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Clew charter"
	s["description"] = "The governance file of an installation of Clew."
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("charter: the schema cannot be written: " + err.Error()) // it holds texts and numbers only
	}
	return append(text, '\n')
}

func (f *field) schema() map[string]any {
	s := f.shape()
	if f.doc != "" {
		s["description"] = f.doc
	}
	return s
}

// shape is the schema of a field's value without its description.
func (f *field) shape() map[string]any {
	switch f.kind {
	case kindVersion:
		return map[string]any{"const": Version}
	case kindCount:
		return map[string]any{"type": "integer", "minimum": f.least, "maximum": f.most}
	case kindBool:
		return map[string]any{"type": "boolean"}
	case kindDuration:
		return map[string]any{"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
	case kindBytes:
		return map[string]any{"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$"}
	case kindWord:
		return map[string]any{"enum": f.wordValues()}
	case kindList:
		list := map[string]any{"type": "array", "uniqueItems": true, "items": f.entry.schema()}
		if len(f.words) == 0 {
			return list
		}
		return map[string]any{"anyOf": []any{list, map[string]any{"enum": f.wordValues()}}}
	case kindMap:
		return map[string]any{"type": "object", "propertyNames": map[string]any{"pattern": f.spelling.portable()}, "additionalProperties": f.entry.schema()}
	case kindMapping:
		s := f.object()
		var required []string
		for _, one := range f.fields {
			if one.required {
				required = append(required, one.key)
			}
		}
		if required != nil {
			s["required"] = required
		}
		return s
	case kindChoice:
		one := f.object()
		one["minProperties"], one["maxProperties"] = 1, 1
		if len(f.words) == 0 {
			return one
		}
		return map[string]any{"anyOf": []any{one, map[string]any{"enum": f.wordValues()}}}
	}
	// A text may look like another kind of value to a reader of YAML: 404, true.
	s := map[string]any{"type": []string{"string", "number", "boolean"}}
	if f.spelling != nil {
		s["pattern"] = f.spelling.portable()
	} else if f.most > 0 {
		s["minLength"] = min(f.least, 1)
		s["maxLength"] = f.most // counts characters, of which a byte is the least
	}
	return s
}

func (f *field) object() map[string]any {
	properties := map[string]any{}
	for _, one := range f.fields {
		properties[one.key] = one.schema()
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// wordValues are the words as a reader of YAML sees them: false is no text to it.
func (f *field) wordValues() []any {
	var all []any
	for _, w := range f.words {
		all = append(all, w.word)
		if w.word == "false" {
			all = append(all, false)
		}
	}
	return all
}

// portable gives the pattern in the dialect of JSON Schema, which is JavaScript's.
func (p *pattern) portable() string {
	return strings.NewReplacer(`\x00`, `\u0000`, `\x1f`, `\u001f`, `\x7f`, `\u007f`).Replace(p.is.String())
}
