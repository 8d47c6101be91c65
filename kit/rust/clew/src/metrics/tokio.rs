//! The metrics of tokio's runtimes: what is stable of them. There are no semantic conventions for tokio; the names say whose they are.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;

use super::collect::Emitter;
use super::engine::{Desc, Kind};
use super::labels::Labels;

const WORKERS: Desc = Desc::new("tokio.worker.count", "{worker}", Kind::UpDown);
const TASKS: Desc = Desc::new("tokio.task.alive", "{task}", Kind::UpDown);
const QUEUE: Desc = Desc::new("tokio.queue.depth", "{task}", Kind::UpDown);

/// The runtimes that are watched; more are not.
const MAX_RUNTIMES: usize = 16;

static WATCHED: Mutex<Vec<(usize, Handle)>> = Mutex::new(Vec::new());

/// Watches the runtime that the caller is in, if any, until the result is dropped. `clew::start` does so for its caller.
#[must_use = "dropping it ends the watch"]
pub fn watch() -> Option<Watched> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let handle = Handle::try_current().ok()?;
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = watched.iter().any(|(_, h)| h.id() == handle.id());
    if known || watched.len() >= MAX_RUNTIMES {
        return None;
    }
    let number = NEXT.fetch_add(1, Relaxed);
    watched.push((number, handle));
    Some(Watched(number))
}

/// A runtime that is watched. A handle does not keep a runtime alive, only its memory.
#[derive(Debug)]
pub struct Watched(usize);

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner).retain(|(number, _)| *number != self.0);
    }
}

/// Emits what the watched runtimes say.
pub fn emit(e: &mut Emitter<'_>) {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let labels: Vec<Labels> = watched.iter().map(|(n, _)| Labels::own(Kind::Counter, &[("tokio.runtime", (*n).into())])).collect();
    let mut each = |desc: &Desc, of: fn(&tokio::runtime::RuntimeMetrics) -> usize| {
        for ((_, handle), labels) in watched.iter().zip(&labels) {
            e.int(desc, labels, of(&handle.metrics()) as i64);
        }
    };
    each(&WORKERS, |m| m.num_workers());
    each(&TASKS, |m| m.num_alive_tasks());
    each(&QUEUE, |m| m.global_queue_depth());
}
