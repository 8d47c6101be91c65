package metric

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// CallbackTime is how long a collection waits for one callback.
const CallbackTime = time.Second

// maxCallbacks bounds the callbacks of an engine.
const maxCallbacks = MaxInstruments

// callback is a function of the host that observes values at collection.
type callback struct {
	observe func(context.Context)
	busy    atomic.Bool // it runs, perhaps since an earlier collection
}

// OnCollect has observe called at each collection, on a goroutine of its own. It
// may call the Observe methods of the series of observable instruments. What
// it observes after CallbackTime comes too late, and until it returns it is not
// called again; a panic is caught; both are counted as invalid. The returned
// function takes it out again.
func (e *Engine) OnCollect(observe func(context.Context)) (remove func()) {
	cb := &callback{observe: observe}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.callbacks) >= maxCallbacks {
		e.counters.Load().MetricOverflow.Add(1)
		return func() {}
	}
	e.callbacks = append(e.callbacks, cb)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		// A collection may be walking the old slice.
		e.callbacks = slices.DeleteFunc(slices.Clone(e.callbacks), func(c *callback) bool { return c == cb })
	}
}

// runCallbacks calls all callbacks, one after another.
func (e *Engine) runCallbacks(ctx context.Context) {
	e.mu.Lock()
	callbacks := e.callbacks
	e.mu.Unlock()
	for _, cb := range callbacks {
		if !cb.busy.CompareAndSwap(false, true) || !cb.run(ctx) {
			e.counters.Load().MetricInvalid.Add(1)
		}
	}
}

// run reports whether the callback returned in time and without a panic.
func (cb *callback) run(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, CallbackTime)
	defer cancel()
	done := make(chan bool, 1)
	go func() {
		fine := false
		defer func() {
			if !fine {
				_ = recover()
			}
			cb.busy.Store(false)
			done <- fine
		}()
		cb.observe(ctx)
		fine = true
	}()
	select {
	case fine := <-done:
		return fine
	case <-ctx.Done():
		return false
	}
}

// ObserveInt sets the value of the series for the collection that is under way:
// a sum's absolute value, or a gauge's. In the overflow the sums are added up.
func (in *Instrument) ObserveInt(set attribute.Set, n int64) {
	if !in.Enabled() {
		return
	}
	s := in.Series(set)
	round := in.engine.round.Load()
	if s.spill && in.desc.Kind != Gauge && s.round.Load() == round {
		n += int64(s.bits.Load())
	}
	s.bits.Store(uint64(n))
	s.round.Store(round)
	s.spilled()
}

// ObserveFloat is ObserveInt for float64. What is not finite is counted as invalid.
func (in *Instrument) ObserveFloat(set attribute.Set, v float64) {
	if !in.Enabled() {
		return
	}
	s := in.Series(set)
	round := in.engine.round.Load()
	if s.spill && in.desc.Kind != Gauge && s.round.Load() == round {
		v += math.Float64frombits(s.bits.Load())
	}
	if !finite(v) {
		in.invalid()
		return
	}
	s.bits.Store(math.Float64bits(v))
	s.round.Store(round)
	s.spilled()
}
