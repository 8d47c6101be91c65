//! HTTP: axum requests as server spans, reqwest calls as client spans.

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opentelemetry::trace::Status;
use opentelemetry::{Context, global};
use serde_json::{Value, json};
use tracing::{Instrument, Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Failure, process, telemetry};

/// Axum middleware: a server span for each request, named after its route.
async fn inner_span(request: Request, next: Next) -> Response {
    let parent = extract(&request);
    in_span(parent, request, next).await
}

/// The same at the edge of the fleet, where a request's baggage begins: what
/// comes from outside is replaced by the shopper's session.
async fn edge_span(request: Request, next: Next) -> Response {
    let session = header(&request, "x-session-id").unwrap_or("anonymous").to_owned();
    let parent = telemetry::with_session(&extract(&request), session);
    in_span(parent, request, next).await
}

fn extract(request: &Request) -> Context {
    global::get_text_map_propagator(|p| p.extract(&HeaderReader(request.headers())))
}

async fn in_span(parent: Context, request: Request, next: Next) -> Response {
    let span = span_of(&request);
    telemetry::adopt(&span, parent);
    telemetry::note_session(&span);
    let response = next.run(request).instrument(span.clone()).await;
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

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Serves a router until the process is told to stop.
pub async fn serve(member: &str, router: axum::Router) -> Result<(), Failure> {
    serve_traced(member, router.layer(axum::middleware::from_fn(inner_span))).await
}

/// Serves the router of the fleet's edge: sessions begin here.
pub async fn serve_edge(member: &str, router: axum::Router) -> Result<(), Failure> {
    serve_traced(member, router.layer(axum::middleware::from_fn(edge_span))).await
}

async fn serve_traced(member: &str, router: axum::Router) -> Result<(), Failure> {
    let listener = process::listen(member).await?;
    process::ready();
    axum::serve(listener, router).with_graceful_shutdown(process::stopped()).await?;
    Ok(())
}

/// Begins a client that says who it is.
pub fn client(member: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder().user_agent(format!("shop-{member}/{}", env!("CARGO_PKG_VERSION")))
}

/// What another member answered.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// An answer that is an error, in the words of the whole fleet.
pub fn refusal(status: StatusCode, text: impl std::fmt::Display) -> Answer {
    Answer { status, body: json!({ "error": text.to_string() }) }
}

/// Sends one request as a client span and reads its JSON answer. A member that
/// cannot be reached, or that does not answer in JSON, is a 502. `resend` counts
/// the attempts before this one.
pub async fn call(request: reqwest::RequestBuilder, resend: i64) -> Answer {
    let (client, request) = request.build_split();
    let mut request = match request {
        Ok(request) => request,
        Err(error) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, error),
    };
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
    let answer = read(client.execute(request)).instrument(span.clone()).await;
    match answer {
        Ok(answer) => {
            // A field of tracing of type u16 would arrive as text.
            span.record("http.response.status_code", i64::from(answer.status.as_u16()));
            if answer.status.is_client_error() || answer.status.is_server_error() {
                span.set_attribute("error.type", answer.status.as_str().to_owned());
                span.set_status(Status::error(answer.status.to_string()));
            }
            answer
        }
        Err(error) => {
            telemetry::fail(&span, "reqwest::Error", &error);
            refusal(StatusCode::BAD_GATEWAY, error)
        }
    }
}

async fn read(
    response: impl Future<Output = reqwest::Result<reqwest::Response>>,
) -> reqwest::Result<Answer> {
    let response = response.await?;
    let status = response.status();
    Ok(Answer { status, body: response.json().await? })
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
