package telemetry

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"
)

// The canonical text of a nested value is JSON with the types kept apart: an
// integer has no point, a double always has a point, an exponent or stands as
// {"@double":"NaN"}; bytes are {"@bytes":"base64"}; an empty value is null; a
// key of a key-value list that begins with "@" is written with a second "@".
// Lists keep their order and their repeated keys. Example:
//
//	{"sku":"A-1","qty":2,"price":2.0,"tags":["x",null]}

// AppendValueString appends a string as JSON text. Invalid UTF-8 becomes U+FFFD.
func AppendValueString(dst []byte, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c < 0x20:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return append(dst, '"')
}

// AppendValueKey appends a key of a key-value list with its colon.
func AppendValueKey(dst []byte, key []byte) []byte {
	if len(key) > 0 && key[0] == '@' {
		at := len(dst)
		dst = AppendValueString(dst, key)
		dst = append(dst, 0)
		copy(dst[at+2:], dst[at+1:])
		dst[at+1] = '@'
		return append(dst, ':')
	}
	return append(AppendValueString(dst, key), ':')
}

// AppendValueInt appends an integer.
func AppendValueInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// AppendValueDouble appends a double so that it reads back bit for bit (NaN without its payload).
func AppendValueDouble(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		dst = append(dst, `{"@double":"`...)
		dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
		return append(dst, `"}`...)
	}
	at := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	for _, c := range dst[at:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, '.', '0')
}

// AppendValueBytes appends a byte string.
func AppendValueBytes(dst, v []byte) []byte {
	dst = append(dst, `{"@bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, v)
	return append(dst, `"}`...)
}
