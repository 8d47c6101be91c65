package sampling

import "github.com/clew-dev/clew/kit/go/internal/propagate"

// Flags of traceparent.
const (
	FlagSampled = 0x01
	FlagRandom  = 0x02
)

// Decision says whether a trace is kept here, and what goes on to the next service.
type Decision struct {
	Sampled bool
	Random  bool   // the trace id is known to be random, W3C level 2
	State   string // tracestate, ready to be written
}

// Flags are the flags of traceparent at a level of W3C Trace Context. Level 1 knows
// only sampled; peers of that level refuse any other flag.
func (d Decision) Flags(level int) byte {
	var f byte
	if d.Sampled {
		f = FlagSampled
	}
	if d.Random && level != 1 {
		f |= FlagRandom
	}
	return f
}

// Sampler decides about roots with one threshold. It carries the text of its
// tracestate, so that a decision allocates nothing.
type Sampler struct {
	threshold Threshold
	kept      string // tracestate of a root that is kept
}

// NewSampler makes the sampler of a threshold.
func NewSampler(t Threshold) *Sampler {
	s := &Sampler{threshold: min(t, Never)}
	if t < Never {
		s.kept = string(t.Append([]byte("ot=th:")))
	}
	return s
}

// Threshold is the T of the sampler.
func (s *Sampler) Threshold() Threshold { return s.threshold }

// Root decides about a trace that begins here under an id of our own.
func (s *Sampler) Root(id [16]byte) Decision {
	if Randomness(id) >= uint64(s.threshold) {
		return Decision{Sampled: true, Random: true, State: s.kept}
	}
	return Decision{Random: true}
}

// Linked decides about a trace that begins here because of another one. It takes
// the randomness of the cause and writes it as rv, so that the same threshold
// decides alike about both. See [CauseRandomness].
func (s *Sampler) Linked(rv uint64) Decision {
	rv &= 1<<56 - 1
	b := make([]byte, 0, 40)
	sampled := rv >= uint64(s.threshold)
	if sampled {
		b = append(append(b, s.kept...), ";rv:"...)
	} else {
		b = append(b, "ot=rv:"...)
	}
	return Decision{Sampled: sampled, Random: true, State: string(appendRandomness(b, rv))}
}

// Deferred decides about a trace that a peer began without deciding, as B3 allows.
// Whether its id is random is not known.
func (s *Sampler) Deferred(id [16]byte) Decision {
	d := s.Root(id)
	d.Random = false
	return d
}

// Child decides about a span whose parent is remote: the flag of the parent is the
// decision. A th that contradicts the flag would make every estimate from this
// trace wrong and is erased; nothing else of the tracestate changes.
func Child(id [16]byte, flags byte, state string) Decision {
	d := Decision{Sampled: flags&FlagSampled != 0, Random: flags&FlagRandom != 0, State: state}
	ot := parseOT(state)
	if ot.hasT && (ot.randomness(id) >= uint64(ot.t)) != d.Sampled {
		d.State = propagate.ReplaceOT(state, ot.withoutT())
	}
	return d
}

// Forced is the decision about a span that has to be kept: no probability is known
// of it, so no th is written. The rv of the trace stays.
func Forced(random bool, state string) Decision {
	d := Decision{Sampled: true, Random: random, State: state}
	if ot := parseOT(state); ot.hasT {
		d.State = propagate.ReplaceOT(state, ot.withoutT())
	}
	return d
}

// CauseRandomness is the R of a trace with this id and tracestate.
func CauseRandomness(id [16]byte, state string) uint64 {
	ot := parseOT(state)
	return ot.randomness(id)
}

// StateThreshold is the T that a tracestate says, if it says one.
func StateThreshold(state string) (Threshold, bool) {
	ot := parseOT(state)
	return ot.t, ot.hasT
}
