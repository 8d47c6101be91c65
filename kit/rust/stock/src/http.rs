//! What the tower layer costs a request: CPU time of the calling thread and allocations, over the bare service, metrics on.
//!
//! `bench-http` prints a table; with `--check` it fails over the budget: 1.5 µs and 6 allocations for a request
//! that is kept, 0.8 µs for one that is not.

mod measure;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context as Cx, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use measure::{Cost, cost};
use tower::{Layer, Service};

#[global_allocator]
static ALLOCATOR: measure::Counting = measure::Counting;

/// The least that a service does.
#[derive(Clone)]
struct Bare;

impl Service<Request<Full<Bytes>>> for Bare {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Cx<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"placed")))))
    }
}

/// What a router leaves behind.
#[derive(Clone)]
struct Matched(&'static str);

fn request(traceparent: Option<&'static str>) -> Request<Full<Bytes>> {
    let mut request = Request::post("/orders/7")
        .header("host", "shop.example:8080")
        .header("user-agent", "bench/1")
        .extension(Matched("/orders/{id}"))
        .body(Full::default())
        .expect("a request");
    if let Some(traceparent) = traceparent {
        request.headers_mut().insert("traceparent", http::HeaderValue::from_static(traceparent));
    }
    request
}

/// One request through a service, its body read as a server reads it.
fn serve<S, B>(service: &mut S, traceparent: Option<&'static str>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error = Infallible>,
{
    let mut cx = Cx::from_waker(Waker::noop());
    let answer = pin!(service.call(request(traceparent)));
    let Poll::Ready(Ok(response)) = answer.poll(&mut cx) else { unreachable!("the service answers at once") };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut cx) {
        if body.is_end_stream() {
            break;
        }
    }
}

use std::future::Future as _;

fn over(bare: Cost, with: Cost) -> Cost {
    Cost { ns: with.ns - bare.ns, allocations: with.allocations - bare.allocations }
}

fn main() {
    let sampled = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03");
    let unsampled = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02");
    let kit = clew::start(clew::Config::new("bench", "1").without_export().without_lines());
    let layer = clew::http().route(|extensions| extensions.get::<Matched>().map(|matched| matched.0));
    let mut service = layer.layer(Bare);
    let check = std::env::args().any(|argument| argument == "--check");
    let mut failed = false;
    for (name, traceparent, ns, allocations) in [
        ("a root that is kept", None, 1_500.0, 6.0),
        ("a caller's, kept", sampled, 1_500.0, 6.0),
        ("a caller's, not kept", unsampled, 800.0, 6.0),
    ] {
        let bare = cost(|| serve(&mut Bare, traceparent));
        let cost = over(bare, cost(|| serve(&mut service, traceparent)));
        let over = cost.ns > ns || cost.allocations > allocations;
        failed |= over;
        println!(
            "{name:24} {:7.0} ns {:5.1} allocations (bare {:.0} ns, {:.1}){}",
            cost.ns,
            cost.allocations,
            bare.ns,
            bare.allocations,
            if over { "  over the budget" } else { "" }
        );
    }
    drop(kit);
    if check && failed {
        std::process::exit(1);
    }
}
