package clew

import (
	"io"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Problems is problems for tests.
type Problems struct{ p *problems }

// NewProblems makes a ring with a clock of its own.
func NewProblems(out io.Writer, now func() time.Time) Problems {
	return Problems{&problems{out: out, now: now}}
}

// Add is add.
func (p Problems) Add(text string) { p.p.add(text) }

// Len is how many are kept.
func (p Problems) Len() int { return len(p.p.all()) }

// Suspend takes the running kit away until the function it returns is called.
func Suspend() (resume func()) {
	k := current.Swap(nil)
	stopMetrics()
	return func() {
		current.Store(k)
		if k != nil {
			gateMetrics(k.policy, k.counters)
		}
	}
}

// Provider is the provider of tracers.
func Provider() trace.TracerProvider { return provider }

// RemoveHooks takes all hooks out.
func (k *Kit) RemoveHooks() { k.hooks.Store(nil) }

// Propagator is the kit behind the propagation API.
func Propagator() propagation.TextMapPropagator { return propagator{} }

// Tracers says how many tracers are kept.
func Tracers() int {
	provider.mu.Lock()
	defer provider.mu.Unlock()
	return len(provider.tracers)
}

// WithGlobals undoes WithoutGlobals.
func WithGlobals() Option { return func(c *config) { c.global = true } }

// SystemOf guesses a database from the path of a driver's package.
func SystemOf(path string) string { return systemOf(path) }

// Expire does what the poller does when an answer is overdue at a time.
func (k *Kit) Expire(at time.Time) {
	k.policy.Expire(at)
	k.report()
}

// Row says how many kits run.
func Row() (n int) {
	handover.Lock()
	defer handover.Unlock()
	for at := current.Load(); at != nil; at = at.before {
		n++
	}
	return n
}
