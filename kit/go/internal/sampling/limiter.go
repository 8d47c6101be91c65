package sampling

import "sync/atomic"

// Limiter holds the roots of a rule to a number a second by raising its threshold.
// The decision stays R ≥ T, so what it keeps is still a probability sample: in each
// second T follows from the number of roots in the second before, which is why a
// sudden burst passes for up to a second. Not a token bucket, whose decisions no
// other service could repeat.
type Limiter struct {
	base      *Sampler
	perSecond uint64
	window    atomic.Pointer[window]
	seen      atomic.Uint64 // roots in the window
}

// late is how many seconds a root may come after its window.
const late = 10

type window struct {
	second  int64
	sampler *Sampler
}

// NewLimiter limits a sampler.
func NewLimiter(base *Sampler, perSecond uint64) *Limiter {
	return &Limiter{base: base, perSecond: perSecond}
}

// Sampler counts a root and returns the sampler that decides about it. Second is
// the whole second of the clock. One that is up to ten seconds before the present
// window, as of roots that race, counts into it; a clock that was set back further
// starts anew.
func (l *Limiter) Sampler(second int64) *Sampler {
	w := l.window.Load()
	if w == nil || second > w.second || second < w.second-late {
		var before uint64
		if w != nil && second == w.second+1 {
			before = l.seen.Load()
		}
		next := &window{second, l.limited(before)}
		if l.window.CompareAndSwap(w, next) {
			l.seen.Store(0)
			w = next
		} else {
			w = l.window.Load()
		}
	}
	l.seen.Add(1)
	return w.sampler
}

// limited is the sampler after a second with this many roots.
func (l *Limiter) limited(before uint64) *Sampler {
	t := Never
	if l.perSecond > 0 {
		t = Ratio{l.perSecond, max(before, l.perSecond)}.Threshold()
	}
	if t <= l.base.threshold {
		return l.base
	}
	return NewSampler(t)
}
