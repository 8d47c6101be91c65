package main

import (
	"github.com/clew-dev/clew/kit/go/internal/propagate"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

// threshold converts a ratio, by default with the precision of the contract.
func threshold(f *fields) any {
	text := f.text("ratio")
	precision := 4
	if f.has("precision") {
		precision = int(f.int("precision"))
	}
	r, err := sampling.ParseRatio(text)
	if err != nil {
		return object{"error": true}
	}
	return object{"th": r.Precise(precision).String()}
}

// threshold reads a threshold as policies write it.
func (f *fields) threshold(name string) sampling.Threshold {
	text := f.text(name)
	if text == "never" {
		return sampling.Never
	}
	t, ok := sampling.ParseThreshold(text)
	if !ok {
		f.fail(name)
	}
	return t
}

// decide makes one decision. How is root, linked (trace and state are those of the
// cause), deferred, child or forced.
func decide(f *fields) any {
	var trace [16]byte
	f.hex("trace", trace[:])
	state := propagate.ParseTracestate(f.texts("state")...)
	flags := byte(f.int("flags"))
	how := f.text("how")
	sampler := sampling.NewSampler(sampling.Never)
	if how == "root" || how == "linked" || how == "deferred" {
		sampler = sampling.NewSampler(f.threshold("th"))
	}
	var d sampling.Decision
	switch how {
	case "root":
		d = sampler.Root(trace)
	case "linked":
		d = sampler.Linked(sampling.CauseRandomness(trace, state))
	case "deferred":
		d = sampler.Deferred(trace)
	case "child":
		d = sampling.Child(trace, flags, state)
	case "forced":
		d = sampling.Forced(flags&sampling.FlagRandom != 0, state)
	default:
		f.fail("how")
	}
	level := 2
	if f.has("level") {
		level = int(f.int("level"))
	}
	return object{"sampled": d.Sampled, "flags": int(d.Flags(level)), "state": d.State}
}

// limiter counts roots: each of seconds is a second and how many roots it has; the
// answer is the threshold that decided about the last of them.
func limiter(f *fields) any {
	l := sampling.NewLimiter(sampling.NewSampler(f.threshold("th")), uint64(f.int("per_second")))
	out := []any{}
	f.each("seconds", func(f *fields) {
		second, roots := f.int("second"), f.int("roots")
		var s *sampling.Sampler
		for range roots {
			s = l.Sampler(second)
		}
		if s == nil {
			f.fail("roots")
			return
		}
		out = append(out, s.Threshold().String())
	})
	return object{"th": out}
}
