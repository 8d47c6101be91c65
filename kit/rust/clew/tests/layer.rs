//! The kit as one layer beside others: its traces are whole whatever the registry does with its ids.
#![cfg(feature = "testing")]

use std::sync::mpsc;

use clew::span::{self, Parent};
use clew::testing::Recorder;
use clew::{Component, Kind, Level};
use tracing_subscriber::prelude::*;

fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| tracing_subscriber::registry().with(clew::layer()).init());
}

#[test]
fn macros_and_the_kits_own_spans_are_one_tree() {
    install();
    let recorder = Recorder::start();
    tracing::info_span!("outer").in_scope(|| {
        let own = span::start(Component::App, Level::Standard, Kind::Internal, "own", Parent::Current);
        own.in_scope(|| tracing::info_span!("inner").in_scope(|| ()));
    });
    recorder.wait().unwrap();
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL outer (test)\n   └─ INTERNAL own\n      └─ INTERNAL inner\n");
}

/// The registry gives an id out again after 8,192 spans; a thread that saw the first one must not take the second for it.
#[test]
fn an_id_that_comes_again_is_another_span() {
    install();
    let recorder = Recorder::start();
    let (work, jobs) = mpsc::channel::<tracing::Span>();
    let (done, results) = mpsc::channel();
    let other = std::thread::spawn(move || {
        for span in jobs {
            let trace = span.in_scope(|| clew::current().span.trace_id);
            // The last use is the other thread's: the registry gives places back to the thread that made them.
            drop(span);
            done.send(trace).unwrap();
        }
    });
    let seen = |span: &tracing::Span| {
        work.send(span.clone()).unwrap();
        results.recv().unwrap()
    };
    let first = tracing::info_span!(parent: None, "first");
    let id = first.id().unwrap();
    let trace = seen(&first);
    drop(first);
    let mut again = None;
    for _ in 0..100_000 {
        let span = tracing::info_span!(parent: None, "next");
        if span.id().as_ref() == Some(&id) {
            again = Some(span);
            break;
        }
    }
    let again = again.expect("the registry counts in 13 bits");
    let here = again.in_scope(|| clew::current().span.trace_id);
    assert_ne!(here, trace);
    assert_eq!(seen(&again), here);
    drop(again);
    drop(work);
    other.join().unwrap();
    recorder.wait().unwrap();
}
