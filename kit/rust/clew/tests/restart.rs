//! Starting anew, and stopping whatever time is allowed. One test, because the kit is the process's.
#![cfg(all(feature = "kit", target_os = "linux"))]

use std::time::{Duration, Instant};

use clew::Config;

/// How many threads write log lines.
fn writers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok()).filter(|name| name.trim() == "clew-log").count()
}

#[test]
fn a_guard_of_a_kit_that_was_replaced_stops_nothing_of_the_next() {
    let first = clew::start(Config::new("first", "1").without_export().lines_to_stderr());
    let second = clew::start(Config::new("second", "1").without_export().lines_to_stderr());
    clew::tracing::info!("this thread has seen the second");
    drop(first);
    let began = Instant::now();
    while writers() > 1 && began.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert_eq!(writers(), 1, "the second kit's lines have a thread");
    assert!(second.flush(Duration::MAX));
    second.stop(Duration::MAX).unwrap();
    assert_eq!(writers(), 0);
}
