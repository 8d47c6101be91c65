//! Redaction of labels. They are redacted when they are read and not when a series is bound, so that a new policy holds for series that are
//! bound already and a record pays nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::collect::{Point, Sink};
use super::distribution::Exemplar;
use super::engine::{Desc, Engine, Kind};
use super::labels::Labels;
use crate::policy::Snapshot;

/// Stands before another sink. Points whose labels become the same are added up to one in the place of the first, because two with the same
/// labels would contradict each other. It holds the points of one instrument at a time, and none where nothing is redacted.
pub struct Redactor<'a> {
    engine: &'a Engine,
    sink: &'a mut dyn Sink,
    policy: Option<Arc<Snapshot>>,
    holds: bool,
    open: Option<Desc>,
    points: Vec<Held>,
    /// Places in `points` by encoded labels.
    at: HashMap<Vec<u8>, usize>,
}

/// A point that is held.
struct Held {
    labels: Labels,
    start: u64,
    time: u64,
    bits: u64,
    set_after: u64,
    counts: Vec<u64>,
    exemplars: Vec<Exemplar>,
}

impl<'a> Redactor<'a> {
    /// One for a collection of `engine`.
    pub fn new(engine: &'a Engine, sink: &'a mut dyn Sink) -> Redactor<'a> {
        Redactor { engine, sink, policy: (engine.redaction)(), holds: false, open: None, points: Vec::new(), at: HashMap::new() }
    }

    /// Says of the points that follow whether the policy that redacts touches them.
    pub fn hold(&mut self, touched: impl FnOnce(&Snapshot) -> bool) {
        self.flush();
        self.holds = self.policy.as_deref().is_some_and(touched);
    }

    /// Hands on what is held.
    pub fn flush(&mut self) {
        self.at.clear();
        let Some(desc) = self.open.take() else { return };
        for Held { labels, start, time, bits, set_after, counts, exemplars } in self.points.drain(..) {
            self.sink.point(&desc, &Point { labels: Some(&labels), start, time, bits, set_after, counts, exemplars });
        }
    }
}

impl Sink for Redactor<'_> {
    fn point(&mut self, desc: &Desc, p: &Point<'_>) {
        let Some(policy) = self.policy.as_deref().filter(|_| self.holds) else { return self.sink.point(desc, p) };
        let labels = match p.labels {
            Some(labels) => labels.redact(desc.kind, policy).unwrap_or_else(|| labels.clone()),
            None => Labels::default(),
        };
        if !self.open.as_ref().is_some_and(|open| open.same(desc)) {
            self.flush();
            self.open = Some(desc.clone());
        }
        if let Some(&at) = self.at.get(&labels.otlp) {
            if !self.points[at].merge(desc, p) {
                self.engine.invalid();
            }
            return;
        }
        self.at.insert(labels.otlp.clone(), self.points.len());
        let (counts, exemplars) = (p.counts.clone(), p.exemplars.clone());
        self.points.push(Held { labels, start: p.start, time: p.time, bits: p.bits, set_after: p.set_after, counts, exemplars });
    }
}

impl Held {
    /// Adds a point of the same labels, unless the sum would not be finite.
    fn merge(&mut self, desc: &Desc, p: &Point<'_>) -> bool {
        if desc.kind == Kind::Gauge {
            if p.set_after >= self.set_after {
                (self.set_after, self.bits) = (p.set_after, p.bits);
            }
            return true;
        }
        if desc.kind != Kind::Histogram && !desc.float {
            self.bits = self.bits.wrapping_add(p.bits);
            return true;
        }
        let sum = f64::from_bits(self.bits) + f64::from_bits(p.bits);
        if !sum.is_finite() {
            return false;
        }
        self.bits = sum.to_bits();
        for (held, n) in self.counts.iter_mut().zip(&p.counts) {
            *held += n;
        }
        for exemplar in &p.exemplars {
            match self.exemplars.binary_search_by_key(&exemplar.bucket, |e| e.bucket) {
                Err(at) => self.exemplars.insert(at, *exemplar),
                Ok(at) if exemplar.time < self.exemplars[at].time => self.exemplars[at] = *exemplar,
                Ok(_) => {}
            }
        }
        true
    }
}
