//! HTTP and gRPC, both sides, as `tower` layers over `http::Request`: for axum, hyper, tonic, and every client that is a `tower` service.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::post};
//!
//! // After the routes, so that the router has matched when the span starts: its name and the sampling rules know the route.
//! let app: Router = Router::new().route("/orders/{id}", post(|| async { "placed" })).layer(clew::http());
//! # }
//! ```
//!
//! A tonic server takes the same layer (`Server::builder().layer(clew::http())`): a request whose content type is `application/grpc` gets
//! the words of gRPC, its status is read from the trailers. Clients take [`client()`].

mod body;
mod call;
mod carrier;
mod client;
mod grpc;
mod meters;
mod routes;
mod server;
mod words;

pub use body::Body;
pub use client::{Client, ClientFuture, ClientLayer, client};
pub use server::{Server, ServerFuture, ServerLayer, http};

#[cfg(feature = "reqwest")]
pub(crate) use client::Traced;

/// What the header Content-Length says, when it is a number.
fn content_length(headers: &::http::HeaderMap) -> Option<u64> {
    headers.get(::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
