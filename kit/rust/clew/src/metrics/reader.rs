//! Collects once an interval.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::otlp::Otlp;

/// The time between two collections. It is shorter than the 60 s of OpenTelemetry's SDKs, so that a graph follows an incident;
/// `OTEL_METRIC_EXPORT_INTERVAL` sets another.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);

/// Bounds the callbacks of a collection together.
const COLLECT_TIME: Duration = Duration::from_secs(5);
/// The same while the host waits for a flush or a stop.
const HURRY_TIME: Duration = Duration::from_millis(500);

/// Where the records go: elements of `ScopeMetrics.metrics`, each with its tag and length.
pub type Add = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Reads an engine for an exporter, whose worker drives it with [`Reader::tick`].
pub struct Reader {
    engine: &'static Engine,
    interval: Duration,
    state: Mutex<State>,
}

struct State {
    next: Instant,
    otlp: Otlp<Add>,
}

impl Reader {
    /// A reader; an interval of zero is [`DEFAULT_INTERVAL`].
    pub fn new(engine: &'static Engine, interval: Duration, add: Add) -> Reader {
        let interval = if interval.is_zero() { DEFAULT_INTERVAL } else { interval };
        Reader { engine, interval, state: Mutex::new(State { next: Instant::now() + interval, otlp: Otlp::new(add) }) }
    }

    /// How often [`Reader::tick`] is to be called.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Collects when the interval is over, and when all that there is must go out.
    pub fn tick(&self, all: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Whoever calls once an interval may have begun a little before the reader did.
        if !all && now + self.interval / 20 < state.next {
            return;
        }
        // A tick that comes late moves the ones after it only when it is later than an interval.
        state.next += self.interval;
        if state.next < now || all {
            state.next = now + self.interval;
        }
        let limit = if all { HURRY_TIME } else { COLLECT_TIME };
        self.engine.collect(&mut state.otlp, true, now + limit);
        state.otlp.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::super::tests::engine;
    use super::*;
    use crate::metrics::engine::{Desc, Kind};

    #[test]
    fn a_tick_collects_once_an_interval_and_whenever_all_must_go() {
        let (engine, _) = engine(0);
        engine.instrument(Desc::new("a.b", "", Kind::Counter)).series(&[]);
        let records = Arc::new(AtomicUsize::new(0));
        let counted = records.clone();
        let reader = Reader::new(
            engine,
            Duration::from_secs(3600),
            Box::new(move |record| {
                assert_eq!(record[0], 0x12);
                counted.fetch_add(1, Relaxed);
            }),
        );
        reader.tick(false);
        assert_eq!(records.load(Relaxed), 0);
        reader.tick(true);
        assert_eq!(records.load(Relaxed), 1);
        reader.state.lock().unwrap().next = Instant::now();
        reader.tick(false);
        reader.tick(false);
        assert_eq!(records.load(Relaxed), 2);
    }
}
