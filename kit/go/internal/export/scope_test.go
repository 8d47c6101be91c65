package export

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A collector refuses a whole request for one byte that is not UTF-8, and libraries make names of scopes from data.
func TestScopesAreUTF8(t *testing.T) {
	var s scopes
	s.init()
	for name, text := range map[string]string{"invalid": "a\xff", "cut within a character": strings.Repeat("a", maxScopeText-1) + "\u00e9"} {
		number := s.number(text, text, text)
		one := s.all()[number]
		fields(one.head, func(_, _ uint64, inner []byte) bool {
			return fields(inner, func(field, _ uint64, data []byte) bool {
				if !utf8.Valid(data) || len(data) > maxScopeText {
					t.Errorf("%s: field %d of the scope is %q", name, field, data)
				}
				return true
			})
		})
		fields(one.tail, func(_, _ uint64, data []byte) bool {
			if !utf8.Valid(data) {
				t.Errorf("%s: the schema is %q", name, data)
			}
			return true
		})
	}
}
