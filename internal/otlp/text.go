package otlp

import (
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/telemetry"
)

// replacement is U+FFFD in UTF-8.
var replacement = []byte("\uFFFD")

// mend gives v as valid UTF-8 of at most limit bytes. A run of invalid bytes becomes
// one U+FFFD. What it returns aliases v or d.scratch and holds until the next span.
func (d *Decoder) mend(v []byte, limit int, marks *uint8) []byte {
	return d.mendTo(&d.scratch, v, limit, LongValue, marks)
}

func (d *Decoder) mendTo(buf *[]byte, v []byte, limit int, long Reason, marks *uint8) []byte {
	whole := len(v)
	if utf8.Valid(v) {
		v = cut(v, limit)
		if len(v) < whole {
			d.truncated(long, marks)
		}
		return v
	}
	d.report.Counts[MendedText]++
	*marks |= telemetry.MarkTextMended
	// Mending can make text longer: cut before and after it.
	v = cut(v, limit)
	at := len(*buf)
	*buf = appendValid(*buf, v)
	mended := (*buf)[at:]
	if len(v) < whole || len(mended) > limit {
		d.truncated(long, marks)
	}
	return cut(mended, limit)
}

// cut shortens v to at most n bytes without dividing a rune.
func cut(v []byte, n int) []byte {
	if len(v) <= n {
		return v
	}
	for i := n; i > 0 && i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(v[i]) {
			return v[:i]
		}
	}
	return v[:n] // not text: four continuation bytes in a row
}

func appendValid(dst, v []byte) []byte {
	mended := false
	for len(v) > 0 {
		if c := v[0]; c < utf8.RuneSelf {
			n := 1
			for n < len(v) && v[n] < utf8.RuneSelf {
				n++
			}
			dst = append(dst, v[:n]...)
			v, mended = v[n:], false
			continue
		}
		r, n := utf8.DecodeRune(v)
		switch {
		case r != utf8.RuneError || n > 1:
			dst = append(dst, v[:n]...)
			mended = false
		case !mended:
			dst = append(dst, replacement...)
			mended = true
		}
		v = v[n:]
	}
	return dst
}
