package clew

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

const (
	// keptProblems are shown by Status.
	keptProblems = 32
	// quiet is the time between two lines on standard error once the kit runs.
	quiet = time.Minute
	// maxProblem bounds a line.
	maxProblem = 500
)

// Problem is something that the kit wants a person to know.
type Problem struct {
	Time time.Time
	Text string
}

// problems is the kit's own voice: a ring of the last lines, and a few of them on standard error. It never uses the program's logger, so
// that trouble with telemetry makes no telemetry.
type problems struct {
	out io.Writer
	now func() time.Time

	mu     sync.Mutex
	ring   []Problem
	last   time.Time
	muted  int
	loudly bool // during Start every line is written
}

// note keeps a line that nobody needs to be told: Status shows it.
func (p *problems) note(text string) {
	p.mu.Lock()
	p.keep(Problem{p.now(), problemText(text)})
	p.mu.Unlock()
}

func problemText(text string) string {
	return wire.Text(strings.ReplaceAll(text, "\n", " "), maxProblem)
}

// keep adds to the ring. The caller holds mu.
func (p *problems) keep(one Problem) {
	if len(p.ring) == keptProblems {
		p.ring = append(p.ring[:0], p.ring[1:]...)
	}
	p.ring = append(p.ring, one)
}

// add keeps a line and writes it to standard error, once a minute at most.
func (p *problems) add(text string) {
	text = problemText(text)
	now := p.now()
	p.mu.Lock()
	p.keep(Problem{now, text})
	if !p.loudly && !p.last.IsZero() && now.Sub(p.last) < quiet {
		p.muted++
		p.mu.Unlock()
		return
	}
	line := "clew: " + text
	if p.muted > 0 {
		line += fmt.Sprintf(" (and %d more since the last line)", p.muted)
	}
	p.muted = 0
	p.last = now
	p.mu.Unlock()
	// A standard error that nobody reads would hold up the caller, so it is not written under the lock; what it says is not looked at.
	_, _ = io.WriteString(p.out, line+"\n")
}

// settled ends the start, after which lines are rare.
func (p *problems) settled() {
	p.mu.Lock()
	p.loudly = false
	p.mu.Unlock()
}

// all returns the lines that are kept, oldest first.
func (p *problems) all() []Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Problem(nil), p.ring...)
}
