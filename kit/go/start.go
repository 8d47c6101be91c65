package clew

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/clew-dev/clew/kit/go/internal/export"
	"github.com/clew-dev/clew/kit/go/internal/logline"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// Start starts the instrumentation of this process and makes it the OpenTelemetry API's global tracer provider, meter provider and
// propagator. It never fails and never waits: what is wrong with options, environment or collector is written to standard error in one
// line each, counted, and shown by Status; the program goes on.
//
// ctx is what policies are asked for under: when it ends, they are no longer asked for. Everything else runs until Stop.
//
// A second Start takes over from the first one until it is stopped; each has to be stopped.
func Start(ctx context.Context, options ...Option) *Kit {
	if ctx == nil {
		ctx = context.Background()
	}
	c := newConfig(options)
	c.environment()
	if c.disabled {
		c.own.Level = policy.Some(policy.Off)
		c.own.Components = policy.Document{}.Components
		c.export, c.policyURL, c.policyCache, c.leaks = false, "", "", "off"
	}
	if c.flagsLevel == 1 {
		c.propagates.withheld = flagRandom
	}
	k := &Kit{
		began: time.Now(), limits: c.limits, propagates: c.propagates, flagsLevel: c.flagsLevel,
		policy: policy.NewHolder(c.own), counters: new(self.Counters),
		problems: &problems{out: c.stderr, now: time.Now, loudly: true},
	}
	resource := k.describe(c)
	if c.export {
		x := c.exporter()
		x.Resource, x.Counters, x.Problem, x.Note = resource, k.counters, k.problems.add, k.problems.note
		k.exporter = export.New(x)
	}
	k.scope = k.exporter.Scope(scopeName, Version, "")
	k.provide(c.provider)
	k.logs = logline.NewPipeline(logline.PipelineConfig{
		Service: k.service, Policy: k.policy, Exporter: k.exporter, Counters: k.counters, Output: c.output,
	})
	startMetrics(k.exporter, c.interval)
	for _, text := range c.refused {
		k.refused(text)
	}
	k.poll(ctx, c)
	k.leaks = startLeaks(c.leaks, k.counters, c.stderr)
	k.problems.settled()
	k.levelsChanged()
	handover.Lock()
	k.before = current.Swap(k)
	logline.SetCurrent(k.logs)
	gateMetrics(k.policy, k.counters)
	handover.Unlock()
	if c.global {
		if k.provider != nil {
			otel.SetTracerProvider(k.provider)
		} else {
			otel.SetTracerProvider(provider)
		}
		otel.SetMeterProvider(meterProvider())
		otel.SetTextMapPropagator(propagator{})
		otel.SetErrorHandler(otel.ErrorHandlerFunc(handleError))
	}
	return k
}

// flagRandom is the flag of traceparent that level 1 does not know.
const flagRandom = 0x02

// refused counts a value that is not taken, and says so.
func (k *Kit) refused(text string) {
	k.counters.ConfigRefused.Add(1)
	k.problems.add(text)
}

// handleError takes what the OpenTelemetry API and libraries on it complain about, which would go to the program's log otherwise.
func handleError(err error) {
	if k := current.Load(); k != nil && err != nil {
		message, _ := describe(err)
		k.problems.add("OpenTelemetry API: " + message)
	}
}
