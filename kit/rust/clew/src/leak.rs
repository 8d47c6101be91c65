//! The leak watch: spans that never end, children that outlive their parents, and contexts that were lost on the way to a task.
//!
//! In production one span in 256 is watched, to count those that are open for more than ten minutes (`clew.kit.span.leaked`), and roots that start
//! unasked while a request is being served are counted (`clew.kit.context.lost`). With
//! [`debug`], or `CLEW_LEAKS=debug` in the environment, every span is watched and each problem is told with file and line: on standard error, and
//! in [`report`]. That costs a lock and a few allocations a span. `CLEW_LEAKS=off` watches nothing. Tests have the same watch in
//! `clew::testing`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{problems, watch};

/// A span that is open for longer counts as leaked.
const STALE: Duration = Duration::from_secs(600);

/// Watches every span from now on.
pub fn debug() {
    watch::set_mode(watch::Mode::Full);
}

/// What was found since the last call: spans that have been open for more than `older_than`, children that outlived their parents, and roots
/// that were started beside a request that is being served. Each with its place in the code and the mend; each place once.
pub fn report(older_than: Duration) -> Vec<String> {
    let age = u64::try_from(older_than.as_nanos()).unwrap_or(u64::MAX);
    let mut lines: Vec<String> = watch::stale(now(), age)
        .iter()
        .map(|span| format!("span {:?} ({}) is open for more than {older_than:?}: finish it", span.name, watch::place(span.site)))
        .collect();
    lines.extend(watch::findings().iter().map(ToString::to_string));
    lines
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Starts the watch with the kit, as the variable `CLEW_LEAKS` says; gives the variable back when it says nothing that is known.
pub(crate) fn begin(variable: &str) -> Result<(), String> {
    match variable {
        "" | "count" => watch::set_mode(watch::Mode::Sampled),
        "off" => watch::set_mode(watch::Mode::Off),
        "debug" => debug(),
        other => {
            watch::set_mode(watch::Mode::Sampled);
            return Err(format!("CLEW_LEAKS={other:?}: write off, count or debug; it counts"));
        }
    }
    Ok(())
}

/// Between two looks.
const PAUSE: u64 = 10_000_000_000;

/// Looks for leaks every ten seconds, and tells of them when every span is watched. Called from time to time by a thread of the kit.
pub(crate) fn sweep() {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let (now, last) = (now(), LAST.load(Ordering::Relaxed));
    if !watch::on() || now.saturating_sub(last) < PAUSE || LAST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        return;
    }
    let told = report(STALE);
    if watch::full() {
        told.iter().for_each(|line| problems::add(line));
    }
}
