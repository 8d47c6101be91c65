//! `kit/contract/context.json`: programs that hand work on, as this language writes them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use clew::reqwest::RequestBuilderExt;
use clew::span::{self, Parent};
use clew::task::{JoinSetExt, StreamExt as _};
use clew::testing::Recorder;
use clew::{Component, Context, Kind, Level, SAMPLED, Span, SpanContext, SpanId, TraceId};
use futures_util::StreamExt as _;
use http_body_util::BodyExt;
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

const PROGRAMS: [(&str, Program); 19] = [
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
    ("unsampled", || {
        Box::pin(async {
            let mut caller = caller();
            caller.span.flags = SAMPLED;
            start_below("known", &caller).finish();
            caller.span.flags = 0;
            let request = start_below("request", &caller);
            let work = async {
                let failing = async {
                    let audit = start("audit");
                    audit.fail_text("handled");
                    audit.finish();
                };
                clew::spawn(failing).await.expect("joined");
            };
            request.clone().instrument(work).await;
            request.finish();
        })
    }),
    ("a root under an unsampled span", || {
        Box::pin(async {
            let request = start_below("request", &caller());
            request.in_scope(|| {
                clew::tracing::info_span!(parent: None, "other").in_scope(|| leaf("below"));
            });
            request.finish();
        })
    }),
    ("two threads", || {
        Box::pin(async {
            let request = start("request");
            let (started, wait) = std::sync::mpsc::channel();
            let (ended, told) = std::sync::mpsc::channel();
            let (one, two) = (request.clone(), request.clone());
            let first = tokio::task::spawn_blocking(move || {
                one.in_scope(|| {
                    wait.recv().expect("the second starts");
                    leaf("a");
                    ended.send(()).expect("the second waits");
                });
            });
            let second = tokio::task::spawn_blocking(move || {
                two.in_scope(|| {
                    started.send(()).expect("the first waits");
                    told.recv().expect("the first ends");
                    leaf("b");
                });
            });
            first.await.expect("joined");
            second.await.expect("joined");
            request.finish();
        })
    }),
    ("out of order", || {
        Box::pin(async {
            let first = clew::tracing::info_span!("first");
            let in_first = first.enter();
            let second = clew::tracing::info_span!(parent: None, "second");
            let in_second = second.enter();
            drop(in_first);
            drop(first);
            leaf("below");
            drop(in_second);
        })
    }),
    ("set twice", || {
        Box::pin(async {
            let work = start("work");
            work.set("a", 1);
            work.set("b", true);
            work.set("a", "two");
            work.finish();
        })
    }),
    ("public", || {
        Box::pin(async {
            let handler = || async {
                let user = clew::current().baggage("user").unwrap_or("none").to_owned();
                Span::current().set("user", &user);
            };
            let app = axum::Router::new().route("/public", axum::routing::get(handler)).layer(clew::http().public(|_| true));
            let request = http::Request::get("/public")
                .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4703-00f067aa0ba902b7-00")
                .header("tracestate", "ot=th:0")
                .header("baggage", "user=7")
                .body(axum::body::Body::empty())
                .expect("a request");
            let answer = app.oneshot(request).await.expect("an answer");
            answer.into_body().collect().await.expect("a body");
        })
    }),
    ("response", || {
        Box::pin(async {
            let handler = || async {
                axum::body::Body::from_stream(futures_util::stream::iter(0..2).map(|_| {
                    leaf("part");
                    Ok::<_, std::convert::Infallible>("part")
                }))
            };
            let app = axum::Router::new().route("/stream", axum::routing::get(handler)).layer(clew::http());
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let server = tokio::spawn(async move { axum::serve(listener, app).await });
            let answer = reqwest::Client::new().get(format!("http://{address}/stream")).clew().await.expect("an answer");
            assert_eq!(answer.text().await.expect("a body"), "partpart");
            server.abort();
        })
    }),
];

/// A span of another process, not sampled, in a trace that no other test has.
fn caller() -> Context {
    static TRACES: AtomicU64 = AtomicU64::new(1);
    let trace_id = TraceId((u128::from(TRACES.fetch_add(1, Relaxed)) << 64).to_be_bytes());
    Context { span: SpanContext { trace_id, span_id: SpanId([7; 8]), flags: 0, remote: true, state: None }, baggage: None }
}

fn start_below(name: &str, parent: &Context) -> Span {
    span::start(Component::App, Level::Standard, Kind::Internal, name, Parent::Of(parent))
}

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
    let spans = recorder.spans();
    for pair in case["ends"].as_array().into_iter().flatten() {
        let ends = |which: usize| {
            let ends = spans.iter().filter(|s| pair[which] == format!("{} {}", s.kind_name(), s.name)).map(|s| s.end);
            ends.max().unwrap_or_else(|| panic!("no span {}", pair[which]))
        };
        assert!(ends(0) <= ends(1), "{}: {pair}", case["name"]);
    }
    for span in &spans {
        let keys: std::collections::HashSet<&str> = span.attributes.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys.len(), span.attributes.len(), "{}: {:?}", case["name"], span.attributes);
    }
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
