//! What keeps traces whole: contexts over tasks and threads, ends that stay ends, unsampled spans that cost nothing and tell nothing.
#![cfg(feature = "testing")]

use std::sync::mpsc;
use std::task::Poll;

use clew::span::{self, Parent};
use clew::testing::{Recorder, Status, Value};
use clew::{Component, Context, Kind, Level, SAMPLED, SpanContext, SpanId, TraceId};
use tracing::Instrument;

fn app(name: &str, parent: Parent<'_>) -> span::Span {
    span::start(Component::App, Level::Standard, Kind::Internal, name, parent)
}

/// A parent in another process.
fn remote(trace: u8, flags: u8) -> Context {
    Context {
        span: SpanContext { trace_id: TraceId([trace; 16]), span_id: SpanId([7; 8]), flags, remote: true, state: None },
        baggage: None,
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

#[test]
fn an_instrumented_future_keeps_its_parent_on_another_thread() {
    let recorder = Recorder::start();
    let root = tracing::info_span!("root");
    let child = root.in_scope(|| tracing::info_span!("child"));
    block_on(async move {
        let work = async { tracing::info_span!("grandchild").in_scope(|| ()) };
        tokio::spawn(work.instrument(child)).await.unwrap();
    });
    drop(root);
    recorder.wait().unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL root (test)\n   └─ INTERNAL child\n      └─ INTERNAL grandchild\n");
}

#[test]
fn a_future_made_under_an_unsampled_root_stays_unsampled_on_another_thread() {
    let recorder = Recorder::start();
    let context = remote(0x11, 0);
    let root = app("root", Parent::Of(&context));
    assert!(!root.recording());
    let task = root.in_scope(|| {
        async {
            let inner = tracing::info_span!("inner").entered();
            let ids = clew::current().span;
            drop(inner);
            ids
        }
        .instrument(tracing::info_span!("task"))
    });
    let ids = block_on(async { tokio::spawn(task).await.unwrap() });
    assert_eq!(ids, root.span_context(), "unsampled spans share the ids of their root");
    assert_eq!(ids.trace_id, context.span.trace_id);
    assert_ne!(ids.span_id, context.span.span_id, "a local root has an id of its own");
    assert!(!ids.is_sampled());
    drop(root);
    assert!(recorder.spans().is_empty());
}

#[test]
fn parent_none_is_a_root_even_under_an_unsampled_span() {
    let recorder = Recorder::start();
    let context = remote(0x12, 0);
    app("unsampled", Parent::Of(&context)).in_scope(|| {
        tracing::info_span!(parent: None, "other").in_scope(|| tracing::info_span!("below").in_scope(|| ()));
    });
    recorder.wait().unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL other (test)\n   └─ INTERNAL below\n");
}

#[test]
fn one_span_may_be_current_on_two_threads() {
    let recorder = Recorder::start();
    let root = tracing::info_span!("root");
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let (root, both) = (&root, &both);
            scope.spawn(move || {
                root.in_scope(|| {
                    both.wait();
                    app(name, Parent::Current).finish();
                    both.wait();
                });
                assert!(!clew::current().span.is_valid());
            });
        }
    });
    drop(root);
    recorder.wait().unwrap();
    let spans = recorder.spans();
    let root = spans.iter().find(|s| s.name == "root").unwrap();
    assert_eq!(spans.iter().filter(|s| s.parent == Some(root.id)).count(), 2);
}

#[test]
fn exits_may_come_out_of_order() {
    let recorder = Recorder::start();
    let (a, b) = (tracing::info_span!("a"), tracing::info_span!(parent: None, "b"));
    let (in_a, in_b) = (a.enter(), b.enter());
    drop(in_a);
    tracing::info_span!("below b").in_scope(|| ());
    drop(in_b);
    assert!(!clew::current().span.is_valid());
    drop((a, b));
    recorder.wait().unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL a (test)\ntrace 2\n└─ INTERNAL b (test)\n   └─ INTERNAL below b\n");
}

#[test]
fn a_clone_in_a_pool_does_not_make_the_span_longer() {
    let recorder = Recorder::start();
    let request = app("request", Parent::Root);
    let pooled = request.clone();
    request.finish();
    recorder.wait().unwrap();
    let end = recorder.spans()[0].end;
    assert!(end > 0, "it has ended although the clone lives");
    pooled.set("late", true);
    pooled.fail_text("late");
    pooled.finish();
    // What still starts under it belongs to its trace and is known to be late.
    pooled.in_scope(|| app("late", Parent::Current).finish());
    drop(pooled);
    drop(request);
    recorder.wait_for(2).unwrap();
    let spans = recorder.spans();
    assert_eq!(spans.len(), 2, "one span is sent once");
    let request = spans.iter().find(|s| s.name == "request").unwrap();
    assert_eq!((request.end, &request.status, request.attributes.len()), (end, &Status::Unset, 0));
    let late = spans.iter().find(|s| s.name == "late").unwrap();
    assert_eq!(late.parent, Some(request.id));
    assert_eq!(late.attribute("clew.late"), Some(&Value::Bool(true)));
    let mut recorder = recorder;
    recorder.allow_leaks();
}

#[test]
fn a_span_that_nobody_finishes_ends_with_its_last_handle() {
    let recorder = Recorder::start();
    let span = app("work", Parent::Root);
    let clone = span.clone();
    drop(span);
    assert_eq!(recorder.spans()[0].end, 0, "a handle is left");
    drop(clone);
    recorder.wait().unwrap();
    assert!(recorder.spans()[0].end > 0);
}

#[test]
fn blocking_work_is_a_child() {
    let recorder = Recorder::start();
    block_on(async {
        let work = tracing::info_span!("work");
        let span = work.clone();
        tokio::task::spawn_blocking(move || span.in_scope(|| app("blocking", Parent::Current).finish())).await.unwrap();
        drop(work);
    });
    recorder.wait().unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL work (test)\n   └─ INTERNAL blocking\n");
}

#[test]
fn a_panic_ends_its_spans_as_failed() {
    let recorder = Recorder::start();
    let result = std::panic::catch_unwind(|| {
        let span = tracing::info_span!("doomed");
        let _in = span.enter();
        let _own = app("inner", Parent::Current);
        panic!("no more apples");
    });
    assert!(result.is_err());
    recorder.wait().unwrap();
    for span in recorder.spans() {
        assert_eq!(span.status, Status::Error("panic: no more apples".to_owned()));
        assert_eq!(span.events[0].name, "exception");
        let text = |key: &str| match span.events[0].attributes.iter().find(|(k, _)| k == key) {
            Some((_, Value::Text(text))) => text.clone(),
            other => panic!("{key} is {other:?}"),
        };
        assert_eq!((text("exception.type"), text("exception.message")), ("panic".to_owned(), "no more apples".to_owned()));
        let stack = text("exception.stacktrace");
        assert!(stack.len() <= 4096 && stack.contains("a_panic_ends_its_spans_as_failed"), "{stack}");
        assert!(!stack.contains("clew::panics::"), "what the panic itself calls is left out: {stack}");
    }
    assert!(!clew::current().span.is_valid());
}

/// Status, message and whether there is a stack, of the only event of a span.
fn panic_told(recorder: &Recorder, name: &str) -> (Status, Option<Value>, bool) {
    let span = recorder.spans().into_iter().find(|span| span.name == name).unwrap();
    let [event] = &span.events[..] else { panic!("{span:?}") };
    let attribute = |key: &str| event.attributes.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    (span.status, attribute("exception.message"), attribute("exception.stacktrace").is_some())
}

fn told(message: &str, stack: bool) -> (Status, Option<Value>, bool) {
    (Status::Error(format!("panic: {message}")), Some(Value::Text(message.to_owned())), stack)
}

/// What another thread threw.
fn thrown_elsewhere() -> Box<dyn std::any::Any + Send> {
    std::thread::spawn(|| panic!("no more figs")).join().unwrap_err()
}

#[test]
fn a_panic_that_was_caught_is_not_told_by_a_span_that_ends_by_another() {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    let recorder = Recorder::start();
    assert!(catch_unwind(|| panic!("no more apples")).is_err());
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _victim = app("victim", Parent::Root);
        resume_unwind(thrown_elsewhere());
    }));
    assert!(result.is_err());
    assert_eq!(panic_told(&recorder, "victim"), told("not known", false));
}

#[cfg(feature = "tokio")]
#[test]
fn a_task_tells_what_it_threw_and_so_do_the_spans_around_it() {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    let run = |name: &str, work: fn()| {
        let (sender, mut receiver) = clew::mpsc::channel(1);
        sender.try_send(()).unwrap();
        let message = receiver.try_recv().unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _around = app(&format!("around {name}"), Parent::Root);
            let task = std::pin::pin!(message.process(name, |()| async move { work() }));
            let _ = task.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        }));
        assert!(result.is_err());
    };
    let recorder = Recorder::start();
    run("own", || panic!("no more apples"));
    // Before it is polled the same text was thrown here, and within it another.
    assert!(catch_unwind(|| panic!("no more figs")).is_err());
    run("handed over", || {
        assert!(catch_unwind(|| panic!("no more plums")).is_err());
        resume_unwind(thrown_elsewhere())
    });
    for (name, message, stack) in [("own", "no more apples", true), ("handed over", "no more figs", false)] {
        assert_eq!(panic_told(&recorder, name), told(message, stack));
        assert_eq!(panic_told(&recorder, &format!("around {name}")), told(message, stack));
    }
}

#[test]
fn a_panic_within_a_panic_does_not_take_its_place() {
    struct Bad;
    impl std::fmt::Display for Bad {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no text")
        }
    }
    struct FailsWhenDropped(span::Span);
    impl Drop for FailsWhenDropped {
        fn drop(&mut self) {
            self.0.fail(&Bad);
            tracing::info!(bad = %Bad, "cleaning up");
        }
    }
    let recorder = Recorder::start();
    let result = std::panic::catch_unwind(|| {
        let _outer = app("outer", Parent::Root);
        let _inner = FailsWhenDropped(app("inner", Parent::Root));
        panic!("no more plums");
    });
    assert!(result.is_err());
    let spans = recorder.spans();
    let status = |name: &str| spans.iter().find(|span| span.name == name).map(|span| span.status.clone());
    assert_eq!(status("inner"), Some(Status::Error("!PANIC: no text".to_owned())));
    assert_eq!(status("outer"), Some(Status::Error("panic: no more plums".to_owned())));
}

#[test]
fn fields_with_a_meaning_are_honoured() {
    let recorder = Recorder::start();
    let cause = tracing::info_span!(parent: None, "cause");
    let span = tracing::info_span!(
        parent: None, "macro", otel.name = "GET /orders", otel.kind = "server", items = 3, "ratio" = 0.5,
        text = "a", debug = ?vec![1], big = u64::MAX, later = tracing::field::Empty,
        otel.status_code = tracing::field::Empty, otel.status_description = tracing::field::Empty,
    );
    span.record("later", "yes");
    span.record("items", 4);
    span.record("otel.status_description", "broken");
    span.record("otel.status_code", "ERROR");
    span.follows_from(&cause);
    drop(span);
    drop(cause);
    recorder.wait_for(2).unwrap();
    let spans = recorder.spans();
    let span = spans.iter().find(|s| s.name == "GET /orders").expect("named by otel.name");
    assert_eq!(span.kind_name(), "SERVER");
    assert_eq!(span.status, Status::Error("broken".to_owned()));
    let text = |t: &str| Value::Text(t.to_owned());
    let expected = [
        ("items", Value::Int(4)),
        ("ratio", Value::Float(0.5)),
        ("text", text("a")),
        ("debug", text("[1]")),
        ("big", text("18446744073709551615")),
        ("later", text("yes")),
    ];
    let got: Vec<(&str, Value)> = span.attributes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    assert_eq!(got, expected, "a key that is set again keeps its place");
    assert_eq!(span.links.len(), 1);
    assert_eq!(Some(span.links[0].span), spans.iter().find(|s| s.name == "cause").map(|s| s.id));
}

#[test]
fn the_error_of_an_instrumented_function_fails_its_span() {
    #[derive(Debug)]
    struct Refused;
    impl std::fmt::Display for Refused {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("refused")
        }
    }
    let recorder = Recorder::start();
    let span = tracing::info_span!("place");
    // What `#[instrument(err)]` expands to.
    span.in_scope(|| tracing::error!(error = %Refused));
    drop(span);
    // An error that is only logged is none of the span.
    tracing::info_span!("retry").in_scope(|| tracing::error!(error = %Refused, "once more"));
    recorder.wait_for(2).unwrap();
    let spans = recorder.spans();
    assert_eq!(spans[0].status, Status::Error("refused".to_owned()));
    assert_eq!(spans[1].status, Status::Unset);
}

#[test]
fn a_summary_tells_what_its_root_knew() {
    let recorder = Recorder::start();
    let context = remote(0x21, 0);
    let root = app("root", Parent::Of(&context));
    assert!(!root.recording(), "nothing expensive is worth it");
    root.set("http.route", "/orders");
    root.event("retried", &[]);
    root.link(&remote(0x22, 1).span, &[]);
    root.in_scope(|| app("child", Parent::Current).set("of the child", true));
    root.fail_text("broken");
    root.finish();
    root.set("late", true);
    let spans = recorder.spans();
    let [summary] = &spans[..] else { panic!("{spans:?}") };
    let keys: Vec<&str> = summary.attributes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["http.route", "clew.sampling.summary"]);
    assert_eq!((summary.events.len(), summary.links.len(), summary.flags & 0xff), (1, 1, 0));
}

#[test]
fn what_comes_after_the_end_is_lost() {
    let recorder = Recorder::start();
    let span = app("done", Parent::Root);
    span.finish();
    span.set("late", 1);
    span.set_name("late");
    span.event("late", &[]);
    span.link(&remote(0x23, 1).span, &[]);
    span.fail_text("late");
    span.finish();
    drop(span.clone());
    let spans = recorder.spans();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.name.as_str(), &span.status), ("done", &Status::Unset));
    assert!(span.attributes.is_empty() && span.events.is_empty() && span.links.is_empty());
}

#[test]
fn a_linked_root_has_its_valid_links_and_the_randomness_of_the_first() {
    let recorder = Recorder::start();
    let (first, second) = (remote(0x24, 1).span, remote(0x25, 1).span);
    let root = app("linked", Parent::Linked(&[SpanContext::default(), first.clone(), second.clone()]));
    let state = root.span_context().state.unwrap_or_default();
    assert!(state.contains("rv:24242424242424"), "{state}");
    drop(root);
    app("none", Parent::Linked(&[SpanContext::default()])).finish();
    let spans = recorder.spans();
    let links: Vec<_> = spans[0].links.iter().map(|link| link.trace).collect();
    assert_eq!(links, [first.trace_id.0, second.trace_id.0]);
    assert!(spans[1].links.is_empty());
}

#[test]
fn baggage_of_a_context_is_bounded() {
    let mut context = Context::default();
    for i in 0..65 {
        context = context.with_baggage(&format!("k{i}"), "v");
    }
    assert_eq!(context.baggage.as_deref().map(<[_]>::len), Some(64));
    assert_eq!((context.baggage("k63"), context.baggage("k64")), (Some("v"), None));
    for (bytes, taken) in [(8190, true), (8191, false)] {
        let long = "x".repeat(bytes);
        let value = context.with_baggage("k0", &long);
        assert_eq!(value.baggage("k0"), Some(if taken { long.as_str() } else { "v" }), "{bytes} bytes");
    }
}

#[test]
fn an_unsampled_child_never_touches_its_root() {
    let recorder = Recorder::start();
    let context = remote(0x13, 0);
    let root = app("quiet", Parent::Of(&context));
    root.in_scope(|| {
        let child = app("child", Parent::Current);
        child.fail_text("the child failed, and was handled");
        child.finish();
        let span = tracing::info_span!("macro", error = tracing::field::Empty);
        span.record("error", "handled too");
        span.in_scope(|| tracing::error!(error = "handled as well"));
    });
    root.finish();
    drop(root);
    assert!(recorder.spans().is_empty(), "no summary: the root went well");

    // A recorder knows a trace by a span that started in it.
    app("known", Parent::Of(&remote(0x14, SAMPLED))).finish();
    let loud = app("loud", Parent::Of(&remote(0x14, 0)));
    loud.fail_text("it failed itself");
    let summary = loud.span_context();
    loud.finish();
    drop(loud);
    recorder.wait_for(2).unwrap();
    let spans = recorder.spans();
    assert_eq!(spans.len(), 2);
    let loud = spans.iter().find(|s| s.name == "loud").expect("a summary");
    assert_eq!(loud.id, summary.span_id.0);
    assert_eq!(loud.attribute("clew.sampling.summary"), Some(&Value::Bool(true)));
    assert_eq!(loud.flags & u32::from(SAMPLED), 0);
    assert_eq!(loud.trace_state, "");
    assert_eq!(loud.status, Status::Error("it failed itself".to_owned()));
}

#[test]
fn a_linked_root_is_kept_when_its_cause_is() {
    let recorder = Recorder::start();
    let cause = app("cause", Parent::Root);
    let effect = app("effect", Parent::Linked(&[cause.span_context()]));
    let (from, to) = (cause.span_context(), effect.span_context());
    assert_ne!(from.trace_id, to.trace_id);
    let digits: String = from.trace_id.to_string()[18..].to_owned();
    assert!(to.state.as_deref().is_some_and(|s| s.contains(&format!("rv:{digits}"))), "{to:?}");
    effect.finish();
    cause.finish();
    recorder.wait_for(2).unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL cause (test)\ntrace 2\n└─ INTERNAL effect (test)\n   └─ link trace 1 \"cause\"\n");
}

#[test]
fn a_public_endpoint_takes_nothing_of_its_caller() {
    let recorder = Recorder::start();
    let mut caller = remote(0x15, 0).with_baggage("user", "eve");
    caller.span.state = Some("ot=th:0;rv:00000000000000".into());
    let span = span::start(Component::Http, Level::Edges, Kind::Server, "GET /", Parent::Public(&caller));
    let context = span.context();
    assert_ne!(context.span.trace_id, caller.span.trace_id);
    assert!(context.baggage.is_none());
    assert!(context.span.is_sampled(), "the caller's flags do not count");
    span.finish();
    recorder.wait().unwrap();
    assert_eq!(recorder.spans()[0].links[0].trace, caller.span.trace_id.0);
}

#[test]
fn a_context_of_its_own_goes_anywhere_and_back() {
    let recorder = Recorder::start();
    let root = app("root", Parent::Root);
    let (send, receive) = mpsc::channel::<Context>();
    let worker = std::thread::spawn(move || {
        for context in receive {
            context.in_scope(|| app("there", Parent::Current).finish());
            app("taken", Parent::Of(&context)).finish();
            assert!(!clew::current().span.is_valid());
        }
    });
    root.in_scope(|| send.send(clew::current().with_baggage("shop", "1")).unwrap());
    drop(send);
    worker.join().unwrap();
    root.finish();
    recorder.wait_for(3).unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL root (test)\n   ├─ INTERNAL there\n   └─ INTERNAL taken\n");
}

#[test]
fn values_may_use_the_kit_while_they_are_formatted() {
    struct Nosy(span::Span);
    impl std::fmt::Debug for Nosy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.set("seen", true);
            tracing::info_span!("inside").in_scope(|| tracing::info!("formatting"));
            f.write_str("nosy")
        }
    }
    impl std::fmt::Display for Nosy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            std::fmt::Debug::fmt(self, f)
        }
    }
    let recorder = Recorder::start();
    let span = tracing::info_span!("root", value = tracing::field::Empty);
    span.in_scope(|| {
        let own = clew::Span::current();
        span.record("value", tracing::field::debug(Nosy(own.clone())));
        own.fail(&Nosy(own.clone()));
    });
    drop(span);
    recorder.wait().unwrap();
    let spans = recorder.spans();
    let root = spans.iter().find(|s| s.name == "root").unwrap();
    assert_eq!(root.attribute("value"), Some(&Value::Text("nosy".to_owned())));
    assert_eq!(root.attribute("seen"), Some(&Value::Bool(true)));
    assert_eq!(root.status, Status::Error("nosy".to_owned()));
}

#[test]
fn a_dropped_future_ends_its_span_inside_it() {
    struct Guarded;
    impl Drop for Guarded {
        fn drop(&mut self) {
            app("cleaning up", Parent::Current).finish();
        }
    }
    let recorder = Recorder::start();
    let future = app("cancelled", Parent::Root).instrument(async {
        let _guard = Guarded;
        std::future::pending::<()>().await;
    });
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(future.as_mut().poll(&mut context), Poll::Pending);
    drop(future);
    recorder.wait().unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL cancelled (test)\n   └─ INTERNAL cleaning up\n");
}

#[test]
fn a_span_that_must_be_kept_is_kept_under_one_that_is_not() {
    let recorder = Recorder::start();
    // A recorder knows a trace by a span that started in it.
    app("known", Parent::Of(&remote(0x16, SAMPLED))).finish();
    let mut context = remote(0x16, 0);
    context.span.state = Some("ot=th:e;rv:00000000000001".into());
    let quiet = app("quiet", Parent::Of(&context));
    let kept = quiet.in_scope(|| span::start_kept(Component::App, Kind::Internal, "kept", Parent::Current));
    assert!(kept.recording());
    let ids = kept.span_context();
    assert_eq!((ids.trace_id, ids.state.as_deref()), (context.span.trace_id, Some("ot=rv:00000000000001")));
    assert!(ids.is_sampled());
    kept.finish();
    recorder.wait_for(2).unwrap();
}

#[test]
fn a_future_that_is_done_gives_its_span_back_though_nobody_drops_it() {
    let recorder = Recorder::start();
    let mut future = Box::pin(app("done", Parent::Root).instrument(async {}));
    let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut waker).is_ready());
    assert!(recorder.spans()[0].end > 0, "the span waits for the drop of its future");
    drop(future);
}

#[test]
fn a_panic_of_an_unsampled_root_is_told_in_a_summary() {
    let recorder = Recorder::start();
    let context = remote(0x77, 0);
    app("known", Parent::Of(&remote(0x77, SAMPLED))).finish();
    let root = app("root", Parent::Of(&context));
    let id = root.span_context().trace_id;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _root = root;
        panic!("no pears");
    }));
    assert!(result.is_err());
    let spans = recorder.spans();
    let summary = spans.iter().find(|s| s.trace == id.0 && s.name == "root").expect("a summary");
    assert!(matches!(&summary.status, Status::Error(text) if text.starts_with("panic: ")), "{summary:?}");
    assert_eq!(summary.attribute("clew.sampling.summary"), Some(&Value::Bool(true)));
}

#[test]
fn a_scope_that_was_forgotten_does_not_silence_its_thread() {
    let recorder = Recorder::start();
    let marker = recorder.marker();
    std::thread::spawn(move || {
        marker();
        let lost = app("lost", Parent::Root);
        std::mem::forget(lost.enter());
        drop(lost);
        app("own", Parent::Current).finish();
        tracing::info_span!("macro").in_scope(|| ());
        assert!(!clew::current().span.is_valid());
    })
    .join()
    .unwrap();
    recorder.wait_for(1).unwrap();
    let names: Vec<String> = recorder.spans().into_iter().map(|s| s.name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn baggage_that_a_span_sets_goes_to_what_it_calls_and_no_further() {
    let recorder = Recorder::start();
    let root = app("root", Parent::Root);
    let before = root.in_scope(|| app("before", Parent::Current));
    root.set_baggage("session", "s-1");
    root.set_baggage("session", "s-2");
    root.in_scope(|| {
        assert_eq!(clew::current().baggage("session"), Some("s-2"));
        // The span is still there to be written to.
        clew::Span::current().set("written", true);
        let child = app("child", Parent::Current);
        assert_eq!(child.context().baggage("session"), Some("s-2"));
        child.finish();
    });
    assert_eq!(before.context().baggage("session"), None);
    before.finish();
    root.finish();
    assert_eq!(app("other", Parent::Root).context().baggage("session"), None);
    recorder.wait().unwrap();
    assert!(recorder.tree(&["written"]).contains("INTERNAL root (test) written=true"), "{}", recorder.tree(&["written"]));
}

#[test]
fn the_state_of_another_trace_is_not_handed_on() {
    let _recorder = Recorder::start();
    let span = app("proxy", Parent::Of(&remote(0x21, SAMPLED))).span_context();
    assert!(span.state.is_none());
    let mut headers = vec![("tracestate".to_owned(), "ot=th:8".to_owned())];
    clew::inject(&Context { span, baggage: None }, "", &mut headers);
    assert!(headers.iter().any(|(name, value)| name == "traceparent" && value.contains(&"21".repeat(16))), "{headers:?}");
    assert!(headers.iter().all(|(name, value)| name != "tracestate" || value.is_empty()), "{headers:?}");
    let mut none = Vec::<(String, String)>::new();
    clew::inject(&remote(0x21, SAMPLED), "", &mut none);
    assert_eq!(none.len(), 1, "{none:?}");
}

#[test]
fn baggage_that_is_handed_on_goes_no_further_than_our_own() {
    let _recorder = Recorder::start();
    for host in ["third-party.example", ""] {
        let mut headers = vec![("baggage".to_owned(), "user=secret".to_owned())];
        clew::inject(&remote(0x21, SAMPLED), host, &mut headers);
        assert!(headers.iter().all(|(name, value)| name != "baggage" || value.is_empty()), "{headers:?}");
    }
}

#[test]
fn a_value_that_panics_while_it_is_formatted_does_not_hurt_its_host() {
    struct Broken;
    impl std::fmt::Debug for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no text")
        }
    }
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no text")
        }
    }
    let recorder = Recorder::start();
    tracing::info_span!("order", item = ?Broken).in_scope(|| app("inner", Parent::Current).fail(&Broken));
    recorder.wait_for(2).unwrap();
    let spans = recorder.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    let order = spans.iter().find(|s| s.name == "order").unwrap();
    assert_eq!(order.attribute("item"), Some(&Value::Text("!PANIC: no text".to_owned())));
    assert_eq!(spans.iter().find(|s| s.name == "inner").unwrap().status, Status::Error("!PANIC: no text".to_owned()));
}
