//! The part of the kit's counters that its queue counts with. They order nothing, so they are none of loom's.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

#[derive(PartialEq)]
pub enum Signal {
    Metrics,
}

#[derive(Clone, Copy)]
pub enum Reason {
    QueueFull,
    TooLarge,
    Stopped,
}

#[derive(Default)]
pub struct SignalCounters {
    pub queue_size: AtomicI64,
    pub queue_capacity: AtomicI64,
    /// By [`Reason`], records.
    pub dropped: [AtomicI64; 3],
}

impl SignalCounters {
    pub fn drop_records(&self, reason: Reason, records: i64, _bytes: i64) {
        self.dropped[reason as usize].fetch_add(records, Relaxed);
    }
}

loom::thread_local!(static STRIPE: std::cell::Cell<usize> = std::cell::Cell::new(0));

/// The number that the model has given to the thread.
pub fn stripe() -> usize {
    STRIPE.with(std::cell::Cell::get)
}

pub fn set_stripe(stripe: usize) {
    STRIPE.with(|s| s.set(stripe));
}
