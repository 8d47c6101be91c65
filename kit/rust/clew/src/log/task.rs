//! The task id marks what runs beside the rest of a request: lines of one task have the same, on whichever thread it is polled.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

static LAST: AtomicU64 = AtomicU64::new(0);

thread_local!(static CURRENT: Cell<u64> = const { Cell::new(0) });

/// The id of a new task.
pub fn next() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The id of the task that runs on this thread; 0 for none.
#[inline]
pub fn current() -> u64 {
    CURRENT.try_with(Cell::get).unwrap_or(0)
}

/// Makes the task the current one until the guard is dropped.
#[inline]
#[must_use]
pub fn enter(id: u64) -> Entered {
    Entered { outer: CURRENT.try_with(|c| c.replace(id)).unwrap_or(0) }
}

/// Restores the outer task when dropped.
pub struct Entered {
    outer: u64,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|c| c.set(self.outer));
    }
}
