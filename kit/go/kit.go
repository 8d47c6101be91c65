package clew

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/kit/go/internal/export"
	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// Version is that of the kit.
const Version = "0.1.0"

// scopeName is the instrumentation scope of what the kit itself records.
const scopeName = "github.com/clew-dev/clew/kit/go"

// Kit is the instrumentation of a process that Start has started. Its methods may be called from many goroutines, and on a nil Kit.
type Kit struct {
	service    string
	instance   string
	began      time.Time
	scope      uint32
	flagsLevel int // of W3C Trace Context: 1 never writes the flag random
	limits     limits
	propagates propagators
	// provider makes the spans instead of the kit's own engine, with tracer for the kit's own scope. Both are nil without WithProvider.
	provider trace.TracerProvider
	tracer   trace.Tracer

	policy    *policy.Holder
	counters  *self.Counters
	exporter  *export.Exporter
	logs      *logline.Pipeline
	problems  *problems
	summaries summaryRate
	leaks     *leaks
	hooks     atomic.Pointer[[]*hook]
	showing   atomic.Int32 // spans that hooks look at now

	// poller ends when cancel is called and closes polled.
	cancel context.CancelFunc
	polled chan struct{}

	// before is the kit that this one took over from and that still runs; it takes over again when this one stops. It is guarded by handover.
	before *Kit
	once   sync.Once
	lost   error
}

// redact applies the policy to an attribute before it is recorded: it returns what is recorded instead, how long its text may be, and
// false when nothing is recorded.
func (k *Kit) redact(a *Attr, key string) (*Attr, int, bool) {
	snapshot := k.policy.Load()
	if !snapshot.Redacts() {
		return a, k.limits.value, true
	}
	return redacted(snapshot, a, key, k.limits.value)
}

func redacted(snapshot *policy.Snapshot, a *Attr, key string, max int) (*Attr, int, bool) {
	action, found := snapshot.Redact(key)
	if !found {
		return a, max, true
	}
	switch {
	case action.Do == policy.Drop:
		return a, 0, false
	case action.Do == policy.Truncate && (a.kind() == textKind || a.kind() == textsKind):
		return a, min(max, action.Length), true
	}
	// Mask, and what has no text that could be cut.
	masked := String(a.key, policy.Masked)
	return &masked, max, true
}

// deliver hands a finished span on. record is valid only during the call.
func (k *Kit) deliver(s *span, end time.Time, statusText string, record []byte) {
	k.exporter.Add(self.Traces, s.scope, record)
	if hooks := k.hooks.Load(); hooks != nil {
		k.runHooks(*hooks, s, statusText, record, end)
	}
	if w := watch.Current(); w != nil {
		w.Ended(s.trace, s.id, uint8(s.kind), record)
	}
}

// Flush sends what is recorded, and returns when it is sent or lost, or when ctx ends.
func (k *Kit) Flush(ctx context.Context) error {
	if k == nil {
		return nil
	}
	// Lines come last: an output that nobody reads takes all the time that is left.
	records := k.exporter.Flush(ctx)
	return errors.Join(k.logs.Flush(ctx), records)
}

// stopTimeout bounds Stop when its context has no deadline of its own.
const stopTimeout = 3 * time.Second

// Stop flushes what it can within the deadline of ctx, 3 s when it has none, and ends everything that Start began. The error says what was
// lost. Spans that end later are dropped; context still passes through. Only the first call does something, all return the same.
//
// Deferred directly in main it also runs when main panics: it flushes and lets the panic go on.
//
//	k := clew.Start(ctx, clew.Service("orders", "1.4.2"))
//	defer k.Stop(context.Background())
func (k *Kit) Stop(ctx context.Context) error {
	if p := recover(); p != nil {
		defer panic(p)
	}
	if k == nil {
		return nil
	}
	k.once.Do(func() { k.lost = k.stop(ctx) })
	return k.lost
}

// handBack makes the kit that ran before the current one again. One that is not the current one leaves the row, so that kits that take over
// from each other without end do not stay in memory.
func (k *Kit) handBack() {
	handover.Lock()
	defer handover.Unlock()
	last := current.Load()
	if last != k {
		for at := last; at != nil; at = at.before {
			if at.before == k {
				at.before = k.before
			}
		}
		return
	}
	current.Store(k.before)
	if k.before == nil {
		logline.SetCurrent(nil)
		return
	}
	logline.SetCurrent(k.before.logs)
}

func (k *Kit) stop(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if _, set := ctx.Deadline(); !set {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopTimeout)
		defer cancel()
	}
	k.handBack()
	k.leaks.stop()
	if k.cancel != nil {
		k.cancel()
	}
	// The lines come first: what the limits of call sites hold back becomes records of the exporter. They have half of the time, so that an
	// output that nobody reads does not cost the records.
	deadline, _ := ctx.Deadline()
	half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	lines := k.logs.Stop(half)
	cancel()
	records := k.exporter.Stop(ctx)
	// Metrics come last: the exporter collects them once more when it stops.
	handover.Lock()
	if now := current.Load(); now != nil {
		gateMetrics(now.policy, now.counters)
	} else {
		stopMetrics()
	}
	handover.Unlock()
	if k.polled != nil {
		select {
		case <-k.polled:
		case <-ctx.Done():
		}
	}
	return errors.Join(lines, records)
}

// flushBeforePanic sends what the running kit holds before a panic ends the process. It waits as long as Stop would.
func flushBeforePanic() {
	k := current.Load()
	if k == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = k.Flush(ctx) // Nobody is left to be told.
}

// SetLevel sets the level of a component in this process, over what every policy says, until the process ends.
func (k *Kit) SetLevel(c Component, l Level) {
	if k == nil || c >= components || l > Detailed {
		return
	}
	k.policy.SetLevel(policy.Component(c), policy.Level(l))
	k.levelsChanged()
}

// SetLevel is that of the kit that runs in this process.
func SetLevel(c Component, l Level) { current.Load().SetLevel(c, l) }

// ApplyPolicy puts a policy document in force (kit/contract/README.md, section 3), as if Clew had sent it. A document that is not
// understood is refused as a whole; then the last one stays and the error says where and why.
func (k *Kit) ApplyPolicy(document []byte) error {
	if k == nil {
		return errors.New("apply policy: no kit runs; call Start first")
	}
	err := k.policy.Apply(document, time.Now())
	k.levelsChanged()
	return err
}

// ApplyPolicy is that of the kit that runs in this process.
func ApplyPolicy(document []byte) error { return current.Load().ApplyPolicy(document) }

// levelsChanged writes what is in force into the self-metrics.
func (k *Kit) levelsChanged() {
	snapshot := k.policy.Load()
	for c := range policy.Components {
		k.counters.Level[c].Store(int64(snapshot.Level(policy.Component(c))))
	}
	if v := snapshot.Version(); v != "" {
		k.counters.PolicyVersion.Store(&v)
	} else {
		k.counters.PolicyVersion.Store(nil)
	}
	k.counters.PolicyRefused.Store(int64(k.policy.Refused()))
	k.counters.PolicySkipped.Store(int64(k.policy.Skipped()))
}
