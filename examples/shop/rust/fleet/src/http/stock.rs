//! HTTP with stock OpenTelemetry, which has no instrumentation of axum and
//! reqwest that follows its own releases: it is written out here.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::trace::Status;
use opentelemetry::{Context, KeyValue, global};
use tracing::{Instrument, Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{Answer, header, read, session_of};
use crate::telemetry::meters::METERS;
use crate::telemetry::stock as telemetry;

/// Axum middleware: a server span for each request, named after its route.
pub async fn inner_span(request: Request, next: Next) -> Response {
    let parent = extract(&request);
    in_span(parent, request, next).await
}

/// The same at the edge of the fleet, where a request's baggage begins: what
/// comes from outside is replaced by the shopper's session.
pub async fn edge_span(request: Request, next: Next) -> Response {
    let parent = telemetry::with_session(&extract(&request), session_of(&request));
    in_span(parent, request, next).await
}

fn extract(request: &Request) -> Context {
    global::get_text_map_propagator(|p| p.extract(&HeaderReader(request.headers())))
}

async fn in_span(parent: Context, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let span = span_of(&request);
    telemetry::adopt(&span, parent);
    telemetry::note_session(&span);
    let method = KeyValue::new("http.request.method", request.method().as_str().to_owned());
    let scheme = KeyValue::new("url.scheme", "http");
    let mut about = vec![method, scheme];
    METERS.http_active.add(1, &about);
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).instrument(span.clone()).await;
    METERS.http_active.add(-1, &about);
    about.extend(route.map(|route| KeyValue::new("http.route", route)));
    let status = response.status();
    about.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        about.push(KeyValue::new("error.type", status.as_str().to_owned()));
    }
    METERS.http_server.since(began, &about);
    span.set_attribute("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.set_attribute("error.type", response.status().as_str().to_owned());
        span.set_status(Status::error(""));
    }
    response
}

fn span_of(request: &Request) -> Span {
    let method = request.method().as_str();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = info_span!("request", otel.name = name, otel.kind = "server");
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("url.scheme", "http");
    span.set_attribute("url.path", request.uri().path().to_owned());
    span.set_attribute("network.protocol.version", "1.1");
    if let Some(query) = request.uri().query() {
        span.set_attribute("url.query", query.to_owned());
    }
    if let Some(route) = route {
        span.set_attribute("http.route", route.to_owned());
    }
    if let Some(host) = header(request, "host") {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
        span.set_attribute("server.address", name.to_owned());
        span.set_attribute("server.port", port.parse::<i64>().unwrap_or(80));
    }
    if let Some(agent) = header(request, "user-agent") {
        span.set_attribute("user_agent.original", agent.to_owned());
    }
    span
}

/// Sends one request as a client span and reads its JSON answer.
pub async fn call(
    client: &reqwest::Client,
    mut request: reqwest::Request,
    resend: i64,
) -> reqwest::Result<Answer> {
    let span = info_span!(
        "call",
        otel.name = request.method().as_str(),
        otel.kind = "client",
        http.request.method = request.method().as_str(),
        url.full = request.url().as_str(),
        server.address = request.url().host_str(),
        server.port = request.url().port_or_known_default(),
        http.request.resend_count = field::Empty,
        http.response.status_code = field::Empty,
    );
    if resend > 0 {
        span.record("http.request.resend_count", resend);
    }
    inject(&span.context(), request.headers_mut());
    let mut about =
        vec![KeyValue::new("http.request.method", request.method().as_str().to_owned())];
    if let Some(host) = request.url().host_str() {
        about.push(KeyValue::new("server.address", host.to_owned()));
    }
    if let Some(port) = request.url().port_or_known_default() {
        about.push(KeyValue::new("server.port", i64::from(port)));
    }
    let began = Instant::now();
    let answer = read(client.execute(request)).instrument(span.clone()).await;
    match &answer {
        Ok(answer) => {
            // A field of tracing of type u16 would arrive as text.
            span.record("http.response.status_code", i64::from(answer.status.as_u16()));
            about.push(KeyValue::new(
                "http.response.status_code",
                i64::from(answer.status.as_u16()),
            ));
            if answer.status.is_client_error() || answer.status.is_server_error() {
                about.push(KeyValue::new("error.type", answer.status.as_str().to_owned()));
                span.set_attribute("error.type", answer.status.as_str().to_owned());
                span.set_status(Status::error(answer.status.to_string()));
            }
        }
        Err(error) => {
            about.push(KeyValue::new("error.type", "reqwest::Error"));
            telemetry::fail(&span, "reqwest::Error", error);
        }
    }
    METERS.http_client.since(began, &about);
    answer
}

fn inject(context: &Context, headers: &mut http::HeaderMap) {
    global::get_text_map_propagator(|p| p.inject_context(context, &mut HeaderWriter(headers)));
}

/// Reads propagated context from HTTP headers, which gRPC has too.
pub(crate) struct HeaderReader<'a>(pub &'a http::HeaderMap);

impl opentelemetry::propagation::Extractor for HeaderReader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Writes propagated context to HTTP headers.
pub(crate) struct HeaderWriter<'a>(pub &'a mut http::HeaderMap);

impl opentelemetry::propagation::Injector for HeaderWriter<'_> {
    fn set(&mut self, key: &str, value: String) {
        // A value that is no header would break the request, which matters more.
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::try_from(key), http::HeaderValue::try_from(value))
        {
            self.0.insert(name, value);
        }
    }
}
