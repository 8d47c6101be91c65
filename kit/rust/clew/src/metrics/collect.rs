//! Reading everything at once.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::distribution::Exemplar;
use super::engine::{Desc, Engine, Kind, Redaction};
use super::labels::Labels;
use super::redact::{Redactor, Since};
use crate::{Component, Level};

/// The number of a collection.
#[derive(Clone, Copy)]
pub struct Round(pub u64);

/// Takes the points of a collection. The points of an instrument come one after another.
pub trait Sink {
    /// One point.
    fn point(&mut self, desc: &Desc, point: &Point<'_>);
}

/// The value of a series at the time of a collection.
pub struct Point<'a> {
    pub labels: Option<&'a Labels>,
    /// Unix nanoseconds: when the sum was zero.
    pub start: u64,
    /// Unix nanoseconds.
    pub time: u64,
    /// An `i64`, or the bits of an `f64` when [`Desc::float`]. For a histogram the bits of the sum.
    pub bits: u64,
    /// Of a gauge: after which collection the value was set.
    pub set_after: u64,
    /// Histograms: one more than there are bounds.
    pub counts: Vec<u64>,
    /// Histograms: ascending by bucket.
    pub exemplars: Vec<Exemplar>,
}

/// What producers write to.
pub struct Emitter<'a> {
    engine: &'a Engine,
    sink: &'a mut dyn Sink,
    start: u64,
    time: u64,
}

impl Emitter<'_> {
    /// Whether instruments of a component that need a level are on. What is given to the emitter is sent in any case.
    pub fn on(&self, component: Component, need: Level) -> bool {
        (self.engine.gate)(component, need)
    }

    /// The time of the collection in Unix nanoseconds.
    pub fn time(&self) -> u64 {
        self.time
    }

    fn emit(&mut self, desc: &Desc, labels: &Labels, bits: u64, counts: Vec<u64>) {
        let (start, time, exemplars) = (self.start, self.time, Vec::new());
        let point = Point { labels: Some(labels), start, time, bits, set_after: 0, counts, exemplars };
        self.sink.point(desc, &point);
    }

    /// The value of an instrument of whole numbers.
    pub fn int(&mut self, desc: &Desc, labels: &Labels, n: i64) {
        self.emit(desc, labels, n as u64, Vec::new());
    }

    /// The value of an instrument of numbers. What is not finite is left out.
    pub fn float(&mut self, desc: &Desc, labels: &Labels, v: f64) {
        if v.is_finite() {
            self.emit(desc, labels, v.to_bits(), Vec::new());
        }
    }

    /// A histogram without exemplars; `counts` are one more than the bounds.
    pub fn distribution(&mut self, desc: &Desc, labels: &Labels, counts: &[u64], sum: f64) {
        self.emit(desc, labels, sum.to_bits(), counts.to_vec());
    }
}

impl Engine {
    /// Runs the callbacks and hands all points, redacted, to the sink: instruments as they came, then the producers'. With `next` exemplars are
    /// taken out and a new interval begins; without, all that are held are shown and stay. `deadline` bounds the callbacks alone.
    pub fn collect(&self, sink: &mut dyn Sink, next: bool, deadline: Instant) {
        let mut redacted_by = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        let round = Round(self.round.fetch_add(1, Relaxed) + 1);
        self.run_callbacks(deadline);

        let (order, producers) = {
            let state = self.state();
            (state.order.clone(), state.producers.clone())
        };
        let interval = self.interval.load(Relaxed);
        if next {
            // Records from here on belong to the next interval, even for series that are not read yet.
            self.interval.fetch_add(1, Relaxed);
        }
        let policy = (self.redaction)();
        let before = redacted_by.replace(policy.clone());
        let pointer = |policy: &Redaction| policy.as_ref().map(Arc::as_ptr);
        let before = before.filter(|before| pointer(before) != pointer(&policy));
        let mut sink = Redactor::new(self, sink, policy.clone());
        let time = (self.now)();
        let (mut counts, mut exemplars, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for instrument in order.iter().filter(|i| before.is_some() || i.enabled()) {
            all.clear();
            instrument.table.all(&mut all);
            let desc = &instrument.desc;
            let mut since = instrument.since.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = |before| all.iter().any(|s| s.labels.changed(desc.kind, before, &policy));
            if matches!(desc.kind, Kind::Counter | Kind::Histogram) && before.as_ref().is_some_and(changed) {
                *since = Since::begin(&all, time);
                continue;
            }
            if !instrument.enabled() {
                continue;
            }
            let held = sink.hold(|policy| all.iter().any(|s| s.labels.redacted(policy)));
            let stays = held && desc.observable && desc.kind == Kind::Counter;
            let start = since.start.unwrap_or(self.start);
            for (place, series) in all.iter().enumerate() {
                let (bits, set_after, seen) = (series.bits(), series.set_after(), series.has(round));
                let was_seen = seen || stays && set_after != 0;
                if !was_seen {
                    continue;
                }
                let mut point = Point { labels: Some(&series.labels), start, time, bits, set_after, counts, exemplars };
                if let Some(distribution) = &series.distribution {
                    distribution.read(&mut point, interval, !next);
                }
                since.less(place, desc, &mut point);
                sink.take(desc, &point, seen);
                (counts, exemplars) = (point.counts, point.exemplars);
            }
        }
        sink.hold(|_| true);
        let mut emitter = Emitter { engine: self, sink: &mut sink, start: self.start, time };
        for producer in producers {
            producer.lock().unwrap_or_else(PoisonError::into_inner)(&mut emitter);
        }
        sink.flush();
    }
}
