package charter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var durationUnits = []struct {
	name string
	d    time.Duration
}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

var byteUnits = []struct {
	name string
	n    int64
}{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// split cuts "168h" into 168 and "h". It refuses signs, fractions and spaces, so
// that a quantity has one spelling.
func split(s string) (n int64, unit string, ok bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	return n, s[i:], err == nil
}

// parseDuration reads a duration. The error is the part of a message after the value.
func parseDuration(s string) (time.Duration, string) {
	if n, unit, ok := split(s); ok {
		for _, u := range durationUnits {
			if unit == u.name {
				if n > math.MaxInt64/int64(u.d) {
					return 0, "is longer than 292 years"
				}
				return time.Duration(n) * u.d, ""
			}
		}
	}
	return 0, "is not a duration; write " + guessDuration(s)
}

// guessDuration turns a common other spelling into ours, or gives an example.
func guessDuration(s string) string {
	words := map[string]time.Duration{
		"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
		"w": 168 * time.Hour, "week": 168 * time.Hour, "weeks": 168 * time.Hour,
		"hour": time.Hour, "hours": time.Hour, "h": time.Hour, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute, "m": time.Minute,
		"sec": time.Second, "second": time.Second, "seconds": time.Second, "s": time.Second,
	}
	n, unit, ok := split(strings.ReplaceAll(strings.ToLower(s), " ", ""))
	if d := words[unit]; ok && d > 0 && n < math.MaxInt64/int64(d) {
		return formatDuration(time.Duration(n) * d)
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 && d%time.Millisecond == 0 {
		return formatDuration(d)
	}
	return "a whole number and ms, s, m or h, such as 168h"
}

// formatDuration gives the one spelling of d with the largest unit that is exact.
func formatDuration(d time.Duration) string {
	for i := len(durationUnits) - 1; i >= 0; i-- {
		if u := durationUnits[i]; d%u.d == 0 && d >= u.d {
			return strconv.FormatInt(int64(d/u.d), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// parseBytes reads a size. The error is the part of a message after the value.
func parseBytes(s string) (int64, string) {
	if n, unit, ok := split(s); ok {
		for _, u := range byteUnits {
			if unit == u.name {
				if n > math.MaxInt64/u.n {
					return 0, "is over 8 EiB"
				}
				return n * u.n, ""
			}
		}
	}
	return 0, "is not a size; write " + guessBytes(s)
}

func guessBytes(s string) string {
	n, unit, ok := split(strings.ReplaceAll(strings.ToLower(s), " ", ""))
	if ok && n > 0 {
		for _, u := range byteUnits {
			l := strings.ToLower(u.name)
			if unit == l || unit == strings.Replace(l, "i", "", 1) || unit+"ib" == l || unit == "" && u.n == 1 {
				return strconv.FormatInt(n, 10) + u.name
			}
		}
	}
	return "a whole number and B, KiB, MiB, GiB or TiB, such as 50GiB"
}

func formatBytes(n int64) string {
	for i := len(byteUnits) - 1; i >= 0; i-- {
		if u := byteUnits[i]; n%u.n == 0 && n >= u.n {
			return strconv.FormatInt(n/u.n, 10) + u.name
		}
	}
	return fmt.Sprintf("%dB", n)
}

// nearest gives the known word with the smallest edit distance to s, when that
// is at most a third of its length.
func nearest(s string, known []string) string {
	best, distance := "", len(s)/3+1
	for _, k := range known {
		if d := editDistance(s, k, distance); d < distance || d == distance && best == "" {
			best, distance = k, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours between two words; words over 64 bytes are infinitely far apart. What
// is over most may be given as anything over it: most words are told apart by their
// lengths or their first letters.
func editDistance(a, b string, most int) int {
	const far = 1 << 20
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) > most || len(b)-len(a) > most {
		return far
	}
	var two, one, row [65]int
	for j := range len(b) + 1 {
		one[j] = j
	}
	least := 0 // of the row before
	for i := 1; i <= len(a); i++ {
		row[0] = i
		before := least
		least = i
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
		if least > most && before > most { // two rows: a swap reaches over one
			return far
		}
		two, one = one, row
	}
	return one[len(b)]
}
