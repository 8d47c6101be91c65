package sampling

import "math/bits"

// Threshold converts the ratio by the algorithm of the OpenTelemetry
// specification with a precision of four digits: the share is rounded to 56 bits,
// and its complement to four significant digits after the whole digits of zero in
// the share. Zero is [Never].
func (r Ratio) Threshold() Threshold { return r.Precise(4) }

// Precise is Threshold with another precision, 1 to 14 digits.
func (r Ratio) Precise(precision int) Threshold {
	n, d := r.Numerator, r.Denominator
	switch {
	case n == 0 || d == 0:
		return Never
	case n >= d:
		return 0
	}
	// The share is n/d = (n·2^57/2d)·2^-56; adding d to the dividend rounds half up.
	hi, lo := bits.Mul64(n, 1<<57)
	lo, carry := bits.Add64(lo, d, 0)
	scaled, _ := bits.Div64(hi+carry, lo, 2*d)
	if scaled == 0 {
		scaled = 1 // Only a limiter asks for less than 2^-56; the smallest share stands for it.
	}
	t := 1<<56 - scaled
	// zeros is how often the share can be doubled and stays below 1.
	zeros := 0
	for n*2 < d {
		n *= 2
		zeros++
	}
	shift := 4 * (digits - min(digits, precision+zeros/4))
	if shift > 0 {
		t = (t + 1<<(shift-1)) >> shift << shift
	}
	return Threshold(t)
}
