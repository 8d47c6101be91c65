package clew

import (
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// Status is what a kit says about itself.
type Status struct {
	Service  string
	Instance string // service.instance.id, random
	Version  string // of the kit
	Started  time.Time
	// Policy is the version of the policy in force, "" without one.
	Policy string
	// Levels by component.
	Levels map[string]string
	// Spans that were started and recorded, not sampled, and are under way.
	Sampled, Unsampled, Live int64
	Signals                  map[string]SignalStatus
	// Problems are the last 32, oldest first.
	Problems []Problem
}

// SignalStatus is the state of traces, metrics or logs.
type SignalStatus struct {
	Queued   int64 // bytes
	Capacity int64 // bytes
	Exported int64 // records
	// Dropped are records by reason, the ones that are not zero.
	Dropped map[string]int64
	// Breaker is "closed", "half" or "open".
	Breaker string
}

// Status returns the state of the kit now; the zero Status when none runs.
func (k *Kit) Status() Status {
	if k == nil {
		return Status{}
	}
	snapshot := k.policy.Load()
	s := Status{
		Service: k.service, Instance: k.instance, Version: Version, Started: k.began, Policy: snapshot.Version(),
		Levels: map[string]string{}, Signals: map[string]SignalStatus{}, Problems: k.problems.all(),
		Sampled: k.counters.SpanSampled.Load(), Unsampled: k.counters.SpanDropped.Load(), Live: k.counters.SpanLive.Load(),
	}
	for c := range policy.Components {
		s.Levels[policy.Component(c).String()] = snapshot.Level(policy.Component(c)).String()
	}
	for i := range k.counters.Signal {
		s.Signals[self.Signal(i).String()] = signalStatus(&k.counters.Signal[i])
	}
	return s
}

func signalStatus(c *self.SignalCounters) SignalStatus {
	s := SignalStatus{
		Queued: c.QueueSize.Load(), Capacity: c.QueueCapacity.Load(), Exported: c.Exported.Load(), Dropped: map[string]int64{},
	}
	for r := range c.Dropped {
		if n := c.Dropped[r].Load(); n > 0 {
			s.Dropped[self.Reason(r).String()] = n
		}
	}
	switch c.Breaker.Load() {
	case self.BreakerClosed:
		s.Breaker = "closed"
	case self.BreakerHalf:
		s.Breaker = "half"
	default:
		s.Breaker = "open"
	}
	return s
}
