//! A series is the state of an instrument for one set of labels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, PoisonError, RwLock};

use super::distribution::Distribution;
use super::engine::{Instrument, Kind, MAX_SERIES, MAX_TOTAL_SERIES};
use super::labels::Labels;
use super::{Label, collect};
use crate::{SpanId, TraceId, Value};

/// One set of labels of an instrument.
pub struct Series {
    pub instrument: Arc<Instrument>,
    pub labels: Labels,
    /// The instrument's overflow: what is recorded here is counted as such.
    spill: bool,
    /// Sum or last value: an `i64`, or the bits of an `f64`.
    bits: AtomicU64,
    /// The collection of an observed value, else the one before it and 1; 0: there is none yet.
    round: AtomicU64,
    /// Histograms only.
    pub distribution: Option<Distribution>,
}

/// Finds the series of a set of labels by their encoding.
#[derive(Default)]
pub struct Table(RwLock<Rows>);

#[derive(Default)]
struct Rows {
    by: HashMap<Vec<u8>, Arc<Series>>,
    /// As they were made.
    list: Vec<Arc<Series>>,
    overflow: Option<Arc<Series>>,
}

impl Table {
    /// All series in the order in which they were made, the overflow last.
    pub fn all(&self, into: &mut Vec<Arc<Series>>) {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        into.extend(rows.list.iter().chain(&rows.overflow).cloned());
    }
}

impl Instrument {
    /// The series of the labels, made at its first mention. Over a limit it is the instrument's overflow.
    pub fn series(self: &Arc<Instrument>, labels: &[Label<'_>]) -> Arc<Series> {
        let (labels, wrong) = Labels::new(self.desc.kind, labels);
        if wrong > 0 {
            self.engine.counters.metric_invalid.fetch_add(wrong, Relaxed);
        }
        {
            let rows = self.table.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = rows.by.get(&labels.otlp) {
                return known.clone();
            }
        }
        let mut rows = self.table.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rows.by.get(&labels.otlp) {
            return known.clone();
        }
        // A table that spilled once stays full, so that a set is either its own series for ever or never.
        let full = self.dead || rows.overflow.is_some() || rows.list.len() >= MAX_SERIES;
        if full || self.engine.total.fetch_add(1, Relaxed) >= MAX_TOTAL_SERIES {
            return rows
                .overflow
                .get_or_insert_with(|| {
                    let labels = Labels::own(self.desc.kind, &[("otel.metric.overflow", Value::Bool(true))]);
                    Arc::new(Series::new(self.clone(), labels, true))
                })
                .clone();
        }
        let made = Arc::new(Series::new(self.clone(), labels, false));
        rows.by.insert(made.labels.otlp.clone(), made.clone());
        rows.list.push(made.clone());
        made
    }
}

impl Series {
    fn new(instrument: Arc<Instrument>, labels: Labels, spill: bool) -> Series {
        let distribution = (instrument.desc.kind == Kind::Histogram).then(|| Distribution::new(instrument.desc.bounds.len()));
        Series { instrument, labels, spill, bits: AtomicU64::new(0), round: AtomicU64::new(0), distribution }
    }

    /// Adds to a sum of whole numbers.
    #[inline]
    pub fn add(&self, n: i64) {
        if self.instrument.enabled() {
            self.force(n);
        }
    }

    /// Adds even while the gate is shut, for the end of what was counted when it began.
    #[inline]
    pub fn force(&self, n: i64) {
        self.bits.fetch_add(n as u64, Relaxed);
        self.spilled();
    }

    /// Adds to a sum of numbers. What is not finite, would make the sum so, or would make a counter shrink is counted as invalid.
    #[inline]
    pub fn add_float(&self, v: f64) {
        if !self.instrument.enabled() {
            return;
        }
        if v < 0.0 && self.instrument.desc.kind == Kind::Counter || !add_float(&self.bits, v) {
            return self.instrument.engine.invalid();
        }
        self.spilled();
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&self, v: f64) {
        if !self.instrument.enabled() {
            return;
        }
        if !v.is_finite() {
            return self.instrument.engine.invalid();
        }
        self.bits.store(v.to_bits(), Relaxed);
        self.round.store(self.instrument.engine.round.load(Relaxed) + 1, Release);
        self.spilled();
    }

    /// Sets an observed value for the collection under way. In the overflow sums are added up.
    pub fn observe(&self, mut v: f64) {
        if !self.instrument.enabled() {
            return;
        }
        let round = self.instrument.engine.round.load(Relaxed);
        if self.spill && self.instrument.desc.kind != Kind::Gauge && self.round.load(Relaxed) == round {
            v += f64::from_bits(self.bits.load(Relaxed));
        }
        if !v.is_finite() {
            return self.instrument.engine.invalid();
        }
        self.bits.store(v.to_bits(), Relaxed);
        self.round.store(round, Release);
        self.spilled();
    }

    /// Adds a value to a histogram. `span` gives the ids of the current span when it is sampled; it is asked only while the value's bucket
    /// has no exemplar in this interval.
    #[inline]
    pub fn record(&self, v: f64, span: impl FnOnce() -> Option<(TraceId, SpanId)>) {
        let instrument = &*self.instrument;
        let Some(distribution) = &self.distribution else { return };
        if !instrument.enabled() {
            return;
        }
        // The sum comes first: it alone can refuse, and then no bucket may count.
        if !add_float(&distribution.sum, v) {
            return instrument.engine.invalid();
        }
        distribution.count(&instrument.desc.bounds, instrument.engine, v, span);
        self.spilled();
    }

    #[inline]
    fn spilled(&self) {
        if self.spill {
            self.instrument.engine.counters.metric_overflow.fetch_add(1, Relaxed);
        }
    }

    /// The value of a number.
    pub fn bits(&self) -> u64 {
        self.bits.load(Relaxed)
    }

    /// Of a gauge: after which collection its value was set.
    pub fn set_after(&self) -> u64 {
        self.round.load(Relaxed)
    }

    /// The series has a value in the collection: a sum and a histogram from the start, zero; a gauge from its first value; an observable one
    /// when it was observed.
    pub fn has(&self, round: collect::Round) -> bool {
        match (self.instrument.desc.observable, self.instrument.desc.kind) {
            (true, _) => self.round.load(Acquire) == round.0,
            (false, Kind::Gauge) => self.round.load(Acquire) != 0,
            _ => true,
        }
    }
}

/// Adds to the `f64` whose bits are in `sum`, unless the sum would not be finite: one such value would spoil it for ever.
#[inline]
fn add_float(sum: &AtomicU64, v: f64) -> bool {
    let mut old = sum.load(Relaxed);
    loop {
        let grown = f64::from_bits(old) + v;
        if !grown.is_finite() {
            return false;
        }
        match sum.compare_exchange_weak(old, grown.to_bits(), Relaxed, Relaxed) {
            Ok(_) => return true,
            Err(now) => old = now,
        }
    }
}
