package export

import (
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

const (
	maxAttempts     = 3
	maxAge          = 15 * time.Second
	firstWait       = 250 * time.Millisecond
	maxWait         = 5 * time.Second
	maxAsked        = 30 * time.Second
	breakerFailures = 5
	breakerFirst    = time.Second
	breakerMost     = 30 * time.Second
	maxProbes       = 8
	restFor         = 60 * time.Second
)

// outcome is what became of an attempt.
type outcome uint8

const (
	delivered outcome = iota
	retry             // may succeed later: counts for the breaker
	refused
	tooLarge
	notServed
)

// answer is an attempt's outcome with what goes with it.
type answer struct {
	outcome outcome
	// asked is how long the collector wants to be left alone; 0: it said nothing.
	asked time.Duration
	// rejected is the number of records of a partial success that were not taken.
	rejected int64
	// word is a status code in digits, or an error's type where no answer came.
	word string
	// text explains a failure to a person.
	text string
}

// verdict is what the pacer makes of an answer.
type verdict uint8

const (
	done    verdict = iota // delivered
	again                  // try the batch in hand again, not before ready
	giveUp                 // its attempts are used up: unreachable
	dropped                // the answer was final: its reason is in reasonOf
)

// pacer decides when attempts are made: the attempts of the batch in hand, the
// waits between them, the breaker over all batches, and the rest after a signal
// was not served. It neither reads a clock nor waits: instants come in as
// durations since some start, so that tests are exact.
type pacer struct {
	failures  int           // in a row, of all batches
	openFor   time.Duration // 0: the breaker is closed
	probing   bool          // half open: an attempt is under way
	notBefore time.Duration // of any attempt: what the breaker and the collector ask for

	attempts int           // made with the batch in hand, without probes
	probes   int           // made with it
	since    time.Duration // its age counts from here
	ready    time.Duration // its next attempt may start here
}

// begin takes a new batch in hand.
func (p *pacer) begin(now time.Duration) {
	p.attempts, p.probes = 0, 0
	p.ready = max(now, p.notBefore)
	p.since = p.ready
}

// start says that an attempt starts now, and how long it may take.
func (p *pacer) start(now, timeout time.Duration) time.Duration {
	if p.openFor > 0 {
		p.probing = true
		return timeout
	}
	return min(timeout, p.since+maxAge-now)
}

// finish takes the answer of an attempt that ended now. random in [0, 1] scales
// the wait before the next.
func (p *pacer) finish(now time.Duration, a answer, random float64) verdict {
	if a.outcome != retry {
		p.failures, p.openFor, p.probing = 0, 0, false
		switch a.outcome {
		case delivered:
			return done
		default:
			return dropped
		}
	}
	asked := now + min(a.asked, maxAsked)
	p.failures++
	if p.probing {
		// A probe tells whether the collector is back. It is none of the batch's
		// attempts, or each probe of an outage would cost what it carried.
		p.probing = false
		p.probes++
		p.openFor = min(2*p.openFor, breakerMost)
		p.notBefore = max(now+p.openFor, asked)
		p.ready = p.notBefore
		p.since = p.ready
		if p.probes >= maxProbes {
			return giveUp
		}
		return again
	}
	p.attempts++
	p.notBefore = asked
	wait := now + time.Duration(random*float64(min(maxWait, firstWait<<p.attempts)))
	p.ready = max(wait, asked)
	if p.failures >= breakerFailures {
		p.openFor = breakerFirst
		p.notBefore = max(now+p.openFor, asked)
		p.ready = max(p.ready, p.notBefore)
	}
	if p.attempts >= maxAttempts || wait-p.since >= maxAge {
		return giveUp
	}
	// What the collector or the breaker demands beyond the batch's own wait does
	// not make the batch older.
	p.since += p.ready - wait
	return again
}

// breaker is the state as clew.kit.breaker.state gives it.
func (p *pacer) breaker() int64 {
	switch {
	case p.openFor == 0:
		return self.BreakerClosed
	case p.probing:
		return self.BreakerHalf
	default:
		return self.BreakerOpen
	}
}

// hurry lets the batch in hand be tried now although the breaker is open: Stop
// has no time to wait for it, and one probe tells whether more is worth it.
func (p *pacer) hurry(now time.Duration) {
	if p.openFor > 0 {
		p.ready = now
	}
}
