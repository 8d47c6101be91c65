//! The tower layers around a real axum service, without and with a network.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use bytes::Bytes;
use clew::testing::Recorder;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use tower::ServiceExt;

const ALL: [&str; 18] = [
    "http.request.method",
    "http.request.method_original",
    "http.route",
    "http.response.status_code",
    "url.path",
    "url.scheme",
    "url.query",
    "url.full",
    "server.address",
    "server.port",
    "network.protocol.version",
    "client.address",
    "user_agent.original",
    "error.type",
    "rpc.system.name",
    "rpc.method",
    "rpc.status_code",
    "exception.message",
];

fn app() -> Router {
    Router::new()
        .route("/orders/{id}", post(|| async { "placed" }).get(|| async { (StatusCode::NOT_FOUND, "none") }))
        .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("boom")
                }
            }),
        )
        .route("/healthz", get(|| async { "fine" }))
        .route(
            "/stream",
            get(|| async {
                let parts = futures_util::stream::iter(["a", "b", "c"]).map(|part| {
                    clew::Span::current().event("part", &[]);
                    Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from_static(part.as_bytes())))
                });
                Response::new(Body::new(StreamBody::new(parts)))
            }),
        )
        .layer(clew::http())
}

fn request(method: &str, target: &str) -> Request<Body> {
    Request::builder().method(method).uri(target).header("host", "shop.example:8080").body(Body::empty()).expect("a request")
}

async fn read(app: &Router, request: Request<Body>) -> (StatusCode, Bytes) {
    let response = app.clone().oneshot(request).await.expect("infallible");
    let status = response.status();
    (status, response.into_body().collect().await.expect("a body").to_bytes())
}

#[tokio::test]
async fn a_request_is_a_span_with_the_words_of_the_contract() {
    let recorder = Recorder::start();
    let mut request = request("POST", "/orders/7?token=abc&page=2");
    request.headers_mut().insert("user-agent", "curl/8".parse().expect("a value"));
    request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([10, 0, 0, 7], 5555))));
    assert_eq!(read(&app(), request).await, (StatusCode::OK, Bytes::from_static(b"placed")));
    assert_eq!(
        recorder.tree(&ALL),
        "trace 1\n\
         └─ SERVER POST /orders/{id} (test) client.address=10.0.0.7 http.request.method=POST http.response.status_code=200 \
         http.route=/orders/{id} network.protocol.version=1.1 server.address=shop.example server.port=8080 url.path=/orders/7 \
         url.query=\"token=REDACTED&page=2\" url.scheme=http user_agent.original=curl/8\n"
    );
}

#[tokio::test]
async fn statuses_unknown_methods_and_missing_routes_are_told_apart() {
    let shown = ["http.request.method", "http.request.method_original", "http.response.status_code", "error.type"];
    for (method, target, want) in [
        ("GET", "/orders/7", "GET /orders/{id} (test) http.request.method=GET http.response.status_code=404"),
        ("GET", "/broken", "GET /broken (test) error.type=502 http.request.method=GET http.response.status_code=502 ERROR"),
        ("GET", "/nowhere", "GET (test) http.request.method=GET http.response.status_code=404"),
        (
            "BREW",
            "/broken",
            "HTTP /broken (test) http.request.method=_OTHER http.request.method_original=BREW http.response.status_code=405",
        ),
    ] {
        let recorder = Recorder::start();
        read(&app(), request(method, target)).await;
        assert_eq!(recorder.tree(&shown), format!("trace 1\n└─ SERVER {want}\n"));
    }
}

#[tokio::test]
async fn excluded_routes_have_no_span_but_context_passes_through() {
    let recorder = Recorder::start();
    assert_eq!(read(&app(), request("GET", "/healthz")).await.0, StatusCode::OK);
    let seen = Router::new().route("/metrics", get(|| async { clew::current().span.trace_id.to_string() })).layer(clew::http());
    let mut asked = request("GET", "/metrics");
    asked.headers_mut().insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a value"));
    assert_eq!(read(&seen, asked).await.1, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(recorder.tree(&[]), "");
    // The same holds while the body is written.
    let written = || {
        let trace = std::iter::once(()).map(|()| clew::current().span.trace_id.to_string());
        let parts =
            futures_util::stream::iter(trace).map(|trace| Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from(trace))));
        Response::new(Body::new(StreamBody::new(parts)))
    };
    let seen = Router::new().route("/metrics", get(move || async move { written() })).layer(clew::http());
    let mut asked = request("GET", "/metrics");
    asked.headers_mut().insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a value"));
    assert_eq!(read(&seen, asked).await.1, "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn the_span_ends_with_the_body_and_runs_through_it() {
    let recorder = Recorder::start();
    let app = app();
    let response = app.clone().oneshot(request("GET", "/stream")).await.expect("infallible");
    assert!(recorder.tree(&[]).contains("(open)"), "{}", recorder.tree(&[]));
    response.into_body().collect().await.expect("a body");
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ SERVER GET /stream (test)\n   ├─ event part\n   ├─ event part\n   └─ event part\n");
}

#[tokio::test]
async fn a_peer_that_goes_away_is_no_error() {
    let recorder = Recorder::start();
    let app = app();
    let response = app.clone().oneshot(request("GET", "/stream")).await.expect("infallible");
    drop(response);
    let want = "trace 1\n└─ SERVER GET /stream (test) error.type=client_disconnected http.response.status_code=200\n";
    assert_eq!(recorder.tree(&["error.type", "http.response.status_code"]), want);
    // Before the answer has begun there is no status.
    let recorder = Recorder::start();
    let slow = Router::new().route("/slow", get(|| async { std::future::pending::<()>().await })).layer(clew::http());
    let answer = slow.oneshot(request("GET", "/slow"));
    assert!(tokio::time::timeout(Duration::from_millis(5), answer).await.is_err());
    assert_eq!(
        recorder.tree(&["error.type", "http.response.status_code"]),
        "trace 1\n└─ SERVER GET /slow (test) error.type=client_disconnected\n"
    );
}

#[tokio::test]
async fn an_answer_without_a_body_ends_at_once() {
    for method in ["HEAD", "GET"] {
        let recorder = Recorder::start();
        let app =
            Router::new().route("/none", get(|| async { (StatusCode::NO_CONTENT, "") }).head(|| async { "not sent" })).layer(clew::http());
        let response = app.oneshot(request(method, "/none")).await.expect("infallible");
        assert_eq!(recorder.tree(&[]), format!("trace 1\n└─ SERVER {method} /none (test)\n"));
        drop(response);
    }
}

#[tokio::test]
async fn a_panic_is_recorded_and_goes_on() {
    let recorder = Recorder::start();
    let answer = tokio::spawn(app().oneshot(request("GET", "/panic"))).await;
    assert!(answer.is_err_and(|error| error.is_panic()));
    assert_eq!(
        recorder.tree(&["error.type", "http.response.status_code", "exception.message"]),
        "trace 1\n└─ SERVER GET /panic (test) error.type=panic http.response.status_code=500 ERROR \"panic: boom\"\n   \
         └─ event exception exception.message=boom\n"
    );
    let stack = recorder.spans()[0].events[0].attributes.iter().find(|(key, _)| key == "exception.stacktrace").cloned();
    assert!(matches!(&stack, Some((_, clew::testing::Value::Text(text))) if text.contains("http::app")), "{stack:?}");
}

#[tokio::test]
async fn callers_are_parents_unless_the_endpoint_is_public() {
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-01";
    let ask = |path: &str| {
        let mut request = request("POST", path);
        request.headers_mut().insert("traceparent", caller.parse().expect("a value"));
        request.headers_mut().insert("baggage", "user=7".parse().expect("a value"));
        request
    };
    let baggage = || async { clew::current().baggage("user").unwrap_or("none").to_owned() };
    let app = Router::new()
        .route("/inner", post(baggage))
        .route("/outer", post(baggage))
        .layer(clew::http().public(|uri| uri.path() == "/outer"));

    let recorder = Recorder::start();
    assert_eq!(read(&app, ask("/inner")).await.1, "7");
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ SERVER POST /inner (test) (parent missing)\n");
    drop(recorder);

    let recorder = Recorder::start();
    assert_eq!(read(&app, ask("/outer")).await.1, "none");
    assert_eq!(recorder.tree(&[]), "trace 1\n└─ SERVER POST /outer (test)\n   └─ link (missing)\n");
    assert_ne!(recorder.spans()[0].trace, recorder.spans()[0].links[0].trace);
}

#[tokio::test]
async fn a_public_endpoint_that_is_not_recorded_takes_nothing_of_its_caller() {
    let _recorder = Recorder::start();
    let seen = || async {
        let context = clew::current();
        format!("{} {}", context.span.is_valid(), context.baggage("user").unwrap_or("none"))
    };
    let app = |public: fn(&axum::http::Uri) -> bool| Router::new().route("/health", get(seen)).layer(clew::http().public(public));
    let ask = || {
        let mut request = request("GET", "/health");
        request.headers_mut().insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-01".parse().expect("a value"));
        request.headers_mut().insert("baggage", "user=7".parse().expect("a value"));
        request
    };
    assert_eq!(read(&app(|_| false), ask()).await.1, "true 7");
    assert_eq!(read(&app(|_| true), ask()).await.1, "false none");
}

#[tokio::test]
async fn the_summary_of_a_failed_request_says_which_it_was() {
    let recorder = Recorder::start();
    let failing = || async { StatusCode::SERVICE_UNAVAILABLE };
    let app = Router::new().route("/orders/{id}", get(failing)).layer(clew::http());
    let mut request = request("GET", "/orders/7");
    request.headers_mut().insert("traceparent", "00-5bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00".parse().expect("a value"));
    read(&app, request).await;
    assert_eq!(
        recorder.tree(&[
            "clew.sampling.summary",
            "error.type",
            "http.request.method",
            "http.response.status_code",
            "http.route",
            "url.path"
        ]),
        "trace 1\n└─ SERVER GET /orders/{id} (test) (parent missing) clew.sampling.summary=true error.type=503 \
         http.request.method=GET http.response.status_code=503 http.route=/orders/{id} url.path=/orders/7 ERROR\n"
    );
}

#[tokio::test]
async fn over_a_network_a_request_is_one_trace() {
    let recorder = Recorder::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let app = app().into_make_service_with_connect_info::<std::net::SocketAddr>();
        axum::serve(listener, app).await.expect("served");
    });
    let root = clew::span::start(clew::Component::App, clew::Level::Standard, clew::Kind::Internal, "test", Default::default());
    root.clone()
        .instrument(async {
            use clew::reqwest::RequestBuilderExt;
            let client = reqwest::Client::new();
            let answer = client.post(format!("http://{address}/orders/7?password=x")).clew().await.expect("an answer");
            assert_eq!(answer.url().path(), "/orders/7");
            assert_eq!(answer.text().await.expect("a text"), "placed");

            let connector = hyper_util::client::legacy::connect::HttpConnector::new();
            let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector);
            let client = tower::ServiceBuilder::new().layer(clew::http_client()).service(client);
            let request = Request::get(format!("http://{address}/broken")).body(Body::empty()).expect("a request");
            let answer = client.oneshot(request).await.expect("an answer");
            answer.into_body().collect().await.expect("a body");
        })
        .await;
    root.finish();
    recorder.complete(5).await.expect("both ends");
    server.abort();
    let port = address.port().to_string();
    assert_eq!(
        recorder.tree(&["url.full", "server.port", "client.address", "error.type"]).replace(&port, "PORT"),
        "trace 1\n\
         └─ INTERNAL test (test)\n   \
            ├─ CLIENT POST server.port=PORT url.full=\"http://127.0.0.1:PORT/orders/7?password=REDACTED\"\n   \
            │  └─ SERVER POST /orders/{id} client.address=127.0.0.1 server.port=PORT\n   \
            └─ CLIENT GET error.type=502 server.port=PORT url.full=http://127.0.0.1:PORT/broken ERROR\n      \
               └─ SERVER GET /broken client.address=127.0.0.1 error.type=502 server.port=PORT ERROR\n"
    );
}

#[tokio::test]
async fn a_refused_connection_is_an_error_without_secrets() {
    use clew::reqwest::RequestBuilderExt;
    let recorder = Recorder::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = reqwest::Client::new().get(format!("http://{address}/x?api_key=secret")).clew().await;
    assert!(error.is_err());
    let spans = recorder.spans();
    let clew::testing::Status::Error(message) = &spans[0].status else { panic!("{spans:?}") };
    assert!(!message.contains("secret"), "{message}");
    assert!(spans[0].attribute("http.response.status_code").is_none());
}

#[tokio::test]
async fn a_peer_that_only_says_to_be_grpc_makes_no_labels() {
    let recorder = Recorder::start();
    recorder
        .run(async {
            for number in 0..3 {
                for path in [format!("/orders/x{number}"), "/healthz".to_owned()] {
                    let request = Request::get(path).header("content-type", "application/grpc").body(Body::empty()).expect("a request");
                    let answer = app().oneshot(request).await.expect("it is infallible");
                    answer.into_body().collect().await.expect("a body");
                }
            }
        })
        .await;
    let spans = recorder.spans();
    assert_eq!(spans.iter().filter(|span| span.name.contains("healthz")).count(), 0, "what is excluded stays so");
    let text = clew::metrics::text();
    assert!(text.contains("_OTHER"), "{text}");
    assert!(!text.contains("orders/x"), "{text}");
}
