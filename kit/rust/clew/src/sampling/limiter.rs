//! A number of roots a second, as a threshold.

use std::sync::{Mutex, PoisonError};

use super::{Ratio, Sampler, Threshold};

/// Holds the roots of a rule to a number a second by raising its threshold. The decision stays R ≥ T, so what it keeps is still a probability
/// sample: in each second T follows from the number of roots in the second before, which is why a sudden burst passes for up to a second. Not
/// a token bucket, whose decisions no other service could repeat.
#[derive(Debug)]
pub struct Limiter {
    base: Sampler,
    per_second: u64,
    /// Held for a few loads and stores, never over anything that waits.
    window: Mutex<Option<Window>>,
}

/// How many seconds a root may come after its window.
const LATE: i64 = 10;

#[derive(Debug)]
struct Window {
    second: i64,
    seen: u64,
    sampler: Sampler,
}

impl Limiter {
    /// Limits a sampler.
    pub fn new(base: Sampler, per_second: u64) -> Limiter {
        Limiter { base, per_second, window: Mutex::new(None) }
    }

    /// Counts a root and returns the sampler that decides about it. `second` is the whole second of the clock. One that is up to ten seconds
    /// before the present window, as of roots that race, counts into it; a clock that was set back further starts anew.
    pub fn sampler(&self, second: i64) -> Sampler {
        let mut slot = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = slot.as_mut() {
            if second <= window.second && second >= window.second.saturating_sub(LATE) {
                window.seen += 1;
                return window.sampler.clone();
            }
        }
        let before = slot.as_ref().map_or(0, |w| if w.second.checked_add(1) == Some(second) { w.seen } else { 0 });
        let sampler = self.limited(before);
        *slot = Some(Window { second, seen: 1, sampler: sampler.clone() });
        sampler
    }

    /// The sampler after a second with this many roots.
    fn limited(&self, before: u64) -> Sampler {
        let limit = match self.per_second {
            0 => Threshold::NEVER,
            n => Ratio { numerator: n, denominator: before.max(n) }.threshold(),
        };
        if limit <= self.base.threshold { self.base.clone() } else { Sampler::new(limit) }
    }
}
