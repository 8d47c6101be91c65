//! `kit/contract/semconv.json`: what happens, and the span that it makes. A database that is told to be another one, a server that knows as
//! much of NATS as a publisher asks for, and librdkafka's own broker stand for those that are not here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use clew::nats::ClientExt as _;
use clew::reqwest::RequestBuilderExt as _;
use clew::testing::{Recorder, Span, Status, Value};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
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

/// Connects and is never answered.
async fn http_timeout(scenario: &Json) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let url: reqwest::Url = text(&scenario["url"]).parse().expect("an address");
    let host = url.host_str().expect("a host");
    let client = reqwest::Client::builder().no_proxy().resolve(host, address).build().expect("a client");
    let method = text(&scenario["method"]).parse().expect("a method");
    let request = client.request(method, url).timeout(Duration::from_millis(20));
    assert!(request.clew().await.is_err_and(|error| error.is_timeout()));
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

/// SQLite, told to be the database of the scenario. It has a table that refuses to lose a row.
async fn sql(scenario: &Json) {
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.expect("a database");
    for statement in [
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)",
        "CREATE TRIGGER kept BEFORE DELETE ON orders BEGIN SELECT RAISE(ABORT, 'kept'); END",
        "INSERT INTO orders VALUES (7, 'x''y')",
    ] {
        sqlx::query(statement).execute(&pool).await.expect("made");
    }
    let system: &'static str = Box::leak(text(&scenario["system"]).to_owned().into_boxed_str());
    let port = scenario["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
    let db = clew::sqlx::wrap(pool).system(system).server(text(&scenario["host"]), port).namespace(text(&scenario["namespace"]));
    let statement = text(&scenario["text"]);
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
    if statement.contains("$2") {
        query = query.bind(8).bind("a note");
    }
    match (scenario["error"]["code"].as_str(), text(&scenario["error"]["kind"])) {
        (Some(_), _) => assert!(query.execute(&db).await.is_err_and(|error| error.as_database_error().is_some())),
        (None, "no rows") => assert!(matches!(query.fetch_one(&db).await, Err(sqlx::Error::RowNotFound))),
        _ => drop(query.fetch_all(&db).await.expect("rows")),
    }
}

async fn messaging(scenario: &Json) {
    match (text(&scenario["system"]), text(&scenario["operation"])) {
        ("nats", "send") => nats_send(scenario).await,
        ("nats", _) => nats_process(scenario).await,
        ("kafka", "send") => kafka_send(scenario).await,
        ("kafka", _) => kafka_process(scenario).await,
        (system, _) => panic!("{system}"),
    }
}

fn payload(scenario: &Json) -> Vec<u8> {
    vec![0; scenario["body"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)]
}

/// Publishes to a server that says hello and answers pings.
async fn nats_send(scenario: &Json) {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let (read, mut write) = stream.into_split();
        let hello = format!(
            "INFO {{\"server_id\":\"x\",\"version\":\"2.10.0\",\"port\":{},\"headers\":true,\"max_payload\":1024,\"proto\":1}}\r\n",
            address.port()
        );
        write.write_all(hello.as_bytes()).await.expect("said");
        let mut lines = tokio::io::BufReader::new(read).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            if line.starts_with(b"PING") {
                write.write_all(b"PONG\r\n").await.expect("said");
            }
        }
    });
    let client = async_nats::connect(address.to_string()).await.expect("connected");
    client.clew().publish(text(&scenario["destination"]), payload(scenario).into()).await.expect("published");
    server.abort();
}

async fn kafka_send(scenario: &Json) {
    let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("a broker");
    let topic = text(&scenario["destination"]);
    cluster.create_topic(topic, 1, 1).expect("a topic");
    let producer: FutureProducer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().expect("a producer");
    let payload = payload(scenario);
    let record = FutureRecord::<(), _>::to(topic).payload(&payload);
    clew::rdkafka::send(&producer, record, Duration::from_secs(10)).await.expect("delivered");
}

async fn kafka_process(scenario: &Json) {
    let (topic, group) = (text(&scenario["destination"]), text(&scenario["group"]));
    let causes = scenario["causes"].as_u64().unwrap_or(0);
    let message = |number: u64| {
        let value = (number > 0).then(|| traceparent(number));
        let headers = value.iter().fold(OwnedHeaders::new(), |all, v| all.insert(Header { key: "traceparent", value: Some(v) }));
        OwnedMessage::new(Some(payload(scenario)), None, topic.to_owned(), rdkafka::Timestamp::NotAvailable, 0, 0, Some(headers))
    };
    let result = scenario["error"].as_str().map_or(Ok(()), |error| Err(error.to_owned()));
    let _ = if scenario["operation"] == "process batch" {
        let messages: Vec<OwnedMessage> = (1..=causes).map(message).collect();
        clew::rdkafka::process_batch(topic, &messages, group, async { result }).await
    } else {
        clew::rdkafka::process(&message(causes), group, async { result }).await
    };
}

fn traceparent(number: u64) -> String {
    format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{number:016x}-01")
}

fn message(scenario: &Json, number: u64) -> async_nats::Message {
    let mut headers = async_nats::HeaderMap::new();
    if number > 0 {
        headers.insert("traceparent", traceparent(number));
    }
    async_nats::Message {
        subject: text(&scenario["destination"]).into(),
        reply: None,
        payload: payload(scenario).into(),
        headers: Some(headers),
        status: None,
        description: None,
        length: 0,
    }
}

async fn nats_process(scenario: &Json) {
    let (destination, group) = (text(&scenario["destination"]), text(&scenario["group"]));
    let causes = scenario["causes"].as_u64().unwrap_or(0);
    let result = scenario["error"].as_str().map_or(Ok(()), |error| Err(error.to_owned()));
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
    if name.contains("kafka") {
        // Where a record lies is told beside what all brokers have in common.
        got.retain(|key, _| key != "messaging.destination.partition.id" && key != "messaging.kafka.offset");
    }
    if let (Some(code), Some(wanted)) = (got.get("db.response.status_code"), wanted.get("db.response.status_code")) {
        // SQLite's code for a row that a trigger keeps, where the contract has PostgreSQL's.
        assert_eq!((code, got.get("error.type")), (&Json::from("1811"), Some(code)), "{name}");
        let wanted = wanted.clone();
        got.insert("error.type".to_owned(), wanted.clone());
        got.insert("db.response.status_code".to_owned(), wanted);
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
            "http.client" if scenario["resend"] != 0 => continue,
            "http.client" if scenario["outcome"]["kind"] == "timeout" => http_timeout(scenario).await,
            "http.server" => http_server(scenario).await,
            "http.client" => http_client(scenario).await,
            "grpc.server" => grpc(scenario, true).await,
            "grpc.client" => grpc(scenario, false).await,
            "redis" => redis(scenario).await,
            "sql" => sql(scenario).await,
            "messaging" => messaging(scenario).await,
            other => panic!("{name}: {other}"),
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
    assert!(judged >= 85, "only {judged} scenarios were judged");
}
