//! All instruments of the process.
//!
//! ```text
//! Engine ── Instrument ── Series (one set of labels)
//!                           number:    one atomic word
//!                           histogram: an atomic word a bucket, a sum, one exemplar a bucket and interval
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::collect::Emitter;
use super::observe::Callback;
use super::redact::Since;
use super::series::Table;
use crate::policy::Snapshot;
use crate::selfmetrics::{self, Counters};
use crate::{Component, Level, switch};

/// The number of instruments of an engine. What is made after that records nothing.
pub const MAX_INSTRUMENTS: usize = 2000;
/// The number of series of an instrument besides its overflow.
pub const MAX_SERIES: usize = 2000;
/// The number of series of all instruments together besides their overflows.
pub const MAX_TOTAL_SERIES: usize = 65_536;
/// The number of bounds of a histogram.
pub const MAX_BOUNDS: usize = 256;
/// The length of a description in bytes.
const MAX_DESCRIPTION: usize = 1024;

/// The bounds of a histogram that names none, those of the OpenTelemetry specification.
pub const DEFAULT_BOUNDS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// What an instrument measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A sum.
    UpDown,
    /// The last value.
    Gauge,
    /// A distribution over buckets.
    Histogram,
}

/// What an instrument is; it does not change once the instrument exists.
#[derive(Clone, Debug)]
pub struct Desc {
    pub name: &'static str,
    pub unit: &'static str,
    pub description: &'static str,
    pub kind: Kind,
    /// Values are `f64`, else `i64`; histograms always record `f64`.
    pub float: bool,
    /// Values come from callbacks at collection.
    pub observable: bool,
    /// Upper bounds of a histogram's buckets, ascending.
    pub bounds: Vec<f64>,
    /// Whose level switches the instrument.
    pub component: Component,
    /// The level that it needs there and of the component of metrics; `Off`: it is always on.
    pub need: Level,
}

impl Desc {
    /// An instrument of whole numbers that needs nothing.
    pub const fn new(name: &'static str, unit: &'static str, kind: Kind) -> Desc {
        Desc {
            name,
            unit,
            description: "",
            kind,
            float: false,
            observable: false,
            bounds: Vec::new(),
            component: Component::Metrics,
            need: Level::Off,
        }
    }

    /// The same with values of `f64`.
    pub const fn float(mut self) -> Desc {
        self.float = true;
        self
    }

    /// Points of both stand in one `Metric`.
    pub fn same(&self, other: &Desc) -> bool {
        self.name == other.name && self.unit == other.unit && self.kind == other.kind && self.float == other.float
    }
}

/// A figure of the kit's own that is read at collection.
pub type Producer = Box<dyn Fn(&mut Emitter<'_>) + Send>;

/// The policy, when it redacts anything.
pub type Redaction = Option<Arc<Snapshot>>;

/// The holder of all instruments.
pub struct Engine {
    /// Unix nanoseconds.
    pub now: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Whether an instrument of a component that needs a level is on.
    pub gate: fn(Component, Level) -> bool,
    /// The policy when there is one that redacts; asked once a collection.
    pub redaction: fn() -> Redaction,
    pub counters: &'static Counters,
    /// Unix nanoseconds; all sums began then at zero.
    pub start: u64,
    /// The interval of exemplars, from 1.
    pub interval: AtomicU64,
    /// The number of the collection under way.
    pub round: AtomicU64,
    /// Series of all instruments.
    pub total: AtomicUsize,
    state: Mutex<State>,
    /// One collection at a time, and what redacted the last one; `None` before the first.
    pub collecting: Mutex<Option<Redaction>>,
}

/// What the lock of an [`Engine`] guards.
#[derive(Default)]
pub struct State {
    known: HashMap<Identity, Arc<Instrument>>,
    pub order: Vec<Arc<Instrument>>,
    pub callbacks: Vec<Arc<Callback>>,
    pub producers: Vec<Arc<Mutex<Producer>>>,
}

/// What makes two requests for an instrument mean the same one. Names are the same when they differ in case only, as OpenTelemetry says.
type Identity = (String, &'static str, Kind, bool, bool);

/// A named family of series.
pub struct Instrument {
    pub engine: &'static Engine,
    pub desc: Desc,
    /// Over a limit or misnamed: it takes values and keeps none.
    pub dead: bool,
    pub table: Table,
    /// Of the collections.
    pub since: Mutex<Since>,
}

/// The process's engine.
pub fn global() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        Engine::new(
            Box::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)),
            |component, need| switch::on(component, need) && switch::on(Component::Metrics, need),
            || if switch::redacts() { switch::POLICY.get() } else { None },
            selfmetrics::counters(),
        )
    });
    &ENGINE
}

impl Engine {
    /// An empty engine.
    pub fn new(
        now: Box<dyn Fn() -> u64 + Send + Sync>,
        gate: fn(Component, Level) -> bool,
        redaction: fn() -> Redaction,
        counters: &'static Counters,
    ) -> Engine {
        let start = now();
        Engine {
            now,
            gate,
            redaction,
            counters,
            start,
            interval: AtomicU64::new(1),
            round: AtomicU64::new(0),
            total: AtomicUsize::new(0),
            state: Mutex::default(),
            collecting: Mutex::default(),
        }
    }

    /// The engine's lists. The lock is held for microseconds, and never while code of the host runs.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instrument that `desc` describes, made at its first mention: later ones of the same name, unit and kind give the same, with the
    /// description and bounds of the first. One that cannot be made keeps nothing and is counted.
    pub fn instrument(&'static self, mut desc: Desc) -> Arc<Instrument> {
        if !check(&mut desc) {
            self.invalid();
            return Arc::new(self.make(desc, true));
        }
        let id = (desc.name.to_ascii_lowercase(), desc.unit, desc.kind, desc.float, desc.observable);
        let mut state = self.state();
        if let Some(known) = state.known.get(&id) {
            return known.clone();
        }
        if state.known.len() >= MAX_INSTRUMENTS {
            self.counters.metric_overflow.fetch_add(1, Relaxed);
            return Arc::new(self.make(desc, true));
        }
        let made = Arc::new(self.make(desc, false));
        state.known.insert(id, made.clone());
        state.order.push(made.clone());
        made
    }

    fn make(&'static self, desc: Desc, dead: bool) -> Instrument {
        Instrument { engine: self, desc, dead, table: Table::default(), since: Mutex::default() }
    }

    /// Has `producer` called at each collection, after all instruments, on the collecting thread: for figures of the kit's own.
    pub fn produce(&self, producer: Producer) {
        self.state().producers.push(Arc::new(Mutex::new(producer)));
    }

    /// Counts a value that could not be taken.
    #[cold]
    pub fn invalid(&self) {
        self.counters.metric_invalid.fetch_add(1, Relaxed);
    }
}

impl Instrument {
    /// A record would be kept now.
    #[inline]
    pub fn enabled(&self) -> bool {
        !self.dead && (self.desc.need == Level::Off || (self.engine.gate)(self.desc.component, self.desc.need))
    }
}

/// Whether the description can be; fills in what it leaves out.
fn check(desc: &mut Desc) -> bool {
    let mut fine = valid_name(desc.name) && desc.unit.len() <= 63 && desc.unit.bytes().all(|c| (b' '..=b'~').contains(&c));
    desc.description = crate::wire::cut(desc.description, MAX_DESCRIPTION);
    let bounds = &desc.bounds;
    if bounds.len() > MAX_BOUNDS || bounds.iter().any(|b| !b.is_finite()) || !bounds.windows(2).all(|pair| pair[0] < pair[1]) {
        desc.bounds.clear();
        fine = false;
    }
    fine
}

fn valid_name(name: &str) -> bool {
    let other = |c: u8| c.is_ascii_digit() || b"_.-/".contains(&c);
    name.len() <= 255 && name.bytes().enumerate().all(|(i, c)| c.is_ascii_alphabetic() || i > 0 && other(c)) && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_opentelemetry() {
        for good in ["a", "http.server.request.duration", "A-b/c_d.9", &"x".repeat(255)] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", "1a", "_a", "a b", "ä", &"x".repeat(256)] {
            assert!(!valid_name(bad), "{bad}");
        }
    }
}
