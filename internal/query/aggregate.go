package query

import (
	"math"
	"math/big"
	"slices"
)

// Tally collects the numbers of one group. Its results do not depend on the order
// in which numbers were added: integers are summed exactly, floats in ascending
// order. The zero value is empty.
type Tally struct {
	Count  int64 // spans, or numbers when there is an argument
	Ints   big.Int
	hasInt bool
	minInt int64
	maxInt int64
	floats []float64
	all    []Value // every number, for quantiles and histograms
}

// Add counts a number; keep says that quantiles will be asked for.
func (t *Tally) Add(v Value, keep bool) {
	t.Count++
	if keep {
		t.all = append(t.all, v)
		return
	}
	if v.Type == TypeFloat {
		t.floats = append(t.floats, v.Float)
		return
	}
	if !t.hasInt {
		t.minInt, t.maxInt, t.hasInt = v.Int, v.Int, true
	}
	t.minInt, t.maxInt = min(t.minInt, v.Int), max(t.maxInt, v.Int)
	t.Ints.Add(&t.Ints, big.NewInt(v.Int))
}

// Result gives Count, Avg, Min, Max or Sum; no numbers have no result but Count.
func (t *Tally) Result(a Aggregate) (Value, bool) {
	if a == Count {
		return Value{Type: TypeInt, Int: t.Count}, true
	}
	if t.Count == 0 {
		return Value{}, false
	}
	slices.Sort(t.floats)
	switch a {
	case Min:
		return t.extreme(t.minInt, 0, math.Min), true
	case Max:
		return t.extreme(t.maxInt, len(t.floats)-1, math.Max), true
	case Sum:
		if len(t.floats) == 0 && t.Ints.IsInt64() {
			return Value{Type: TypeInt, Int: t.Ints.Int64()}, true
		}
		return Value{Type: TypeFloat, Float: t.total()}, true
	}
	return Value{Type: TypeFloat, Float: t.total() / float64(t.Count)}, true
}

func (t *Tally) extreme(i int64, at int, pick func(x, y float64) float64) Value {
	switch {
	case len(t.floats) == 0:
		return Value{Type: TypeInt, Int: i}
	case !t.hasInt:
		return Value{Type: TypeFloat, Float: t.floats[at]}
	}
	return Value{Type: TypeFloat, Float: pick(float64(i), t.floats[at])}
}

func (t *Tally) total() float64 {
	ints, _ := new(big.Float).SetInt(&t.Ints).Float64()
	return ints + SumFloats(t.floats)
}

// SumFloats adds floats that are in ascending order with Kahan's correction,
// step by step as a store can too, so that the same numbers give the same sum
// everywhere.
func SumFloats(sorted []float64) float64 {
	var sum, lost float64
	for _, x := range sorted {
		diff := x - lost
		next := sum + diff
		lost = (next - sum) - diff
		sum = next
	}
	return sum
}

// QuantileIndex is where the quantile q of n sorted numbers stands: the smallest
// number that is not under a share q of all. It counts from above, because there
// rounding makes 0.07 of 100 the seventh number and not the eighth.
func QuantileIndex(q float64, n int) int {
	above := int(math.Floor(float64(n) - q*float64(n)))
	return max(n-above, 1) - 1
}

// lastBucket is that of the largest numbers.
const lastBucket = 1024

// BucketExponent gives the histogram bucket of a number: the smallest e with v ≤
// 2^e; numbers of 1 and below are in bucket 0. The last bucket has what is infinite, too.
func BucketExponent(v float64) int {
	if v <= 1 {
		return 0
	}
	if math.IsInf(v, 1) {
		return lastBucket
	}
	frac, exp := math.Frexp(v)
	if frac == 0.5 {
		return exp - 1
	}
	return exp
}
