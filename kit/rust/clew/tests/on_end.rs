//! What a program may look at: every span that goes out, and the kit's own state.
#![cfg(all(feature = "kit", not(target_family = "wasm")))]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clew::span::{self, Parent};
use clew::view::{SpanView, Status, Value};
use clew::{Component, Config, Guard, Kind, Level, SpanContext, SpanId, TraceId};

/// The kit is the process' own, so one test runs at a time.
fn start() -> (MutexGuard<'static, ()>, Guard) {
    static ONE: Mutex<()> = Mutex::new(());
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    (one, clew::start(Config::new("orders", "1").without_export().without_lines().mask("card")))
}

fn app(name: &str, parent: Parent<'_>) -> span::Span {
    span::start(Component::App, Level::Standard, Kind::Internal, name, parent)
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A hook that writes down names.
fn note(seen: &Seen) -> impl Fn(&SpanView<'_>) + Send + Sync + 'static {
    let seen = seen.clone();
    move |span: &SpanView<'_>| seen.lock().unwrap().push(span.name.to_owned())
}

fn take(seen: &Seen) -> Vec<String> {
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn a_hook_sees_what_goes_out() {
    let (_one, kit) = start();
    let caller = clew::extract(&vec![("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-03".to_owned())]);
    let ids = Arc::new(Mutex::new(None));
    let into = ids.clone();
    let hook = kit.on_end(move |view| {
        assert_eq!(view.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4737");
        assert_eq!(view.parent_id.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        assert!(view.parent_remote && !view.summary && view.state.is_empty());
        assert_eq!((view.name, view.kind, view.flags), ("order", Kind::Server, 3));
        assert!(view.start <= view.end && view.end <= std::time::SystemTime::now());
        assert_eq!(view.status, Status::Error("sold out".to_owned()));
        assert_eq!(view.attributes(), [("items".to_owned(), Value::Int(3)), ("card".to_owned(), Value::Text("***".to_owned()))]);
        let (events, links) = (view.events(), view.links());
        assert_eq!((events.len(), events[0].name.as_str(), events[0].attributes.len()), (1, "retried", 1));
        assert_eq!((links.len(), links[0].trace, links[0].span), (1, [7; 16], [8; 8]));
        assert!(!view.bytes().is_empty());
        *into.lock().unwrap() = Some(view.span_id);
    });
    let span = span::start(Component::Http, Level::Edges, Kind::Server, "order", Parent::Of(&caller));
    span.set("items", 3);
    span.set("card", "4111111111111111");
    span.event("retried", &[("attempt", 2.into())]);
    span.link(&SpanContext { trace_id: TraceId([7; 16]), span_id: SpanId([8; 8]), ..SpanContext::default() }, &[]);
    span.fail_text("sold out");
    span.finish();
    assert_eq!(ids.lock().unwrap().take(), Some(span.span_context().span_id), "a panic in the hook leaves nothing here");
    hook.remove();
    app("later", Parent::Root).finish();
    assert_eq!(*ids.lock().unwrap(), None);
}

#[test]
fn a_hook_sees_the_summary_of_an_unsampled_failure_and_no_other_unsampled_span() {
    let (_one, kit) = start();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let _hook = kit.on_end(move |view| into.lock().unwrap().push((view.name.to_owned(), view.summary, view.flags, view.state.to_owned())));
    clew::apply_policy(br#"{"sampling":{"th":"never"}}"#).unwrap();
    app("quiet", Parent::Root).finish();
    let loud = app("loud", Parent::Root);
    loud.fail_text("broken");
    loud.finish();
    assert_eq!(*seen.lock().unwrap(), [("loud".to_owned(), true, 0, String::new())]);
}

#[test]
fn hooks_are_at_most_eight_and_one_that_panics_is_called_three_times() {
    let (_one, kit) = start();
    let seen = Seen::default();
    let bad = Seen::default();
    let into = bad.clone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let _bad = kit.on_end(move |view| {
        into.lock().unwrap().push(view.name.to_owned());
        panic!("the test breaks the hook");
    });
    let mut hooks: Vec<_> = (0..7).map(|_| kit.on_end(note(&seen))).collect();
    hooks.push(kit.on_end(note(&seen)));
    assert!(kit.status().problems.last().is_some_and(|p| p.text.contains("8 hooks")));
    app("first", Parent::Root).finish();
    assert_eq!(take(&seen), ["first"; 7]);
    // A span that ends because of a panic is shown as others are, and what the hook does then does not end the process.
    let unwound = std::panic::catch_unwind(|| {
        let _span = app("second", Parent::Root);
        panic!("the test ends a span");
    });
    std::panic::set_hook(before);
    assert!(unwound.is_err());
    assert_eq!(take(&seen), ["second"; 7]);
    app("third", Parent::Root).finish();
    app("fourth", Parent::Root).finish();
    assert_eq!(take(&bad), ["first", "second", "third"]);
    assert!(kit.status().problems.last().is_some_and(|p| p.text.contains("panicked three times")));
    // Its place is free again.
    let ninth = Seen::default();
    let _ninth = kit.on_end(note(&ninth));
    drop(hooks.pop());
    hooks.pop().unwrap().remove();
    take(&seen);
    app("fifth", Parent::Root).finish();
    assert_eq!((take(&seen), take(&ninth)), (vec!["fifth".to_owned(); 6], vec!["fifth".to_owned()]));
}

#[test]
fn a_hook_may_make_spans_and_remove_hooks_without_end() {
    let (_one, kit) = start();
    let seen = Seen::default();
    let others = Arc::new(Mutex::new(Some(kit.on_end(note(&seen)))));
    let _maker = kit.on_end(move |view| {
        app(&format!("after {}", view.name), Parent::Root).finish();
        if let Some(other) = others.lock().unwrap().take() {
            other.remove();
        }
    });
    let before = kit.status().sampled;
    app("one", Parent::Root).finish();
    app("two", Parent::Root).finish();
    assert_eq!(take(&seen), ["one"]);
    assert_eq!(kit.status().sampled - before, 4, "those of the hook are recorded, too");
}

#[test]
fn the_status_says_what_is_in_force() {
    let (_one, kit) = start();
    let began = kit.status();
    clew::apply_policy(br#"{"version":"7","components":{"sql":"off"}}"#).unwrap();
    let span = app("open", Parent::Root);
    let status = kit.status();
    assert_eq!((status.service.as_str(), status.policy.as_str(), status.version), ("orders", "7", env!("CARGO_PKG_VERSION")));
    assert!(!status.instance.is_empty() && status.started <= std::time::SystemTime::now());
    assert!(status.levels.contains(&(Component::Sql, Level::Off)) && status.levels.contains(&(Component::App, Level::Standard)));
    assert_eq!((status.sampled - began.sampled, status.live - began.live), (1, 1));
    span.finish();
    assert_eq!(kit.status().live, began.live);
    assert_eq!(status.signals.keys().copied().collect::<Vec<_>>(), ["logs", "metrics", "traces"]);
    assert!(status.signals.values().all(|signal| signal.breaker == "closed" && signal.queued == 0));
}
