//! The state of a histogram's series.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::collect::Point;
use super::engine::Engine;
use crate::{SpanId, TraceId};

/// Counts by bucket, the sum, and an exemplar a bucket.
pub struct Distribution {
    /// Bits of an `f64`.
    pub sum: AtomicU64,
    /// One more than there are bounds.
    buckets: Box<[Bucket]>,
    /// As long as `buckets`; empty until the first.
    exemplars: Mutex<Vec<Exemplar>>,
}

struct Bucket {
    count: AtomicU64,
    /// In which the bucket's exemplar was taken; 0: there is none.
    interval: AtomicU64,
}

/// A value that was recorded within a sampled span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exemplar {
    pub bucket: usize,
    pub value: f64,
    /// Unix nanoseconds.
    pub time: u64,
    pub trace_id: TraceId,
    pub span_id: SpanId,
}

impl Distribution {
    /// An empty one.
    pub fn new(bounds: usize) -> Distribution {
        Distribution {
            sum: AtomicU64::new(0),
            buckets: (0..=bounds).map(|_| Bucket { count: AtomicU64::new(0), interval: AtomicU64::new(0) }).collect(),
            exemplars: Mutex::default(),
        }
    }

    /// Counts a value whose sum was taken. Buckets include their upper bound.
    #[inline]
    pub fn count(&self, bounds: &[f64], engine: &Engine, v: f64, span: impl FnOnce() -> Option<(TraceId, SpanId)>) {
        let i = bounds.partition_point(|b| *b < v);
        let Some(bucket) = self.buckets.get(i) else { return };
        bucket.count.fetch_add(1, Relaxed);
        if bucket.interval.load(Relaxed) != engine.interval.load(Relaxed) {
            if let Some((trace_id, span_id)) = span() {
                self.exemplify(engine, Exemplar { bucket: i, value: v, time: 0, trace_id, span_id });
            }
        }
    }

    /// Keeps the first sampled value of the interval.
    #[cold]
    fn exemplify(&self, engine: &Engine, mut exemplar: Exemplar) {
        exemplar.time = (engine.now)();
        let mut exemplars = self.exemplars.lock().unwrap_or_else(PoisonError::into_inner);
        let interval = engine.interval.load(Relaxed);
        let bucket = &self.buckets[exemplar.bucket];
        if bucket.interval.load(Relaxed) == interval {
            return;
        }
        if exemplars.is_empty() {
            exemplars.resize(self.buckets.len(), Exemplar::default());
        }
        exemplars[exemplar.bucket] = exemplar;
        bucket.interval.store(interval, Relaxed);
    }

    /// The counts by bucket.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(|bucket| bucket.count.load(Relaxed))
    }

    /// Copies counts and the exemplars of the interval, and of all earlier ones when `older` is set.
    pub fn read(&self, point: &mut Point<'_>, interval: u64, older: bool) {
        point.counts.clear();
        point.counts.extend(self.counts());
        point.bits = self.sum.load(Relaxed);
        point.exemplars.clear();
        let exemplars = self.exemplars.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, exemplar) in self.buckets.iter().zip(exemplars.iter()) {
            let at = bucket.interval.load(Relaxed);
            if at == interval || older && at != 0 {
                point.exemplars.push(*exemplar);
            }
        }
    }
}
