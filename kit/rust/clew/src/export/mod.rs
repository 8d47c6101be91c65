//! Takes encoded records from the hot paths of a program and sends them to a
//! collector, in a way that cannot hurt the program: section 5 of the contract
//! (`kit/contract/README.md`).
//!
//! ```text
//! add ──▶ shards ──▶ queue of blocks ──▶ worker ──▶ pacer ──▶ HTTP/1.1 ──▶ collector
//! copy    a short    bounded bytes,      a thread   waits,
//!         lock each  oldest goes         a signal   breaker
//! ```
//!
//! `add` copies a record under the lock of one shard and returns. No lock is held
//! over I/O, nothing is logged, no telemetry is made about sending, no async runtime
//! is touched. What cannot be kept or sent is counted by reason in
//! [`crate::selfmetrics`]; there is no other way for a record to vanish.

mod answer;
pub mod compare;
mod config;
#[cfg(test)]
mod contract;
mod encode;
mod env;
mod gzip;
#[cfg(test)]
mod hostile;
pub(crate) mod http;
#[cfg(test)]
mod http_test;
#[cfg(all(test, target_os = "linux"))]
mod hurt_test;
mod pacer;
mod queue;
#[cfg(test)]
mod queue_test;
mod scope;
mod worker;
#[cfg(test)]
mod worker_test;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use env::policy_headers;

pub use config::{Compression, Config, Problem, Target, TlsFiles};
use scope::Scopes;
use worker::Worker;

use crate::fork;
use crate::selfmetrics::Signal;

/// Bounds a stop that names no time of its own.
pub const DEFAULT_STOP: Duration = Duration::from_secs(3);

/// What a worker calls now and then; see [`Exporter::set_tick`].
pub type Tick = Box<dyn Fn(bool) + Send + Sync>;

/// By signal, with the time between two calls. An `Arc`, so that a worker calls a tick
/// without holding the lock.
type Ticks = [Mutex<Option<(Duration, Arc<Tick>)>>; 3];

/// Sends what is added. Share it by reference or `Arc`.
pub struct Exporter {
    config: Config,
    ticks: Arc<Ticks>,
    first: Generation,
}

/// All that a child of a fork must not touch of its parent's, and so has of its own.
struct Generation {
    number: u64,
    scopes: Arc<Scopes>,
    workers: [Option<Worker>; 3],
    next: OnceLock<Box<Generation>>,
}

impl Generation {
    fn start(number: u64, config: &Config, ticks: &Arc<Ticks>, scopes: Scopes) -> Generation {
        let scopes = Arc::new(scopes);
        let workers = Signal::ALL.map(|signal| {
            let on = !config.signals[signal as usize].off;
            on.then(|| Worker::start(signal, config, &scopes, ticks))
        });
        Generation { number, scopes, workers, next: OnceLock::new() }
    }
}

impl Exporter {
    /// Starts one thread for each signal that is not off. It does not fail: a target
    /// that cannot be used is counted as what it answers.
    pub fn new(config: Config) -> Exporter {
        fork::watch();
        let ticks = Arc::new(Ticks::default());
        let first = Generation::start(fork::generation(), &config, &ticks, Scopes::new());
        Exporter { config, ticks, first }
    }

    /// The generation of this process. A child of a fork starts threads of its own the
    /// first time it gets here; its queues are empty.
    fn generation(&self) -> &Generation {
        let number = fork::generation();
        let mut at = &self.first;
        while at.number != number {
            at = at.next.get_or_init(|| Box::new(Generation::start(number, &self.config, &self.ticks, at.scopes.copy())));
        }
        at
    }

    /// The workers of this process; none in the child of a fork that has added nothing.
    fn workers(&self) -> impl Iterator<Item = &Worker> {
        let number = fork::generation();
        let mut at = Some(&self.first);
        while let Some(generation) = at.filter(|g| g.number != number) {
            at = generation.next.get().map(|next| &**next);
        }
        at.into_iter().flat_map(|generation| generation.workers.iter().flatten())
    }

    /// Gives the number under which [`Exporter::add`] knows an instrumentation scope.
    /// The same words give the same number. At most 1,024 are kept apart; the rest share
    /// number 0, whose name is `clew`.
    pub fn scope(&self, name: &str, version: &str, schema_url: &str) -> u32 {
        self.generation().scopes.number(name, version, schema_url)
    }

    /// Copies a record into the queue of its signal. The record is an element of
    /// `ScopeSpans`, `ScopeMetrics` or `ScopeLogs` as it stands on the wire: the tag of
    /// field 2, its length, its bytes. Never waits for I/O and takes microseconds at
    /// worst; when the queue is full, its oldest block is lost in its stead.
    pub fn add(&self, signal: Signal, scope: u32, record: &[u8]) {
        if let Some(worker) = &self.generation().workers[signal as usize] {
            worker.add(scope, record);
        }
    }

    /// Whether records of a signal are sent anywhere.
    pub fn is_on(&self, signal: Signal) -> bool {
        self.first.workers[signal as usize].is_some()
    }

    /// Sets the function that the worker of a signal calls once in `every`, between two
    /// requests, and a last time before the last batch of a stop. Its argument is true
    /// when a flush or a stop wants everything that it holds back. It may call
    /// [`Exporter::add`]. A panic in it is one of the worker.
    pub fn set_tick(&self, signal: Signal, every: Duration, tick: Tick) {
        let mut slot = self.ticks[signal as usize].lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some((every, Arc::new(tick)));
        drop(slot);
        self.workers().for_each(Worker::rouse);
    }

    /// Asks for everything to be sent soon, without waiting.
    pub fn request_flush(&self) {
        self.workers().for_each(|w| {
            w.request_flush();
        });
    }

    /// Sends what was added before the call and waits until that was sent or lost;
    /// false when that took longer than `within`.
    pub fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let asked: Vec<_> = self.workers().map(|w| (w, w.request_flush())).collect();
        asked.into_iter().all(|(w, number)| w.await_flush(number, deadline))
    }

    /// Sends what it can within the given time and ends the threads.
    ///
    /// # Errors
    /// Records were lost since the call; they are counted too.
    pub fn stop(&self, within: Duration) -> Result<(), Lost> {
        let deadline = Instant::now() + within;
        // The workers end a little earlier, so that counting what is left happens
        // within the deadline too.
        let margin = (within / 20).min(Duration::from_millis(50));
        let workers: Vec<_> = self.workers().collect();
        let before: Vec<_> = workers.iter().map(|w| w.begin_stop(deadline - margin)).collect();
        let mut lost = Lost::default();
        for (worker, before) in workers.iter().zip(before) {
            let after = worker.await_stop(deadline - margin, deadline - margin / 2);
            let cell = &mut lost.by_signal[worker.signal() as usize];
            *cell = (after.0 - before.0, after.1 - before.1);
        }
        if lost.records() == 0 { Ok(()) } else { Err(lost) }
    }
}

/// What a stop could not deliver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Records and bytes, by [`Signal`].
    by_signal: [(i64, i64); 3],
}

impl Lost {
    /// The lost records of all signals.
    pub fn records(&self) -> i64 {
        self.by_signal.iter().map(|s| s.0).sum()
    }

    /// The lost records of one signal and their encoded bytes.
    pub fn of(&self, signal: Signal) -> (i64, i64) {
        self.by_signal[signal as usize]
    }
}

impl fmt::Display for Lost {
    /// Names only the signals that lost something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stop exporter: lost ")?;
        let mut separator = "";
        for signal in Signal::ALL {
            let (records, bytes) = self.of(signal);
            if records != 0 {
                write!(f, "{separator}{records} of {} ({bytes} bytes)", signal.name())?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

impl std::error::Error for Lost {}
