//! What hot paths read of the policy: its snapshot behind a shared pointer, and a few words of it packed into atomics.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use tracing_core::{LevelFilter, Metadata};

use crate::policy::{LogLevel, Snapshot};
use crate::selfmetrics::counters;
use crate::shared::{Cached, Shared};
use crate::{Component, Level};

thread_local!(static CACHE: RefCell<Cached<Snapshot>> = const { Cached::new() });

/// What holds now; `None` before the kit is started.
pub static POLICY: Shared<Snapshot> = Shared::new(&CACHE);

/// Two bits a component. Zero, everything off, is what holds before the kit is started.
static LEVELS: AtomicU32 = AtomicU32::new(0);
static LOG_LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);
static REDACTS: AtomicBool = AtomicBool::new(false);

/// The component is at `need` or above.
#[inline]
pub fn on(component: Component, need: Level) -> bool {
    level(component) >= need as u32
}

#[inline]
fn level(component: Component) -> u32 {
    LEVELS.load(Ordering::Acquire) >> (2 * component as u32) & 3
}

/// Some attribute may have to be dropped, masked or cut.
#[inline]
pub fn redacts() -> bool {
    REDACTS.load(Ordering::Relaxed)
}

/// Events of that severity become lines or records.
#[inline]
pub fn logs(metadata: &Metadata<'_>) -> bool {
    severity(metadata.level()) >= LOG_LEVEL.load(Ordering::Acquire)
}

fn severity(level: &tracing_core::Level) -> u8 {
    let severity = match *level {
        tracing_core::Level::TRACE => LogLevel::Trace,
        tracing_core::Level::DEBUG => LogLevel::Debug,
        tracing_core::Level::INFO => LogLevel::Info,
        tracing_core::Level::WARN => LogLevel::Warn,
        tracing_core::Level::ERROR => LogLevel::Error,
    };
    severity as u8
}

/// The least severity of lines on standard output.
pub fn log_level() -> LogLevel {
    match LOG_LEVEL.load(Ordering::Relaxed) {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

/// What `tracing` macros may skip without asking. Debug spans are always taken, because they carry their context to other tasks; trace spans only
/// where phases are told, because runtimes make one at every turn.
pub fn max_level() -> LevelFilter {
    if on(Component::App, Level::Detailed) || log_level() == LogLevel::Trace { LevelFilter::TRACE } else { LevelFilter::DEBUG }
}

/// Whether spans of a callsite are made at all; see [`max_level`].
pub fn spans(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= tracing_core::Level::DEBUG || on(Component::App, Level::Detailed)
}

/// Makes a snapshot the one that holds. Callsites are asked again when it changes what they are interested in.
pub fn publish(snapshot: &Arc<Snapshot>) {
    let before = (LEVELS.load(Ordering::Relaxed), LOG_LEVEL.load(Ordering::Relaxed));
    let levels = pack(|c| snapshot.level(c));
    // What holds something back comes before what lets more through.
    POLICY.set(Some(snapshot.clone()));
    REDACTS.store(snapshot.redacts(), Ordering::Release);
    LEVELS.store(levels, Ordering::Release);
    LOG_LEVEL.store(snapshot.log_level() as u8, Ordering::Release);
    for component in Component::ALL {
        counters().level[component as usize].store(snapshot.level(component) as i64, Ordering::Relaxed);
    }
    snapshot.version().clone_into(&mut counters().policy_version.lock().unwrap_or_else(PoisonError::into_inner));
    if before != (levels, snapshot.log_level() as u8) {
        tracing_core::callsite::rebuild_interest_cache();
    }
}

/// Everything is off again; redaction stays, because spans that live may still be sent.
pub fn clear() {
    LEVELS.store(0, Ordering::Relaxed);
}

fn pack(level_of: impl Fn(Component) -> Level) -> u32 {
    Component::ALL.into_iter().map(|c| (level_of(c) as u32) << (2 * c as u32)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_has_its_own_two_bits() {
        let levels = [Level::Off, Level::Edges, Level::Standard, Level::Detailed, Level::Off, Level::Detailed, Level::Edges];
        let packed = pack(|c| levels[c as usize]);
        for c in Component::ALL {
            assert_eq!(packed >> (2 * c as u32) & 3, levels[c as usize] as u32);
        }
    }
}
