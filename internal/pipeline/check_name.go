package pipeline

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// nearest finds the known name that an unknown one was probably meant to be. The
// search goes through all known names, so its share of time is bounded: a sender
// of a million names gets "unknown" without a suggestion.
type nearest struct {
	byLength [][]string // names of each length

	budget *budget
}

// budget is a number of searches for each second.
type budget struct {
	mu     sync.Mutex
	second int64
	left   int
}

const (
	searchesPerSecond = 200
	maxNearestBytes   = 64 // longer names have no neighbours
)

func newNearest(names []string) nearest {
	n := nearest{byLength: make([][]string, maxNearestBytes+1), budget: &budget{}}
	for _, name := range names {
		if len(name) <= maxNearestBytes {
			n.byLength[len(name)] = append(n.byLength[len(name)], name)
		}
	}
	return n
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now().Unix(); now != b.second {
		b.second, b.left = now, searchesPerSecond
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// to gives the known name nearest to an unknown one, at most one edit in eight
// letters away and two in all, or nothing. searched is false when there was no time.
func (n nearest) to(name string) (best string, searched bool) {
	if len(name) > maxNearestBytes {
		return "", true
	}
	if !n.budget.take() {
		return "", false
	}
	most := min(max(len(name)/8, 1), 2)
	folded := fold(name)
	for length := max(len(name)-most-2, 1); length <= min(len(name)+most+2, maxNearestBytes); length++ {
		for _, known := range n.byLength[length] {
			if fold(known) == folded {
				return known, true // only dots, underscores, hyphens and case differ
			}
			if d := edits(name, known, most); d <= most && (d < most || best == "") {
				best, most = known, d
			}
		}
	}
	return best, true
}

// fold takes away what languages spell differently: orderId, order_id, order.id.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer(".", "", "_", "", "-", "").Replace(name))
}

// edits counts insertions, deletions, replacements and swaps of neighbours between
// two names (optimal string alignment), and gives most+1 when there are more.
func edits(a, b string, most int) int {
	if d := len(a) - len(b); d > most || -d > most {
		return most + 1
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var rows [3][maxNearestBytes + 1]int
	two, one, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}

// holdsID reports whether a span's name has a part that looks like an id: a number
// of three digits or more as a segment of a path, of five elsewhere, or hexadecimal
// digits, eight or more, at least two of them decimal and one a letter.
func holdsID(name []byte) bool {
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && (isLetter(name[i]) || isDigit(name[i])) {
			continue
		}
		if token := name[start:i]; len(token) >= 3 {
			segment := start > 0 && name[start-1] == '/' && (i == len(name) || name[i] == '/' || name[i] == '?' || name[i] == ' ')
			if looksLikeID(token, segment) {
				return true
			}
		}
		start = i + 1
	}
	return false
}

func looksLikeID(token []byte, segment bool) bool {
	digits, letters := 0, 0
	for _, c := range token {
		switch {
		case isDigit(c):
			digits++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			letters++
		default:
			return false
		}
	}
	if letters == 0 {
		return digits >= 5 || segment
	}
	return len(token) >= 8 && digits >= 2
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 }

// isMember reports whether sorted holds v.
func isMember(sorted []string, v []byte) bool {
	_, ok := slices.BinarySearchFunc(sorted, v, func(s string, v []byte) int { return strings.Compare(s, string(v)) })
	return ok
}
