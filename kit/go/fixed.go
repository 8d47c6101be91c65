package clew

import (
	"slices"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// Fixed is a list of attributes that many spans have alike: what is known of a route, a statement or a call site. They are encoded once, when the
// list is made, and not for each span. Keep the Fixed; any number of goroutines may use one at once.
//
//	var about = clew.Fix(clew.String("shop.payment.provider", "acme"), clew.Int("shop.payment.version", 2))
//
//	span.SetFixed(about)
//
// Where they cannot go out as they are encoded, because the policy redacts, a limit is lower than usual or the span has one of the keys already,
// they are set one by one, as Set does.
type Fixed struct {
	attrs   []Attr
	encoded []byte // empty: they are set one by one always
	seen    uint64 // as in buffer
	longest int    // text
}

// Fix makes a Fixed of attributes. Arrays are not copied: do not change them.
func Fix(attrs ...Attr) *Fixed {
	f := &Fixed{}
	whole := true
	for _, a := range attrs {
		if a.kind() == noKind {
			continue
		}
		f.attrs = append(f.attrs, a)
		key := wire.Text(a.key, maxKey)
		bit := uint64(0)
		if key != "" {
			bit = keyBit(key)
		}
		if key != a.key || bit == 0 || f.seen&bit != 0 && twice(f.attrs) {
			whole = false
			continue
		}
		f.seen |= bit
		length, sound := a.longest()
		f.longest = max(f.longest, length)
		whole = whole && sound
		f.encoded, _ = a.append(f.encoded, spanAttributes, key, defaultLimits().value)
	}
	if !whole {
		f.encoded = nil
	}
	return f
}

// twice says whether the last attribute has the key of one before it.
func twice(attrs []Attr) bool {
	last := len(attrs) - 1
	for i := range attrs[:last] {
		if attrs[i].key == attrs[last].key {
			return true
		}
	}
	return false
}

// longest is the number of bytes of the longest text of the attribute. sound says that the attribute goes out as it is: nothing of it is over a
// limit, or is no UTF-8.
func (a *Attr) longest() (bytes int, sound bool) {
	most := defaultLimits().value
	switch a.kind() {
	case textKind:
		return a.len(), wire.Text(a.text(), most) == a.text()
	case bytesKind:
		return a.len(), a.len() <= most
	case textsKind:
		list := elements[string](a)
		for _, s := range list {
			bytes = max(bytes, len(s))
		}
		return bytes, a.len() <= maxElements && !slices.ContainsFunc(list, func(s string) bool { return wire.Text(s, most) != s })
	case intsKind, floatsKind, boolsKind:
		return 0, a.len() <= maxElements
	}
	return 0, true
}

// setFixed records f's attributes. The caller holds mu, or is the only one who knows the span.
func (s *span) setFixed(f *Fixed) {
	if f == nil || len(f.attrs) == 0 {
		return
	}
	k, buf := s.kit, s.content()
	kept := int(buf.attributes.kept) + len(f.attrs)
	if len(f.encoded) == 0 || buf.seen&f.seen != 0 && f.meets(buf) || kept > k.limits.attributes || f.longest > k.limits.value ||
		len(buf.b)+len(f.encoded) > maxSpan || k.policy.Load().Redacts() {
		s.set(f.attrs)
		return
	}
	buf.b = append(buf.b, f.encoded...)
	buf.seen |= f.seen
	buf.attributes.kept = uint16(kept)
}

// meets says whether the span has one of f's keys. Bits tell most keys apart, not all.
func (f *Fixed) meets(buf *buffer) bool {
	for i := range f.attrs {
		if key := f.attrs[i].key; buf.seen&keyBit(key) != 0 {
			if from, _ := findAttribute(buf.b, key); from != 0 {
				return true
			}
		}
	}
	return false
}

// SetFixed records attributes that many spans have alike.
func (a Active) SetFixed(f *Fixed) {
	if a.f != nil {
		a.f.set(f.list())
		return
	}
	if !a.own || !a.s.keeps() {
		return
	}
	a.s.mu.Lock()
	if !a.s.ended.Load() {
		a.s.setFixed(f)
	}
	a.s.mu.Unlock()
}

// list is the attributes; a nil Fixed has none.
func (f *Fixed) list() []Attr {
	if f == nil {
		return nil
	}
	return f.attrs
}
