//! Baggage and redirects: no host that `propagate_to` does not name gets any, whoever sends it there.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use clew::Context;
use clew::reqwest::RequestBuilderExt;
use clew::testing::Recorder;

/// What was asked for, and with which baggage.
type Seen = Arc<Mutex<Vec<(&'static str, String)>>>;

async fn serve(name: &'static str, seen: &Seen, on: Option<String>) -> u16 {
    let seen = seen.clone();
    let answer = move |headers: HeaderMap| async move {
        assert!(headers.contains_key("traceparent"), "the context goes everywhere");
        let baggage = headers.get("baggage").map_or("none", |value| value.to_str().expect("a text"));
        seen.lock().expect("no panic").push((name, baggage.to_owned()));
        match on {
            Some(on) => (StatusCode::FOUND, [(header::LOCATION, on)]),
            None => (StatusCode::OK, [(header::LOCATION, String::new())]),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    port
}

#[tokio::test]
async fn a_redirect_takes_baggage_to_no_other_host() {
    let _recorder = Recorder::start();
    let seen = Seen::default();
    let there = serve("localhost", &seen, None).await;
    let here = serve("127.0.0.1", &seen, Some(format!("http://localhost:{there}/"))).await;
    let url = format!("http://127.0.0.1:{here}/");
    let follows = reqwest::Client::builder().no_proxy().build().expect("a client");
    let direct = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let user = Context::default().with_baggage("user", "7");
    let taken = || std::mem::take(&mut *seen.lock().expect("no panic"));
    let visits = |first: &str, second: &str| vec![("127.0.0.1", first.to_owned()), ("localhost", second.to_owned())];

    for (to, first, second) in [("[]", "none", "none"), (r#"["127.0.0.1"]"#, "none", "none"), (r#"["*"]"#, "user=7", "user=7")] {
        clew::apply_policy(format!(r#"{{"propagate_to":{to}}}"#).as_bytes()).expect("a policy");
        user.instrument(async { follows.get(&url).clew().await }).await.expect("an answer");
        assert_eq!(taken(), visits(first, second), "propagate_to {to}");
    }

    for (to, baggage) in [("[]", "none"), (r#"["127.0.0.1"]"#, "user=7"), (r#"["localhost"]"#, "none")] {
        for component in ["standard", "off"] {
            clew::apply_policy(format!(r#"{{"propagate_to":{to},"components":{{"http":"{component}"}}}}"#).as_bytes()).expect("a policy");
            let parent =
                clew::extract(&vec![("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-01".to_owned())]);
            let context = parent.with_baggage("user", "7");
            let answer = context.instrument(async { direct.get(&url).clew_direct().await }).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::FOUND);
            assert_eq!(
                taken(),
                visits("", "")[..1].iter().map(|(at, _)| (*at, baggage.to_owned())).collect::<Vec<_>>(),
                "{to}, {component}"
            );
        }
    }
}
