package propagate

import "strings"

// Targets says which hosts and subjects may have our baggage. The zero value lets
// none have it.
type Targets struct {
	all      bool
	exact    map[string]struct{}
	suffixes []string // .example.com
	subjects []string // "orders." of orders.>
}

// MaxTargets is how many patterns [NewTargets] takes; the rest is left out, which
// withholds baggage and gives none away.
const MaxTargets = 1024

// NewTargets compiles patterns: * is everything, .example.com every host that ends
// so, orders.> every subject below orders, and anything else exactly this host or
// subject. Letters match in either case, those of subject trees only as they are.
func NewTargets(patterns []string) Targets {
	t := Targets{exact: map[string]struct{}{}}
	for _, p := range patterns[:min(len(patterns), MaxTargets)] {
		switch {
		case p == "*":
			t.all = true
		case p == "":
		case strings.HasSuffix(p, ".>") && len(p) > 2:
			t.subjects = append(t.subjects, p[:len(p)-1])
		case p[0] == '.':
			t.suffixes = append(t.suffixes, lower(p))
		default:
			t.exact[lower(p)] = struct{}{}
		}
	}
	return t
}

// Match reports whether a host, with or without its port, or a subject is a target.
func (t *Targets) Match(target string) bool {
	if t.all {
		return true
	}
	if target == "" || len(t.exact)+len(t.suffixes)+len(t.subjects) == 0 {
		return false
	}
	for _, s := range t.subjects {
		if len(target) > len(s) && strings.HasPrefix(target, s) {
			return true
		}
	}
	host := lower(withoutPort(target))
	if _, ok := t.exact[host]; ok {
		return true
	}
	for _, s := range t.suffixes {
		if len(host) > len(s) && strings.HasSuffix(host, s) {
			return true
		}
	}
	return false
}

// withoutPort cuts :8080 and the brackets of an IPv6 address. A bare IPv6 address
// has more than one colon and stays.
func withoutPort(s string) string {
	if s[0] == '[' {
		if end := strings.IndexByte(s, ']'); end > 0 {
			return s[1:end]
		}
		return s
	}
	if at := strings.IndexByte(s, ':'); at >= 0 && at == strings.LastIndexByte(s, ':') {
		return s[:at]
	}
	return s
}

// lower maps ASCII letters only, so that both kits agree on every text.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
