//! What the kit says about itself to the program.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use crate::policy::Snapshot;
use crate::problems::{self, Problem};
use crate::selfmetrics::{Reason, Signal, SignalCounters, counters};
use crate::{Component, Level};

/// The state of the kit, by [`Guard::status`](crate::Guard::status). What is counted is counted since the process began.
#[derive(Clone, Debug)]
pub struct Status {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`, random.
    pub instance: String,
    /// Of the kit.
    pub version: &'static str,
    /// When the kit was started.
    pub started: SystemTime,
    /// The version of the policy in force; empty for none.
    pub policy: String,
    /// How much each component tells.
    pub levels: [(Component, Level); 7],
    /// Spans that were started and recorded.
    pub sampled: i64,
    /// Traces that began here and are not kept.
    pub unsampled: i64,
    /// Recorded spans that are under way.
    pub live: i64,
    /// By `traces`, `metrics` and `logs`.
    pub signals: BTreeMap<&'static str, SignalStatus>,
    /// The last 32 things that a person should know, oldest first.
    pub problems: Vec<Problem>,
}

/// The state of traces, metrics or logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalStatus {
    /// Bytes that wait.
    pub queued: i64,
    /// Bytes that may wait.
    pub capacity: i64,
    /// Records that were delivered.
    pub exported: i64,
    /// Records that were lost, by reason; reasons without any are left out.
    pub dropped: BTreeMap<&'static str, i64>,
    /// `closed`, `half` or `open`.
    pub breaker: &'static str,
}

pub(crate) fn of(service: &str, instance: &str, started: SystemTime, snapshot: &Snapshot) -> Status {
    let counters = counters();
    Status {
        service: service.to_owned(),
        instance: instance.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        started,
        policy: snapshot.version().to_owned(),
        levels: Component::ALL.map(|component| (component, snapshot.level(component))),
        sampled: counters.span_sampled.load(),
        unsampled: counters.span_dropped.load(),
        live: counters.span_live.load(),
        signals: Signal::ALL.into_iter().map(|signal| (signal.name(), of_signal(&counters.signal[signal as usize]))).collect(),
        problems: problems::all(),
    }
}

fn of_signal(counters: &SignalCounters) -> SignalStatus {
    let lost = |reason: Reason| counters.dropped[reason as usize].load(Ordering::Relaxed);
    SignalStatus {
        queued: counters.queue_size.load(Ordering::Relaxed),
        capacity: counters.queue_capacity.load(Ordering::Relaxed),
        exported: counters.exported.load(Ordering::Relaxed),
        dropped: Reason::ALL.into_iter().map(|reason| (reason.name(), lost(reason))).filter(|(_, records)| *records > 0).collect(),
        breaker: match counters.breaker.load(Ordering::Relaxed) {
            0 => "closed",
            1 => "half",
            _ => "open",
        },
    }
}
