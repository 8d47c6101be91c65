//! Traces, metrics and logs of a service, behind `tracing`, sent as OTLP: several times cheaper than the stock stack, and never a risk to the host.
//!
//! ```no_run
//! let _kit = clew::start(clew::service!());
//! tracing::info_span!("reserve", items = 3).in_scope(|| tracing::info!("placed"));
//! ```
//!
//! - [`start`] makes the kit the process' subscriber, or `layer` puts it beside others; the guard that it returns stops it within a bounded time.
//! - [`span`] has spans that end when they are finished and take any number of attributes; macros of `tracing` make the same spans.
//! - [`extract`] and [`inject`] take the context through headers; [`current`] takes it to another task.
//! - [`metrics`] has instruments with exemplars. Events of `tracing` and records of `log` become log lines and OTLP log records.
//!
//! Nothing here fails, blocks or panics into its host: what cannot be recorded or sent is dropped and counted. Without the feature `kit`, and on wasm,
//! all of it compiles to nothing.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod component;
mod context;
pub mod metrics;
mod value;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod bridge;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod config;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod engine;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod environment;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod headers;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod ids;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod layer;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod log_bridge;
#[cfg(not(all(feature = "kit", not(target_family = "wasm"))))]
mod off;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod on_end;
#[cfg(all(feature = "otel", not(target_family = "wasm")))]
pub mod otel;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod panics;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod problems;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod resource;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod shared;
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
mod signal;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod start;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod status;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod subscriber;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod switch;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod sync;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod view;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod visit;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod watch;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod wire;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod span;

#[cfg(all(any(feature = "sqlx", feature = "redis", feature = "nats", feature = "rdkafka"), not(target_family = "wasm")))]
mod bound;
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub mod broadcast;
#[cfg(all(any(feature = "sqlx", feature = "redis"), not(target_family = "wasm")))]
mod database;
#[cfg(all(feature = "http", not(target_family = "wasm")))]
pub mod http;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod leak;
#[cfg(all(any(feature = "nats", feature = "rdkafka"), not(target_family = "wasm")))]
mod messaging;
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub mod mpsc;
#[cfg(all(feature = "nats", not(target_family = "wasm")))]
pub mod nats;
#[cfg(all(feature = "rdkafka", not(target_family = "wasm")))]
pub mod rdkafka;
#[cfg(all(feature = "redis", not(target_family = "wasm")))]
pub mod redis;
#[cfg(all(feature = "reqwest", not(target_family = "wasm")))]
pub mod reqwest;
#[cfg(all(feature = "sqlx", not(target_family = "wasm")))]
pub mod sqlx;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod task;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod thread;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod export;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod fork;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod selfmetrics;

// Decisions without state. Hidden: the contract's tests and fuzzer use them, services do not.
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod log;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod policy;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod propagation;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod resource_rules;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod sampling;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
#[doc(hidden)]
pub mod sanitise;

#[cfg(all(feature = "http", not(target_family = "wasm")))]
pub use crate::http::{client as http_client, http};
pub use component::{Component, Kind, Level};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use config::Config;
pub use context::{Carrier, Context, Member, RANDOM, SAMPLED, SpanContext, SpanId, TraceId};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use headers::{extract, inject};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use layer::{ClewLayer, layer};
#[cfg(not(all(feature = "kit", not(target_family = "wasm"))))]
pub use off::{Config, Guard, Lost, clear_levels, current, extract, inject, set_level, span, span::Span, start};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use on_end::OnEnd;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use problems::Problem;
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub use signal::signal;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use span::{Span, current};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use start::{Guard, Lost, PolicyError, apply_policy, clear_levels, set_level, start};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use status::{SignalStatus, Status};
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub use task::{detach, spawn};
pub use value::Value;

pub use tracing;
