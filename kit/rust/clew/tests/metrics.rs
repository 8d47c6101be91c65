//! Metrics of a service, from a static to the page of all, and what recording allocates.
#![cfg(feature = "kit")]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Duration;

use clew::metrics::{self, BoundCounter, Options};
use clew::{Component, Config, Level};

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
}

/// As a service has it: there before the kit is.
static PLACED: LazyLock<BoundCounter> = LazyLock::new(|| {
    Options::new().description("Orders placed.").counter("test.placed", "{order}").with(&[("shop.channel", "web".into())])
});

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

fn has_not(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(!text.contains(line), "{line:?} is in\n{text}");
    }
}

/// One test, because the kit and its instruments are the process's.
#[test]
fn metrics_of_a_service() {
    PLACED.add(100); // Before the start nothing counts.
    let kit = clew::start(Config::new("metrics", "1").truncate("test.card", 4).without_export().without_lines());
    PLACED.add(2);
    PLACED.add(u64::MAX); // It would make the counter shrink.
    let open = Options::new().needs(Component::Http, Level::Edges).up_down("test.open", "{request}").with(&[]);
    open.add(3);
    open.add(-1);
    let share = metrics::gauge("test.share", "1").with(&[]);
    share.set(0.5);
    let wait = metrics::duration("test.duration", Component::Http).with(&[]);
    let span = clew::tracing::info_span!("work").entered();
    wait.record_duration(Duration::from_millis(30));
    let context = clew::current().span;
    wait.record_in(0.3, &context);
    let temperature = metrics::gauge_fn("test.temperature", "Cel", &[("room", "a".into())], || 21.5);
    metrics::counter_fn("test.seen", "", &[], || 7.0).forever();

    let exemplar = |value: &str| format!("# {{trace_id=\"{}\",span_id=\"{}\"}} {value} ", context.trace_id, context.span_id);
    let text = metrics::text();
    assert!(text.ends_with("\n# EOF\n"));
    has(
        &text,
        &[
            "# HELP test_placed Orders placed.\n",
            "test_placed_total{shop_channel=\"web\"} 2\n",
            "test_open 2\n",
            "test_share_ratio 0.5\n",
            &format!("test_duration_seconds_bucket{{le=\"0.05\"}} 1 {}", exemplar("0.03")),
            &format!("test_duration_seconds_bucket{{le=\"0.5\"}} 2 {}", exemplar("0.3")),
            "test_temperature_celsius{room=\"a\"} 21.5\n",
            "test_seen_total 7\n",
            "process_uptime_seconds ",
            "clew_kit_level{component=\"http\"} 2\n",
            "otel_sdk_span_started_total{otel_span_sampling_result=\"RECORD_AND_SAMPLE\"} 1\n",
        ],
    );
    if cfg!(target_os = "linux") {
        has(&text, &["process_cpu_time_seconds_total{cpu_mode=\"user\"} ", "process_memory_usage_bytes ", "process_thread_count "]);
    }
    drop(temperature);
    has_not(&metrics::text(), &["test_temperature"]);

    let allocations = {
        let before = ALLOCATIONS.get();
        for _ in 0..100 {
            PLACED.add(1);
            open.add(0);
            share.set(0.5);
            wait.record(0.3);
        }
        ALLOCATIONS.get() - before
    };
    assert_eq!(allocations, 0);
    drop(span);

    // Redactions hold for series that are bound already.
    let redacted = metrics::counter("test.redacted", "");
    let ada = redacted.with(&[("test.card", "4111222233334444".into()), ("user.email", "ada@example.com".into())]);
    let bob = redacted.with(&[("test.card", "4111555566667777".into()), ("user.email", "bob@example.com".into())]);
    ada.add(1);
    bob.add(2);
    has(&metrics::text(), &["test_redacted_total{test_card=\"4111\",user_email=\"ada@example.com\"} 1\n"]);
    clew::apply_policy(br#"{"version":"2","redact":[{"key":"user.*","action":"mask"}]}"#).unwrap();
    has_not(&metrics::text(), &["test_redacted"]);
    ada.add(3);
    bob.add(4);
    let text = metrics::text();
    has(&text, &["test_redacted_total{test_card=\"4111\",user_email=\"***\"} 7\n"]);
    has_not(&text, &["example.com", "41112", "41115"]);

    // A switch holds at once.
    clew::set_level(Component::Http, Level::Off);
    assert!(!wait.enabled() && !open.enabled());
    open.add(5);
    open.always(-1);
    let text = metrics::text();
    has_not(&text, &["test_duration", "test_open"]);
    has(&text, &["test_placed_total", "clew_kit_level{component=\"http\"} 0\n"]);
    clew::set_level(Component::Http, Level::Edges);
    clew::set_level(Component::Metrics, Level::Edges);
    let text = metrics::text();
    has(&text, &["test_open 1\n"]);
    has_not(&text, &["test_placed", "process_uptime"]);
    clew::set_level(Component::Metrics, Level::Off);
    let text = metrics::text();
    has_not(&text, &["# TYPE test_"]);
    has(&text, &["clew_kit_level{component=\"metrics\"} 0\n"]);
    kit.stop(Duration::from_secs(3)).expect("nothing is lost");
    PLACED.add(1);
    has_not(&metrics::text(), &["# TYPE test_"]);
}
