//! The running kit: what every span needs to know, behind one shared pointer. None means that the kit was not started or was stopped.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::Value;
use crate::on_end::Hooks;
use crate::policy::Action;
use crate::selfmetrics::{Reason, Signal, counters};
use crate::shared::{Cached, Shared};
use crate::span::limits::{Limits, Redact};
use crate::switch::{self, POLICY};

thread_local!(static CACHE: RefCell<Cached<Engine>> = const { Cached::new() });

/// The kit of this process.
pub static ENGINE: Shared<Engine> = Shared::new(&CACHE);

/// Where encoded spans go.
pub trait Sink: Send + Sync {
    /// Takes a copy; it never blocks on I/O.
    fn add(&self, signal: Signal, scope: u32, record: &[u8]);
}

/// What every span needs to know.
pub struct Engine {
    /// `service.name`.
    pub service: String,
    /// How large a span may be.
    pub limits: Limits,
    /// Roots say that their trace id is random, as W3C Trace Context level 2 wants.
    pub random_flag: bool,
    /// Where spans go; `None` in tests.
    pub sink: Option<Arc<dyn Sink>>,
    /// The kit's instrumentation scope, as the sink knows it.
    pub scope: u32,
    /// Who looks at spans that go out.
    pub hooks: Arc<Hooks>,
}

impl Engine {
    /// Hands an encoded span over, and shows it. `summary`: it stands for a trace that is not sampled.
    pub fn send(&self, record: &[u8], summary: bool) {
        if let Some(sink) = &self.sink {
            sink.add(Signal::Traces, self.scope, record);
        }
        self.hooks.show(record, summary);
    }

    /// Unsampled roots that fail are sent as a summary.
    pub fn summaries(&self) -> bool {
        POLICY.with(|policy| policy.is_some_and(|p| p.summary_on_error()))
    }

    /// A local root that is not kept.
    pub fn count_unsampled(&self) {
        counters().span_dropped.add(1);
    }

    /// A span that is recorded.
    pub fn count_sampled(&self) {
        counters().span_sampled.add(1);
        counters().span_live.add(1);
    }

    /// The end of a span that was recorded.
    pub fn count_ended(&self) {
        counters().span_live.add(-1);
    }

    /// A child that outlived its parent.
    pub fn count_late(&self) {
        counters().span_late.fetch_add(1, Ordering::Relaxed);
    }

    /// A span that is not recorded because too many live.
    #[cold]
    pub fn count_too_many(&self) {
        counters().signal[Signal::Traces as usize].drop_records(Reason::QueueFull, 1, 0);
    }
}

impl Redact for Engine {
    #[inline]
    fn apply<'v>(&self, key: &str, value: Value<'v>, most: usize) -> Option<(Value<'v>, usize)> {
        if switch::redacts() { redact(key, value, most) } else { Some((value, most)) }
    }
}

#[cold]
fn redact<'v>(key: &str, value: Value<'v>, most: usize) -> Option<(Value<'v>, usize)> {
    match POLICY.with(|policy| policy.and_then(|p| p.redact(key))) {
        None => Some((value, most)),
        Some(Action::Drop) => None,
        Some(Action::Mask) => Some((Value::Str("***"), most)),
        // Texts are cut, those of an array too; of what is no text nothing can be cut.
        Some(Action::Truncate(length)) if matches!(value, Value::Str(_) | Value::Strs(_)) => Some((value, most.min(length))),
        Some(Action::Truncate(_)) => Some((Value::Str("***"), most)),
    }
}
