package export

import "time"

// What follows shows the decisions of this package to kit/go/internal/driver, which
// compares them with those of the Rust kit. Nothing else calls it.

var (
	outcomeNames = [...]string{"delivered", "retry", "refused", "too_large", "not_served"}
	verdictNames = [...]string{"delivered", "again", "give_up", "dropped"}
)

// Judged is what an answer over HTTP means.
type Judged struct {
	Outcome  string
	Asked    time.Duration
	Rejected int64
	Text     string
}

// Judge says what an answer over HTTP means.
func Judge(status int, retryAfter string, body []byte, now time.Time) Judged {
	a := judgeHTTP(status, retryAfter, body, now)
	return Judged{outcomeNames[a.outcome], a.asked, a.rejected, a.text}
}

// Attempt is one attempt of a Pace: how long it takes and what comes of it; and,
// after, when it starts, how long it may take, what the breaker is, and the verdict.
type Attempt struct {
	Took, Asked time.Duration
	Answer      string

	Starts, Allowed time.Duration
	During, After   int64
	Verdict         string
}

// Pace lets attempts happen one after the other. A batch follows on the other.
func Pace(random float64, timeout time.Duration, attempts []Attempt) {
	var p pacer
	now := time.Duration(0)
	p.begin(now)
	for i := range attempts {
		a := &attempts[i]
		now = max(now, p.ready)
		a.Starts, a.Allowed = now, p.start(now, timeout)
		a.During = p.breaker()
		now += a.Took
		var what outcome
		for n, name := range outcomeNames {
			if name == a.Answer {
				what = outcome(n)
			}
		}
		verdict := p.finish(now, answer{outcome: what, asked: a.Asked}, random)
		a.Verdict, a.After = verdictNames[verdict], p.breaker()
		if verdict != again {
			p.begin(now)
		}
	}
}
