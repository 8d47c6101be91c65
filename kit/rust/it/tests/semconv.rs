//! `kit/contract/semconv.json`: what happens, and the span that it makes. Statements of SQL and messages that are sent need their servers:
//! see `sqlx.rs` and `nats.rs`.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use clew::Carrier as _;
use clew::testing::{Recorder, Span, Status, Value};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use serde_json::Value as Json;
use tower::{Layer, ServiceExt, service_fn};

#[derive(Clone)]
struct Route(String);

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn frames(trailers: Option<HeaderMap>, panics: bool) -> Body {
    let data = (!panics).then(|| http_body::Frame::data(Bytes::from_static(b"x")));
    let last = trailers.map(http_body::Frame::trailers);
    let parts = data.into_iter().chain(last).map(Ok::<_, Infallible>);
    let end = std::iter::from_fn(move || if panics { panic!("boom") } else { None });
    Body::new(StreamBody::new(futures_util::stream::iter(parts.chain(end))))
}

fn answer(outcome: &Json) -> Response<Body> {
    let kind = text(&outcome["kind"]);
    if kind == "panic" {
        panic!("{}", text(&outcome["text"]));
    }
    let status = outcome["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    Response::builder().status(status).body(frames(None, kind == "panic after headers")).expect("a response")
}

async fn http_server(scenario: &Json) {
    let outcome = scenario["outcome"].clone();
    let service = service_fn(move |_: Request<Body>| {
        let outcome = outcome.clone();
        async move { Ok::<_, Infallible>(answer(&outcome)) }
    });
    let service = clew::http().route(|extensions| extensions.get::<Route>().map(|route| route.0.as_str())).layer(service);
    let target = match text(&scenario["scheme"]) {
        // A server of HTTP/2 has the scheme in the target; that of HTTP/1.1 has it not.
        "https" => format!("https://{}{}", text(&scenario["host"]), text(&scenario["target"])),
        _ => text(&scenario["target"]).to_owned(),
    };
    let mut request = Request::builder().method(text(&scenario["method"])).uri(target).header("host", text(&scenario["host"]));
    for (name, value) in scenario["headers"].as_object().into_iter().flatten() {
        request = request.header(name, text(value));
    }
    let peer: SocketAddr = text(&scenario["peer"]).parse().expect("an address");
    request = request.extension(ConnectInfo(peer));
    if let Some(route) = scenario["route"].as_str() {
        request = request.extension(Route(route.to_owned()));
    }
    let request = request.body(Body::empty()).expect("a request");
    // A panic goes on; the task keeps it from the test.
    let _ = tokio::spawn(async move {
        let response = service.oneshot(request).await.expect("infallible");
        let _ = response.into_body().collect().await;
    })
    .await;
}

async fn http_client(scenario: &Json) {
    let outcome = scenario["outcome"].clone();
    let service = service_fn(move |_: Request<Body>| {
        let outcome = outcome.clone();
        async move { Ok::<_, Infallible>(answer(&outcome)) }
    });
    let request = Request::builder().method(text(&scenario["method"])).uri(text(&scenario["url"])).body(Body::empty()).expect("a request");
    let response = clew::http_client().layer(service).oneshot(request).await.expect("infallible");
    response.into_body().collect().await.expect("a body");
}

async fn grpc(scenario: &Json, server: bool) {
    let (code, message) = (scenario["code"].to_string(), text(&scenario["message"]).to_owned());
    let service = service_fn(move |_: Request<Body>| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", code.parse().expect("a number"));
        trailers.insert("grpc-message", message.replace(' ', "%20").parse().expect("a text"));
        async move { Ok::<_, Infallible>(Response::new(frames(Some(trailers), false))) }
    });
    let target = format!("http://{}/{}", text(&scenario["authority"]), text(&scenario["method"]));
    let request = Request::post(target).header("content-type", "application/grpc").body(Body::empty()).expect("a request");
    let body = if server {
        clew::http().layer(service).oneshot(request).await.expect("infallible").into_body().collect().await
    } else {
        clew::http_client().layer(service).oneshot(request).await.expect("infallible").into_body().collect().await
    };
    body.expect("a body");
}

/// A connection that says yes to everything.
struct Yes(i64);

impl redis::aio::ConnectionLike for Yes {
    fn req_packed_command<'a>(&'a mut self, _: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        Box::pin(async { Ok(redis::Value::Okay) })
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a redis::Pipeline, _: usize, n: usize) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        Box::pin(async move { Ok(vec![redis::Value::Okay; n]) })
    }

    fn get_db(&self) -> i64 {
        self.0
    }
}

async fn redis(scenario: &Json) {
    let database = text(&scenario["namespace"]).parse().expect("a number");
    let port = scenario["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    let mut connection = clew::redis::wrap_at(Yes(database), text(&scenario["host"]), port);
    let mut command = redis::Cmd::new();
    for argument in scenario["command"].as_array().into_iter().flatten() {
        command.arg(text(argument));
    }
    let _: redis::Value = command.query_async(&mut connection).await.expect("yes");
}

fn message(scenario: &Json, number: u64) -> async_nats::Message {
    let mut headers = async_nats::HeaderMap::new();
    if number > 0 {
        headers.set("traceparent", &format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{number:016x}-01"));
    }
    async_nats::Message {
        subject: text(&scenario["destination"]).into(),
        reply: None,
        payload: vec![0; scenario["body"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)].into(),
        headers: Some(headers),
        status: None,
        description: None,
        length: 0,
    }
}

async fn process(scenario: &Json) {
    let (destination, group) = (text(&scenario["destination"]), text(&scenario["group"]));
    let causes = scenario["causes"].as_u64().unwrap_or(0);
    let result = match scenario["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(()),
    };
    let _ = if scenario["operation"] == "process batch" {
        let messages: Vec<_> = (1..=causes).map(|number| message(scenario, number)).collect();
        let messages: Vec<_> = messages.iter().collect();
        clew::nats::process_batch(destination, &messages, group, async { result }).await
    } else {
        clew::nats::process(&message(scenario, causes), group, async { result }).await
    };
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Int(number) => (*number).into(),
        Value::Bool(bit) => (*bit).into(),
        other => other.to_string().into(),
    }
}

fn judge(name: &str, want: &Json, span: &Span) {
    let (status, said) = match &span.status {
        Status::Unset => ("UNSET", ""),
        Status::Ok => ("OK", ""),
        Status::Error(message) => ("ERROR", message.as_str()),
    };
    assert_eq!((span.kind_name(), &*span.name, status), (text(&want["kind"]), text(&want["name"]), text(&want["status"])), "{name}");
    if let Some(message) = want["message"].as_str() {
        assert_eq!(said, message, "{name}");
    }
    if let Some(links) = want["links"].as_u64() {
        assert_eq!(span.links.len() as u64, links, "{name}");
    }
    let wanted = want["attributes"].as_object().expect("attributes");
    let mut got: serde_json::Map<String, Json> = span.attributes.iter().map(|(key, value)| (key.clone(), plain(value))).collect();
    if span.kind_name() == "CLIENT" {
        got.remove("network.protocol.version");
    }
    if !wanted.contains_key("error.type") && status == "ERROR" {
        // The language's own name of the error.
        got.remove("error.type");
    }
    assert_eq!(&got, wanted, "{name}");
}

#[tokio::test]
async fn every_scenario_of_the_contract_makes_its_span() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract/semconv.json");
    let file = std::fs::read_to_string(path).expect("the contract is beside the kit");
    let file: Json = serde_json::from_str(&file).expect("the contract is JSON");
    let mut judged = 0;
    for case in file["cases"].as_array().expect("there are cases") {
        let (name, scenario) = (text(&case["name"]), &case["scenario"]);
        let recorder = Recorder::start();
        match text(&scenario["type"]) {
            // reqwest follows redirects within one call, and a tower client sees no count.
            "http.client" if scenario["resend"] != 0 || scenario["outcome"]["kind"] != "answer" => continue,
            "http.server" => http_server(scenario).await,
            "http.client" => http_client(scenario).await,
            "grpc.server" => grpc(scenario, true).await,
            "grpc.client" => grpc(scenario, false).await,
            "redis" => redis(scenario).await,
            "messaging" if scenario["system"] == "nats" && scenario["operation"] != "send" => process(scenario).await,
            _ => continue,
        }
        judged += 1;
        let spans = recorder.spans();
        if case["span"].is_null() {
            assert_eq!(spans, [], "{name}");
        } else {
            assert_eq!(spans.len(), 1, "{name}");
            judge(name, &case["span"], &spans[0]);
        }
    }
    assert!(judged >= 65, "only {judged} scenarios were judged");
}
