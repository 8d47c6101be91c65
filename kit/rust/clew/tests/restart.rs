//! Starting anew, stopping whatever time is allowed, and what is read of the environment.
#![cfg(all(feature = "kit", target_os = "linux"))]

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clew::Config;
use clew::span::Parent;

/// The kit is the process' own, so one test of it runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many threads write log lines.
fn writers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok()).filter(|name| name.trim() == "clew-log").count()
}

#[test]
fn a_guard_of_a_kit_that_was_replaced_stops_nothing_of_the_next() {
    let _alone = alone();
    let first = clew::start(Config::new("first", "1").without_export().lines_to_stderr());
    let second = clew::start(Config::new("second", "1").without_export().lines_to_stderr());
    clew::tracing::info!("this thread has seen the second");
    assert!(second.flush(Duration::MAX), "its thread runs");
    drop(first);
    let began = Instant::now();
    while writers() > 1 && began.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert_eq!(writers(), 1, "the second kit's lines have a thread");
    // A root that nobody asked for, beside a request that is being served, has lost its context.
    let lost = || clew::selfmetrics::counters().context_lost.load(Ordering::Relaxed);
    let root = |kind, parent| clew::span::start(clew::Component::Http, clew::Level::Edges, kind, "root", parent);
    root(clew::Kind::Internal, Parent::Current).finish();
    let request = root(clew::Kind::Server, Parent::Current);
    root(clew::Kind::Internal, Parent::Root).finish();
    root(clew::Kind::Server, Parent::Current).finish();
    assert_eq!(lost(), 0);
    root(clew::Kind::Internal, Parent::Current).finish();
    clew::tracing::info_span!(parent: None, "asked");
    assert_eq!(lost(), 1);
    request.finish();
    root(clew::Kind::Internal, Parent::Current).finish();
    assert_eq!(lost(), 1);
    drop(request);
    let span = clew::span::start(clew::Component::App, clew::Level::Standard, clew::Kind::Internal, "long", Parent::Root);
    assert!(span.recording());
    second.stop(Duration::MAX).unwrap();
    // A span that outlives the kit is lost, which is counted, and is not live any more.
    drop(span);
    let counters = clew::selfmetrics::counters();
    assert_eq!(counters.span_live.load(), 0);
    assert_eq!(counters.signal[0].dropped[clew::selfmetrics::Reason::Stopped as usize].load(Ordering::Relaxed), 1);
    assert_eq!(writers(), 0);
}

#[test]
fn kits_that_start_and_stop_at_the_same_moment_leave_one_that_works_or_none() {
    let _alone = alone();
    for _ in 0..300 {
        let old = clew::start(Config::new("old", "1").without_export().without_lines());
        let new = std::thread::scope(|scope| {
            let start = scope.spawn(|| clew::start(Config::new("new", "1").without_export().without_lines()));
            drop(old);
            start.join().unwrap()
        });
        let span = clew::span::start(clew::Component::App, clew::Level::Standard, clew::Kind::Internal, "on", Parent::Root);
        assert!(span.recording(), "the new kit runs");
        span.finish();
        drop(new);
        let span = clew::span::start(clew::Component::App, clew::Level::Standard, clew::Kind::Internal, "off", Parent::Root);
        assert!(!span.recording() && !span.span_context().is_valid(), "none runs");
    }
}

/// What the test below runs in a process of its own, because the environment is the process's.
#[test]
#[ignore = "part of another test"]
fn asks_for_policies_until_its_input_ends() {
    let kit = clew::start(Config::new("child", "1").without_export().without_lines());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(kit);
}

/// The collector's headers are secrets of another server.
#[test]
fn the_server_of_policies_gets_its_own_headers_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "asks_for_policies_until_its_input_ends", "--ignored"])
        .env("CLEW_ENDPOINT", format!("http://{}", listener.local_addr().unwrap()))
        .env("CLEW_POLICY_HEADERS", "x-policy=its%20own")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-collector=secret")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut question, _) = listener.accept().unwrap();
    question.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        question.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let head = String::from_utf8(head).unwrap();
    assert!(head.contains("\r\nx-policy: its own\r\n"), "{head}");
    assert!(!head.contains("secret"), "{head}");
}
