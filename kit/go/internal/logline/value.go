package logline

import (
	"math"
	"strconv"
)

func boolValue(b bool) value {
	if b {
		return value{kind: boolean, num: 1}
	}
	return value{kind: boolean}
}

// floatValue has one form of NaN, so that records of all languages are the same bytes.
func floatValue(f float64) value {
	if math.IsNaN(f) {
		return value{kind: float, num: 0x7ff8 << 48}
	}
	return value{kind: float, num: math.Float64bits(f)}
}

// durationValue is the time span in seconds: the number of nanoseconds as a float, divided once, so that every language
// rounds alike.
func durationValue(nanos int64) value { return floatValue(float64(nanos) / 1e9) }

func (l *Line) elementsOf(v *value) []value {
	return l.elements[uint32(v.num):uint32(v.num>>32)]
}

func (l *Line) appendValue(dst []byte, v *value) []byte {
	switch v.kind {
	case text:
		return appendText(dst, v.text, v.cut)
	case boolean:
		return strconv.AppendBool(dst, v.num != 0)
	case signed:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case unsigned:
		return strconv.AppendUint(dst, v.num, 10)
	case float:
		return appendFloat(dst, math.Float64frombits(v.num))
	case instant:
		dst = append(dst, '"')
		dst = appendTime(dst, int64(v.num))
		return append(dst, '"')
	case list:
		dst = append(dst, '[')
		elements := l.elementsOf(v)
		for i := range elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = l.appendValue(dst, &elements[i])
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}
