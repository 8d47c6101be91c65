package policy

import (
	"cmp"
	"fmt"
	"math/big"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// thresholdOf turns a share of traces, written 1/10, 10%, 0.1 or 1, into the
// rejection threshold of OpenTelemetry's tracestate-probability-sampling as its hex
// text: four digits of precision and one more for each leading digit f. "never"
// stands for a share of 0.
func thresholdOf(ratio string) (string, error) {
	share, ok := parseShare(ratio)
	if !ok {
		return "", telemetry.Errorf(telemetry.KindInvalid, "%q is not a share; write 1/10, 10%% or 0.1", telemetry.Clip(ratio))
	}
	one := big.NewRat(1, 1)
	switch {
	case share.Sign() == 0:
		return "never", nil
	case share.Cmp(one) > 0:
		return "", telemetry.Errorf(telemetry.KindInvalid, "%q is over 1; write a share between 0 and 1", telemetry.Clip(ratio))
	case share.Cmp(new(big.Rat).SetFrac64(1, 1<<56)) < 0:
		return "", telemetry.Errorf(telemetry.KindInvalid, "%q is under 2^-56, the smallest share that a threshold can say; write 0", telemetry.Clip(ratio))
	}
	scaled := new(big.Rat).Mul(share, new(big.Rat).SetInt64(1<<56))
	// 2^56·share lies in [2^(n-1), 2^n), so share is in [0.5, 1)·2^(n-56).
	n := new(big.Int).Quo(scaled.Num(), scaled.Denom()).BitLen()
	digits := min(14, 4+(56-n)/4)
	t := uint64(1<<56) - roundHalfUp(scaled)
	unit := uint64(1) << (4 * (14 - digits))
	t = (t + unit/2) / unit * unit
	return cmp.Or(strings.TrimRight(fmt.Sprintf("%014x", t), "0"), "0"), nil
}

func roundHalfUp(r *big.Rat) uint64 {
	twice := new(big.Int).Lsh(r.Num(), 1)
	twice.Add(twice, r.Denom())
	return new(big.Int).Quo(twice, new(big.Int).Lsh(r.Denom(), 1)).Uint64()
}

// parseShare reads digits with one point, of them a percentage or a fraction.
// big.Rat alone would read exponents, signs and hexadecimal too, and take minutes
// over 1e-999999999.
func parseShare(s string) (*big.Rat, bool) {
	if len(s) > 40 {
		return nil, false
	}
	if num, den, fraction := strings.Cut(s, "/"); fraction {
		a, okA := parseDecimal(num)
		b, okB := parseDecimal(den)
		if !okA || !okB || b.Sign() == 0 {
			return nil, false
		}
		return a.Quo(a, b), true
	}
	number, percent := strings.CutSuffix(s, "%")
	r, ok := parseDecimal(number)
	if ok && percent {
		r.Quo(r, big.NewRat(100, 1))
	}
	return r, ok
}

func parseDecimal(s string) (*big.Rat, bool) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || point && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
