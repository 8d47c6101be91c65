//! The client's side: a layer around anything that sends requests.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as Cx, Poll};

use ::http::{HeaderMap, Method, Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use super::call::Call;
use super::routes::{Route, Routes};
use super::words::{self, Verb};
use super::{content_length, grpc};
use crate::span::{self, Facts, Parent, Writing};
use crate::{Component, Kind, Level, Span};

/// One CLIENT span and one duration for each request of HTTP or gRPC, and the context written to its headers: `traceparent` and
/// `tracestate` always, baggage to the hosts in `propagate_to` only.
///
/// It wraps what is a `tower` service over `http::Request`: a client of `hyper-util`, or the channel of a tonic client:
///
/// ```ignore
/// let channel = tower::ServiceBuilder::new().layer(clew::http_client().server("payments", 50051)).service(channel);
/// let payments = PaymentsClient::new(channel);
/// ```
///
/// The span ends when the answer's body has ended or is dropped.
pub fn client() -> ClientLayer {
    ClientLayer { server: None }
}

/// Makes [`Client`]s. Made by [`client`].
#[derive(Clone, Debug, Default)]
pub struct ClientLayer {
    server: Option<(Arc<str>, u16)>,
}

impl ClientLayer {
    /// Says which server is called, for requests that do not say it themselves, as those of a tonic client before its channel.
    #[must_use]
    pub fn server(mut self, host: &str, port: u16) -> Self {
        self.server = Some((host.into(), port));
        self
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client { inner, server: self.server.clone() }
    }
}

/// A service with spans.
#[derive(Clone, Debug)]
pub struct Client<S> {
    inner: S,
    server: Option<(Arc<str>, u16)>,
}

impl<S, In, Out> Service<Request<In>> for Client<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Error: fmt::Display,
    Out: http_body::Body,
    Out::Error: fmt::Display,
{
    type Response = Response<Body<Out>>;
    type Error = S::Error;
    type Future = ClientFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Cx<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let method = request.method().clone();
        let server = self.server.as_ref().map(|(host, port)| (&**host, *port));
        let uri = request.uri().clone();
        let call = begin(&method, &uri, None, request.headers_mut(), server, false);
        let inner = match &call {
            Some(call) => call.span.in_scope(|| self.inner.call(request)),
            None => self.inner.call(request),
        };
        ClientFuture { inner, method, call }
    }
}

/// Starts the span of a request and writes the context to its headers. `None` when there is nothing to record; the context that is current
/// is written then. `text`: the URI's, where it is at hand. `follows`: the headers may go on to hosts that are not known yet.
fn begin(
    method: &Method,
    uri: &Uri,
    text: Option<&str>,
    headers: &mut HeaderMap,
    server: Option<(&str, u16)>,
    follows: bool,
) -> Option<Call> {
    let grpc = grpc::is(headers);
    let component = if grpc { Component::Grpc } else { Component::Http };
    let (host, port) = target(uri, server);
    let reached = if follows { "" } else { host };
    if !crate::switch::on(component, Level::Edges) {
        crate::inject(&crate::current(), reached, headers);
        return None;
    }
    let verb = Verb::of(method);
    let (name, route) = if grpc {
        let name = grpc::method(uri.path());
        (name, called().get(name, &[]))
    } else {
        (verb.name(), Route::none().clone())
    };
    let facts = Facts { route: "", method: verb.label() };
    let span = span::start_with(component, Level::Edges, Kind::Client, name, Parent::Current, facts);
    if span.recording() {
        span.fill(|to| {
            if grpc {
                to.set("rpc.system.name", "grpc");
                to.set("rpc.method", name);
            } else {
                describe(to, verb, method, &text.map_or_else(|| Cow::Owned(uri.to_string()), Cow::Borrowed));
            }
            if !host.is_empty() {
                to.set("server.address", host);
                if let Some(port) = port {
                    to.set("server.port", port);
                }
            }
        });
    }
    crate::inject(&span.context(), reached, headers);
    Some(Call::start(span, uri, false, grpc, verb, route, None))
}

/// The methods of gRPC that this process calls.
fn called() -> &'static Routes {
    static CALLED: OnceLock<Routes> = OnceLock::new();
    CALLED.get_or_init(Routes::default)
}

fn target<'a>(uri: &'a Uri, server: Option<(&'a str, u16)>) -> (&'a str, Option<u16>) {
    match uri.host() {
        None => server.map_or(("", None), |(host, port)| (host, Some(port))),
        Some(_) => {
            let (host, port) = words::split_host(uri.authority().map_or("", |authority| without_user(authority.as_str())));
            let default = match uri.scheme_str() {
                Some("https") => 443,
                _ => 80,
            };
            (host, Some(port.unwrap_or(default)))
        }
    }
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn describe(to: &mut Writing<'_>, verb: Verb, method: &Method, url: &str) {
    to.set("http.request.method", verb.label());
    if !verb.known() {
        to.set("http.request.method_original", method.as_str());
    }
    to.set("url.full", &*crate::sanitise::url(url));
}

pin_project! {
    /// The answer to come.
    pub struct ClientFuture<F> {
        #[pin]
        inner: F,
        method: Method,
        call: Option<Call>,
    }
}

impl<F, Out, E> Future for ClientFuture<F>
where
    F: Future<Output = Result<Response<Out>, E>>,
    E: fmt::Display,
    Out: http_body::Body,
{
    type Output = Result<Response<Body<Out>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner;
        let polled = match this.call {
            None => inner.poll(cx),
            Some(call) => {
                let polled = crate::panics::caught(|| call.span.in_scope(|| inner.poll(cx)));
                polled.unwrap_or_else(|mut thrown| {
                    call.panicked(&mut thrown);
                    thrown.resume()
                })
            }
        };
        let Poll::Ready(answer) = polled else { return Poll::Pending };
        Poll::Ready(match (answer, this.call.take()) {
            (Ok(response), None) => Ok(response.map(|body| Body::new(body, None, None))),
            (Ok(response), Some(mut call)) => {
                call.head(this.method, &response);
                let (call, length) = (call.open(), content_length(response.headers()));
                Ok(response.map(|body| Body::new(body, call, length)))
            }
            (Err(error), Some(mut call)) => {
                call.failed(std::any::type_name::<E>(), &error);
                Err(error)
            }
            (Err(error), None) => Err(error),
        })
    }
}

/// A request that is sent by other means than a `tower` service.
#[cfg(feature = "reqwest")]
pub(crate) struct Traced(Call);

#[cfg(feature = "reqwest")]
impl Traced {
    /// Starts the span of a request and writes its headers; `None` when there is nothing to record. `follows`: see [`begin`].
    pub(crate) fn start(method: &Method, uri: &Uri, text: &str, headers: &mut HeaderMap, follows: bool) -> Option<Traced> {
        begin(method, uri, Some(text), headers, None, follows).map(Traced)
    }

    pub(crate) fn span(&self) -> &Span {
        &self.0.span
    }

    /// Takes note of the answer. The span ends with its body.
    pub(crate) fn answered<B: http_body::Body>(mut self, method: &Method, response: Response<B>) -> Response<Body<B>> {
        self.0.head(method, &response);
        let (call, length) = (self.0.open(), content_length(response.headers()));
        response.map(|body| Body::new(body, call, length))
    }

    pub(crate) fn failed(&mut self, class: &'static str, error: &dyn fmt::Display) {
        self.0.failed(class, error);
    }
}
