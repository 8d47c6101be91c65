//! Starting and stopping again and again in one process leaves nothing behind.
#![cfg(all(feature = "kit", target_os = "linux"))]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clew::span::Parent;
use clew::{Component, Config, Kind, Level};

/// Counts the bytes that are allocated.
struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    threads: usize,
    files: usize,
    bytes: i64,
}

impl Held {
    fn now() -> Held {
        Held { threads: count("/proc/self/task"), files: count("/proc/self/fd"), bytes: LIVE.load(Relaxed) }
    }

    /// Lets threads that were told to end do so, then says what is held.
    fn settled(beside: Held, spare: i64) -> Held {
        let began = Instant::now();
        loop {
            let now = Held::now();
            let quiet = now.threads <= beside.threads && now.files <= beside.files && now.bytes <= beside.bytes + spare;
            if quiet || began.elapsed() > Duration::from_secs(20) {
                return now;
            }
            std::thread::yield_now();
        }
    }
}

static QUESTIONS: AtomicUsize = AtomicUsize::new(0);

/// Takes telemetry and knows no policy, on a thread of its own: one connection after the other, one answer each.
fn collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
            let mut reader = BufReader::new(socket);
            let (mut line, mut length, mut first) = (String::new(), 0, true);
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                let lower = line.to_ascii_lowercase();
                if std::mem::take(&mut first) && lower.starts_with("get ") {
                    QUESTIONS.fetch_add(1, Relaxed);
                }
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let _ = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink());
            let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    url
}

fn cycle() {
    let kit = clew::start(Config::new("cycles", "1"));
    let start = |parent| clew::span::start(Component::App, Level::Standard, Kind::Internal, "work", parent);
    let root = start(Parent::Root);
    root.in_scope(|| drop(start(Parent::Current)));
    // More places than a thread keeps for itself, ended where they were not begun.
    let spans: Vec<_> = (0..200).map(|_| start(Parent::Root)).collect();
    std::thread::spawn(move || drop(spans)).join().unwrap();
    let outlives = start(Parent::Root);
    clew::metrics::counter("cycles", "{cycle}").with(&[]).add(1);
    clew::tracing::warn!(cycle = true, "a line and a record");
    kit.stop(Duration::from_secs(10)).unwrap();
    drop((outlives, root));
}

/// What the test below runs in a process of its own, because it looks at all that a process holds.
#[test]
#[ignore = "part of another test"]
fn starts_and_stops() {
    // What is made once for the process is no leak: tables, buffers, the places of spans.
    (0..20).for_each(|_| cycle());
    let before = Held::now();
    (0..200).for_each(|_| cycle());
    let spare = 16 << 10;
    let after = Held::settled(before, spare);
    assert!(after.threads <= before.threads && after.files <= before.files, "{after:?} after {before:?}");
    assert!(after.bytes <= before.bytes + spare, "{after:?} after {before:?}");
    let counters = clew::selfmetrics::counters();
    assert_eq!(counters.span_live.load(), 0);
    assert!(counters.signal.iter().all(|signal| signal.exported.load(Relaxed) > 0), "the cycles sent something");
}

#[test]
fn two_hundred_starts_and_stops_leave_no_thread_no_file_and_no_memory() {
    let url = collector();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "starts_and_stops", "--ignored", "--nocapture"]);
    child.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("CLEW_ENDPOINT", &url).stdout(Stdio::null());
    assert!(child.status().unwrap().success());
    assert!(QUESTIONS.load(Relaxed) > 0, "the cycles asked for policies");
}
