package logline

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// cutMark ends every text that was cut, and is counted in its limit.
const cutMark = "…"

const hexDigits = "0123456789abcdef"

// cut returns what is kept of a text that may have limit bytes, and whether anything is missing. What is kept ends on a
// character's border and leaves room for cutMark.
func cut(text string, limit int) (kept string, missing bool) {
	if len(text) <= limit {
		return text, false
	}
	return wire.Clip(text, limit-len(cutMark)), true
}

// appendEscaped appends what stands between the quotes. Bytes that are not UTF-8 become U+FFFD, one each.
func appendEscaped(dst []byte, text string) []byte {
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, text[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(dst, text[start:]...)
}

// appendFloat appends a number as RFC 8785 writes it, which is as ECMAScript does; what JSON has no number for is a text.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	case f == 0:
		// Minus zero is written as zero.
		return append(dst, '0')
	}
	if size := math.Abs(f); size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// The standard library writes an exponent with two digits at least: e-07 is to be e-7.
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendTime appends an instant, nanoseconds since 1970, as RFC 3339 in UTC with nine digits.
func appendTime(dst []byte, unixNano int64) []byte {
	seconds := unixNano / 1e9
	nanos := unixNano % 1e9
	if nanos < 0 {
		nanos += 1e9
		seconds--
	}
	days := seconds / 86_400
	second := seconds % 86_400
	if second < 0 {
		second += 86_400
		days--
	}
	year, month, day := civil(days)
	dst = appendDigits(dst, year, 4)
	dst = append(dst, '-')
	dst = appendDigits(dst, month, 2)
	dst = append(dst, '-')
	dst = appendDigits(dst, day, 2)
	dst = append(dst, 'T')
	dst = appendDigits(dst, second/3600, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second/60%60, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second%60, 2)
	dst = append(dst, '.')
	dst = appendDigits(dst, nanos, 9)
	return append(dst, 'Z')
}

// civil turns days since 1970-01-01 into a date. It counts in years that begin on the first of March, so that the day of
// a leap year is the last of its year, and in eras of 400 years, which all have the same number of days. time.Time does
// the same with four times the work, because it also knows zones.
func civil(days int64) (year, month, day int64) {
	const perEra, perCentury, perFour, perYear = 146_097, 36_524, 1_461, 365
	days += 719_468 // from 0000-03-01
	era := days / perEra
	if days < 0 {
		era = (days - perEra + 1) / perEra
	}
	inEra := days - era*perEra
	yearOfEra := (inEra - inEra/(perFour-1) + inEra/perCentury - inEra/(perEra-1)) / perYear
	inYear := inEra - (perYear*yearOfEra + yearOfEra/4 - yearOfEra/100)
	// 153 days are five months from March on: 31, 30, 31, 30, 31.
	fromMarch := (5*inYear + 2) / 153
	day = inYear - (153*fromMarch+2)/5 + 1
	month = fromMarch + 3
	year = era*400 + yearOfEra
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// appendDigits appends a number that is not negative with leading zeros up to width.
func appendDigits(dst []byte, n int64, width int) []byte {
	var text [9]byte
	for i := width - 1; i >= 0; i-- {
		text[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, text[:width]...)
}
