// Package sampling decides which traces are kept. It is consistent probability
// sampling as OpenTelemetry writes it into tracestate: a trace has 56 bits of
// randomness R, a stage has a threshold T, and the trace is kept when R ≥ T. Two
// stages that know only T and R therefore agree, in whatever language they run.
//
// All of it is integer arithmetic. A ratio is never a float, because three
// published ways from a float to a threshold give three thresholds. The Rust kit
// has the same code; kit/contract/sampling.json is run by both.
//
// Everything here may be used by many goroutines at once.
package sampling

import (
	"encoding/binary"
	"fmt"
)

// Threshold is the T of a stage, 0 (all are kept) to [Never].
type Threshold uint64

// Never is the threshold that no trace reaches.
const Never Threshold = 1 << 56

// digits is how many hex digits a threshold has when none is left out.
const digits = 14

// ParseThreshold reads the text of th: 1 to 14 lower-case hex digits, the first of
// which is the most significant.
func ParseThreshold(s string) (Threshold, bool) {
	if len(s) == 0 || len(s) > digits {
		return 0, false
	}
	v, ok := lowerHex(s)
	return Threshold(v << (4 * (digits - len(s)))), ok
}

// ParseRandomness reads the text of rv: exactly 14 lower-case hex digits.
func ParseRandomness(s string) (uint64, bool) {
	if len(s) != digits {
		return 0, false
	}
	return lowerHex(s)
}

func lowerHex(s string) (v uint64, ok bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

const hexDigits = "0123456789abcdef"

// Append adds the text of th: the digits without trailing zeros, 0 for zero. Of
// [Never], which th cannot say, it adds the word never, as policies write it.
func (t Threshold) Append(b []byte) []byte {
	if t >= Never {
		return append(b, "never"...)
	}
	if t == 0 {
		return append(b, '0')
	}
	for shift := 4 * (digits - 1); t != 0; shift -= 4 {
		b = append(b, hexDigits[t>>shift&15])
		t &= 1<<shift - 1
	}
	return b
}

// String is the text of th, see [Threshold.Append].
func (t Threshold) String() string { return string(t.Append(nil)) }

// appendRandomness adds all 14 digits of rv.
func appendRandomness(b []byte, r uint64) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, hexDigits[r>>shift&15])
	}
	return b
}

// Randomness is the R of a trace whose tracestate has no rv: the last 7 bytes of
// its id.
func Randomness(id [16]byte) uint64 {
	return binary.BigEndian.Uint64(id[8:]) & (1<<56 - 1)
}

// Ratio is a share of traces as an exact fraction. The zero value is no ratio.
type Ratio struct {
	Numerator, Denominator uint64 // below 10^18, so that the arithmetic fits
}

// maxDigits bounds each number of a ratio: 18 digits are below 2^60.
const maxDigits = 18

// ParseRatio reads a ratio as people write it: 1/10, 10%, 0.1 or 1. It is an error
// when the text is none of these, over 1, or below 2^-56 and not 0.
func ParseRatio(s string) (Ratio, error) {
	r, ok := parseRatio(s)
	if !ok {
		return Ratio{}, fmt.Errorf("parse ratio: %q is none; write 1/10, 10%% or 0.1 with at most 18 digits", clip(s))
	}
	if r.Numerator > r.Denominator {
		return Ratio{}, fmt.Errorf("parse ratio: %q is over 1; write a share between 0 and 1", clip(s))
	}
	if r.Numerator > 0 && r.Numerator <= 16 && r.Numerator<<56 < r.Denominator {
		return Ratio{}, fmt.Errorf("parse ratio: %q is below 2^-56; write 0 to keep nothing", clip(s))
	}
	return r, nil
}

// clip keeps a foreign text in a message short.
func clip(s string) string { return s[:min(len(s), 40)] }

func parseRatio(s string) (Ratio, bool) {
	for i := range len(s) {
		if s[i] == '/' {
			n, ok := integer(s[:i])
			d, ok2 := integer(s[i+1:])
			return Ratio{n, d}, ok && ok2 && d > 0
		}
	}
	scale, most := uint64(1), maxDigits
	if len(s) > 0 && s[len(s)-1] == '%' {
		// Two digits fewer, so that the hundredfold denominator still fits.
		s, scale, most = s[:len(s)-1], 100, maxDigits-2
	}
	whole, fraction := s, ""
	for i := range len(s) {
		if s[i] == '.' {
			whole, fraction = s[:i], s[i+1:]
			if fraction == "" {
				return Ratio{}, false
			}
			break
		}
	}
	if whole == "" || len(whole)+len(fraction) > most {
		return Ratio{}, false
	}
	n, ok := integer(whole)
	if !ok {
		return Ratio{}, false
	}
	for i := range len(fraction) {
		c := fraction[i]
		if c < '0' || c > '9' {
			return Ratio{}, false
		}
		n, scale = n*10+uint64(c-'0'), scale*10
	}
	return Ratio{n, scale}, true
}

func integer(s string) (v uint64, ok bool) {
	if s == "" || len(s) > maxDigits {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}
