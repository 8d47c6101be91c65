//! The instruments that services use.

use std::sync::Arc;
use std::time::Duration;

use super::Label;
use super::engine::{DEFAULT_BOUNDS, Desc, Instrument, Kind, global};
use super::observe::Callback;
use super::series::Series;
use crate::{Component, Level, SpanContext, SpanId, TraceId, selfmetrics};

/// What there is to say of an instrument beside name and unit.
///
/// ```
/// use clew::{Component, Level, metrics::Options};
///
/// let waits = Options::new()
///     .description("How long a request waited for a connection.")
///     .bounds(&[0.001, 0.01, 0.1, 1.0])
///     .needs(Component::Sql, Level::Detailed)
///     .histogram("shop.pool.wait", "s");
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    description: &'static str,
    bounds: Vec<f64>,
    component: Component,
    need: Level,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// Part of [`Component::Metrics`], needs [`Level::Standard`], the bounds of OpenTelemetry: 0, 5, 10, 25 … 10000.
    pub fn new() -> Options {
        Options { description: "", bounds: DEFAULT_BOUNDS.to_vec(), component: Component::Metrics, need: Level::Standard }
    }

    /// The sentence that explains the instrument to who reads a graph; at most 1,024 bytes.
    #[must_use]
    pub fn description(mut self, text: &'static str) -> Options {
        self.description = text;
        self
    }

    /// The upper bounds of a histogram's buckets, ascending, at most 256. A bucket includes its bound.
    #[must_use]
    pub fn bounds(mut self, bounds: &[f64]) -> Options {
        self.bounds = bounds.to_vec();
        self
    }

    /// Makes the instrument part of a component: it is on when the level of the component and that of [`Component::Metrics`] are `level` or
    /// higher.
    #[must_use]
    pub fn needs(mut self, component: Component, level: Level) -> Options {
        self.component = component;
        self.need = level;
        self
    }

    fn make(self, name: &'static str, unit: &'static str, kind: Kind, float: bool, observable: bool) -> Arc<Instrument> {
        let bounds = if kind == Kind::Histogram { self.bounds } else { Vec::new() };
        let description = self.description;
        let (component, need) = (self.component, self.need);
        global().instrument(Desc { name, unit, description, kind, float, observable, bounds, component, need })
    }

    /// See [`counter`].
    pub fn counter(self, name: &'static str, unit: &'static str) -> Counter {
        Counter(self.make(name, unit, Kind::Counter, false, false))
    }

    /// See [`float_counter`].
    pub fn float_counter(self, name: &'static str, unit: &'static str) -> FloatCounter {
        FloatCounter(self.make(name, unit, Kind::Counter, true, false))
    }

    /// See [`up_down`].
    pub fn up_down(self, name: &'static str, unit: &'static str) -> UpDown {
        UpDown(self.make(name, unit, Kind::UpDown, false, false))
    }

    /// See [`gauge`].
    pub fn gauge(self, name: &'static str, unit: &'static str) -> Gauge {
        Gauge(self.make(name, unit, Kind::Gauge, true, false))
    }

    /// See [`histogram`].
    pub fn histogram(self, name: &'static str, unit: &'static str) -> Histogram {
        Histogram(self.make(name, unit, Kind::Histogram, true, false))
    }

    /// See [`gauge_fn`].
    pub fn gauge_fn(
        self,
        name: &'static str,
        unit: &'static str,
        labels: &[Label<'_>],
        read: impl FnMut() -> f64 + Send + 'static,
    ) -> Observing {
        Observing::new(self.make(name, unit, Kind::Gauge, true, true), labels, read)
    }

    /// See [`counter_fn`].
    pub fn counter_fn(
        self,
        name: &'static str,
        unit: &'static str,
        labels: &[Label<'_>],
        read: impl FnMut() -> f64 + Send + 'static,
    ) -> Observing {
        Observing::new(self.make(name, unit, Kind::Counter, true, true), labels, read)
    }
}

/// A counter of how often something happened: its sum only grows. The unit is a UCUM code or a word in braces, such as `{order}` or `By`. The
/// same name and unit give the same instrument. A name is a letter and up to 254 letters, digits or any of `_ . - /`; with another one
/// nothing is kept, counted as `clew.kit.metric.invalid`.
pub fn counter(name: &'static str, unit: &'static str) -> Counter {
    Options::new().counter(name, unit)
}

/// A counter of amounts that are not whole.
pub fn float_counter(name: &'static str, unit: &'static str) -> FloatCounter {
    Options::new().float_counter(name, unit)
}

/// A sum of what comes and goes, such as requests under way.
pub fn up_down(name: &'static str, unit: &'static str) -> UpDown {
    Options::new().up_down(name, unit)
}

/// A value whose last state counts.
pub fn gauge(name: &'static str, unit: &'static str) -> Gauge {
    Options::new().gauge(name, unit)
}

/// Values counted by buckets.
pub fn histogram(name: &'static str, unit: &'static str) -> Histogram {
    Options::new().histogram(name, unit)
}

/// The duration of calls and requests: a histogram in seconds with the bounds of semantic conventions, 5 ms to 10 s, part of a component from
/// [`Level::Edges`] on.
pub fn duration(name: &'static str, component: Component) -> Histogram {
    Options::new().needs(component, Level::Edges).bounds(&selfmetrics::BOUNDS).histogram(name, "s")
}

/// A gauge that `read` is asked for at each collection, until the result is dropped. `read` runs on a thread of its own and has a second; a
/// panic in it is caught.
pub fn gauge_fn(name: &'static str, unit: &'static str, labels: &[Label<'_>], read: impl FnMut() -> f64 + Send + 'static) -> Observing {
    Options::new().gauge_fn(name, unit, labels, read)
}

/// A counter whose sum so far `read` is asked for at each collection; see [`gauge_fn`].
pub fn counter_fn(name: &'static str, unit: &'static str, labels: &[Label<'_>], read: impl FnMut() -> f64 + Send + 'static) -> Observing {
    Options::new().counter_fn(name, unit, labels, read)
}

macro_rules! family {
    ($(#[$doc:meta])* $name:ident => $bound:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<Instrument>);

        impl $name {
            /// Binds the instrument to labels. Bind once and keep the result: this looks up and allocates, recording does not. Labels must
            /// have few different values, at most 32 of 256 bytes each.
            pub fn with(&self, labels: &[Label<'_>]) -> $bound {
                $bound(self.0.series(labels))
            }
        }
    };
}

family! {
    /// A counter for any labels.
    Counter => BoundCounter
}
family! {
    /// A counter of amounts for any labels.
    FloatCounter => BoundFloatCounter
}
family! {
    /// An up-down counter for any labels.
    UpDown => BoundUpDown
}
family! {
    /// A gauge for any labels.
    Gauge => BoundGauge
}
family! {
    /// A histogram for any labels.
    Histogram => BoundHistogram
}

/// A counter for one set of labels. It is sent, zero, from its binding on.
#[derive(Clone)]
pub struct BoundCounter(Arc<Series>);

impl BoundCounter {
    /// Adds `n`. More than [`i64::MAX`] is not taken and counted as `clew.kit.metric.invalid`.
    #[inline]
    pub fn add(&self, n: u64) {
        match i64::try_from(n) {
            Ok(n) => self.0.add(n),
            Err(_) => self.0.instrument.engine.invalid(),
        }
    }
}

/// A counter of amounts for one set of labels. It is sent, zero, from its binding on.
#[derive(Clone)]
pub struct BoundFloatCounter(Arc<Series>);

impl BoundFloatCounter {
    /// Adds `v`. Less than zero is not taken and counted as `clew.kit.metric.invalid`.
    #[inline]
    pub fn add(&self, v: f64) {
        self.0.add_float(v);
    }
}

/// An up-down counter for one set of labels. It is sent, zero, from its binding on.
#[derive(Clone)]
pub struct BoundUpDown(Arc<Series>);

impl BoundUpDown {
    /// Adds `n`.
    ///
    /// While its level shuts the instrument nothing is added: what begins before a switch and ends after it leaves the sum off by one. Ask
    /// [`BoundUpDown::enabled`] when something begins, and keep to the answer with [`BoundUpDown::always`] when it ends.
    #[inline]
    pub fn add(&self, n: i64) {
        self.0.add(n);
    }

    /// `add` would count now.
    #[inline]
    pub fn enabled(&self) -> bool {
        self.0.instrument.enabled()
    }

    /// Adds `n` whatever the level is.
    #[inline]
    pub fn always(&self, n: i64) {
        self.0.force(n);
    }
}

/// A gauge for one set of labels. It is sent from its first value on.
#[derive(Clone)]
pub struct BoundGauge(Arc<Series>);

impl BoundGauge {
    /// Sets the value.
    #[inline]
    pub fn set(&self, v: f64) {
        self.0.set(v);
    }
}

/// A histogram for one set of labels. It is sent, empty, from its binding on.
#[derive(Clone)]
pub struct BoundHistogram(Arc<Series>);

impl BoundHistogram {
    /// Counts a value. The current span, when it is sampled, becomes the exemplar of the value's bucket unless the bucket has one in this
    /// interval: its ids, the value and the time, nothing else.
    #[inline]
    pub fn record(&self, v: f64) {
        self.0.record(v, current_sampled);
    }

    /// Counts a value for a span that need not be current any more.
    #[inline]
    pub fn record_in(&self, v: f64, span: &SpanContext) {
        self.0.record(v, || sampled(span));
    }

    /// Counts a time span in seconds.
    #[inline]
    pub fn record_duration(&self, took: Duration) {
        self.record(took.as_secs_f64());
    }

    /// `record` would count now.
    #[inline]
    pub fn enabled(&self) -> bool {
        self.0.instrument.enabled()
    }
}

fn sampled(span: &SpanContext) -> Option<(TraceId, SpanId)> {
    (span.is_sampled() && span.is_valid()).then_some((span.trace_id, span.span_id))
}

fn current_sampled() -> Option<(TraceId, SpanId)> {
    let (trace_id, span_id, sampled) = crate::span::current_ids()?;
    sampled.then_some((trace_id, span_id))
}

/// A function that is asked at each collection; no more once this is dropped.
#[must_use = "dropping it ends the instrument"]
pub struct Observing(Option<Arc<Callback>>);

impl Observing {
    fn new(instrument: Arc<Instrument>, labels: &[Label<'_>], mut read: impl FnMut() -> f64 + Send + 'static) -> Observing {
        let engine = instrument.engine;
        let series = instrument.series(labels);
        Observing(engine.on_collect(Box::new(move || {
            if series.instrument.enabled() {
                series.observe(read());
            }
        })))
    }

    /// Keeps the instrument for the rest of the process.
    pub fn forever(mut self) {
        self.0 = None;
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        if let Some(callback) = &self.0 {
            callback.remove();
        }
    }
}
