package privacy

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"sync"
	"unicode/utf8"
)

// Hidden stands in the place of a value that is masked.
const Hidden = "***"

// LeastHashKey is the length in bytes of the shortest key of a [Hasher].
const LeastHashKey = 16

// HashLength is the length of a hash, in characters.
const HashLength = 32

// Hasher replaces values by what only the holder of its key can compute again:
// equal values have equal hashes, and nobody finds a value by trying them all.
type Hasher struct{ states sync.Pool }

// NewHasher makes a hasher for a key of at least [LeastHashKey] bytes, of which it
// keeps a copy.
func NewHasher(key []byte) (*Hasher, error) {
	if len(key) < LeastHashKey {
		return nil, fmt.Errorf("key of hashes: %d bytes; give it %d or more, of random", len(key), LeastHashKey)
	}
	key = bytes.Clone(key)
	h := &Hasher{}
	h.states.New = func() any { return hmac.New(sha256.New, key) }
	return h, nil
}

// Hash appends the hash of value: the first 16 bytes of its HMAC-SHA-256, in hexadecimal.
func (h *Hasher) Hash(to, value []byte) []byte {
	state := h.states.Get().(hash.Hash)
	state.Reset()
	state.Write(value)
	var sum [sha256.Size]byte
	to = hex.AppendEncode(to, state.Sum(sum[:0])[:HashLength/2])
	h.states.Put(state)
	return to
}

// MaskText appends [Hidden], or nothing where value is empty: that there was one
// is all that stays.
func MaskText(to, value []byte) []byte {
	if len(value) == 0 {
		return to
	}
	return append(to, Hidden...)
}

// TruncateText gives the first n bytes of value, or up to three fewer, so that it
// ends where a character does. It is a part of value, not a copy.
func TruncateText(value []byte, n int) []byte {
	n = max(n, 0)
	if len(value) <= n {
		return value
	}
	for back := 0; back < utf8.UTFMax && n-back > 0; back++ {
		if utf8.RuneStart(value[n-back]) {
			return value[:n-back]
		}
	}
	if n < utf8.UTFMax && !utf8.RuneStart(value[n]) && utf8.RuneStart(value[0]) {
		return value[:0]
	}
	return value[:n]
}

// TruncateIP appends value with its address cut to the network: 24 bits of IPv4,
// 48 of IPv6, 24 of an IPv4 address within an IPv6 one. A port stays, a zone goes.
// A list as in X-Forwarded-For is cut address by address. What is no address might be
// a name that somebody chose, and becomes [Hidden].
//
//	192.0.2.77:4711, 2001:db8:1:2::3  →  192.0.2.0:4711, 2001:db8:1::
func TruncateIP(to, value []byte) []byte {
	for first := true; ; first = false {
		part, rest, more := bytes.Cut(value, []byte{','})
		if !first {
			to = append(to, ", "...)
		}
		to = truncateOne(to, bytes.TrimSpace(part))
		if !more {
			return to
		}
		value = rest
	}
}

// longestAddress is longer than any address with brackets, zone and port.
const longestAddress = 128

func truncateOne(to, part []byte) []byte {
	if len(part) == 0 || len(part) > longestAddress {
		return MaskText(to, part)
	}
	text := string(part)
	if a, err := netip.ParseAddr(text); err == nil {
		return network(a).AppendTo(to)
	}
	if p, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(network(p.Addr()), p.Port()).AppendTo(to)
	}
	if n := len(text); text[0] == '[' && text[n-1] == ']' {
		if a, err := netip.ParseAddr(text[1 : n-1]); err == nil && a.Is6() {
			to = append(to, '[')
			to = network(a).AppendTo(to)
			return append(to, ']')
		}
	}
	return MaskText(to, part)
}

// network cuts an address. Addresses that hold one of IPv4 keep no more of it than
// an address of IPv4 does.
func network(a netip.Addr) netip.Addr {
	a = a.WithZone("")
	bits := 48
	switch b := a.As16(); {
	case a.Is4():
		bits = 24
	case a.Is4In6():
		bits = 96 + 24
	case b[0] == 0x20 && b[1] == 0x02: // 6to4, RFC 3056
		bits = 16 + 24
	}
	// Prefix masks what is mapped as IPv4, so bits are taken away here.
	if a.Is4In6() {
		b := a.As16()
		b[15] = 0
		return netip.AddrFrom16(b)
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}
