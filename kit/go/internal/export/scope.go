package export

import (
	"encoding/binary"
	"sync"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// maxScopes bounds the instrumentation scopes that are kept apart, since some
// libraries make their name or version from data.
const maxScopes = 1024

// maxScopeText bounds each text of a scope, in bytes.
const maxScopeText = 256

type scopes struct {
	mu      sync.RWMutex
	numbers map[scopeKey]uint32
	encoded []scope
}

type scopeKey struct{ name, version, schemaURL string }

// scope is what stands before and behind the records in a ScopeSpans: field 1,
// the InstrumentationScope, and field 3, the schema.
type scope struct{ head, tail []byte }

func (s *scopes) init() {
	s.numbers = make(map[scopeKey]uint32)
	s.number("clew", "", "")
}

func (s *scopes) number(name, version, schemaURL string) uint32 {
	key := scopeKey{wire.Text(name, maxScopeText), wire.Text(version, maxScopeText), wire.Text(schemaURL, maxScopeText)}
	s.mu.RLock()
	n, ok := s.numbers[key]
	s.mu.RUnlock()
	if ok {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.numbers[key]; ok {
		return n
	}
	if len(s.encoded) >= maxScopes {
		return 0
	}
	var inner []byte
	inner = appendText(inner, 1, key.name)
	inner = appendText(inner, 2, key.version)
	one := scope{head: appendBytes(nil, 1, inner), tail: appendText(nil, 3, key.schemaURL)}
	n = uint32(len(s.encoded))
	s.encoded = append(s.encoded, one)
	s.numbers[key] = n
	return n
}

// all is the scopes by number. What it returns is never written to again: number
// only appends behind its end.
func (s *scopes) all() []scope {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.encoded
}

// appendBytes appends a field of wire type 2.
func appendBytes(to []byte, field int, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(field)<<3|2)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

// appendText appends a text field, nothing for the empty text.
func appendText(to []byte, field int, value string) []byte {
	if value == "" {
		return to
	}
	to = binary.AppendUvarint(to, uint64(field)<<3|2)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

func uvarintLen(n int) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}
