//! Durations of requests, and how many are being served.

use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use super::call::Failure;
use super::grpc;
use super::routes::Route;
use super::words::{self, METHODS, Verb};
use crate::metrics::{self, BoundHistogram, BoundUpDown, Histogram, Label};
use crate::{Component, Span};

/// How a request ended, as labels tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// The status of HTTP (0: none came), or of gRPC.
    pub status: u16,
    pub failure: Option<Failure>,
    /// The status alone makes it an error.
    pub bad: bool,
}

/// The labels of a request beside its route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Labels {
    pub server: bool,
    pub grpc: bool,
    pub verb: Verb,
    pub outcome: Outcome,
}

/// How many label sets a route remembers. What is over is bound anew each time, which costs a look-up.
const MAX_BOUND: usize = 128;

/// The durations of a route that are bound to their labels. A route sees few different ends, so a list is faster than a map.
#[derive(Default)]
pub(super) struct OfRoute(RwLock<Vec<(Labels, BoundHistogram)>>);

static SERVER: LazyLock<Histogram> = LazyLock::new(|| metrics::duration("http.server.request.duration", Component::Http));
static CLIENT: LazyLock<Histogram> = LazyLock::new(|| metrics::duration("http.client.request.duration", Component::Http));
static RPC_SERVER: LazyLock<Histogram> = LazyLock::new(|| metrics::duration("rpc.server.call.duration", Component::Grpc));
static RPC_CLIENT: LazyLock<Histogram> = LazyLock::new(|| metrics::duration("rpc.client.call.duration", Component::Grpc));

/// Records a request; the exemplar is its span.
pub(super) fn record(route: &Route, labels: Labels, took: Duration, span: &Span) {
    let seconds = took.as_secs_f64();
    {
        let bound = route.meters.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, histogram)) = bound.iter().find(|(known, _)| *known == labels) {
            span.in_scope(|| histogram.record(seconds));
            return;
        }
    }
    let histogram = bind(route, labels);
    span.in_scope(|| histogram.record(seconds));
    let mut bound = route.meters.0.write().unwrap_or_else(PoisonError::into_inner);
    if bound.len() < MAX_BOUND && bound.iter().all(|(known, _)| *known != labels) {
        bound.push((labels, histogram));
    }
}

fn bind(route: &Route, labels: Labels) -> BoundHistogram {
    let Outcome { status, failure, bad } = labels.outcome;
    let mut digits = [0; 3];
    let error = match failure {
        Some(failure) => failure.text(),
        None if labels.grpc => grpc::name(status),
        None => words::digits(status, &mut digits),
    };
    let mut all: Vec<Label<'_>> = Vec::with_capacity(4);
    if labels.grpc {
        all.push(("rpc.system.name", "grpc".into()));
        all.push(("rpc.method", (&*route.text).into()));
        all.push(("rpc.status_code", grpc::name(status).into()));
    } else {
        all.push(("http.request.method", labels.verb.label().into()));
        if !route.text.is_empty() {
            all.push(("http.route", (&*route.text).into()));
        }
        if status != 0 {
            all.push(("http.response.status_code", status.into()));
        }
    }
    if failure.is_some() || bad {
        all.push(("error.type", error.into()));
    }
    let family = match (labels.server, labels.grpc) {
        (true, false) => &SERVER,
        (false, false) => &CLIENT,
        (true, true) => &RPC_SERVER,
        (false, true) => &RPC_CLIENT,
    };
    family.with(&all)
}

static ACTIVE: LazyLock<[BoundUpDown; METHODS]> = LazyLock::new(|| {
    let family = metrics::up_down("http.server.active_requests", "{request}");
    let bound: Vec<_> = Verb::all().map(|verb| family.with(&[("http.request.method", verb.label().into())])).collect();
    bound.try_into().unwrap_or_else(|_| unreachable!("there are as many verbs as methods"))
});

/// One request more, or one less. Both are counted or neither, so that a change of levels in between leaves no remainder.
pub(super) fn begin(verb: Verb) -> bool {
    let active = &ACTIVE[verb.index()];
    let enabled = active.enabled();
    if enabled {
        active.always(1);
    }
    enabled
}

pub(super) fn end(verb: Verb) {
    ACTIVE[verb.index()].always(-1);
}
