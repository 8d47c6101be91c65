//! What the recorder finds wrong with the lives of spans.

use clew::span::{self, Parent};
use clew::testing::Recorder;
use clew::{Component, Kind, Level, Span};

fn start(kind: Kind, name: &str) -> Span {
    span::start(Component::App, Level::Standard, kind, name, Parent::Current)
}

/// The place of the line above the caller's.
fn above(line: u32) -> String {
    format!("tests/leaks.rs:{}", line - 1)
}

#[test]
fn a_span_that_is_never_finished_is_named_with_its_place() {
    let mut recorder = Recorder::start();
    let span = span::start(Component::App, Level::Standard, Kind::Internal, "forgotten", Parent::Current);
    let place = above(line!());
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL forgotten (test) (open)\n");
    assert_eq!(recorder.leaks(), [format!("span \"forgotten\" ({place}) was never finished")]);
    recorder.allow_leaks();
    span.finish();
}

#[test]
#[should_panic(expected = "was never finished")]
fn dropping_the_recorder_fails_the_test() {
    let recorder = Recorder::start();
    std::mem::forget(start(Kind::Internal, "forgotten"));
    drop(recorder);
}

#[test]
fn a_child_that_outlives_its_parent_is_late() {
    let mut recorder = Recorder::start();
    let parent = start(Kind::Internal, "parent");
    let child = parent.in_scope(|| span::start(Component::App, Level::Standard, Kind::Internal, "child", Parent::Current));
    let place = above(line!());
    parent.finish();
    assert_eq!(recorder.leaks().len(), 1, "the child is open");
    child.finish();
    let mend = "finish it before its parent, or start the work with clew::detach";
    assert_eq!(recorder.leaks(), [format!("span \"child\" ({place}) outlives its parent: {mend}")]);
    assert_eq!(recorder.tree(&["clew.late"]), "trace 1\n└─ INTERNAL parent (test)\n   └─ INTERNAL child clew.late=true\n");
    recorder.allow_leaks();
}

#[tokio::test]
async fn a_context_that_is_lost_over_a_bare_spawn_is_found() {
    let mut recorder = Recorder::start();
    let serve = |spawn: fn()| async move {
        let server = start(Kind::Server, "GET /");
        server.in_scope(spawn);
        tokio::task::yield_now().await;
        server.finish();
    };
    recorder.run(serve(|| drop(clew::spawn(async { start(Kind::Internal, "kept").finish() })))).await;
    recorder.complete(2).await.expect("two spans");
    assert_eq!(recorder.leaks(), [""; 0]);
    recorder.run(serve(|| drop(tokio::spawn(async { start(Kind::Internal, "lost").finish() })))).await;
    let leaks = recorder.leaks();
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert!(leaks[0].starts_with("span \"lost\" (tests/leaks.rs:"), "{}", leaks[0]);
    assert!(leaks[0].ends_with(" context lost: start the task with clew::spawn"), "{}", leaks[0]);
    recorder.allow_leaks();
}

#[tokio::test]
async fn the_tests_own_roots_have_lost_nothing() {
    let recorder = Recorder::start();
    recorder
        .run(async {
            let server = start(Kind::Server, "GET /");
            start(Kind::Client, "GET").finish();
            server.finish();
        })
        .await;
    assert_eq!(recorder.leaks(), [""; 0]);
}

#[test]
fn tests_beside_each_other_do_not_see_each_others_spans() {
    let threads: Vec<_> = (0..8)
        .map(|number| {
            std::thread::spawn(move || {
                for round in 0..50 {
                    let recorder = Recorder::start();
                    let name = format!("test {number} round {round}");
                    let root = start(Kind::Internal, &name);
                    root.in_scope(|| clew::thread::spawn(|| start(Kind::Internal, "thread").finish())).join().expect("no panic");
                    root.finish();
                    recorder.wait_for(2).expect("both");
                    assert_eq!(recorder.tree(&[]), format!("trace 1\n└─ INTERNAL {name} (test)\n   └─ INTERNAL thread\n"));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no test fails"));
}
