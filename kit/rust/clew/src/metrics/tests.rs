//! What all tests of metrics share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::engine::Engine;
use crate::selfmetrics::Counters;
use crate::{Component, Level};

/// An engine of the test's own and its clock.
pub fn engine_with(now: u64, gate: fn(Component, Level) -> bool) -> (&'static Engine, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(now));
    let theirs = clock.clone();
    let counters: &'static Counters = Box::leak(Box::new(Counters::new()));
    let engine = Engine::new(Box::new(move || theirs.load(Relaxed)), gate, counters);
    (Box::leak(Box::new(engine)), clock)
}

/// The same, always on.
pub fn engine(now: u64) -> (&'static Engine, Arc<AtomicU64>) {
    engine_with(now, |_, _| true)
}
