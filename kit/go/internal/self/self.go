// Package self holds what the kit counts about itself: one field for each row of
// section 6 of the contract (kit/contract/README.md). It stores and adds up; it
// renders nothing and sends nothing.
//
// Every field is an atomic, so that any goroutine may write and any may read at
// any time. There is no lock but the one in Durations, which only the workers of
// the exporter and the reader of metrics take.
package self

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

// Signal is one of the three kinds of telemetry. Each has its own queue, worker
// and breaker, so that trouble with one does not stop the others.
type Signal uint8

const (
	Traces Signal = iota
	Metrics
	Logs
	// Signals is their number, for arrays indexed by Signal.
	Signals
)

// String is the value of the attribute clew.signal.
func (s Signal) String() string {
	switch s {
	case Traces:
		return "traces"
	case Metrics:
		return "metrics"
	case Logs:
		return "logs"
	}
	return "unknown"
}

// Reason says why records were lost. The list is closed: nothing is ever lost
// for a reason that is not in it.
type Reason uint8

const (
	QueueFull Reason = iota
	Refused
	TooLarge
	Unreachable
	PartialSuccess
	NotServed
	WorkerPanic
	Stopped
	Invalid
	// Reasons is their number, for arrays indexed by Reason.
	Reasons
)

var reasonNames = [Reasons]string{
	"queue_full", "refused", "too_large", "unreachable", "partial_success",
	"not_served", "worker_panic", "stopped", "invalid",
}

// String is the value of the attribute reason.
func (r Reason) String() string {
	if r < Reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// The states of a breaker, as clew.kit.breaker.state gives them.
const (
	BreakerClosed int64 = iota
	BreakerHalf
	BreakerOpen
)

// Components is the number of cells of Counters.Level: the components of the
// contract's section 3 in its order (http grpc sql messaging app logs metrics).
const Components = 7

// Counters is everything that one kit counts about itself. The zero value is
// ready. It must not be copied after first use.
type Counters struct {
	SpanSampled Striped // otel.sdk.span.started, RECORD_AND_SAMPLE
	SpanDropped Striped // otel.sdk.span.started, DROP
	SpanLive    Striped // otel.sdk.span.live: started and recorded, not yet ended

	Signal [Signals]SignalCounters

	PolicyVersion atomic.Pointer[string]   // clew.kit.policy.info; nil: none was applied
	PolicyRefused atomic.Int64             // clew.kit.policy.refused
	PolicySkipped atomic.Int64             // clew.kit.policy.skipped
	Level         [Components]atomic.Int64 // clew.kit.level, 0 off to 3 detailed

	SpanLeaked  atomic.Int64 // clew.kit.span.leaked
	SpanLate    atomic.Int64 // clew.kit.span.late
	ContextLost atomic.Int64 // clew.kit.context.lost
	SpanLimited atomic.Int64 // clew.kit.span.limited, attributes

	LogSuppressed  atomic.Int64 // clew.kit.log.suppressed
	LogLost        atomic.Int64 // clew.kit.log.lost
	MetricOverflow atomic.Int64 // clew.kit.metric.overflow
	MetricInvalid  atomic.Int64 // clew.kit.metric.invalid
	BaggageDropped atomic.Int64 // clew.kit.baggage.dropped, members
	ConfigRefused  atomic.Int64 // clew.kit.config.refused, values
}

// SignalCounters is the part of Counters that exists once for each signal. The
// exporter writes it.
type SignalCounters struct {
	QueueSize     atomic.Int64 // otel.sdk.processor.span.queue.size, bytes
	QueueCapacity atomic.Int64 // otel.sdk.processor.span.queue.capacity, bytes
	Exported      atomic.Int64 // otel.sdk.exporter.span.exported without error.type
	Inflight      atomic.Int64 // otel.sdk.exporter.span.inflight
	Breaker       atomic.Int64 // clew.kit.breaker.state

	Dropped     [Reasons]atomic.Int64 // clew.kit.dropped, records; also exported with error.type
	DroppedSize [Reasons]atomic.Int64 // clew.kit.dropped.size, bytes

	Durations Durations // otel.sdk.exporter.operation.duration
}

// Drop counts records and their encoded bytes as lost.
func (c *SignalCounters) Drop(reason Reason, records, bytes int64) {
	if records == 0 && bytes == 0 {
		return
	}
	c.Dropped[reason].Add(records)
	c.DroppedSize[reason].Add(bytes)
}

// Lost is the number of records lost for whatever reason.
func (c *SignalCounters) Lost() (records, bytes int64) {
	for r := range c.Dropped {
		records += c.Dropped[r].Load()
		bytes += c.DroppedSize[r].Load()
	}
	return records, bytes
}

// Striped is a counter for paths where every core counts at once: as many cells as
// there are cores, at most eight, each on a cache line of its own.
type Striped struct {
	cells [8]struct {
		n atomic.Int64
		_ [56]byte
	}
}

// Add adds n to the counter; n may be negative. The cell is picked by chance, any byte that
// is random: spans have some, and making more costs as much as the rest.
func (s *Striped) Add(n int64, chance byte) { s.cells[chance&stripes&7].n.Add(n) }

// stripes has the bits of chance that pick a cell.
var stripes = byte(1<<bits.Len(uint(min(runtime.GOMAXPROCS(0), 8)-1)) - 1)

// Load is the sum. Beside writers it is a value between the sums before and after.
func (s *Striped) Load() int64 {
	var sum int64
	for i := range s.cells {
		sum += s.cells[i].n.Load()
	}
	return sum
}
