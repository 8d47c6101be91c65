package policy

import (
	"slices"
	"strings"
)

// patternIndex finds the first of many patterns that a text matches: exact texts by
// one look-up, prefixes by one look-up for each length that occurs. 10,000 patterns
// cost as much as their lengths differ.
type patternIndex struct {
	exact    map[string]int32
	prefixes map[string]int32
	lengths  []int // of prefixes, ascending
}

// add enters a pattern under its place in the order. Of equal patterns the first
// one counts.
func (x *patternIndex) add(pattern string, place int32) {
	if x.exact == nil {
		x.exact, x.prefixes = map[string]int32{}, map[string]int32{}
	}
	into, prefix, isPrefix := x.exact, pattern, false
	if prefix, isPrefix = strings.CutSuffix(pattern, "*"); isPrefix {
		into = x.prefixes
		if at, found := slices.BinarySearch(x.lengths, len(prefix)); !found {
			x.lengths = slices.Insert(x.lengths, at, len(prefix))
		}
	}
	if _, taken := into[prefix]; !taken {
		into[prefix] = place
	}
}

// find returns the lowest place among the patterns that text matches.
func (x *patternIndex) find(text string) (int32, bool) {
	best, ok := x.exact[text]
	for _, n := range x.lengths {
		if n > len(text) {
			break
		}
		if place, found := x.prefixes[text[:n]]; found && (!ok || place < best) {
			best, ok = place, true
		}
	}
	return best, ok
}

// ruleIndex finds the first rule that a root matches. A rule stands in one bucket,
// that of its route, else its name, else its method, else its kind; exact texts and
// prefixes apart. Only rules of the buckets that the root falls into are compared.
type ruleIndex struct {
	rules   []compiledRule
	buckets [4]buckets
	any     []int32 // rules that match everything; one is enough
}

type buckets struct {
	exact    map[string][]int32
	prefixes map[string][]int32
	lengths  []int
}

type compiledRule struct {
	match [4]Optional[string]
	decider
}

func (m *Match) fields() [4]Optional[string] {
	return [4]Optional[string]{m.Route, m.Name, m.Method, m.Kind}
}

func (f *Facts) fields() [4]string { return [4]string{f.Route, f.Name, f.Method, f.Kind} }

func newRuleIndex(s Sampling) (x ruleIndex) {
	seen := make(map[[4]Optional[string]]struct{}, len(s.Rules.Value))
	for _, r := range s.Rules.Value {
		match := r.Match.fields()
		if _, twice := seen[match]; twice {
			continue // It would never be reached.
		}
		seen[match] = struct{}{}
		place := int32(len(x.rules))
		x.rules = append(x.rules, compiledRule{match, newDecider(r.Threshold.Or(s.Threshold.Value), r.PerSecond)})
		x.put(match, place)
	}
	return x
}

func (x *ruleIndex) put(match [4]Optional[string], place int32) {
	for i, field := range match {
		if !field.Set {
			continue
		}
		b := &x.buckets[i]
		if b.exact == nil {
			b.exact, b.prefixes = map[string][]int32{}, map[string][]int32{}
		}
		if prefix, ok := strings.CutSuffix(field.Value, "*"); ok {
			if at, found := slices.BinarySearch(b.lengths, len(prefix)); !found {
				b.lengths = slices.Insert(b.lengths, at, len(prefix))
			}
			b.prefixes[prefix] = append(b.prefixes[prefix], place)
		} else {
			b.exact[field.Value] = append(b.exact[field.Value], place)
		}
		return
	}
	x.any = append(x.any, place)
}

func (x *ruleIndex) find(f Facts) *decider {
	if len(x.rules) == 0 {
		return nil
	}
	facts := f.fields()
	best := int32(len(x.rules))
	if len(x.any) > 0 {
		best = x.any[0]
	}
	for i := range x.buckets {
		b := &x.buckets[i]
		if b.exact == nil {
			continue
		}
		text := facts[i]
		best = x.first(b.exact[text], &facts, best)
		for _, n := range b.lengths {
			if n > len(text) {
				break
			}
			best = x.first(b.prefixes[text[:n]], &facts, best)
		}
	}
	if int(best) == len(x.rules) {
		return nil
	}
	return &x.rules[best].decider
}

// first is the lowest place below best whose rule matches.
func (x *ruleIndex) first(places []int32, facts *[4]string, best int32) int32 {
	for _, place := range places {
		if place >= best {
			break
		}
		if x.rules[place].matches(facts) {
			return place
		}
	}
	return best
}

func (r *compiledRule) matches(facts *[4]string) bool {
	for i, field := range r.match {
		if !field.Set {
			continue
		}
		if prefix, ok := strings.CutSuffix(field.Value, "*"); ok {
			if !strings.HasPrefix(facts[i], prefix) {
				return false
			}
		} else if facts[i] != field.Value {
			return false
		}
	}
	return true
}
