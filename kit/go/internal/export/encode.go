package export

import (
	"encoding/binary"
)

// frameBytes stay free before a body for the prefix of a gRPC message.
const frameBytes = 5

// encoder makes request bodies out of blocks. Its buffers are used again.
type encoder struct {
	resource []byte // field 1 of ResourceSpans with its tag
	schema   []byte // field 3 of ResourceSpans with its tag

	sizes []int // by scope: bytes of its records
	order []uint32
	at    []int // by scope: where its next record goes
	body  []byte
}

func newEncoder(resource []byte, schemaURL string) encoder {
	return encoder{resource: appendBytes(nil, 1, resource), schema: appendText(nil, 3, schemaURL)}
}

// encode writes an Export…ServiceRequest with one ResourceSpans and one
// ScopeSpans for each scope, behind frameBytes free bytes. The three signals have
// the same envelope. The result is valid until the next call.
func (e *encoder) encode(blocks []*block, scopes []scope) []byte {
	e.order = e.order[:0]
	clear(e.sizes)
	for len(e.sizes) < len(scopes) {
		e.sizes, e.at = append(e.sizes, 0), append(e.at, 0)
	}
	for _, b := range blocks {
		for data := b.data; len(data) > 0; {
			n, record, rest := next(data)
			if e.sizes[n] == 0 {
				e.order = append(e.order, n)
			}
			e.sizes[n] += len(record)
			data = rest
		}
	}
	inner := len(e.resource) + len(e.schema)
	for _, n := range e.order {
		size := len(scopes[n].head) + e.sizes[n] + len(scopes[n].tail)
		inner += 1 + uvarintLen(size) + size
	}
	total := frameBytes + 1 + uvarintLen(inner) + inner
	if cap(e.body) < total {
		e.body = make([]byte, 0, total)
	}
	out := append(e.body[:0], make([]byte, frameBytes)...)
	out = append(out, 1<<3|2)
	out = binary.AppendUvarint(out, uint64(inner))
	out = append(out, e.resource...)
	for _, n := range e.order {
		one := scopes[n]
		out = append(out, 2<<3|2)
		out = binary.AppendUvarint(out, uint64(len(one.head)+e.sizes[n]+len(one.tail)))
		out = append(out, one.head...)
		e.at[n] = len(out)
		out = append(out[:len(out)+e.sizes[n]], one.tail...)
	}
	out = append(out, e.schema...)
	for _, b := range blocks {
		for data := b.data; len(data) > 0; {
			n, record, rest := next(data)
			e.at[n] += copy(out[e.at[n]:], record)
			data = rest
		}
	}
	e.body = out
	return out
}

// next splits off the first record of a block.
func next(data []byte) (scope uint32, record, rest []byte) {
	scope = binary.LittleEndian.Uint32(data)
	end := headerBytes + int(binary.LittleEndian.Uint32(data[4:]))
	return scope, data[headerBytes:end], data[end:]
}
