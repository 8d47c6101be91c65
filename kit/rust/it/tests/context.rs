//! `kit/contract/context.json`: programs that hand work on, as this language writes them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use clew::span::{self, Parent};
use clew::task::{JoinSetExt, StreamExt as _};
use clew::testing::Recorder;
use clew::{Component, Context, Kind, Level, Span};
use futures_util::StreamExt as _;
use serde_json::Value as Json;
use tower::ServiceExt;

fn start(name: &str) -> Span {
    span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Current)
}

fn leaf(name: &str) {
    start(name).finish();
}

/// Runs `work` in a span and finishes it.
async fn within<R>(name: &str, work: impl Future<Output = R>) -> R {
    let span = start(name);
    let result = span.clone().instrument(work).await;
    span.finish();
    result
}

type Program = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

const PROGRAMS: [(&str, Program); 12] = [
    ("spawn", || {
        Box::pin(within("request", async {
            clew::spawn(async { leaf("audit") }).await.expect("joined");
        }))
    }),
    ("group", || {
        Box::pin(within("request", async {
            let mut group = tokio::task::JoinSet::new();
            let (ended, wait) = tokio::sync::oneshot::channel();
            group.spawn_carried(async {
                leaf("first");
                ended.send(()).expect("the second waits");
            });
            group.spawn_carried(async {
                wait.await.expect("the first ends");
                leaf("second");
            });
            group.join_all().await;
        }))
    }),
    ("nested", || {
        Box::pin(within("request", async {
            let inner = async { clew::spawn(async { leaf("inner") }).await.expect("joined") };
            clew::spawn(within("outer", inner)).await.expect("joined");
        }))
    }),
    ("pool", || {
        Box::pin(async {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
            for name in ["request a", "request b", "request c"] {
                within(name, async {
                    let carried = clew::task::carried();
                    pool.install(|| carried.run(|| leaf("work")));
                })
                .await;
            }
        })
    }),
    ("channel", || {
        Box::pin(async {
            let (sender, mut receiver) = clew::mpsc::channel(2);
            within("request", async {
                sender.send(1).await.expect("there is room");
                sender.try_send(2).expect("there is room");
            })
            .await;
            drop(sender);
            while let Some(message) = receiver.recv().await {
                message.process("handle", |_| async { leaf("store") }).await;
            }
        })
    }),
    ("stream", || {
        Box::pin(within("request", async {
            let items = futures_util::stream::iter(0..3).map(|_| leaf("item"));
            assert_eq!(items.in_span("page").count().await, 3);
        }))
    }),
    ("detach", || {
        Box::pin(async {
            let (go, wait) = tokio::sync::oneshot::channel();
            let email = within("request", async {
                Some(clew::detach("email", async {
                    wait.await.expect("told");
                    leaf("smtp");
                }))
            })
            .await;
            go.send(()).expect("it waits");
            email.expect("detached").await.expect("joined");
        })
    }),
    ("baggage", || {
        let work = || async {
            let user = clew::current().baggage("user").unwrap_or_default().to_owned();
            Span::current().set("user", &user);
        };
        let baggage = Context::default().with_baggage("user", "7");
        Box::pin(baggage.instrument(async move {
            within("request", async move {
                clew::spawn(within("audit", work())).await.expect("joined");
                clew::detach("email", work()).await.expect("joined");
            })
            .await;
        }))
    }),
    ("cancel", || {
        Box::pin(async {
            let (started, wait) = tokio::sync::oneshot::channel();
            let (go, told) = tokio::sync::oneshot::channel::<()>();
            let request = clew::spawn(async {
                let span = start("request");
                span.clone()
                    .instrument(async {
                        let mut group = tokio::task::JoinSet::new();
                        group.spawn_carried(within("slow", std::future::pending::<()>()));
                        // The group's task has to start before the work that is detached.
                        tokio::task::yield_now().await;
                        let email = clew::detach("email", async { told.await.expect("told") });
                        started.send(email).expect("somebody listens");
                        group.join_next().await;
                    })
                    .await;
            });
            let email = wait.await.expect("started");
            request.abort();
            assert!(request.await.is_err_and(|error| error.is_cancelled()));
            go.send(()).expect("it waits");
            email.await.expect("it goes on");
        })
    }),
    ("panic", || {
        Box::pin(async {
            let handler = || async {
                if true {
                    panic!("boom");
                }
            };
            let app = axum::Router::new().route("/panic", axum::routing::get(handler)).layer(clew::http());
            let request = http::Request::get("/panic").body(axum::body::Body::empty()).expect("a request");
            assert!(tokio::spawn(app.oneshot(request)).await.is_err_and(|error| error.is_panic()));
        })
    }),
    ("tick", || {
        Box::pin(async {
            let (ticked, mut wait) = tokio::sync::mpsc::channel(2);
            let mut round = 0;
            let ticker = clew::task::every(Duration::from_millis(1), "tick", move || {
                round += 1;
                let (ticked, last) = (ticked.clone(), round == 2);
                async move {
                    ticked.send(()).await.map_err(|_| "nobody waits")?;
                    // A third round would be a question of time.
                    if last { std::future::pending::<Result<(), &str>>().await } else { Ok(()) }
                }
            });
            wait.recv().await.expect("a tick");
            wait.recv().await.expect("a tick");
            ticker.abort();
            assert!(ticker.await.is_err_and(|error| error.is_cancelled()));
        })
    }),
    ("linked under a span", || {
        Box::pin(async {
            let first = start("first");
            first.finish();
            let second = start("second");
            second.link(&first.span_context(), &[]);
            second.event("noted", &[]);
            second.finish();
        })
    }),
];

fn cases() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/context.json");
    let file = std::fs::read_to_string(path).expect("the contract is beside the kit");
    let file: Json = serde_json::from_str(&file).expect("the contract is JSON");
    file["cases"].as_array().expect("there are cases").clone()
}

fn judge(case: &Json, recorder: &mut Recorder) {
    if case["name"] == "cancel" {
        // A task that is aborted ends when its runtime comes to it, which may be after its parent: that is what the leak watch says.
        recorder.allow_leaks();
    }
    let shown: Vec<&str> = case["attributes"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let want = case["tree"].as_str().unwrap_or_default();
    assert_eq!(recorder.tree(&shown), want, "{}", case["name"]);
}

fn program(case: &Json) -> Program {
    let name = case["name"].as_str().unwrap_or_default();
    PROGRAMS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no program {name}")).1
}

#[tokio::test]
async fn every_program_of_the_contract_leaves_its_tree() {
    assert_eq!(cases().len(), PROGRAMS.len());
    for case in cases() {
        let mut recorder = Recorder::start();
        program(&case)().await;
        recorder.complete(1).await.expect("all spans end");
        judge(&case, &mut recorder);
    }
}

#[test]
fn every_program_leaves_its_tree_on_many_threads() {
    for case in cases() {
        let mut recorder = Recorder::start();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .enable_all()
            .on_thread_start(recorder.marker())
            .build()
            .expect("a runtime");
        runtime.block_on(program(&case)());
        recorder.wait().expect("all spans end");
        judge(&case, &mut recorder);
    }
}

/// What a future or a stream still holds when it is dropped ends before the span around it, and in it.
struct Held(Option<Span>);

impl Drop for Held {
    fn drop(&mut self) {
        leaf("last words");
        self.0.take();
    }
}

const HELD: &str = "trace 1\n└─ INTERNAL outer (test)\n   ├─ INTERNAL held\n   └─ INTERNAL last words\n";

#[tokio::test]
async fn a_detached_task_that_is_aborted_ends_its_children_first() {
    let recorder = Recorder::start();
    let (started, wait) = tokio::sync::oneshot::channel();
    let task = recorder
        .run(async {
            clew::detach("outer", async move {
                let _held = Held(Some(start("held")));
                started.send(()).expect("somebody waits");
                std::future::pending::<()>().await;
            })
            .abort_handle()
        })
        .await;
    wait.await.expect("it started");
    task.abort();
    recorder.complete(3).await.expect("three spans");
    assert_eq!(recorder.tree(&["clew.late"]), HELD);
}

#[tokio::test]
async fn a_stream_that_is_dropped_ends_its_children_first() {
    let recorder = Recorder::start();
    let held = std::cell::RefCell::new(None);
    let items = futures_util::stream::poll_fn(move |_| {
        held.borrow_mut().get_or_insert_with(|| Held(Some(start("held"))));
        std::task::Poll::Ready(Some(()))
    });
    let mut page = items.in_span("outer");
    page.next().await.expect("an item");
    drop(page);
    recorder.complete(3).await.expect("three spans");
    assert_eq!(recorder.tree(&["clew.late"]), HELD);
}

#[tokio::test]
async fn a_carried_future_that_is_dropped_ends_in_its_context() {
    let recorder = Recorder::start();
    let outer = start("outer");
    let carried = outer.in_scope(clew::task::carried);
    for number in 0..2 {
        let work = async {
            let _held = Held(Some(start("held")));
            std::future::pending::<()>().await;
        };
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        if number == 0 {
            let mut future = Box::pin(carried.instrument(work));
            assert!(future.as_mut().poll(&mut cx).is_pending());
        } else {
            let mut future = Box::pin(outer.context().instrument(work));
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
    }
    outer.finish();
    recorder.complete(5).await.expect("five spans");
    let tree = recorder.tree(&["clew.late"]);
    assert_eq!(tree.lines().count(), 6, "{tree}");
    assert!(tree.starts_with("trace 1\n└─ INTERNAL outer (test)\n"), "{tree}");
}

#[tokio::test]
async fn the_first_part_of_a_periodic_run_is_in_its_span_too() {
    let recorder = Recorder::start();
    let (ticked, mut wait) = tokio::sync::mpsc::channel::<()>(1);
    let ticker = recorder
        .run(async {
            clew::task::every(Duration::from_millis(1), "tick", move || {
                leaf("asked");
                let ticked = ticked.clone();
                async move {
                    ticked.send(()).await.map_err(|_| "nobody waits")?;
                    std::future::pending::<Result<(), &str>>().await
                }
            })
            .abort_handle()
        })
        .await;
    wait.recv().await.expect("a tick");
    ticker.abort();
    recorder.complete(2).await.expect("two spans");
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ INTERNAL tick (test)\n   └─ INTERNAL asked\n");
}
