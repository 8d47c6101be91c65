//! Redaction of labels. They are redacted when they are read and not when a series is bound, so that a new policy holds for series that are
//! bound already and a record pays nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::collect::{Point, Sink};
use super::distribution::Exemplar;
use super::engine::{Desc, Engine, Kind, Redaction};
use super::labels::Labels;
use super::series::Series;
use crate::policy::Snapshot;

/// Stands before another sink. Points whose labels become the same are added up to one in the place of the first, because two with the same
/// labels would contradict each other. It holds the points of one instrument at a time, and none where nothing is redacted.
pub struct Redactor<'a> {
    engine: &'a Engine,
    sink: &'a mut dyn Sink,
    policy: Redaction,
    holds: bool,
    open: Option<Desc>,
    points: Vec<Held>,
    /// Places in `points` by encoded labels.
    at: HashMap<Vec<u8>, usize>,
}

/// A point that is held.
struct Held {
    labels: Labels,
    /// Of any of its series.
    seen: bool,
    start: u64,
    time: u64,
    bits: u64,
    set_after: u64,
    counts: Vec<u64>,
    exemplars: Vec<Exemplar>,
}

impl<'a> Redactor<'a> {
    /// One for a collection of `engine`.
    pub fn new(engine: &'a Engine, sink: &'a mut dyn Sink, policy: Redaction) -> Redactor<'a> {
        Redactor { engine, sink, policy, holds: false, open: None, points: Vec::new(), at: HashMap::new() }
    }

    /// Says of the points that follow whether the policy that redacts touches them, and gives it back.
    pub fn hold(&mut self, touched: impl FnOnce(&Snapshot) -> bool) -> bool {
        self.flush();
        self.holds = self.policy.as_deref().is_some_and(touched);
        self.holds
    }

    /// Hands on what is held.
    pub fn flush(&mut self) {
        self.at.clear();
        let Some(desc) = self.open.take() else { return };
        for Held { labels, start, time, bits, set_after, counts, exemplars, .. } in self.points.drain(..).filter(|held| held.seen) {
            self.sink.point(&desc, &Point { labels: Some(&labels), start, time, bits, set_after, counts, exemplars });
        }
    }

    /// Takes a point. One that was not `seen` in this collection has an earlier value, which counts in a sum of which others were.
    pub fn take(&mut self, desc: &Desc, p: &Point<'_>, seen: bool) {
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
            self.points[at].seen |= seen;
            if !self.points[at].merge(desc, p) {
                self.engine.invalid();
            }
            return;
        }
        self.at.insert(labels.otlp.clone(), self.points.len());
        let (counts, exemplars) = (p.counts.clone(), p.exemplars.clone());
        self.points.push(Held { labels, seen, start: p.start, time: p.time, bits: p.bits, set_after: p.set_after, counts, exemplars });
    }
}

impl Sink for Redactor<'_> {
    fn point(&mut self, desc: &Desc, p: &Point<'_>) {
        self.take(desc, p, true);
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

/// Since when the sums of an instrument count. A redaction that comes or goes makes other points of its series, some with the labels of points
/// that were there before: all begin anew then, because the same point would fall or jump.
#[derive(Default)]
pub struct Since {
    /// Unix nanoseconds; `None`: the start of the engine.
    pub start: Option<u64>,
    /// The number or sum, and the counts, that each series had then, in the order of [`Table::all`](super::series::Table::all): a table
    /// only grows before its overflow, which comes last, and never after it.
    had: Vec<(u64, Vec<u64>)>,
}

impl Since {
    /// Begins anew at `time`.
    pub fn begin(all: &[Arc<Series>], time: u64) -> Since {
        let had = all.iter().map(|series| match &series.distribution {
            Some(distribution) => (distribution.sum.load(Relaxed), distribution.counts().collect()),
            None => (series.bits(), Vec::new()),
        });
        Since { start: Some(time), had: had.collect() }
    }

    /// Takes from a point of the series at `place` what that had at the start.
    pub fn less(&mut self, place: usize, desc: &Desc, point: &mut Point<'_>) {
        let Some((had, counts)) = self.had.get_mut(place) else { return };
        if desc.kind != Kind::Histogram && !desc.float {
            point.bits = point.bits.wrapping_sub(*had);
            return;
        }
        let (value, before) = (f64::from_bits(point.bits), f64::from_bits(*had));
        if desc.observable && value < before {
            // What is observed has begun anew itself.
            *had = 0;
        } else {
            point.bits = (value - before).to_bits();
        }
        for (n, before) in point.counts.iter_mut().zip(counts) {
            *n = n.saturating_sub(*before);
        }
    }
}
