package privacy

import "strings"

// addressKey reports whether the key is one whose value is a network address by
// its meaning, so that the address is what the charter decides on, not a finding.
func (w *walk) addressKey() bool {
	return w.key.name == "address" || strings.HasSuffix(w.key.name, ".address")
}

// ipv4 takes four numbers of at most 255 with dots between that begin at start.
func (w *walk) ipv4(start int) int {
	end, first, low := w.quad(start)
	if end == 0 || w.addressKey() || !w.leftEdge(start) || w.kind(end) != 0 || w.is(end, '_') {
		return 0
	}
	if w.is(end, '.') && w.kind(end+1) != 0 || w.is(end, '-') && w.kind(end+1) != 0 || w.is(start-1, '.') {
		return 0
	}
	// This host, this network, everyone; and the last two parts of a version.
	if first == 127 || first == 0 || first == 255 || low == 0 {
		return 0
	}
	if w.context(start)&ctxVersion != 0 || start > 0 && (w.v[start-1]|0x20 == 'v') {
		return 0
	}
	return w.add(ipv4, start, end)
}

// quad gives the end of a dotted quad at i, its first number, and its last two as one.
func (w *walk) quad(i int) (end, first, low int) {
	for part := range 4 {
		if part > 0 {
			if !w.is(i, '.') {
				return 0, 0, 0
			}
			i++
		}
		x, n := 0, 0
		for n < 4 && w.kind(i) == digit {
			x = x*10 + int(w.v[i]-'0')
			i++
			n++
		}
		if n == 0 || n > 3 || x > 255 || n > 1 && w.v[i-n] == '0' {
			return 0, 0, 0
		}
		if part == 0 {
			first = x
		}
		low = low<<8&0xff00 | x
	}
	return i, first, low
}

// ipv6 takes an address that begins at start, which is at a group or at "::".
func (w *walk) ipv6(start int) int {
	if w.addressKey() || w.is(start-1, ':') || w.is(start-1, '.') || w.kind(start-1) != 0 || w.is(start-1, '_') {
		return 0
	}
	i, groups, gap, digits, value := start, 0, false, false, 0
	if w.is(i, ':') {
		gap = true
		i += 2
	}
	var firstGroup int
	for groups < 8 {
		x, n := 0, 0
		for n < 5 && i+n < len(w.v) && unhex(w.v[i+n]) >= 0 {
			digits = digits || kinds[w.v[i+n]] == digit
			x = x<<4 | unhex(w.v[i+n])
			n++
		}
		if n > 4 {
			return 0
		}
		if n == 0 {
			break
		}
		if w.is(i+n, '.') && (gap && groups <= 6 || groups == 6) {
			if end, _, _ := w.quad(i); end > 0 {
				groups += 2
				value |= 2 // more than this host
				i = end
				break
			}
		}
		if groups == 0 {
			firstGroup = x
		}
		groups++
		value |= x
		i += n
		if !w.is(i, ':') || i+1 >= len(w.v) {
			break
		}
		if w.is(i+1, ':') {
			if gap {
				return 0
			}
			gap = true
			i += 2
			continue
		}
		if unhex(w.v[i+1]) < 0 {
			break
		}
		if groups == 8 {
			return 0
		}
		i++
	}
	w.steps += i - start
	if w.is(i, ':') && (w.is(i+1, ':') || w.kind(i+1) != 0) || w.kind(i) != 0 || w.is(i, '_') {
		return 0
	}
	if groups != 8 && !gap || groups == 8 && gap || !digits || value <= 1 {
		return 0
	}
	// a::b1 is a name in many languages; an address that is short has a known prefix.
	if groups < 3 && !(firstGroup >= 0x2000 && firstGroup < 0x4000 || firstGroup >= 0xfc00) {
		return 0
	}
	return w.add(ipv6, start, i)
}

// mac takes six pairs of hexadecimal digits, or three groups of four with dots.
func (w *walk) mac(start, size int) int {
	sep, i := w.v[start+size], start
	if w.kind(start-1) != 0 || w.is(start-1, sep) || w.is(start-1, '_') {
		return 0
	}
	sum, all := 0, 0xff
	for g := range 12 / size {
		if g > 0 {
			if !w.is(i, sep) {
				return 0
			}
			i++
		}
		for range size {
			if i >= len(w.v) || unhex(w.v[i]) < 0 {
				return 0
			}
			sum |= unhex(w.v[i])
			all &= unhex(w.v[i])
			i++
		}
	}
	if w.kind(i) != 0 || w.is(i, sep) && w.kind(i+1) != 0 || w.is(i, '_') || sum == 0 || all == 15 {
		return 0
	}
	return w.add(macAddress, start, i)
}

// unhex gives the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case kinds[c] == digit:
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
