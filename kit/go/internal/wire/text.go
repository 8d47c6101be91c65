package wire

import (
	"strings"
	"unicode/utf8"
)

// Text returns s as it may go into a message: at most max bytes, cut on a character's border, and valid UTF-8, with U+FFFD for what is
// not. The usual text is returned as it is, without a copy.
func Text(s string, max int) string {
	cut := Clip(s, max)
	if utf8.ValidString(cut) {
		return cut
	}
	return Clip(strings.ToValidUTF8(cut, "\uFFFD"), max)
}

// Clip cuts s to at most max bytes, on a character's border.
func Clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	if max <= 0 {
		return ""
	}
	// A character has four bytes at most, so that the border is at most three back. Bytes that are no UTF-8 are cut where they are.
	for n := max; n > max-utf8.UTFMax && n >= 0; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n]
		}
	}
	return s[:max]
}
