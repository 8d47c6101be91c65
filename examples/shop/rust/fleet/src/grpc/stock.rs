//! gRPC with stock OpenTelemetry, which has no instrumentation of tonic: a tower
//! service around each end. Both speak the same HTTP types, so one wrapper serves both.
//!
//! The status of a call is read from the answer's headers, where an error stands
//! when there is no message, as in every unary call of the shop; without it the
//! call has succeeded.

use std::task::{self, Poll};
use std::time::Instant;

use http::{Request, Response, Uri};
use opentelemetry::trace::Status;
use opentelemetry::{KeyValue, global};
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::http::stock::{HeaderReader, HeaderWriter};
use crate::telemetry::meters::METERS;
use crate::telemetry::stock as telemetry;

/// Makes a server span for each call.
#[derive(Clone, Copy)]
pub struct ServerSpans;

impl<S> Layer<S> for ServerSpans {
    type Service = Spans<S>;

    fn layer(&self, inner: S) -> Spans<S> {
        Spans { inner, end: End::Server }
    }
}

/// Wraps a channel: its calls are client spans.
pub fn client<S>(inner: S) -> Spans<S> {
    Spans { inner, end: End::Client }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Server,
    Client,
}

/// One end of a call, wrapped in a span.
#[derive(Clone)]
pub struct Spans<S> {
    inner: S,
    end: End,
}

impl<S> Spans<S> {
    fn span(&self, uri: &Uri) -> Span {
        let method = uri.path().trim_start_matches('/');
        let kind = if self.end == End::Server { "server" } else { "client" };
        let span = info_span!("rpc", otel.name = method, otel.kind = kind);
        span.set_attribute("rpc.system.name", "grpc");
        span.set_attribute("rpc.method", method.to_owned());
        // A server sees the address that its caller used, as HTTP/2 gives it.
        if let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) {
            span.set_attribute("server.address", host.to_owned());
            span.set_attribute("server.port", i64::from(port));
        }
        span
    }
}

impl<S, B> Service<Request<Body>> for Spans<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: std::fmt::Display,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let began = Instant::now();
        let span = self.span(request.uri());
        let end = self.end;
        let mut about = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", request.uri().path().trim_start_matches('/').to_owned()),
        ];
        if end == End::Server {
            let parent =
                global::get_text_map_propagator(|p| p.extract(&HeaderReader(request.headers())));
            telemetry::adopt(&span, parent);
            telemetry::note_session(&span);
        } else {
            let context = span.context();
            let mut headers = HeaderWriter(request.headers_mut());
            global::get_text_map_propagator(|p| p.inject_context(&context, &mut headers));
        }
        let answer = span.in_scope(|| self.inner.call(request));
        let inside = span.clone();
        Box::pin(
            async move {
                let answer = answer.await;
                match &answer {
                    Ok(response) => about.extend(note_status(&span, end, status_of(response))),
                    Err(error) => {
                        about.push(KeyValue::new("error.type", "transport"));
                        telemetry::fail(&span, "transport", error);
                    }
                }
                let meter = match end {
                    End::Server => &METERS.rpc_server,
                    End::Client => &METERS.rpc_client,
                };
                meter.since(began, &about);
                answer
            }
            .instrument(inside),
        )
    }
}

fn status_of<B>(response: &Response<B>) -> Code {
    response
        .headers()
        .get("grpc-status")
        .map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}

/// A server is at fault for some errors only; a caller sees every one as such. Returns
/// what the duration says of it.
fn note_status(span: &Span, end: End, code: Code) -> Vec<KeyValue> {
    let name = conventional(code);
    span.set_attribute("rpc.response.status_code", name);
    let mut about = vec![KeyValue::new("rpc.response.status_code", name)];
    let servers_fault = matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    );
    if code != Code::Ok && (end == End::Client || servers_fault) {
        span.set_attribute("error.type", name);
        span.set_status(Status::error(code.description()));
        about.push(KeyValue::new("error.type", name));
    }
    about
}

/// The name of a status as the conventions write it.
fn conventional(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
