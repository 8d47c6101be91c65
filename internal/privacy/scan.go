package privacy

import (
	"slices"
	"strconv"
	"sync"
)

// MaxMatches bounds the matches of one value. The last of that many reaches to the
// end of the value, so that what was not looked at does not pass.
const MaxMatches = 100

// mostRounds bounds how often Redact looks at its own work. Marks rarely bring
// forth another finding; text that does so again and again was made for it.
const mostRounds = 4

// shortest is the length of the shortest finding, as "2a::1" is.
const shortest = 5

// Match is a finding: value[Start:End].
type Match struct {
	Detector   Detector
	Start, End int
}

// Find appends what it finds in value to the matches in to. Value is the text of
// key, which may be empty: a span's name, the body of a log record. What is
// appended is in order of place, does not overlap, and is at most [MaxMatches].
// Nothing is allocated when nothing is found.
func (s *Scanner) Find(to []Match, key string, value []byte) []Match {
	k := keys.Get().(*Key)
	defer keys.Put(k)
	*k = NewKey(key)
	to, _ = s.find(to, k, value)
	return to
}

// find is Find that also counts its steps: bytes looked at, again for each time.
func (s *Scanner) find(to []Match, key *Key, value []byte) ([]Match, int) {
	if len(value) < shortest {
		return to, 0
	}
	base := len(to)
	seen, digits := gate(value)
	steps := len(value)
	if on := s.on & possible(seen, digits, len(value)); on != 0 {
		w := walk{v: value, key: key, on: on, found: to, base: base, userinfo: -1}
		w.run()
		to = w.found
		steps += w.steps
	}
	if seen&(hasPercent|hasBackslash) != 0 || seen&(hasPlus|hasEqual) == hasPlus|hasEqual {
		var more int
		to, more = s.findEscaped(to, key, value)
		steps += more
	}
	if len(to)-base > 0 {
		to = to[:base+tidy(to[base:], len(value))]
	}
	return to, steps
}

// tidy puts matches in order, joins what overlaps, and gives how many remain. Of
// two that overlap the one that begins first, or else the longer one, keeps its
// place; what the other has beyond it stays a match of its own.
func tidy(m []Match, end int) int {
	slices.SortStableFunc(m, func(a, b Match) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return b.End - a.End
	})
	n := 0
	for _, x := range m {
		if n > 0 && x.Start < m[n-1].End {
			x.Start = m[n-1].End
			if x.Start >= x.End {
				continue
			}
			if x.Detector == m[n-1].Detector {
				m[n-1].End = x.End
				continue
			}
		}
		m[n] = x
		n++
	}
	if n >= MaxMatches {
		n = MaxMatches
		m[n-1].End = end
	}
	return n
}

// Redact replaces each match by its mark, "[email]". It appends the result to the
// bytes in to, and gives value itself when nothing is found. The matches are those
// of [Scanner.Find]. Redacting the result again changes nothing.
func (s *Scanner) Redact(to []byte, key string, value []byte) ([]byte, []Match) {
	k := NewKey(key)
	return s.RedactOf(to, &k, value)
}

// RedactOf is Redact for many values of one key.
func (s *Scanner) RedactOf(to []byte, key *Key, value []byte) ([]byte, []Match) {
	found, _ := s.find(nil, key, value)
	if len(found) == 0 {
		return value, nil
	}
	base := len(to)
	to = replace(to, value, found)
	for range mostRounds {
		again, _ := s.find(nil, key, to[base:])
		if len(again) == 0 {
			return to, found
		}
		text := slices.Clone(to[base:])
		to = replace(to[:base], text, again)
	}
	if again, _ := s.find(nil, key, to[base:]); len(again) > 0 {
		to = mark(to[:base], found[0].Detector)
	}
	return to, found
}

func replace(to, value []byte, found []Match) []byte {
	at := 0
	for _, m := range found {
		to = append(to, value[at:m.Start]...)
		to = mark(to, m.Detector)
		at = m.End
	}
	return append(to, value[at:]...)
}

func mark(to []byte, d Detector) []byte {
	to = append(to, '[')
	to = append(to, d...)
	return append(to, ']')
}

// FindInt reports which detector an integer is a finding of: cards, and national
// numbers where the key speaks of them.
func (s *Scanner) FindInt(key string, value int64) (Detector, bool) {
	// Seven digits are the shortest telephone number; all else is longer.
	if value < 1_000_000 || s.on&numeric == 0 {
		return "", false
	}
	n := integers.Get().(*integer)
	defer integers.Put(n)
	n.key = NewKey(key)
	w := walk{v: strconv.AppendInt(n.text[:0], value, 10), key: &n.key, on: s.on & numeric, found: n.found[:0], userinfo: -1}
	w.run()
	if len(w.found) == 0 {
		return "", false
	}
	return w.found[0].Detector, true
}

// integer is the room that looking at an integer takes.
type integer struct {
	text  [20]byte
	found [4]Match
	key   Key
}

var keys = sync.Pool{New: func() any { return new(Key) }}

var integers = sync.Pool{New: func() any { return new(integer) }}
