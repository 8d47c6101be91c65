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

/// Sends the metrics of the tokio runtime that the caller is in until the result is dropped: `tokio.worker.count`, `tokio.task.alive` and
/// `tokio.queue.depth`, labelled with `tokio.runtime`, a number. `None` when there is no runtime, when it is watched already, and over 16.
#[must_use = "dropping it ends the watch"]
pub fn watch_runtime() -> Option<Watched> {
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
    let labels: Vec<Labels> = watched.iter().map(|(n, _)| Labels::new(Kind::Counter, &[("tokio.runtime", (*n).into())]).0).collect();
    let mut each = |desc: &Desc, of: fn(&tokio::runtime::RuntimeMetrics) -> usize| {
        for ((_, handle), labels) in watched.iter().zip(&labels) {
            e.int(desc, labels, of(&handle.metrics()) as i64);
        }
    };
    each(&WORKERS, |m| m.num_workers());
    each(&TASKS, |m| m.num_alive_tasks());
    each(&QUEUE, |m| m.global_queue_depth());
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::metrics::dump::dump;
    use crate::metrics::otlp::Otlp;
    use crate::metrics::tests::engine;

    #[test]
    fn a_runtime_is_watched_until_its_watch_is_dropped() {
        assert!(watch_runtime().is_none(), "there is no runtime here");
        let (engine, _) = engine(5);
        engine.produce(Box::new(emit));
        let lines = || {
            let mut lines = Vec::new();
            let mut otlp = Otlp::new(|record: &[u8]| lines.extend(dump(record)));
            engine.collect(&mut otlp, true, Instant::now());
            otlp.close();
            drop(otlp);
            lines
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let watched = runtime.block_on(async {
            let watched = watch_runtime().expect("a runtime");
            assert!(watch_runtime().is_none(), "it is watched already");
            watched
        });
        let label = format!("tokio.runtime={}", watched.0);
        let waiting = runtime.spawn(std::future::pending::<()>());
        let point = |lines: &[String]| lines.iter().filter(|l| l.contains(&label)).cloned().collect::<Vec<_>>();
        assert_eq!(point(&lines()), [format!("  {label} 5..5 1"), format!("  {label} 5..5 1"), format!("  {label} 5..5 1")]);
        waiting.abort();
        drop(runtime);
        let deadline = Instant::now() + Duration::from_secs(10);
        while point(&lines())[1] != format!("  {label} 5..5 0") {
            assert!(Instant::now() < deadline, "the task is still counted");
        }
        drop(watched);
        assert_eq!(point(&lines()), [""; 0]);
    }
}
