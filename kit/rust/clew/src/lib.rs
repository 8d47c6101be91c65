//! Traces, metrics and logs for Rust services.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod component;
mod context;
pub mod metrics;
mod value;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod bridge;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod engine;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod headers;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod ids;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod layer;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod shared;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod start;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod subscriber;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod switch;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod visit;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod watch;
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
mod wire;

#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub mod span;

#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub mod broadcast;
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub mod mpsc;
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

pub use component::{Component, Kind, Level};
pub use context::{Carrier, Context, Member, RANDOM, SAMPLED, SpanContext, SpanId, TraceId};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use headers::{extract, inject};
#[cfg(all(feature = "kit", not(target_family = "wasm")))]
pub use span::{Span, current};
#[cfg(all(feature = "tokio", not(target_family = "wasm")))]
pub use task::{detach, spawn};
pub use value::Value;

pub use tracing;
