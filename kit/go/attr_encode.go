package clew

import (
	"math"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// append encodes the attribute as a KeyValue in the given field. key is the attribute's key as it may go out. A text has at most max bytes,
// an array at most maxElements; cut says whether something was left out.
func (a *Attr) append(b []byte, field int, key string, max int) (out []byte, cut bool) {
	switch a.kind() {
	case textKind:
		text := wire.Text(a.text(), max)
		return wire.AppendStringAttr(b, field, key, text), len(text) < a.len()
	case intKind:
		return wire.AppendIntAttr(b, field, key, int64(a.num)), false
	case boolKind:
		return wire.AppendBoolAttr(b, field, key, a.num != 0), false
	case floatKind:
		return wire.AppendFloatAttr(b, field, key, math.Float64frombits(a.num)), false
	case textsKind:
		list, cut := head(elements[string](a))
		list, shorter := shorten(list, max)
		return wire.AppendStringsAttr(b, field, key, list), cut || shorter
	case intsKind:
		list, cut := head(elements[int64](a))
		return wire.AppendIntsAttr(b, field, key, list), cut
	case floatsKind:
		list, cut := head(elements[float64](a))
		return wire.AppendFloatsAttr(b, field, key, list), cut
	case boolsKind:
		list, cut := head(elements[bool](a))
		return wire.AppendBoolsAttr(b, field, key, list), cut
	case bytesKind:
		p := elements[byte](a)
		n := min(len(p), max)
		return wire.AppendBytesAttr(b, field, key, p[:n]), n < len(p)
	}
	return b, false
}

// head is the part of an array that is kept.
func head[T any](list []T) ([]T, bool) {
	if len(list) <= maxElements {
		return list, false
	}
	return list[:maxElements], true
}

// shorten returns the list with every text as it may go out. It copies the list only when a text is changed.
func shorten(list []string, max int) (out []string, cut bool) {
	copied := false
	for i, s := range list {
		t := wire.Text(s, max)
		if t == s {
			continue
		}
		if !copied {
			list, copied = append([]string(nil), list...), true
		}
		list[i] = t
		cut = cut || len(t) < len(s)
	}
	return list, cut
}
