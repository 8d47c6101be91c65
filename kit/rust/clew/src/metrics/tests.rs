//! What all tests of metrics share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::engine::Engine;
use crate::selfmetrics::Counters;

/// An engine of the test's own, always on, and its clock.
pub fn engine(now: u64) -> (&'static Engine, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(now));
    let theirs = clock.clone();
    let counters: &'static Counters = Box::leak(Box::new(Counters::new()));
    let engine = Engine::new(Box::new(move || theirs.load(Relaxed)), |_, _| true, counters);
    (Box::leak(Box::new(engine)), clock)
}
