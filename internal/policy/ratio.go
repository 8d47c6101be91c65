package policy

import (
	"cmp"
	"fmt"
	"math/big"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
)

// thresholdOf turns a share of traces, which the charter has checked, into the
// rejection threshold of OpenTelemetry's tracestate-probability-sampling as its hex
// text: four digits of precision and one more for each leading digit f. "never"
// stands for a share of 0.
func thresholdOf(ratio string) string {
	share, why := charter.ParseShare(ratio)
	if why != "" {
		panic(fmt.Sprintf("policy: %q %s", ratio, why)) // no charter has one
	}
	if share.Sign() == 0 {
		return "never"
	}
	scaled := new(big.Rat).Mul(share, new(big.Rat).SetInt64(1<<56))
	// 2^56·share lies in [2^(n-1), 2^n), so share is in [0.5, 1)·2^(n-56).
	n := new(big.Int).Quo(scaled.Num(), scaled.Denom()).BitLen()
	digits := min(14, 4+(56-n)/4)
	t := uint64(1<<56) - roundHalfUp(scaled)
	unit := uint64(1) << (4 * (14 - digits))
	t = (t + unit/2) / unit * unit
	return cmp.Or(strings.TrimRight(fmt.Sprintf("%014x", t), "0"), "0")
}

func roundHalfUp(r *big.Rat) uint64 {
	twice := new(big.Int).Lsh(r.Num(), 1)
	twice.Add(twice, r.Denom())
	return new(big.Int).Quo(twice, new(big.Int).Lsh(r.Denom(), 1)).Uint64()
}
