//! What every Rust service of the shop shares. `internal/fleet` and
//! `internal/bus` are its twins in Go; the package comment of the former says
//! what a process is told by its environment and how it speaks to the launcher.
//!
//! A module for each wire asks [`stack`] who instruments it: Clew's kit does it by
//! itself; for stock OpenTelemetry, which has no Rust instrumentation of tonic,
//! reqwest, sqlx and async-nats that follows its own releases, it is written out.

pub mod bus;
pub mod charter;
pub mod db;
pub mod fault;
pub mod grpc;
pub mod http;
pub mod process;
pub mod stack;
pub mod telemetry;

/// The gRPC words of the shop, made from `proto/shop.proto`.
pub mod words {
    tonic::include_proto!("shop.v1");
}

/// An error that ends a service; its text is for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
