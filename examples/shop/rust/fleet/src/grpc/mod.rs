//! gRPC: tonic calls as server and client spans.

mod stock;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tower::{Layer, Service};

use crate::stack::{Stack, running};
use crate::{Failure, process, telemetry};

/// Serves a service until the process is told to stop.
pub async fn serve<S>(member: &str, service: S) -> Result<(), Failure>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let incoming = TcpIncoming::from(process::listen(member).await?);
    process::ready();
    let stopped = process::stopped();
    match running() {
        Stack::Kit => {
            let session = tonic::service::InterceptorLayer::new(|call: tonic::Request<()>| {
                telemetry::kit::note_session();
                Ok(call)
            });
            let mut server = Server::builder().layer(clew::http()).layer(session);
            server.add_service(service).serve_with_incoming_shutdown(incoming, stopped).await?;
        }
        Stack::Stock => {
            let mut server = Server::builder().layer(stock::ServerSpans);
            server.add_service(service).serve_with_incoming_shutdown(incoming, stopped).await?;
        }
        Stack::Off => {
            let mut server = Server::builder();
            server.add_service(service).serve_with_incoming_shutdown(incoming, stopped).await?;
        }
    }
    Ok(())
}

/// A channel whose calls are client spans.
#[derive(Clone)]
pub enum Channel {
    Kit(clew::http::Client<tonic::transport::Channel>),
    Stock(stock::Spans<tonic::transport::Channel>),
    Off(tonic::transport::Channel),
}

/// Returns a channel to a member. It connects at the first call, and again after
/// the member was restarted.
pub fn channel(member: &str) -> Result<Channel, Failure> {
    let address = process::address(member)?;
    let inner = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    Ok(match running() {
        Stack::Kit => {
            let (host, port) = address.rsplit_once(':').unwrap_or((&address, "80"));
            Channel::Kit(clew::http_client().server(host, port.parse()?).layer(inner))
        }
        Stack::Stock => Channel::Stock(stock::client(inner)),
        Stack::Off => Channel::Off(inner),
    })
}

type Answer = Result<Response<Body>, tonic::transport::Error>;

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Channel::Kit(inner) => inner.poll_ready(cx),
            Channel::Stock(inner) => inner.poll_ready(cx),
            Channel::Off(inner) => inner.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Channel::Kit(inner) => {
                let answer = inner.call(request);
                Box::pin(async { Ok(answer.await?.map(Body::new)) })
            }
            Channel::Stock(inner) => inner.call(request),
            Channel::Off(inner) => Box::pin(inner.call(request)),
        }
    }
}
