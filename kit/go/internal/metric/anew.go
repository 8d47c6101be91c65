package metric

import (
	"bytes"
	"math"
	"slices"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// A redaction that comes, goes or changes makes other points of the series of an
// instrument, and some get labels that other points had before. Under the same start time
// these would fall or jump, which every rate takes for a restart or a burst. So the sums of
// such an instrument begin anew: at another start time, less what its series had then. The
// series themselves are not touched, so a record pays nothing and needs no lock.

// changed reports whether the instrument's sums begin anew when now redacts in the place of
// was; both may be nil. Gauges and up-down counters go on, because what they are now does
// not depend on a start.
func (in *Instrument) changed(all []*Series, was, now *policy.Snapshot) bool {
	kind := in.desc.Kind
	return (kind == Counter || kind == Histogram) && slices.ContainsFunc(all, func(s *Series) bool {
		return !bytes.Equal(s.labels.redact(kind, was).otlp, s.labels.redact(kind, now).otlp)
	})
}

// beginAnew makes the time, in Unix nanoseconds, that at which all sums were zero.
func (in *Instrument) beginAnew(all []*Series, time int64) {
	in.start = time
	for _, s := range all {
		if s.dist == nil {
			s.base = s.bits.Load()
			continue
		}
		s.base = s.dist.sum.Load()
		s.dist.base = s.dist.base[:0]
		for i := range s.dist.buckets {
			s.dist.base = append(s.dist.base, s.dist.buckets[i].count.Load())
		}
	}
}

// less takes from the value of p what the series had at the start. A source of observed
// values that has fallen below that counts anew itself and is taken as it is from then on.
// It reports whether the value is finite: the difference of two sums of a histogram may be
// none.
func (s *Series) less(p *Point) bool {
	desc := &s.in.desc
	if desc.Kind != Histogram && !desc.Float {
		if desc.Observable && int64(p.Bits) < int64(s.base) {
			s.base = 0
		}
		p.Bits -= s.base
		return true
	}
	value, base := math.Float64frombits(p.Bits), math.Float64frombits(s.base)
	if desc.Observable && value < base {
		s.base, base = 0, 0
	}
	p.Bits = math.Float64bits(value - base)
	return finite(value - base)
}
