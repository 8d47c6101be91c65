//! The server's side: a layer around a service.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

use ::http::{Extensions, HeaderMap, Method, Request, Response, Uri, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use super::call::Call;
use super::carrier::carries;
use super::routes::{Route, Routes};
use super::words::{self, Verb};
use super::{content_length, grpc};
use crate::span::Writing;
use crate::span::{self, Facts, Parent};
use crate::{Component, Context, Kind, Level, Span};

/// Routes that nobody wants to see, as the contract lists them.
const EXCLUDED: [Cow<'static, str>; 4] =
    [Cow::Borrowed("/health*"), Cow::Borrowed("/ready*"), Cow::Borrowed("/live*"), Cow::Borrowed("/metrics")];

/// One SERVER span and one duration for each request of HTTP or gRPC, and the caller's context taken over.
///
/// The span ends when the answer's body has ended or the peer has gone. A panic is recorded and goes on. For axum put the layer behind the
/// routes (`Router::layer`, or `route_layer` to leave out requests without a route).
pub fn http() -> ServerLayer {
    ServerLayer {
        config: Arc::new(Config {
            route: default_route,
            peer: default_peer,
            public: None,
            excluded: EXCLUDED.to_vec(),
            routes: Arc::default(),
        }),
    }
}

type RouteOf = for<'a> fn(&'a Extensions) -> Option<&'a str>;
type PeerOf = fn(&Extensions) -> Option<SocketAddr>;

#[derive(Clone)]
struct Config {
    route: RouteOf,
    peer: PeerOf,
    public: Option<fn(&Uri) -> bool>,
    excluded: Vec<Cow<'static, str>>,
    routes: Arc<Routes>,
}

#[cfg(feature = "axum")]
fn default_route(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
fn default_route(_: &Extensions) -> Option<&str> {
    None
}

#[cfg(feature = "axum")]
fn default_peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|info| info.0)
}

#[cfg(not(feature = "axum"))]
fn default_peer(_: &Extensions) -> Option<SocketAddr> {
    None
}

/// Makes [`Server`]s. Made by [`http`](crate::http()).
#[derive(Clone)]
pub struct ServerLayer {
    config: Arc<Config>,
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").field("excluded", &self.config.excluded).finish_non_exhaustive()
    }
}

impl ServerLayer {
    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        let config = Arc::make_mut(&mut self.config);
        change(config);
        // Routes remember what the configuration said of them.
        config.routes = Arc::default();
        self
    }

    /// Says where a router has put the route's template, as `/orders/{id}`. With feature `axum` the default reads `MatchedPath`. Without a
    /// route, spans are named by the method alone. The function must not answer with texts of the peer's choice.
    #[must_use]
    pub fn route(self, route: for<'a> fn(&'a Extensions) -> Option<&'a str>) -> Self {
        self.with(|config| config.route = route)
    }

    /// Says where a server has put the peer's address. With feature `axum` the default reads `ConnectInfo<SocketAddr>`.
    #[must_use]
    pub fn peer(self, peer: fn(&Extensions) -> Option<SocketAddr>) -> Self {
        self.with(|config| config.peer = peer)
    }

    /// Marks the requests for which `public` is true as coming from outside of the fleet: they start a new root with a link to the caller's
    /// span; the caller's sampling and baggage are not taken.
    #[must_use]
    pub fn public(self, public: fn(&Uri) -> bool) -> Self {
        self.with(|config| config.public = Some(public))
    }

    /// Replaces the routes that have neither span nor metric, by default `/health*`, `/ready*`, `/live*` and `/metrics`. A pattern is exact,
    /// or a prefix before a last `*`; it is compared with the route, or with the path where there is no route.
    #[must_use]
    pub fn exclude<P: Into<Cow<'static, str>>>(self, patterns: impl IntoIterator<Item = P>) -> Self {
        self.with(|config| config.excluded = patterns.into_iter().map(Into::into).collect())
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server { inner, config: self.config.clone() }
    }
}

/// A service with spans.
#[derive(Clone)]
pub struct Server<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S: fmt::Debug> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, In, Out> Service<Request<In>> for Server<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Error: fmt::Display,
    Out: http_body::Body,
    Out::Error: fmt::Display,
{
    type Response = Response<Body<Out>>;
    type Error = S::Error;
    type Future = ServerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Cx<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let method = request.method().clone();
        let within = self.config.begin(&request);
        let inner = match &within {
            Within::Call(call) => call.span.in_scope(|| self.inner.call(request)),
            Within::Context(context) => context.in_scope(|| self.inner.call(request)),
            Within::Nothing => self.inner.call(request),
        };
        ServerFuture { inner, method, within }
    }
}

/// What a request runs in.
enum Within {
    Call(Call),
    /// No span: the caller's context passes through.
    Context(Context),
    Nothing,
}

impl Config {
    fn begin<B>(&self, request: &Request<B>) -> Within {
        let grpc = grpc::is(request.headers());
        let component = if grpc { Component::Grpc } else { Component::Http };
        let public = self.public.is_some_and(|public| public(request.uri()));
        if !crate::switch::on(component, Level::Edges) {
            return pass(request.headers(), public);
        }
        let path = request.uri().path();
        let verb = Verb::of(request.method());
        if grpc && words::matches_any(&self.excluded, path) {
            return pass(request.headers(), public);
        }
        if grpc {
            let method = grpc::method(path);
            let span = span_of(request, public, component, method, method, verb);
            if span.recording() {
                span.fill(|to| describe_grpc(to, request));
            }
            let uri = request.uri();
            return Within::Call(match self.routes.find(method) {
                Some(known) => Call::start(span, uri, true, true, verb, known, None),
                None => {
                    let unknown = Arc::new(Route::new(method, &[]));
                    Call::start(span, uri, true, true, verb, unknown, Some(self.routes.clone()))
                }
            });
        }
        let text = (self.route)(request.extensions()).unwrap_or_default();
        let route = self.routes.get(text, &self.excluded);
        if route.excluded || text.is_empty() && words::matches_any(&self.excluded, path) {
            return pass(request.headers(), public);
        }
        let span = span_of(request, public, component, route.name(verb), text, verb);
        if span.recording() {
            self.describe(&span, request, verb, text);
        }
        Within::Call(Call::start(span, request.uri(), true, false, verb, route, None))
    }

    fn describe<B>(&self, span: &Span, request: &Request<B>, verb: Verb, route: &str) {
        // The host's function runs before the span is locked.
        let peer = (self.peer)(request.extensions());
        span.fill(|to| {
            to.set("http.request.method", verb.label());
            if !verb.known() {
                to.set("http.request.method_original", request.method().as_str());
            }
            words::describe(to, request.uri(), route);
            address(to, request);
            to.set("network.protocol.version", words::version(request.version()));
            if let Some(peer) = peer {
                to.set("client.address", words::Address::new(peer.ip()).as_str());
            }
            if let Some(agent) = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()) {
                to.set("user_agent.original", agent);
            }
        });
    }
}

fn span_of<B>(request: &Request<B>, public: bool, component: Component, name: &str, route: &str, verb: Verb) -> Span {
    let facts = Facts { route, method: verb.label() };
    let start = |parent: Parent<'_>| span::start_with(component, Level::Edges, Kind::Server, name, parent, facts);
    if !carries(request.headers()) {
        return start(Parent::Current);
    }
    let context = crate::extract(request.headers());
    start(if public { Parent::Public(&context) } else { Parent::Of(&context) })
}

fn describe_grpc<B>(to: &mut Writing<'_>, request: &Request<B>) {
    to.set("rpc.system.name", "grpc");
    to.set("rpc.method", grpc::method(request.uri().path()));
    address(to, request);
}

fn address<B>(to: &mut Writing<'_>, request: &Request<B>) {
    let (host, port) = words::host(request.uri(), request.headers());
    if !host.is_empty() {
        to.set("server.address", host);
    }
    if let Some(port) = port {
        to.set("server.port", port);
    }
}

/// Nothing is recorded: the caller's context passes through, unless the caller is not trusted.
fn pass(headers: &HeaderMap, public: bool) -> Within {
    match carries(headers) {
        true if public => Within::Context(Context::default()),
        true => Within::Context(crate::extract(headers)),
        false => Within::Nothing,
    }
}

pin_project! {
    /// The answer to come.
    pub struct ServerFuture<F> {
        #[pin]
        inner: F,
        method: Method,
        within: Within,
    }
}

impl<F, Out, E> Future for ServerFuture<F>
where
    F: Future<Output = Result<Response<Out>, E>>,
    E: fmt::Display,
    Out: http_body::Body,
{
    type Output = Result<Response<Body<Out>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner;
        let polled = match this.within {
            Within::Nothing => inner.poll(cx),
            Within::Context(context) => context.in_scope(|| inner.poll(cx)),
            Within::Call(call) => {
                let polled = crate::panics::caught(|| call.span.in_scope(|| inner.poll(cx)));
                polled.unwrap_or_else(|mut thrown| {
                    call.panicked(&mut thrown);
                    thrown.resume()
                })
            }
        };
        let Poll::Ready(answer) = polled else { return Poll::Pending };
        let (call, context) = match std::mem::replace(this.within, Within::Nothing) {
            Within::Call(call) => (Some(call), None),
            Within::Context(context) => (None, Some(context)),
            Within::Nothing => (None, None),
        };
        Poll::Ready(match (answer, call) {
            (Ok(response), None) => Ok(response.map(|body| Body::within(body, context))),
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
