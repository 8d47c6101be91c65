//! What can only be seen of a process of its own: its memory, its threads, its children.
#![cfg(all(feature = "kit", target_os = "linux"))]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clew::export::{Config, Exporter};
use clew::selfmetrics::{Counters, Reason, Signal, SignalCounters};

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Relaxed);
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

/// The tests look at the whole process, so only one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn traces_to(listener: &TcpListener) -> (Config, &'static SignalCounters) {
    let mut config = Config::default();
    config.counters = Box::leak(Box::new(Counters::new()));
    config.signals[Signal::Metrics as usize].off = true;
    config.signals[Signal::Logs as usize].off = true;
    config.signals[0].url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let counters = &config.counters.signal[0];
    (config, counters)
}

fn record() -> Vec<u8> {
    let mut record = vec![2 << 3 | 2, 0xe5, 0x07];
    record.resize(1000, 0);
    record
}

#[test]
fn memory_stays_flat_under_a_collector_that_never_answers() {
    let _alone = alone();
    let contract = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/exporter.json")).unwrap();
    let contract: serde_json::Value = serde_json::from_slice(&contract).unwrap();
    let bound = |name: &str| contract["bounds"][name].as_u64().unwrap() as usize;
    let (limit, over) = (bound("queue_bytes"), bound("over_queue_bytes"));
    // The kernel accepts; nobody ever reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = LIVE.load(Relaxed);
    let (mut config, counters) = traces_to(&listener);
    config.queue_bytes = limit;
    config.signals[0].timeout = Duration::from_millis(50);
    config.signals[0].delay = Duration::from_millis(10);
    config.signals[0].steady = Duration::from_millis(10);
    let exporter = Exporter::new(config);
    let record = record();
    for i in 0..200_000 {
        exporter.add(Signal::Traces, 0, &record);
        let size = counters.queue_size.load(Relaxed);
        assert!(size <= limit as i64, "{size} bytes in the queue");
        if i % 1000 == 0 {
            // One batch in hand, the blocks it came in, and the connection's buffers.
            let grown = LIVE.load(Relaxed) - base;
            assert!(grown <= (limit + over) as i64, "{grown} bytes more after {i} records");
        }
    }
    assert!(counters.queue_size.load(Relaxed) > limit as i64 - (128 << 10), "it was never full");
    let full = ALLOCATIONS.load(Relaxed);
    (0..1000).for_each(|_| exporter.add(Signal::Traces, 0, &record));
    let made = ALLOCATIONS.load(Relaxed) - full;
    assert!(made < 200, "{made} allocations for 1,000 records: blocks are not used again");
    let _ = exporter.stop(Duration::from_millis(100));
    assert_eq!(counters.exported.load(Relaxed) + counters.lost().0, 201_000);
    drop(exporter);
    settle(|| LIVE.load(Relaxed) - base < 1 << 20, "memory is left");
}

fn settle(done: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |path: std::path::PathBuf| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
    tasks.filter(|t| name(t.path()).starts_with("clew-")).count()
}

#[test]
fn no_thread_is_left_after_a_stop() {
    let _alone = alone();
    settle(|| threads() == 0, "threads of another test are left");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        let mut config = Config::default();
        for target in &mut config.signals {
            target.url = format!("http://localhost:{}/x", listener.local_addr().unwrap().port());
        }
        let exporter = Exporter::new(config);
        settle(|| threads() >= 3, "no worker runs");
        exporter.add(Signal::Traces, 0, &record());
        // The collector never answers, so the stop has to break the request off.
        let began = Instant::now();
        let lost = exporter.stop(Duration::from_millis(50)).unwrap_err();
        assert_eq!(lost.of(Signal::Traces).0, 1);
        assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    }
    settle(|| threads() == 0, "threads are left");
}

/// Answers every request with 200, on its own thread, for as long as the process lives.
fn collector() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accepting = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for mut socket in accepting.incoming().flatten() {
            std::thread::spawn(move || {
                let mut got = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = socket.read(&mut buffer) {
                    got.extend_from_slice(&buffer[..n]);
                    let Some(head) = got.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                    let text = String::from_utf8_lossy(&got[..head]).to_lowercase();
                    let length = text.split("content-length: ").nth(1).and_then(|t| t.lines().next()?.parse::<usize>().ok());
                    if length.is_some_and(|l| got.len() >= head + 4 + l) {
                        got.clear();
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                }
            });
        }
    });
    listener
}

#[test]
fn the_child_of_a_fork_sends_what_is_its_own() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(status: i32) -> !;
    }
    let _alone = alone();
    let listener = collector();
    let (mut config, counters) = traces_to(&listener);
    config.signals[0].delay = Duration::from_secs(60);
    let exporter = Exporter::new(config);
    let record = record();
    let scope = exporter.scope("before", "", "");
    (0..5).for_each(|_| exporter.add(Signal::Traces, scope, &record));
    // SAFETY: the child does nothing that could wait for a thread that it has not.
    let idle = unsafe { fork() };
    if idle == 0 {
        let quiet = exporter.flush(Duration::from_secs(1)) && exporter.stop(Duration::from_secs(1)).is_ok();
        let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1);
        // SAFETY: ends the process.
        unsafe { _exit(if quiet && alone { 7 } else { 100 }) }
    }
    // SAFETY: the child uses what the kit promises to work there, and ends without unwinding.
    let child = unsafe { fork() };
    if child == 0 {
        (0..3).for_each(|_| exporter.add(Signal::Traces, scope, &record));
        let sent = exporter.stop(Duration::from_secs(3)).is_ok() && counters.lost() == (0, 0);
        let exported = counters.exported.load(Relaxed) as i32;
        // SAFETY: ends the process.
        unsafe { _exit(if sent { exported } else { 100 }) }
    }
    let mut status = 0;
    // SAFETY: waits for the child that was started first.
    assert_eq!(unsafe { waitpid(idle, &raw mut status, 0) }, idle);
    assert_eq!(status >> 8, 7, "a child that adds nothing starts nothing and loses nothing");
    // SAFETY: waits for the child that was just started.
    assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status >> 8, 3, "the child sends its three records and none of the parent's");
    assert_eq!(exporter.stop(Duration::from_secs(3)), Ok(()));
    assert_eq!(counters.exported.load(Relaxed), 5, "the parent sends its own");
    assert_eq!(counters.dropped[Reason::Stopped as usize].load(Relaxed), 0);
}
