//! Knows which recorded spans are open, where in the code they were started, and which test they belong to. The leak watch
//! (debug mode) and the recorder for tests share it; in production it is off or watches one span in 256.
//!
//! The engine calls [`started`] and [`ended`] for every span that records, behind [`on`], which is one relaxed load. The lock is
//! held over map operations only. At most [`MAX_OPEN`] open spans are known; what is over is not watched.

mod finding;
mod group;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use finding::{Finding, place};
pub(crate) use group::{Carry, Task, carry, task};
#[cfg(feature = "testing")]
pub(crate) use group::{GroupId, close, mark, open, result, unmark, wait};

use crate::selfmetrics::counters;
use group::Groups;

/// The most open spans that are known.
pub(crate) const MAX_OPEN: usize = 65_536;
/// The most findings that are remembered.
pub(crate) const MAX_FINDINGS: usize = 1_024;
/// The most encoded spans, and the most traces, that are kept for one test.
pub(crate) const MAX_RECORDS: usize = 100_000;
/// Of how many spans one is watched in production.
const SAMPLE: u8 = 255;

/// What the engine knows of a span when it starts.
pub(crate) struct Started<'a> {
    pub trace: [u8; 16],
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    /// The parent came from another process.
    pub remote: bool,
    /// The number of OTLP.
    pub kind: u8,
    /// It is no root by chance.
    pub asked: bool,
    pub name: &'a str,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// The traces that the span points to at its start.
    pub links: &'a [[u8; 16]],
    /// Where in the code it was started.
    pub site: Option<(&'static str, u32)>,
}

/// A span that has started and not ended.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub trace: [u8; 16],
    #[cfg(feature = "testing")]
    pub id: [u8; 8],
    pub parent: Option<[u8; 8]>,
    pub remote: bool,
    pub kind: u8,
    pub name: String,
    pub start: u64,
    pub site: Option<(&'static str, u32)>,
    group: u64,
    reported: bool,
}

impl Open {
    fn serves(&self) -> bool {
        matches!(self.kind, 2 | 5)
    }

    fn has_local_parent(&self) -> bool {
        self.parent.is_some() && !self.remote
    }
}

/// How much is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Nothing.
    Off = 0,
    /// One span in 256, only to count spans that never end.
    Sampled = 1,
    /// Every span, with findings.
    Full = 2,
}

static MODE: AtomicU8 = AtomicU8::new(Mode::Off as u8);
/// Requests that are being served.
static SERVING: AtomicI64 = AtomicI64::new(0);
static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();

#[derive(Default)]
struct Registry {
    spans: HashMap<([u8; 16], [u8; 8]), Open>,
    serving: usize,
    findings: Vec<Finding>,
    groups: Groups,
}

/// Somebody watches.
#[inline]
pub(crate) fn on() -> bool {
    MODE.load(Ordering::Relaxed) != Mode::Off as u8
}

/// Sets how much is watched. Spans that are open stay known until they end.
pub(crate) fn set_mode(mode: Mode) {
    MODE.store(mode as u8, Ordering::Relaxed);
}

pub(crate) fn full() -> bool {
    MODE.load(Ordering::Relaxed) == Mode::Full as u8
}

fn watched(id: [u8; 8]) -> bool {
    full() || id[7] & SAMPLE == 0
}

/// The lock is never poisoned for good: a panic under it could only come from a failed allocation.
fn lock() -> MutexGuard<'static, Option<Registry>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<R>(act: impl FnOnce(&mut Registry) -> R) -> R {
    act(lock().get_or_insert_with(Registry::default))
}

thread_local! {
    /// The test that this thread works for: its group, and whether the work is the test's own or was carried from it.
    static MARK: Cell<(u64, bool)> = const { Cell::new((0, false)) };
}

/// A request is being served from now on.
pub(crate) fn serve() {
    SERVING.fetch_add(1, Ordering::Relaxed);
}

/// It is no more.
pub(crate) fn served() {
    SERVING.fetch_sub(1, Ordering::Relaxed);
}

/// Notes that a span has started.
#[cold]
pub(crate) fn started(span: &Started<'_>) {
    let mark = MARK.get();
    // Where every span is watched this is judged with more care.
    let rootless = span.parent.is_none() && !span.asked && span.links.is_empty() && !matches!(span.kind, 2 | 5);
    if rootless && !full() && SERVING.load(Ordering::Relaxed) > 0 {
        counters().context_lost.fetch_add(1, Ordering::Relaxed);
    }
    if !watched(span.id) {
        return;
    }
    with(|registry| {
        if registry.spans.len() >= MAX_OPEN {
            return;
        }
        let group = registry.groups.route(mark.0, span);
        let open = Open {
            trace: span.trace,
            #[cfg(feature = "testing")]
            id: span.id,
            parent: span.parent,
            remote: span.remote,
            kind: span.kind,
            name: span.name.to_owned(),
            start: span.start,
            site: span.site,
            group,
            reported: false,
        };
        if full() {
            registry.judge_start(&open, span.asked || !span.links.is_empty(), mark);
        }
        if open.serves() {
            registry.serving += 1;
            registry.groups.serving(group, 1);
        }
        registry.groups.begin(group);
        registry.spans.insert((span.trace, span.id), open);
    });
}

/// Notes that a span has ended and hands its encoded record to the test that it belongs to. The record is copied.
#[cold]
pub(crate) fn ended(trace: [u8; 16], id: [u8; 8], service: &str, record: &[u8]) {
    if !watched(id) {
        return;
    }
    let mark = MARK.get();
    with(|registry| {
        let Some(open) = registry.spans.remove(&(trace, id)) else {
            // The summary of an unsampled root, or a span that started before the watch did.
            registry.groups.keep_unknown(mark.0, trace, service, record);
            return;
        };
        if open.serves() {
            registry.serving -= 1;
            registry.groups.serving(open.group, -1);
        }
        if full() {
            registry.judge_end(&open);
        }
        registry.groups.keep(open.group, service, record);
        registry.groups.done(open.group);
    });
    CHANGED.notify_all();
}

/// Notes that a span has ended without a record.
pub(crate) fn forget(trace: [u8; 16], id: [u8; 8]) {
    with(|registry| {
        if let Some(open) = registry.spans.remove(&(trace, id)) {
            if open.serves() {
                registry.serving -= 1;
                registry.groups.serving(open.group, -1);
            }
            registry.groups.done(open.group);
        }
    });
    CHANGED.notify_all();
}

/// Returns the spans that are open for longer than `age` nanoseconds at `now` and were not returned before, and counts them.
pub(crate) fn stale(now: u64, age: u64) -> Vec<Open> {
    let weight = if full() { 1 } else { i64::from(SAMPLE) + 1 };
    with(|registry| {
        let mut stale: Vec<Open> = Vec::new();
        for open in registry.spans.values_mut() {
            if !open.reported && now.saturating_sub(open.start) >= age {
                open.reported = true;
                stale.push(open.clone());
            }
        }
        counters().span_leaked.fetch_add(stale.len() as i64 * weight, Ordering::Relaxed);
        stale.sort_by_key(|open| open.start);
        stale
    })
}

/// Returns what was found since the last call, and forgets it.
pub(crate) fn findings() -> Vec<Finding> {
    with(|registry| std::mem::take(&mut registry.findings))
}
