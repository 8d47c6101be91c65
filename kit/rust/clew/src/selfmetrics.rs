//! What the kit counts about itself: one field for each row of section 6 of the
//! contract (`kit/contract/README.md`). This module stores and adds up; it renders
//! nothing and sends nothing. Any thread may write and any may read at any time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One of the three kinds of telemetry. Each has its own queue, worker and
/// breaker, so that trouble with one does not stop the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// All signals, in the order of their numbers.
    pub const ALL: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

    /// The value of the attribute `clew.signal`.
    pub const fn name(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }
}

/// Why records were lost. The list is closed: nothing is ever lost for a reason
/// that is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    QueueFull,
    Refused,
    TooLarge,
    Unreachable,
    PartialSuccess,
    NotServed,
    WorkerPanic,
    Stopped,
    Invalid,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Reason; 9] = [
        Reason::QueueFull,
        Reason::Refused,
        Reason::TooLarge,
        Reason::Unreachable,
        Reason::PartialSuccess,
        Reason::NotServed,
        Reason::WorkerPanic,
        Reason::Stopped,
        Reason::Invalid,
    ];

    /// The value of the attribute `reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::Refused => "refused",
            Reason::TooLarge => "too_large",
            Reason::Unreachable => "unreachable",
            Reason::PartialSuccess => "partial_success",
            Reason::NotServed => "not_served",
            Reason::WorkerPanic => "worker_panic",
            Reason::Stopped => "stopped",
            Reason::Invalid => "invalid",
        }
    }
}

/// The number of cells of [`Counters::level`]: the components of the contract's
/// section 3 in its order (http grpc sql messaging app logs metrics).
pub const COMPONENTS: usize = 7;

/// Everything that one kit counts about itself.
#[derive(Debug)]
pub struct Counters {
    /// `otel.sdk.span.started`, `RECORD_AND_SAMPLE`
    pub span_sampled: Striped,
    /// `otel.sdk.span.started`, `DROP`
    pub span_dropped: Striped,
    /// `otel.sdk.span.live`: started and recorded, not yet ended
    pub span_live: Striped,
    /// By [`Signal`].
    pub signal: [SignalCounters; 3],
    /// `clew.kit.policy.info`; empty: none was applied
    pub policy_version: Mutex<String>,
    /// `clew.kit.policy.refused`
    pub policy_refused: AtomicI64,
    /// `clew.kit.policy.skipped`
    pub policy_skipped: AtomicI64,
    /// `clew.kit.level`, 0 off to 3 detailed
    pub level: [AtomicI64; COMPONENTS],
    /// `clew.kit.span.leaked`
    pub span_leaked: AtomicI64,
    /// `clew.kit.span.late`
    pub span_late: AtomicI64,
    /// `clew.kit.context.lost`
    pub context_lost: AtomicI64,
    /// `clew.kit.span.limited`, attributes
    pub span_limited: AtomicI64,
    /// `clew.kit.log.suppressed`
    pub log_suppressed: AtomicI64,
    /// `clew.kit.log.lost`
    pub log_lost: AtomicI64,
    /// `clew.kit.metric.overflow`
    pub metric_overflow: AtomicI64,
    /// `clew.kit.metric.invalid`
    pub metric_invalid: AtomicI64,
    /// `clew.kit.baggage.dropped`, members
    pub baggage_dropped: AtomicI64,
    /// `clew.kit.config.refused`, values
    pub config_refused: AtomicI64,
}

impl Counters {
    /// All zero.
    pub const fn new() -> Self {
        Counters {
            span_sampled: Striped::new(),
            span_dropped: Striped::new(),
            span_live: Striped::new(),
            signal: [const { SignalCounters::new() }; 3],
            policy_version: Mutex::new(String::new()),
            policy_refused: AtomicI64::new(0),
            policy_skipped: AtomicI64::new(0),
            level: [const { AtomicI64::new(0) }; COMPONENTS],
            span_leaked: AtomicI64::new(0),
            span_late: AtomicI64::new(0),
            context_lost: AtomicI64::new(0),
            span_limited: AtomicI64::new(0),
            log_suppressed: AtomicI64::new(0),
            log_lost: AtomicI64::new(0),
            metric_overflow: AtomicI64::new(0),
            metric_invalid: AtomicI64::new(0),
            baggage_dropped: AtomicI64::new(0),
            config_refused: AtomicI64::new(0),
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

static COUNTERS: Counters = Counters::new();

/// The counters of the process' kit.
pub fn counters() -> &'static Counters {
    &COUNTERS
}

/// The part of [`Counters`] that exists once for each signal. The exporter writes it.
#[derive(Debug)]
pub struct SignalCounters {
    /// `otel.sdk.processor.span.queue.size`, bytes
    pub queue_size: AtomicI64,
    /// `otel.sdk.processor.span.queue.capacity`, bytes
    pub queue_capacity: AtomicI64,
    /// `otel.sdk.exporter.span.exported` without `error.type`
    pub exported: AtomicI64,
    /// `otel.sdk.exporter.span.inflight`
    pub inflight: AtomicI64,
    /// `clew.kit.breaker.state`: 0 closed, 1 half open, 2 open
    pub breaker: AtomicI64,
    /// `clew.kit.dropped` by [`Reason`], records; also `exported` with `error.type`
    pub dropped: [AtomicI64; 9],
    /// `clew.kit.dropped.size` by [`Reason`], bytes
    pub dropped_size: [AtomicI64; 9],
    /// `otel.sdk.exporter.operation.duration`
    pub durations: Durations,
}

impl SignalCounters {
    const fn new() -> Self {
        SignalCounters {
            queue_size: AtomicI64::new(0),
            queue_capacity: AtomicI64::new(0),
            exported: AtomicI64::new(0),
            inflight: AtomicI64::new(0),
            breaker: AtomicI64::new(0),
            dropped: [const { AtomicI64::new(0) }; 9],
            dropped_size: [const { AtomicI64::new(0) }; 9],
            durations: Durations::new(),
        }
    }

    /// Counts records and their encoded bytes as lost.
    pub fn drop_records(&self, reason: Reason, records: i64, bytes: i64) {
        self.dropped[reason as usize].fetch_add(records, Relaxed);
        self.dropped_size[reason as usize].fetch_add(bytes, Relaxed);
    }

    /// Records and bytes lost for whatever reason.
    pub fn lost(&self) -> (i64, i64) {
        let sum = |cells: &[AtomicI64]| cells.iter().map(|c| c.load(Relaxed)).sum();
        (sum(&self.dropped), sum(&self.dropped_size))
    }
}

/// A counter for paths where every core counts at once: eight cells, each on a
/// cache line of its own; a thread keeps to one of them.
#[derive(Debug)]
pub struct Striped([Cell64; 8]);

#[derive(Debug)]
#[repr(align(64))]
struct Cell64(AtomicI64);

impl Striped {
    const fn new() -> Self {
        Striped([const { Cell64(AtomicI64::new(0)) }; 8])
    }

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0[stripe() & 7].0.fetch_add(n, Relaxed);
    }

    /// The sum. Beside writers it is a value between the sums before and after.
    pub fn load(&self) -> i64 {
        self.0.iter().map(|c| c.0.load(Relaxed)).sum()
    }
}

/// A small number that is the thread's own, so that threads keep out of each
/// other's way when they choose a cell or a shard by it.
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|s| {
        if s.get() == usize::MAX {
            s.set(NEXT.fetch_add(1, Relaxed) & 0xffff);
        }
        s.get()
    })
}

/// The upper bounds in seconds of the buckets of [`DurationCounts::counts`], the
/// ones that semantic conventions give for durations of requests.
pub const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The outcomes that a signal keeps apart. A collector that answers with ever new
/// status codes fills the last one, `_OTHER`.
const MAX_OUTCOMES: usize = 16;

/// `otel.sdk.exporter.operation.duration` of one signal: a histogram for each outcome.
#[derive(Debug)]
pub struct Durations(Mutex<BTreeMap<String, DurationCounts>>);

/// The histogram of one outcome, which is a status code in decimal digits when
/// there was an answer, else the error's type, such as `timeout`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DurationCounts {
    pub count: u64,
    /// Seconds.
    pub sum: f64,
    pub counts: [u64; BOUNDS.len() + 1],
}

impl Durations {
    const fn new() -> Self {
        Durations(Mutex::new(BTreeMap::new()))
    }

    /// Adds one attempt that took `took`.
    pub fn record(&self, outcome: &str, took: Duration) {
        let mut by = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = by.contains_key(outcome) || by.len() < MAX_OUTCOMES - 1;
        let one = by.entry(if known { outcome } else { "_OTHER" }.to_owned()).or_default();
        let seconds = took.as_secs_f64();
        one.count += 1;
        one.sum += seconds;
        one.counts[BOUNDS.partition_point(|b| *b < seconds)] += 1;
    }

    /// A copy of all histograms, sorted by outcome.
    pub fn snapshot(&self) -> Vec<(String, DurationCounts)> {
        let by = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        by.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_bounded_and_sums_are_kept() {
        let durations = Durations::new();
        for i in 0..40 {
            durations.record(&i.to_string(), Duration::from_millis(5));
        }
        let all = durations.snapshot();
        assert_eq!(all.len(), MAX_OUTCOMES);
        let other = &all.iter().find(|(k, _)| k == "_OTHER").expect("the rest").1;
        assert_eq!(other.count, 25);
        assert_eq!(other.counts[0], 25, "a bound belongs to its own bucket");
        durations.record("0", Duration::from_secs(11));
        let zero = &durations.snapshot()[0];
        assert_eq!((zero.0.as_str(), zero.1.counts[14]), ("0", 1));
    }

    #[test]
    fn a_striped_counter_adds_up_over_threads() {
        let counter = Striped::new();
        std::thread::scope(|s| {
            for _ in 0..12 {
                s.spawn(|| (0..1000).for_each(|_| counter.add(1)));
            }
        });
        counter.add(-500);
        assert_eq!(counter.load(), 11_500);
    }
}
