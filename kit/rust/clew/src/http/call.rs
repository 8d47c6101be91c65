//! One request between its start and the end of its answer: what both sides and both protocols share.

use std::sync::Arc;
use std::time::Instant;

use ::http::{HeaderMap, Method, Response, StatusCode, Uri};

use super::routes::{Route, Routes};
use super::words::{self, Verb};
use super::{grpc, meters};
use crate::Span;

/// Why a request failed beyond its status.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Failure {
    /// The service panicked.
    Panic,
    /// The peer went away before the answer had ended.
    Disconnected,
    /// The caller lost interest before the answer came.
    Canceled,
    /// An error of the transport, the service or the body, by its class.
    Other(&'static str),
}

impl Failure {
    pub(super) fn text(self) -> &'static str {
        match self {
            Failure::Panic => "panic",
            Failure::Disconnected => "client_disconnected",
            Failure::Canceled => "canceled",
            Failure::Other(class) => class,
        }
    }
}

/// A request in progress. It ends once: when told to, or when it is dropped.
pub(super) struct Call {
    pub span: Span,
    server: bool,
    /// The method of gRPC or the route of HTTP; for a client of HTTP the one without a text.
    route: Arc<Route>,
    /// Where a method of gRPC that was never seen is remembered, once it turns out to exist.
    learn: Option<Arc<Routes>>,
    grpc: bool,
    verb: Verb,
    started: Instant,
    /// What the root of a trace that is not sampled was asked for: its summary says so if it fails. Copying it costs a fraction of
    /// recording it.
    asked: Option<Uri>,
    status: Option<u16>,
    grpc_status: Option<u16>,
    grpc_message: Option<String>,
    /// The answer has ended, though nobody has asked for what comes after its end.
    complete: bool,
    /// Counted as being served.
    active: bool,
    ended: bool,
}

impl Call {
    pub(super) fn start(
        span: Span,
        uri: &Uri,
        server: bool,
        grpc: bool,
        verb: Verb,
        route: Arc<Route>,
        learn: Option<Arc<Routes>>,
    ) -> Call {
        let active = server && !grpc && meters::begin(verb);
        let asked = (span.keeps() && !span.recording()).then(|| uri.clone());
        Call {
            asked,
            span,
            server,
            route,
            learn,
            grpc,
            verb,
            started: Instant::now(),
            status: None,
            grpc_status: None,
            grpc_message: None,
            complete: false,
            active,
            ended: false,
        }
    }

    /// Takes note of the head of the answer. An answer without a body ends the call.
    pub(super) fn head<B: http_body::Body>(&mut self, request: &Method, response: &Response<B>) {
        let status = response.status();
        self.status = Some(status.as_u16());
        if self.grpc {
            self.grpc_status = grpc::status(response.headers());
            self.grpc_message = grpc::message(response.headers());
        } else if !self.server && self.span.recording() {
            self.span.set("network.protocol.version", words::version(response.version()));
        }
        let bodiless =
            *request == Method::HEAD || status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        if bodiless || response.body().is_end_stream() {
            self.end(None);
        }
    }

    /// Takes note of a part of the answer's trailers.
    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        if self.grpc {
            self.grpc_status = grpc::status(trailers).or(self.grpc_status);
            self.grpc_message = grpc::message(trailers).or(self.grpc_message.take());
        }
        self.complete = true;
    }

    /// The answer has ended; the call ends when its body is asked again or dropped.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// The call, unless it has ended.
    pub(super) fn open(self) -> Option<Call> {
        (!self.ended).then_some(self)
    }

    pub(super) fn panicked(&mut self, thrown: &mut crate::panics::Thrown) {
        crate::task::record_panic(&self.span, thrown);
        self.end(Some(Failure::Panic));
    }

    /// Ends the call with an error of the service, the transport or the body.
    pub(super) fn failed(&mut self, class: &'static str, error: &dyn std::fmt::Display) {
        if !self.ended {
            self.span.fail(error);
            self.end(Some(Failure::Other(class)));
        }
    }

    /// Ends the call. From the second time on nothing happens.
    pub(super) fn end(&mut self, failure: Option<Failure>) {
        if self.ended {
            return;
        }
        self.ended = true;
        let outcome = if self.grpc { self.end_grpc(failure) } else { self.end_http(failure) };
        let took = self.started.elapsed();
        if self.active {
            meters::end(self.verb);
        }
        let labels = meters::Labels { server: self.server, grpc: self.grpc, verb: self.verb, outcome };
        match self.learn.take() {
            // A peer may call what it likes: labels are taken from what exists.
            Some(_) if !grpc::served(&self.route.text, self.grpc_status) => meters::record(Route::other(), labels, took, &self.span),
            Some(routes) => meters::record(&routes.learn(&self.route), labels, took, &self.span),
            None => meters::record(&self.route, labels, took, &self.span),
        }
        self.span.finish();
    }

    /// Whether the span is told how the call has ended. That of an unsampled root is told only of a failure, and then what it was asked for.
    fn tells(&mut self, failed: bool) -> bool {
        if let Some(uri) = self.asked.take().filter(|_| failed) {
            if self.grpc {
                self.span.set("rpc.system.name", "grpc");
                self.span.set("rpc.method", &*self.route.text);
            } else {
                self.span.set("http.request.method", self.verb.label());
                self.span.fill(|to| {
                    if self.server {
                        words::describe(to, &uri, &self.route.text);
                    } else {
                        to.set("url.full", &*crate::sanitise::url(&uri.to_string()));
                    }
                });
            }
            return true;
        }
        self.span.recording()
    }

    fn end_http(&mut self, failure: Option<Failure>) -> meters::Outcome {
        // A panic after the head has been sent cannot change it any more.
        let status = match (self.status, failure) {
            (None, Some(Failure::Panic | Failure::Other(_))) if self.server => Some(500),
            (status, _) => status,
        };
        let bad = status.is_some_and(|status| status >= if self.server { 500 } else { 400 });
        if let Some(status) = status.filter(|_| self.tells(bad || failure.is_some())) {
            self.span.set("http.response.status_code", status);
        }
        match failure {
            Some(failure) => {
                self.span.set("error.type", failure.text());
                if failure == Failure::Canceled {
                    self.span.fail_text("the request was dropped before its answer");
                }
            }
            None if bad => {
                self.span.set("error.type", words::digits(status.unwrap_or(0), &mut [0; 3]));
                self.span.fail_text("");
            }
            None => {}
        }
        meters::Outcome { status: status.unwrap_or(0), failure, bad: bad && failure.is_none() }
    }

    fn end_grpc(&mut self, failure: Option<Failure>) -> meters::Outcome {
        let status = self.grpc_status.unwrap_or(match failure {
            Some(Failure::Panic) => grpc::INTERNAL,
            Some(Failure::Disconnected | Failure::Canceled) => grpc::CANCELLED,
            Some(Failure::Other("timeout")) => 4,
            Some(Failure::Other(_)) => grpc::UNAVAILABLE,
            None => self.status.map_or(grpc::UNKNOWN, grpc::of_http),
        });
        let bad = if self.server { grpc::server_error(status) } else { status != 0 };
        if self.tells(bad || failure.is_some()) {
            self.span.set("rpc.status_code", grpc::name(status));
        }
        match failure {
            Some(failure) => {
                self.span.set("error.type", failure.text());
                if failure == Failure::Canceled {
                    self.span.fail_text("the call was dropped before its answer");
                }
            }
            None if bad => {
                self.span.set("error.type", grpc::name(status));
                self.span.fail_text(self.grpc_message.as_deref().unwrap_or_default());
            }
            None => {}
        }
        meters::Outcome { status, failure, bad: bad && failure.is_none() }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let failure = if self.complete {
            None
        } else if self.server {
            Some(if std::thread::panicking() { Failure::Panic } else { Failure::Disconnected })
        } else if self.status.is_some() {
            // The caller does not want the rest of the answer: that is how an answer is closed, and a call of gRPC cancelled.
            self.grpc_status = self.grpc_status.or(Some(grpc::CANCELLED));
            None
        } else {
            Some(Failure::Canceled)
        };
        self.end(failure);
    }
}
