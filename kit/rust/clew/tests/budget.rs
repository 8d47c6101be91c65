//! Allocations of spans. The times are judged by the benchmark beside stock. With the feature `otel` each span that is entered is also made current in
//! the OpenTelemetry API, which allocates.
#![cfg(all(feature = "kit", not(feature = "otel")))]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use clew::span::{self, Parent};
use clew::{Component, Config, Context, Kind, Level, SpanContext, SpanId, TraceId};

struct Counting;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Allocations of this thread for each call, after the buffers have grown.
fn allocations<R>(mut work: impl FnMut() -> R) -> f64 {
    const ROUNDS: u32 = 1000;
    for _ in 0..ROUNDS {
        black_box(work());
    }
    let before = ALLOCATIONS.get();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    (ALLOCATIONS.get() - before) as f64 / f64::from(ROUNDS)
}

fn app(name: &str, parent: Parent<'_>) -> span::Span {
    span::start(Component::App, Level::Standard, Kind::Internal, name, parent)
}

fn five(span: &span::Span) {
    span.set("shop.items", 3);
    span.set("shop.channel", "web");
    span.set("shop.total", 12.5);
    span.set("shop.express", true);
    span.set("shop.customer", "c-1029384756");
}

/// One test, because the kit is started once for the process.
#[test]
fn spans_allocate_within_their_budgets() {
    // The port of the discard service answers nothing; what is sent is lost, which costs the caller nothing.
    let kit = clew::start(Config::new("budget", "1").endpoint("http://127.0.0.1:9").without_lines().level(Component::Sql, Level::Off));
    let root = app("root", Parent::Root);
    let sampled = root.in_scope(|| {
        allocations(|| {
            let span = app("child", Parent::Current);
            five(&span);
            span.in_scope(|| ());
            span.finish();
        })
    });
    // The exporter takes a new block now and then.
    assert!(sampled <= 0.1, "sampled child with 5 attributes: {sampled}");
    let macros = root.in_scope(|| allocations(|| tracing::info_span!("child", a = 1, b = "two", c = 3.0, d = true, e = ?"five").entered()));
    assert!(macros <= 0.1, "sampled span of a macro with 5 fields: {macros}");
    let roots = allocations(|| app("root", Parent::Root).finish());
    assert!(roots <= 0.1, "sampled root: {roots}");

    let remote = Context {
        span: SpanContext { trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]), remote: true, ..SpanContext::default() },
        baggage: None,
    };
    let quiet = app("quiet", Parent::Of(&remote));
    let unsampled = quiet.in_scope(|| allocations(|| app("child", Parent::Current).in_scope(|| ())));
    assert_eq!(unsampled, 0.0, "unsampled child");
    let macros = quiet.in_scope(|| allocations(|| tracing::info_span!("child", a = 1, b = "two").entered()));
    assert_eq!(macros, 0.0, "unsampled span of a macro");
    let roots = allocations(|| app("quiet", Parent::Of(&remote)));
    assert_eq!(roots, 0.0, "unsampled local root");
    let off = allocations(|| span::start(Component::Sql, Level::Standard, Kind::Client, "SELECT", Parent::Current));
    assert_eq!(off, 0.0, "switched off");
    drop((root, quiet));
    // The collector is not there, so the error says what was lost; the time is bounded all the same.
    let began = std::time::Instant::now();
    let lost = kit.stop(std::time::Duration::from_millis(500)).expect_err("nothing could be sent");
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(lost.to_string().contains("of traces"), "{lost}");
}
